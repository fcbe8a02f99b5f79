"""A browser's session without a browser: it speaks Streamlit's websocket, presses buttons by label, and measures."""

import asyncio
import re
import time
import urllib.request
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

PULSE = re.compile(rb'"(pulse/[\w-]{22})", ?"seen": ?"([^"]*)"')
LEAST_SECONDS, MOST_SECONDS, TIMES_A_REDRAW = 2.0, 20.0, 40
"""How often a page asks for news: see `core/web/assets/pulse.js`."""

DONE = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
LABELLED = ("button", "slider", "text_input", "number_input")
ANSWER_SECONDS = 60.0


class Session:
    """One person's tab. `errors` are what a page showed as an error or an exception; `seconds` what each interaction
    took, from its message to the end of the script that answers it."""

    def __init__(self, host: str, page: str, address: dict[str, str]) -> None:
        self._host, self._page, self._address = host, page, address
        self._widgets: dict[tuple[str, str], Any] = {}
        self._pulse: tuple[str, str] | None = None
        self._wait, self._next, self._drawn = LEAST_SECONDS, 0.0, 0.0
        self._fragment, self._parts = "", dict[str, str]()
        self._socket: ClientConnection
        self.errors: list[str] = []
        self.seconds: list[tuple[float, str, float]] = []

    async def open(self) -> None:
        """Connect, and draw the page."""
        self._socket = await connect(
            f"ws://{self._host}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            max_size=None,
            ping_interval=None,
        )
        await self.rerun("open")

    async def close(self) -> None:
        """Leave, as a closed tab does."""
        await self._socket.close()

    async def visit(self, page: str) -> None:
        """Follow a link of the navigation."""
        self._page = page
        await self.rerun("visit")

    async def press(self, label: str, **typed: str) -> bool:
        """Press the first button of this label, with texts typed into fields before, named by how their labels begin;
        False where there is no such button or field."""
        button = self.find("button", label)
        fields = [(self.find("text_input", name), text) for name, text in typed.items()]
        if button is None or any(field is None for field, _ in fields):
            return False
        typed_in = {field.id: text for field, text in fields}
        await self.rerun(label, trigger=button, texts=typed_in, fragment=self._parts[button.id])
        return True

    async def slide(self, label: str, share: float) -> bool:
        """Move a slider to a share of its way; False where there is none."""
        slider = self.find("slider", label)
        if slider is None:
            return False
        steps = round(share * (slider.max - slider.min) / slider.step)
        where = {slider.id: slider.min + steps * slider.step}
        await self.rerun("slide", slides=where, fragment=self._parts[slider.id])
        return True

    def find(self, kind: str, label: str) -> Any:
        """The first widget of a kind whose label begins so."""
        return next(
            (of for (known, name), of in self._widgets.items() if known == kind and name.startswith(label)), None
        )

    async def listen(self) -> None:
        """Ask for the pulse as the page does, and draw the page again when it changed."""
        if self._pulse is None or time.monotonic() < self._next:
            return
        address, seen = self._pulse
        if await asyncio.to_thread(_get, f"http://{self._host}/{address}") != seen:
            begun = time.monotonic()
            await self.rerun("pulse", fragment=self._fragment)
            self._wait = min(max(TIMES_A_REDRAW * (self._drawn - begun), LEAST_SECONDS), MOST_SECONDS)
        self._next = time.monotonic() + self._wait

    async def rerun(
        self,
        what: str,
        trigger: Any = None,
        texts: dict[str, str] | None = None,
        slides: dict[str, float] | None = None,
        fragment: str = "",
    ) -> None:
        """Have the script run, or a part of it, and wait for its end."""
        message = BackMsg()
        state = message.rerun_script
        state.fragment_id = fragment
        state.query_string, state.page_name = urlencode(self._address), self._page
        if trigger is not None:
            state.widget_states.widgets.add(id=trigger.id, trigger_value=True)
        for name, text in (texts or {}).items():
            state.widget_states.widgets.add(id=name, string_value=text)
        for name, value in (slides or {}).items():
            state.widget_states.widgets.add(id=name).double_array_value.data.append(value)
        begun = time.monotonic()
        await self._socket.send(message.SerializeToString())
        await asyncio.wait_for(self._read(bool(fragment)), ANSWER_SECONDS)
        self.seconds.append((begun, what, time.monotonic() - begun))

    async def _read(self, is_part: bool) -> None:
        """Take in what the server sends until a script, or the part of it that was asked for, has come to its end."""
        while True:
            content = await self._socket.recv(decode=False)
            message = ForwardMsg.FromString(content)
            kind = message.WhichOneof("type")
            if kind == "new_session" and is_part:
                is_part = False  # the next one, if there is one, draws the whole page
            elif kind == "new_session":
                self._widgets.clear()
            elif kind == "delta":
                self._take(message, content)
            elif kind == "session_event" and message.session_event.WhichOneof("type") == "script_compilation_exception":
                self.errors.append("the script does not compile")
            elif kind == "script_finished" and message.script_finished in DONE:
                return

    def _take(self, message: ForwardMsg, content: bytes) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind in LABELLED:
            widget = getattr(element, kind)
            self._widgets.setdefault((kind, widget.label), widget)
            self._parts[widget.id] = message.delta.fragment_id
        elif kind == "exception":
            self.errors.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "alert" and element.alert.format == element.alert.ERROR:
            self.errors.append(element.alert.body)
        elif kind == "bidi_component" and (found := PULSE.search(content)):
            self._fragment = message.delta.fragment_id
            self._pulse, self._drawn = (found[1].decode(), found[2].decode()), time.monotonic()


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:
        return str(answer.read().decode())
