"""Folders give their data files' rows, URLs their file's, and a hub id what was asked for."""

import http.server
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.data import downloads
from core.data.downloads import download
from core.data.sources import open_source
from core.errors import BadInput
from core.settings import IngestSettings

AUTO = IngestSettings()
LINE = '{"prompt": "Q", "completion": "A"}\n'


def fill(folder: Path, **files: int) -> Path:
    """Files of so many rows."""
    for name, rows in files.items():
        path = folder / name.replace("__", "/").replace("_jsonl", ".jsonl")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LINE * rows)
    return folder


def count(folder: Path, split: str | None = None) -> int:
    return len(list(open_source(str(folder), IngestSettings(split=split)).rows()))


def test_a_folder_gives_its_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    fill(tmp_path, b_jsonl=1, a_jsonl=2, sub__c_jsonl=3)
    (tmp_path / ".hidden.jsonl").write_text("oops")
    (tmp_path / "README.txt").write_text("Read me")
    rows = list(open_source(f"{tmp_path}/", AUTO).rows())
    names = [Path(row.file).relative_to(tmp_path).as_posix() for row in rows]
    assert names == ["a.jsonl"] * 2 + ["b.jsonl"] + ["sub/c.jsonl"] * 3


def test_of_files_named_by_splits_one_split_is_taken(tmp_path: Path) -> None:
    fill(tmp_path, **{"data__train-00000-of-1_jsonl": 1, "data__test-0_jsonl": 2, "dev__x_jsonl": 4, "extra_jsonl": 8})
    assert [count(tmp_path, split) for split in (None, "train", "test", "validation", "dev", "extra")] == [
        1,
        1,
        2,
        4,
        4,
        8,
    ]
    with pytest.raises(BadInput, match="no files of split 'gold'; its splits are: test, train, validation"):
        count(tmp_path, "gold")
    assert count(fill(tmp_path / "only", **{"test_jsonl": 3})) == 3


def test_one_file_that_cannot_be_used_does_not_fail_its_folder(tmp_path: Path) -> None:
    fill(tmp_path, a_jsonl=1, c_jsonl=1)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    rows = list(open_source(str(tmp_path), AUTO).rows())
    assert [row.problem is None for row in rows] == [True, False, True]
    assert "broken as Parquet" in str(rows[1].problem)
    for name in ("a.jsonl", "c.jsonl"):
        (tmp_path / name).unlink()
    with pytest.raises(BadInput, match="broken as Parquet"):
        open_source(str(tmp_path), AUTO)


