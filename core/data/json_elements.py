"""Where does each element of a JSON array, or member of a JSON object, begin and end?

Where the window finds an element damaged, the next one is looked for by how the file's first one
began, so that the damage costs this element alone. Where elements are cut does not depend on whether
they are read or passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from core.data.json_window import STRING, JsonText
from core.data.rows import LONGEST_LINE, SHOWN_BYTES
from core.data.streams import reason_of_break
from core.data.texts import TOO_LONG

KEY = re.compile(STRING + rb"\s*:\s*")
FIRST_KEY = re.compile(rb"\{(\s*)(" + STRING + rb")\s*:")
BETWEEN, SPACES = re.compile(rb"[\s,]*"), re.compile(rb"\s*")
AFTER_LIST = re.compile(rb'\}|,\s*"')
INDENTATION = re.compile(rb"\n([ \t]*)\Z")
OVERLAP = 4096
"""More than what stands between two elements, so that the beginning of one is seen whole."""

SIGHT = 1 << 16
RESCANNED_BYTES = 1 << 26
CUT_OFF = "the array is not closed: the file is cut off"
AFTER_END = "text after the end of the array"
ANY_OBJECT = re.compile(rb"[,}\]\n]\s*(?=\{\s*" + STRING + rb"\s*:)")
STRAY_BRACKET = "a bracket that does not belong there"
NO_MORE = re.compile(rb"(?!)")


@dataclass(frozen=True, slots=True)
class Element:
    """What was cut out: its place, its text, the key it had if in an object, what is wrong with it.

    `is_whole`: its brackets and quotes match, so no text in it holds a line break.
    """

    line: int
    offset: int
    content: bytes
    key: bytes | None = None
    fault: str | None = None
    is_whole: bool = False


class Elements:
    """The elements of an array, from the text's mark on, which stands after the opening bracket.

    `keyed`: they are members of an object; `enclosed`: a closing bracket ends them; `nested`: what
    follows that bracket belongs to an object around the array, which is known to be `sound`, or else
    the bracket may be a damaged element's.
    """

    def __init__(
        self,
        text: JsonText,
        *,
        keyed: bool = False,
        enclosed: bool = True,
        nested: bool = False,
        sound: bool = False,
    ) -> None:
        self._text, self._keyed, self._enclosed, self._nested = text, keyed, enclosed, nested
        self._sound, self._is_tail = sound, False
        self._closer = b"}" if keyed else b"]"
        self._learned: re.Pattern[bytes] | None = None
        self._rescanned = 0

    def __iter__(self) -> Iterator[Element]:
        text = self._text
        while True:
            start = text.pass_over(BETWEEN)
            if start == text.end:
                yield from self._end_of_file()
                return
            text.reach(start + OVERLAP)
            self._learned = self._learned or self._learn(start) or self._learn_ahead(start)
            text.beginning = None if self._keyed else self._learned
            fault = None
            searched = start + 1
            if self._enclosed and text.byte(start) == self._closer:
                if self._is_end(start):
                    return
                searched, start, fault = start, text.mark, AFTER_END
                if text.byte(start) == b"[" and not self._nested:
                    text.advance(start + 1)  # arrays one after the other
                    continue
            line = text.line
            if text.byte(start) == b"[" and self._learned:
                yield Element(line, start, b"[", fault=STRAY_BRACKET)
                text.advance(start + 1)
                continue
            value, end = (start, None) if fault else self._value(start)
            if end is not None and not self._has_swallowed(value, end):
                key = text.slice(start, value) if self._keyed else None
                line += key.count(b"\n") if key else 0
                yield Element(line, value, text.slice(value, end), key, is_whole=True)
                text.advance(end)
                continue
            damaged = self._damaged(line, start, searched, fault)
            is_last = text.ended and text.mark == text.end
            if not (is_last and self._is_tail):
                yield damaged
            if is_last:
                return
            self._is_tail = False

    def _value(self, start: int) -> tuple[int, int | None]:
        """Where the value of an element begins and ends; no end if it is damaged."""
        text = self._text
        if not self._keyed:
            return start, text.end_of_value(start)
        key = KEY.match(text.buffer, start - text.base)
        if key is None or not text.byte(text.base + key.end()):
            return start, None
        value = text.base + key.end()
        return value, text.end_of_value(value)

    def _has_swallowed(self, start: int, end: int) -> bool:
        """Whether a value whose brackets match is no JSON and holds what looks like the next element."""
        content = self._text.slice(start, end)
        try:
            orjson.loads(content)
        except orjson.JSONDecodeError:
            return self._learned is not None and self._learned.search(content, 1) is not None
        return False

    def _end_of_file(self) -> Iterator[Element]:
        broken = reason_of_break(self._text.stream)
        if broken or self._enclosed:
            yield Element(self._text.line, self._text.mark, b"", fault=broken or CUT_OFF)

    def _is_end(self, start: int) -> bool:
        """Whether the bracket here ends the elements: nothing may follow it."""
        text = self._text
        text.advance(start + 1)
        rest = text.pass_over(SPACES)
        if rest == text.end:
            return not reason_of_break(text.stream)
        text.reach(rest + OVERLAP)
        self._is_tail = self._nested and AFTER_LIST.match(text.buffer, rest - text.base) is not None
        return self._is_tail and self._sound

    def _learn(self, start: int) -> re.Pattern[bytes] | None:
        """How the next element is found, by how this one begins; the end of the match is where it stands."""
        text = self._text
        before = INDENTATION.search(text.buffer, max(start - text.base - OVERLAP, 0), start - text.base)
        line = b"\n" + re.escape(before[1]) if before else None
        if self._keyed:
            ahead = b"(?=" + STRING + rb"\s*:\s*\{)"
            return re.compile(line + ahead if line else rb"[}\]]\s*,\s*" + ahead)
        first = FIRST_KEY.match(text.buffer, start - text.base)
        if first is None:
            return None
        named = rb"(?=\{\s*" + re.escape(first[2]) + rb"\s*:)"
        if line is None:
            return re.compile(rb"[,}\n]\s*" + named)
        is_spread = b"\n" in first[1]
        return re.compile(line + (named if is_spread and before and not before[1] else rb"(?=\{)"))

    def _learn_ahead(self, start: int) -> re.Pattern[bytes] | None:
        """The same by the largest object in sight, where the first one has lost its beginning."""
        text, found = self._text, dict[bytes, int]()
        at = start - text.base
        for match in FIRST_KEY.finditer(text.buffer, at, at + SIGHT):
            found.setdefault(match[2], text.base + match.start())
        sizes = {position: (text.end_of_value(position) or 0) - position for position in list(found.values())[:20]}
        largest = max(sizes, key=lambda position: sizes[position], default=None)
        return None if largest is None or self._keyed else self._learn(largest)

    def _damaged(self, line: int, start: int, searched: int, fault: str | None) -> Element:
        """The text from here to the next element or the end; the mark stands there afterwards.

        The next is looked for from `searched` on.
        """
        text = self._text
        self._rescanned += max(text.stopped - start, 0)
        if self._rescanned > 4 * text.end + RESCANNED_BYTES:
            text.longest = SIGHT  # or each bracket that is never closed costs a look at all that follows
        is_hopeless = self._rescanned > 16 * (4 * text.end + RESCANNED_BYTES)
        following = NO_MORE if is_hopeless else self._learned or ANY_OBJECT
        head = b""
        while not (match := following.search(text.buffer, searched - text.base)):
            searched = max(searched, text.end - OVERLAP)
            if text.end - text.mark > LONGEST_LINE:
                head = head or text.slice(start, start + SHOWN_BYTES)
                text.advance(searched)
            if not text.more():
                break
        end = text.base + match.end() if match else text.end
        content = head or text.slice(start, end)
        content = content.rstrip(b" \t\r\n,") or content
        text.advance(end)
        broken = None if match else reason_of_break(text.stream)
        return Element(line, start, content, fault=TOO_LONG if head else broken or fault)
