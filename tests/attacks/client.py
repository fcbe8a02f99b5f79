"""What does the server answer to somebody who speaks its websocket and no browser?

A session of the app without a browser: it opens a page by its address, sets widgets by their labels, presses buttons,
and reads every element that the server sends. So an attack needs a tenth of a second, and can say what no browser says.
"""

import http.client
import uuid
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import ClientConnection, connect

BOXES = ("text_input", "text_area", "selectbox", "button", "checkbox", "number_input", "file_uploader", "button_group")
ENDED = ForwardMsg.ScriptFinishedStatus.Value("FINISHED_SUCCESSFULLY")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to put into an uploader: its name as a browser may lie about it, and what is in it."""

    name: str
    content: bytes


@dataclass
class Session:
    """One session with a server, at one page at a time."""

    address: str
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""
    page: str = ""
    elements: dict[tuple[int, ...], Element] = field(default_factory=dict)
    states: dict[str, WidgetState] = field(default_factory=dict)
    session_id: str = ""
    socket: ClientConnection = field(init=False)

    def __enter__(self) -> Self:
        self.socket = dial(self.address, self.headers)
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def open(self, page: str = "", **address: str) -> Self:
        """A page by its address, as on a browser's first visit or after a link."""
        self.query, self.page, self.states = urlencode(address), page, {}
        return self._rerun()

    def fill(self, label: str, value: Any, press: str | None = None) -> Self:
        """Set a widget, and press a button of the page that this makes."""
        self._set(label, value)
        self._rerun()
        return self.press(press) if press else self

    def press(self, label: str) -> Self:
        """Press a button."""
        self._set(label, True)
        self._rerun()
        self.states = {name: state for name, state in self.states.items() if not state.trigger_value}
        return self

    def labels(self, kind: str) -> list[str]:
        """The labels of every widget of this kind on the page."""
        return [
            getattr(element, kind).label for element in self.elements.values() if element.WhichOneof("type") == kind
        ]

    def alerts(self) -> str:
        """The page's notices, without the escapes that keep markdown from reading them."""
        found = [element.alert.body for element in self.elements.values() if element.WhichOneof("type") == "alert"]
        return "\n".join(found).replace("\\", "")

    def crashes(self) -> list[str]:
        """What the page shows of exceptions that nobody caught."""
        shown = (element for element in self.elements.values() if element.WhichOneof("type") == "exception")
        return [f"{element.exception.type}: {element.exception.message}" for element in shown]

    def everything(self) -> bytes:
        """All that the server sent of the page, as it was sent."""
        return b"\n".join(element.SerializeToString() for element in self.elements.values())

    def upload(self, label: str, *files: Upload) -> Self:
        """Put files into an uploader, past the browser's own checks."""
        state = self._state_of(label)
        for file in files:
            info = state.file_uploader_state_value.uploaded_file_info.add()
            info.name, info.size, info.file_id = file.name, len(file.content), str(uuid.uuid4())
            status = self.put(info.file_id, file)
            assert status == 204, (file.name, status)
            info.file_urls.file_id = info.file_id
        return self._rerun()

    def name_upload(self, label: str, file_id: str, name: str, size: int) -> Self:
        """Tell the uploader that a file of this id was sent, true or not."""
        info = self._state_of(label).file_uploader_state_value.uploaded_file_info.add()
        info.file_id, info.name, info.size = file_id, name, size
        info.file_urls.file_id = file_id
        return self._rerun()

    def put(self, file_id: str, file: Upload, **headers: str) -> int:
        """Send a file as the uploader does; the status."""
        mark = uuid.uuid4().hex.encode()
        name = file.name.encode("utf-8", "surrogatepass").replace(b'"', b"%22")
        head = b'--%b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n' % (mark, name)
        body = head + file.content + b"\r\n--%b--\r\n" % mark
        sent = {"Content-Type": f"multipart/form-data; boundary={mark.decode()}"} | self.xsrf() | headers
        return request(self.address, "PUT", f"/_stcore/upload_file/{self.session_id}/{file_id}", sent, body).status

    def xsrf(self) -> dict[str, str]:
        """The header and the cookie that the server gives to its own pages."""
        cookie = request(self.address, "GET", "/_stcore/health").headers.get("Set-Cookie", "").partition(";")[0]
        return {"Cookie": cookie, "X-Xsrftoken": cookie.partition("=")[2]} if cookie else {}

    def _state_of(self, label: str) -> WidgetState:
        for element in self.elements.values():
            kind = element.WhichOneof("type")
            if kind in BOXES and getattr(element, kind).label == label:
                state = WidgetState(id=getattr(element, kind).id)
                self.states[state.id] = state
                return state
        raise LookupError(f"no widget {label!r} among {[(k, self.labels(k)) for k in BOXES]}")

    def _set(self, label: str, value: Any) -> None:
        state = self._state_of(label)
        kind = next(k for k in BOXES if label in self.labels(k))
        if kind == "button":
            state.trigger_value = True
        elif kind == "checkbox":
            state.bool_value = value
        elif kind == "number_input":
            state.double_value = value
        elif kind == "button_group":
            state.string_array_value.data.extend([value])
        else:
            state.string_value = value

    def _rerun(self) -> Self:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.widget_states.widgets.extend(self.states.values())
        self.socket.send(message.SerializeToString())
        self._read()
        return self

    def _read(self, seconds: float = 180) -> None:
        """Take in what comes until the script has run to its end; a rerun that it asked for belongs to it."""
        while True:
            message = ForwardMsg.FromString(self.socket.recv(timeout=seconds))  # type: ignore[arg-type]
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self.session_id = message.new_session.initialize.session_id
                self.elements = {}
            elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self.elements[tuple(message.metadata.delta_path)] = message.delta.new_element
            elif kind == "script_finished" and message.script_finished == ENDED:
                return


def dial(address: str, headers: dict[str, str] | None = None) -> ClientConnection:
    """The server's websocket; `Host` and `Origin` as these headers say."""
    parts = urlsplit(address)
    return connect(
        f"ws://{parts.netloc}/_stcore/stream",
        subprotocols=["streamlit"],
        additional_headers=headers,
        max_size=None,
        proxy=None,
        open_timeout=180,
    )


def request(
    address: str, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b""
) -> http.client.HTTPResponse:
    """A request whose path and headers go out as they are given; the answer, read."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=180)
    connection._validate_path = lambda _: None  # type: ignore[attr-defined]
    given = {"Host": urlsplit(address).netloc} | (headers or {})
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in given.items():
        connection.putheader(name, value)
    if body and "Content-Length" not in given:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.content = answer.read(1 << 24)  # type: ignore[attr-defined]
    connection.close()
    return answer