def test_a_folder_without_data_and_a_link_out_of_the_roots_are_refused(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    with pytest.raises(BadInput, match="has no data files"):
        open_source(str(inside), AUTO)
    (fill(tmp_path / "out", a_jsonl=1) / "a.jsonl").rename(tmp_path / "a.jsonl")
    (inside / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    with pytest.raises(BadInput, match="outside the folders"):
        open_source(str(inside), AUTO, roots=[inside])


def test_a_hub_id_is_asked_for_with_configuration_split_and_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    asked: dict[str, Any] = {}

    def load(source: str, **options: Any) -> datasets.Dataset:
        asked.update(options, source=source)
        return datasets.Dataset.from_list([{"a": 1}, {"a": 2}])

    monkeypatch.setattr(datasets, "load_dataset", load)
    monkeypatch.setattr(huggingface_hub, "dataset_info", lambda *_, **__: None)
    source = open_source("some/data", IngestSettings(config="main", split="test", revision="v1"))
    assert asked == {"source": "some/data", "name": "main", "split": "test", "revision": "v1"}
    assert [row.fields for row in source.rows()] == [{"a": 1}, {"a": 2}]
    assert (source.size, source.position()) == (2, 2)


class Handler(http.server.BaseHTTPRequestHandler):
    """A few files, one of which breaks off."""

    asked: ClassVar[list[str]] = []
    hosts: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.hosts.append(self.headers["Host"])
        content = (LINE * 3).encode()
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/rows.jsonl")
            self.end_headers()
            return
        self.send_response(200)
        if self.path.startswith("/named"):
            self.send_header("Content-Disposition", 'attachment; filename="../rows.jsonl"')
        self.send_header("Content-Length", str(len(content) + 100 * self.path.startswith("/short")))
        self.end_headers()
        for letter in content if self.path.startswith("/slow") else ():
            self.wfile.write(bytes([letter]))
            time.sleep(0.05)
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    Handler.asked, Handler.hosts = [], []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_url_is_fetched_once_and_kept(server: str, tmp_path: Path) -> None:
    for path in ("/data/rows.jsonl?download=true", "/named"):
        source = open_source(server + path, AUTO, downloads=tmp_path)
        rows = list(source.rows())
        assert [row.fields for row in rows] == [json.loads(LINE)] * 3
        assert rows[0].file == source.name == server + path
        assert list(open_source(server + path, AUTO, downloads=tmp_path).rows()) == rows
    assert len(Handler.asked) == len(list(tmp_path.iterdir())) == 2
    assert all(path.name.endswith("rows.jsonl") for path in tmp_path.iterdir())
    assert count_rows(open_source(f"{server}/other.jsonl", AUTO)) == 3


def count_rows(source: Any) -> int:
    return sum(1 for _ in source.rows())


@pytest.mark.parametrize(
    ("path", "words"),
    [("/missing.jsonl", "answers 404"), ("/short.jsonl", "(?i)incomplete|broke off|bytes")],
)
def test_a_url_that_gives_no_whole_file_leaves_none(server: str, path: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        open_source(server + path, AUTO, downloads=tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_sends_a_letter_now_and_then_is_left(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("core.data.downloads.SECONDS_IN_ALL", 0.3)
    with pytest.raises(BadInput, match="was not here after"):
        open_source(f"{server}/slow.jsonl", AUTO, downloads=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/rows.jsonl", "http://", "https://no such host/x"])
def test_a_url_that_cannot_be_reached_says_so_in_one_line(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be had") as caught:
        open_source(url, AUTO, downloads=tmp_path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


INNER = ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "[::1]", "0.0.0.0", "2130706433", "127.1", "[::]"]
INNER += ["224.0.0.1", "[ff0e::1]", "240.0.0.1", "100.64.0.1", "192.88.99.1", "168.63.129.16"]
INNER += ["[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[::ffff:127.0.0.1]", "[::127.0.0.1]"]


@pytest.mark.parametrize("host", INNER)
def test_people_of_a_served_app_reach_no_inner_address(host: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="inner network"):
        open_source(f"http://{host}:9/rows.jsonl", IngestSettings(), tmp_path, [tmp_path])


TRICKS = ["{server}\\@8.8.8.8/x", "{server}\\.8.8.8.8/x", "http://8.8.8.8\\@{host}/x", "http://8.8.8.8@{host}/x"]
TRICKS += ["http://8.8.8.8:80@{host}/x", "{server}#@8.8.8.8/x", "{server}?@8.8.8.8/x", "{server}\t@8.8.8.8/x"]
TRICKS += ["http://\n{host}/x", "http://127.0.0.1%00.8.8.8.8/x", "http://1\u0662\u0667.0.0.1/x"]
TRICKS += ["http://\uff11\uff12\uff17.0.0.1/x"]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_spelling_of_a_url_leads_people_of_a_served_app_inside(
    trick: str, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", (0.2, 0.2))
    with pytest.raises(BadInput):
        download(trick.format(server=server, host=server.removeprefix("http://")), tmp_path, public_only=True)
    assert Handler.asked == []


def name_server(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server that gives these answers for example.test, one after the other; what it was asked."""
    asked: list[str] = []
    usual = socket.getaddrinfo

    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host != "example.test":
            return usual(host, port, *args, **options)
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [found for address in addresses for found in usual(address, port, *args, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("answers", [[["8.8.8.8"], ["127.0.0.1"]], [["8.8.8.8", "127.0.0.1"]]])
def test_a_name_server_that_changes_its_answer_leads_nobody_inside(
    answers: list[list[str]], server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "TIMEOUT", (0.2, 0.2))
    asked = name_server(monkeypatch, *answers)
    with pytest.raises(BadInput):
        download(server.replace("127.0.0.1", "example.test"), tmp_path, public_only=True)
    assert Handler.asked == []
    assert len(asked) == 1


def test_people_of_a_served_app_get_a_public_file_by_its_hosts_name(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_is_public", lambda address: address in ("127.0.0.1", "127.0.0.2"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    name_server(monkeypatch, ["127.0.0.2", "127.0.0.1"])  # nobody listens at the first
    url = server.replace("127.0.0.1", "example.test")
    path = download(f"{url}/a%20b/rows.jsonl?x=%2F&y=1#z", tmp_path, public_only=True)
    assert path.read_text() == LINE * 3
    assert (Handler.asked, Handler.hosts) == (["/a%20b/rows.jsonl?x=%2F&y=1"], [url.removeprefix("http://")])
    with pytest.raises(BadInput, match=r"leads on to '/rows\.jsonl'"):
        download(f"{url}/moved", tmp_path, public_only=True)


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
@pytest.mark.parametrize("name", ["example.test", "other.test"])
def test_the_certificate_is_checked_by_the_hosts_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out"]
    subject = ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, str(certificate), *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    named: list[str | None] = []
    context.sni_callback = lambda _, host, __: named.append(host)
    monkeypatch.setattr(downloads, "_is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    name_server(monkeypatch, ["127.0.0.1"])
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.socket = context.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        url = f"https://example.test:{running.server_address[1]}/rows.jsonl"
        try:
            if name == "example.test":
                assert download(url, tmp_path, public_only=True).read_text() == LINE * 3
            else:
                with pytest.raises(BadInput, match="ertificate"):
                    download(url, tmp_path, public_only=True)
        finally:
            running.shutdown()
            thread.join()
    assert named == ["example.test"]
