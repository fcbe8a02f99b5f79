"""No file fills the memory or the disk, and none runs."""

import gzip
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from core.errors import BadInput
from core.workbench import Workbench
from tests.attacks.client import Session, Upload
from tests.attacks.conftest import Target
from tests.attacks.files import FILES, ROW, SPARSE
from tests.attacks.test_attack_places import CRASHED, ask_source
from tests.conftest import ROOT

MOST_MORE_MEMORY = 1_500_000_000


@contextmanager
def peak_of(server: psutil.Process) -> Iterator[list[int]]:
    """The resident bytes of a server and of all that it started, the most that was ever seen, in a list of one."""
    peak, is_over = [0], threading.Event()

    def look() -> None:
        while not is_over.wait(0.02):
            resident = 0
            with suppress(psutil.Error):
                resident = server.memory_info().rss
                for child in server.children(recursive=True):
                    resident += child.memory_info().rss
            peak[0] = max(peak[0], resident)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peak
    finally:
        is_over.set()
        thread.join()


def look_and_load(session: Session, path: Path, name: str) -> tuple[str, bool]:
    """What the page says of a file, and of loading it where it can be loaded; and whether it can."""
    ask_source(session, str(path))
    said, is_offered = session.alerts(), "Load" in session.labels("button")
    if is_offered:
        session.fill("Name of the dataset", name).press("Load")
        said += session.alerts()
    assert CRASHED not in said
    assert not session.crashes()
    return said, is_offered


@pytest.mark.parametrize("name", [*FILES, SPARSE])
def test_a_file_is_read_within_bounds(name: str, target: Target) -> None:
    path = target.root / name
    says = ""
    if name == SPARSE:
        with path.open("wb") as stream:
            stream.truncate(4 << 30)
        says = "binary|cannot|None|no rows"
    else:
        make, says = FILES[name]
        path.write_bytes(make())
    process = psutil.Process(target.server.process.pid)
    before = process.memory_info().rss
    try:
        with target.session() as session, peak_of(process) as peak:
            said, is_offered = look_and_load(session, path, re.sub(r"\W", "-", name)[:60])
        assert re.search(says, said), said[:500]
        assert is_offered or said, "it was neither offered nor refused"
        assert 0 < peak[0] < before + MOST_MORE_MEMORY
    finally:
        path.unlink()
    assert not (ROOT / "pwned").exists()


@pytest.fixture
def bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three megabytes of one row, a three-hundredth of that when packed; so little is judged here already."""
    monkeypatch.setattr("core.data.streams.UNJUDGED_BYTES", 1 << 20)
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(ROW * 90_000))
    return path


def test_a_bomb_gives_the_rows_before_it_and_one_that_names_the_bound(bomb: Path) -> None:
    with Workbench(bomb.parent / "workspace") as bench:
        report = bench.ingest(bomb, "bomb")
        (row,) = bench.datasets.quarantine("bomb", 0, 9)
    assert 10_000 < report.rows_loaded < 90_000
    assert "GLEANER_UNPACKED_RATIO" in row.reason


def test_the_bounds_can_be_set(bomb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workbench(bomb.parent / "workspace") as bench:
        monkeypatch.setenv("GLEANER_UNPACKED_RATIO", "2000")
        assert bench.ingest(bomb, "whole").rows_loaded == 90_000
        monkeypatch.setenv("GLEANER_UNPACKED_GB", "0.001")
        bench.ingest(bomb, "less")
        (row,) = bench.datasets.quarantine("less", 0, 9)
        assert "GLEANER_UNPACKED_GB" in row.reason
        monkeypatch.setenv("GLEANER_UNPACKED_GB", "much")
        with pytest.raises(BadInput, match="GLEANER_UNPACKED_GB is 'much'"):
            bench.ingest(bomb, "none")


def test_too_large_an_upload_is_refused(target: Target) -> None:
    with target.session() as session:
        session.open()
        assert session.put("large", Upload("x.jsonl", ROW), **{"Content-Length": str(4 << 30)}) == 413
