"""No text, option or message does more than it should."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed

from core.web.navigation import PAGES
from tests.attacks.client import Session
from tests.attacks.conftest import Target
from tests.attacks.inputs import ADDRESSES, MESSAGES, NAMES, QUERIES
from tests.conftest import core_json, run_core, write_chats

PATHS = [name for pages in PAGES.values() for name, _ in pages]
SEARCHED = ("dataset", "select", "review")


@pytest.mark.parametrize("number", range(len(QUERIES)))
def test_a_typed_text_stays_a_text(number: int, target: Target) -> None:
    with target.session() as session:
        for page in (*SEARCHED, PATHS[number % len(PATHS)]):
            session.open("" if page == "dataset" else page, **target.world.address)
            for label in {*session.labels("text_input"), *session.labels("text_area")}:
                if label in {*session.labels("text_input"), *session.labels("text_area")}:
                    session.fill(label, QUERIES[number])
                    assert not session.crashes(), (page, label)
    assert not list(Path("/tmp").glob("pwned*"))
    assert everything_is_there(target)


@pytest.mark.parametrize("number", range(len(ADDRESSES)))
def test_an_address_is_only_an_address(number: int, target: Target) -> None:
    name, value = ADDRESSES[number]
    with target.session() as session:
        for page in PATHS:
            session.open("" if page == "dataset" else page, **target.world.address | {name: value})
            assert not session.crashes(), page
    assert everything_is_there(target)


def everything_is_there(target: Target) -> bool:
    """Whether a new session finds the dataset, its run and its selection, and the rows' count."""
    with Session(target.address) as session:
        text = session.open("", **target.world.address).everything()
    return all(
        word in text
        for word in (b"hostile", str(target.world.rows).encode(), *map(str.encode, [*target.world.address.values()]))
    )


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace with a small dataset, which must be the same after all that was tried."""
    folder = tmp_path_factory.mktemp("commands")
    load = ("ingest", str(write_chats(folder / "chats.jsonl", 5)), "--name", "chats")
    loaded = core_json(folder / "workspace", *load)
    yield folder
    assert core_json(folder / "workspace", *load) == loaded


@pytest.mark.parametrize("words", NAMES, ids=[" ".join(words)[:50] for words in NAMES])
def test_a_commands_option_is_refused(words: tuple[str, ...], chats: Path) -> None:
    before = sorted(path.name for path in chats.parent.rglob("*") if "pwned" in path.name or "out.jsonl" in path.name)
    filled = [word.format(file=chats / "chats.jsonl", folder=chats) for word in words]
    said = run_core(chats / "workspace", *filled, code=2).stderr
    assert "root:x:" not in said
    assert before == sorted(
        path.name for path in chats.parent.rglob("*") if "pwned" in path.name or "out.jsonl" in path.name
    )


def rerun(**fields: object) -> bytes:
    """A wish to run the script, with these fields."""
    message = BackMsg()
    for name, value in fields.items():
        setattr(message.rerun_script, name, value)
    message.rerun_script.SetInParent()
    return message.SerializeToString()


def wrong_widgets(session: Session) -> Iterator[bytes]:
    """Every widget of the page, set to what it cannot be."""
    for element in session.elements.values():
        inner = getattr(element, str(element.WhichOneof("type")), None)
        for field, value in (("string_value", "x"), ("int_value", 1 << 62), ("json_value", '{"a": [[[')):
            message = BackMsg()
            state = message.rerun_script.widget_states.widgets.add()
            state.id = str(getattr(inner, "id", "") or "x")
            setattr(state, field, value)
            if state.id != "x":
                yield message.SerializeToString()


def unknown_upload(session: Session) -> bytes:
    """An uploader that claims to hold a file which nobody sent."""
    session.open()
    info = session._state_of("Files").file_uploader_state_value.uploaded_file_info.add()
    info.file_id, info.name, info.size = "../../x", "../../x.jsonl", 1 << 62
    message = BackMsg()
    message.rerun_script.widget_states.widgets.extend(session.states.values())
    return message.SerializeToString()


def one(**fields: object) -> bytes:
    """A message of another kind."""
    return BackMsg(**fields).SerializeToString()  # type: ignore[arg-type]


MAKE: dict[str, Callable[[Session], list[bytes | str]]] = {
    "empty": lambda _: [b""],
    "random bytes": lambda _: [os.urandom(1000) for _ in range(20)],
    "a megabyte of zeros": lambda _: [bytes(1 << 20)],
    "text where bytes are due": lambda _: [json.dumps({"rerunScript": {}})],
    "an endless length": lambda _: [b"\x5a\xff\xff\xff\xff\x0f"],
    "a shutdown": lambda _: [one(debug_shutdown_runtime=True)],
    "a broken connection": lambda _: [one(debug_disconnect_websocket=True)],
    "the caches cleared": lambda _: [one(clear_cache=True), rerun()],
    "the script stopped": lambda _: [rerun(), one(stop_script=True)],
    "files that change run the script": lambda _: [one(set_run_on_save=True)],
    "a page outside": lambda _: [rerun(page_name="../../../etc/passwd"), rerun(page_script_hash="../../app.py")],
    "a page that is not there": lambda _: [rerun(page_name="unlisted"), rerun(page_script_hash="0" * 32)],
    "a fragment that is not there": lambda _: [rerun(fragment_id="0" * 32)],
    "an address of a megabyte": lambda _: [rerun(query_string="row=" + "9" * (1 << 20))],
    "widgets that are not there": lambda _: [
        BackMsg.FromString(rerun()).SerializeToString() + b"\x5a\x04\x12\x02\x0a\x00"
    ],
    "widgets of other kinds": lambda session: list(wrong_widgets(session))[:40],
    "a file that was never sent": lambda session: [unknown_upload(session)],
    "a backend operation": lambda _: [b"\x9a\x01\x02\x0a\x00", b"\xa2\x01\x02\x0a\x00", b"\xaa\x01\x02\x0a\x00"],
    "addresses for files": lambda _: [b"\x82\x01\x06\x0a\x01x\x12\x01y", b"\x8a\x01\x06\x0a\x01x\x12\x01y"],
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_harms_at_most_its_own_session(name: str, target: Target) -> None:
    with target.session() as session:
        session.open("select", **target.world.address)
        for message in MAKE[name](session):
            try:
                session.socket.send(message)
            except ConnectionClosed:
                break
    assert everything_is_there(target)


def test_clearing_the_caches_opens_no_second_workspace(target: Target) -> None:
    with target.session() as session:
        session.open("select", **target.world.address)
        for _ in range(3):
            session.socket.send(one(clear_cache=True))
            session.open("select", **target.world.address)
            assert not session.crashes()
    files = [
        str(path.readlink()) for path in Path(f"/proc/{target.server.process.pid}/fd").iterdir() if path.is_symlink()
    ]
    assert files.count(str(target.world.workspace / "curation.duckdb")) == 1
