"""Where does a JSON value end, in a text too large to be held?

A window slides over the text in constant memory. Values are followed by strings and brackets alone: a
string has to be followed by one of `, : } ]`, brackets have to match, and what opens within an object
has to follow a colon. Where that fails the value is damaged: a lost quote or bracket is found at
once, mostly, and not at the end of the file.
"""

import io
import re
from itertools import islice

from core.data.rows import LONGEST_LINE
from core.data.streams import CHUNK
from core.data.texts import skip_bom

UNCLOSED = rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'
STRING = UNCLOSED + rb'"'
PLAIN = rb'[^"{}\[\]]*+(?:' + STRING + rb'(?=[ \t\r\n]*[,:}\]])[^"{}\[\]]*+)*+'
TO_BRACKET, TO_FAULT = re.compile(PLAIN + rb"([{}\[\]])"), re.compile(PLAIN)
STRING_BEGUN, STRING_DONE = re.compile(UNCLOSED), re.compile(STRING + rb"[ \t\r\n]*")
WORD = re.compile(rb'[^\s,:\[\]{}"]+\s*')
OPENER = {ord("}"): ord("{"), ord("]"): ord("[")}
LARGEST_STEP = 1 << 24
LARGE, MANY = 1 << 20, 16


class JsonText:
    """A window over a stream of JSON text. Positions count bytes from the text's beginning.

    What stands before `mark` may be let go of; `line` is the line that the mark is in. A value longer
    than `longest` is taken for damaged, as is a large one in which `beginning`, which finds the
    beginnings of values, finds many. `stopped` is how far the last damaged value was looked at.
    """

    def __init__(self, stream: io.BufferedReader, longest: int = LONGEST_LINE) -> None:
        self.stream, self.longest = stream, longest
        self.base = self.mark = skip_bom(stream)
        self.buffer, self.line, self.ended = b"", 1, False
        self.stopped = 0
        self.beginning: re.Pattern[bytes] | None = None

    @property
    def end(self) -> int:
        """Where the window ends."""
        return self.base + len(self.buffer)

    def skip_to(self, position: int, line: int) -> None:
        """Begin there, which is in that line."""
        self.stream.read(position - self.base)
        self.base = self.mark = position
        self.line = line

    def more(self) -> bool:
        """Read on, keeping what stands from the mark on; False at the end."""
        if self.ended:
            return False
        kept = self.buffer[self.mark - self.base :]
        chunk = self.stream.read(min(max(CHUNK, len(kept)), LARGEST_STEP))
        self.ended = not chunk
        if chunk:
            self.buffer, self.base = kept + chunk, self.mark
        return bool(chunk)

    def reach(self, position: int) -> None:
        """Read until the window holds the text up to there, if there is so much."""
        while self.end < position and self.more():
            pass

    def advance(self, position: int) -> None:
        """Move the mark, counting lines."""
        self.line += self.buffer.count(b"\n", self.mark - self.base, position - self.base)
        self.mark = position

    def pass_over(self, pattern: re.Pattern[bytes]) -> int:
        """Move the mark over spaces and the like; the new mark, which is `end` at the end of the text."""
        while True:
            match = pattern.match(self.buffer, self.mark - self.base)
            if match:
                self.advance(self.base + match.end())
            if self.mark < self.end or not self.more():
                return self.mark

    def byte(self, position: int) -> bytes:
        """The byte there; empty at the end."""
        return self.buffer[position - self.base : position - self.base + 1]

    def slice(self, start: int, end: int) -> bytes:
        """The text from there to there."""
        return self.buffer[start - self.base : end - self.base]

    def end_of_value(self, start: int) -> int | None:
        """Where the value that begins here ends; None when it is damaged, cut off or too long."""
        if self.byte(start) not in (b"{", b"["):
            return self._end_of_scalar(start)
        stack, position = bytearray(), start
        while True:
            match = TO_BRACKET.match(self.buffer, position - self.base)
            if match is None:
                if self._is_fault(position) or self._is_too_long(start) or not self.more():
                    return None
                continue
            at = match.end() - 1
            self.stopped = self.base + at
            bracket = self.buffer[at]
            if bracket in b"{[":
                if stack and not self._may_open(stack[-1], at):
                    return None
                stack.append(bracket)
            elif stack.pop() != OPENER[bracket]:
                return None
            position = self.base + at + 1
            if not stack:
                return position

    def _end_of_scalar(self, start: int) -> int | None:
        """The same for a string, a number or a word, which a comma or a bracket has to follow."""
        while True:
            at = start - self.base
            value = STRING_DONE.match(self.buffer, at) or WORD.match(self.buffer, at)
            if value and value.end() < len(self.buffer):
                is_followed = self.buffer[value.end()] in b",]}"
                return start + len(value[0].rstrip()) if is_followed else None
            if not value and self._is_bad_string(at):
                return None
            if self._is_too_long(start) or not self.more():
                return None

    def _is_too_long(self, start: int) -> bool:
        size = self.end - start
        if size <= LARGE or self.beginning is None:
            return size > self.longest
        found = self.beginning.finditer(self.buffer, start - self.base + 1)
        return size > self.longest or sum(1 for _ in islice(found, MANY)) == MANY

    def _is_fault(self, position: int) -> bool:
        """Whether the way to the next bracket is blocked, and not merely cut by the window's end."""
        match = TO_FAULT.match(self.buffer, position - self.base)
        at = match.end() if match else 0
        self.stopped = self.base + at
        return at < len(self.buffer) and self._is_bad_string(at)

    def _is_bad_string(self, at: int) -> bool:
        """Whether what begins here in the window is no string, or not followed as one has to be."""
        if done := STRING_DONE.match(self.buffer, at):
            return done.end() < len(self.buffer)
        begun = STRING_BEGUN.match(self.buffer, at)
        if begun is None:
            return True
        left = len(self.buffer) - begun.end()
        return left > 1 or (left == 1 and not self.buffer.endswith(b"\\"))

    def _may_open(self, within: int, at: int) -> bool:
        before = self.buffer[max(at - 64, 0) : at].rstrip() or self.buffer[:at].rstrip()
        return before.endswith(b":" if within == ord("{") else (b",", b"["))
