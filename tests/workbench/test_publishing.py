"""What goes to the hub is what the lock names, byte for byte, and nothing where a file is not as it was written."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from core.errors import BadInput
from core.workbench.publishing import publish_export
from tests.conftest import ROOT
from tests.data.test_lock import FILES, write_export

TOKEN = "hf_secretsecretsecret"
CARD = b"---\npretty_name: x\n---\n\n# words\n"


@dataclass
class Hub:
    """What a stand-in for the hub was asked, on a port of this machine."""

    address: str
    exists: bool = False
    is_private: bool = True
    refuses: int = 0
    created: list[dict] = field(default_factory=list)
    committed: dict[str, bytes] = field(default_factory=dict)
    tokens: dict[str, str | None] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> tuple[int, dict]:
        if self.refuses:
            return self.refuses, {"error": f"no, {TOKEN}"}
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return (409 if self.exists else 200), {"url": f"{self.address}/datasets/ann/sel", "error": "is there"}
        if path == "/api/datasets/ann/sel":
            return 200, {"id": "ann/sel", "private": self.is_private, "sha": "0" * 40, "siblings": []}
        if path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if path == "/api/datasets/ann/sel/preupload/main":
            names = [file["path"] for file in json.loads(body)["files"]]
            return 200, {"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]}
        if path == "/api/datasets/ann/sel/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.committed[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"{self.address}/datasets/ann/sel/commit/{'0' * 40}"
            return 200, {"commitUrl": url, "commitOid": "0" * 40, "success": True}
        return 404, {"error": f"unknown {path}"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            known.tokens[path] = self.headers.get("Authorization")
            status, told = known.answer(path, body)
            text = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Hub(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", known.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    huggingface_hub.close_session()
    yield known
    server.shutdown()
    server.server_close()
    huggingface_hub.close_session()


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(FILES, "sel.card.md", CARD)
    (tmp_path / "private-notes.txt").write_text("not to be published")
    return write_export(tmp_path)


def test_exactly_the_locks_files_the_lock_and_the_card_go_up(hub: Hub, lock: Path) -> None:
    address = publish_export(lock, "ann/sel")
    assert address == f"{hub.address}/datasets/ann/sel"
    assert hub.committed == FILES | {"sel.lock.json": lock.read_bytes(), "README.md": CARD}
    (created,) = hub.created
    assert (created["name"], created["organization"], created["type"]) == ("sel", "ann", "dataset")
    assert created.get("private") is True or created.get("visibility") == "private"
    asked = {path: token for path, token in hub.tokens.items() if "ann/sel" in path or "create" in path}
    assert set(asked.values()) == {f"Bearer {TOKEN}"}


def test_public_has_to_be_said(hub: Hub, lock: Path) -> None:
    hub.exists, hub.is_private = True, False
    with pytest.raises(BadInput, match="is there already and public"):
        publish_export(lock, "ann/sel")
    assert hub.committed == {}
    publish_export(lock, "ann/sel", private=False)
    assert "README.md" in hub.committed


def test_a_file_that_is_not_as_it_was_written_stays_here(hub: Hub, lock: Path) -> None:
    (lock.parent / "sel.jsonl").write_text("{}\n")
    with pytest.raises(BadInput, match=r"sel\.jsonl is not what was written"):
        publish_export(lock, "ann/sel")
    assert not hub.created
    assert not hub.committed


@pytest.mark.parametrize("status", [401, 403, 404, 418])
def test_what_the_hub_refuses_is_one_line_without_the_token(status: int, hub: Hub, lock: Path) -> None:
    hub.refuses = status
    with pytest.raises(BadInput, match="could not be published") as raised:
        publish_export(lock, "ann/sel")
    assert "\n" not in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_a_name_that_cannot_be_is_one_line(hub: Hub, lock: Path) -> None:
    with pytest.raises(BadInput, match="could not be published") as raised:
        publish_export(lock, "a/b/c")
    assert "\n" not in str(raised.value)


def test_without_a_token_or_a_network_it_is_one_line(
    lock: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(BadInput, match="needs a token"):
        publish_export(lock, "ann/sel")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadInput, match=r"could not be published: .*offline mode"):
        publish_export(lock, "ann/sel", token=TOKEN)


def test_verify_and_publish_need_no_workspace(lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("GLEANER_WORKSPACE", str(tmp_path / "none"))
    done = plain("verify", str(lock), "--json")
    assert json.loads(done) == {"files": 3, "all_as_written": True}
    (tmp_path / "sel.jsonl").write_text("{}\n")
    for words in (("verify", str(lock)), ("publish", str(lock), "ann/sel")):
        told = plain(*words, code=2)
        assert "sel.jsonl is not what was written" in told
    assert not (tmp_path / "none").exists()


def plain(*words: str, code: int = 0) -> str:
    """What a command prints that takes no workspace."""

    done = subprocess.run(
        [sys.executable, "-m", "core", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr
