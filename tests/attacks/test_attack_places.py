"""No path, address or name of a file leads out of where data may come from."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from core.data.sources import open_source
from core.errors import BadInput
from core.settings import IngestSettings
from tests.attacks.client import Session, Upload
from tests.attacks.conftest import Target
from tests.attacks.places import SECRET, SOURCES, UPLOAD_IDS, UPLOADS
from tests.conftest import wait_until

SOURCE = "Path on this server, URL, or hub id; several files one a line"
ROW = b'{"prompt": "a", "completion": "b"}\n'
CRASHED = "encountered an error"


def ask_source(session: Session, source: str, **address: str) -> None:
    """Type a source on the Dataset page."""
    session.open("", **address).fill("Source", "Path, URL or hub id").fill(SOURCE, source)


@pytest.mark.parametrize("payload", SOURCES, ids=range(len(SOURCES)))
def test_a_typed_source_leads_nowhere_outside(payload: str, target: Target) -> None:
    port = urlsplit(target.address).port
    source = payload.format(root=target.root, outside=target.outside, port=port)
    with target.session() as session:
        ask_source(session, source, **target.world.address)
        assert session.alerts(), "nothing was said"
        assert CRASHED not in session.alerts()
        assert not session.crashes()
        assert SECRET.encode() not in session.everything()
        assert b"root:x:" not in session.everything()
        assert "Load" not in session.labels("button")
    assert not list(target.root.glob("pwned"))


def test_the_same_way_leads_inside(target: Target) -> None:
    def leads() -> bool:
        with target.session() as session:
            ask_source(session, str(target.root / "inside.jsonl"), **target.world.address)
            return not session.alerts() and "Load" in session.labels("button")

    wait_until(leads)  # rows of a bomb that are still taken in may hold all of the database's memory


def test_a_link_turned_after_it_was_looked_at_is_not_followed_anew(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "good.jsonl").write_bytes(ROW)
    (outside / "secret.jsonl").write_bytes(b'{"prompt": "%b", "completion": "b"}\n' % SECRET.encode())
    link = root / "turned.jsonl"
    link.symlink_to(root / "good.jsonl")
    source = open_source(str(link), IngestSettings(), roots=[root])
    link.unlink()
    link.symlink_to(outside / "secret.jsonl")
    assert [row.fields for row in source.rows()] == [{"prompt": "a", "completion": "b"}]


def strangers(workspace: Path) -> list[Path]:
    """Files of uploads that lie elsewhere than one folder below the sources."""
    rows = (path for path in workspace.parent.parent.rglob("*") if path.is_file() and path.stat().st_size < 1000)
    return [path for path in rows if path.read_bytes() == ROW and path.parent.parent != workspace / "sources"]


@pytest.mark.parametrize("name", UPLOADS, ids=range(len(UPLOADS)))
def test_an_uploaded_file_stays_in_a_folder_of_its_own(name: str, target: Target) -> None:
    with target.session() as session:
        session.open().upload("Files", Upload(name, ROW))
        if name.endswith(".jsonl") and "\0" not in name:  # the others Streamlit refuses itself
            assert CRASHED not in session.alerts()
            assert not session.crashes()
    assert not strangers(target.world.workspace)
    assert not [path for path in (target.world.workspace / "sources").glob("*/*") if path.name.startswith((".", "-"))]


@pytest.mark.parametrize("file_id", UPLOAD_IDS, ids=range(len(UPLOAD_IDS)))
def test_the_id_of_an_upload_is_no_path(file_id: str, target: Target) -> None:
    with target.session() as session:
        session.open()
        session.put(file_id, Upload("up.jsonl", ROW))
        session.name_upload("Files", file_id.replace("%2e", "."), "up.jsonl", len(ROW))
        assert not session.crashes()
    assert not strangers(target.world.workspace)


@pytest.mark.parametrize("url", ["http://ada:hunter2@127.0.0.1:9/x.jsonl", "HTTPS://hunter2@127.0.0.1:9/x?y=1"])
def test_a_password_in_an_address_is_not_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        open_source(url, IngestSettings(), tmp_path)
    assert "hunter2" not in str(refused.value)
    assert "127.0.0.1:9/x" in str(refused.value)
