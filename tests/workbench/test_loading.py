"""Loading is a job: it can be stopped anywhere, and what it leaves is whole, once, and counted."""

import errno
import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.blocks import Blocks
from core.data.digests import digest_example
from core.errors import BadInput, Fault
from core.jobs.folder import JobFolder
from core.jobs.worker import run_here
from core.records import IngestReport
from core.settings import IngestSettings
from core.store import Loads
from core.tasks import loading as task
from core.workbench import Workbench
from core.workbench import loading as face
from tests.conftest import wait_until, write_chats

ROWS = 250


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with Workbench(tmp_path / "workspace") as opened:
        yield opened


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "BLOCK_ROWS", 20)


def write(folder: Path, rows: int = ROWS, name: str = "rows.jsonl", changed: int | None = None) -> Path:
    """Rows, every tenth an exact repeat, every seventh with an empty completion."""
    path = folder / name
    with path.open("w", encoding="utf-8") as stream:
        for i in range(rows):
            of = 0 if i % 10 == 9 else i
            said = "" if i % 7 == 6 else f"answer {of}" + (" changed" if i == changed else "")
            stream.write(json.dumps({"prompt": f"question {of}", "completion": said}) + "\n")
    return path


def test_blocks_make_the_same_dataset_as_one(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path)
    whole = bench.ingest(source, "whole")
    monkeypatch.setattr(task, "BLOCK_ROWS", 13)
    parts = bench.ingest(source, "parts")
    assert (whole.rows_read, whole.rows_loaded, whole.rows_quarantined) == (250, 215, 35)
    assert (parts.rows_read, parts.rows_loaded, parts.rows_quarantined) == (250, 215, 35)
    assert bench.datasets.get("whole").content_hash == bench.datasets.get("parts").content_hash
    assert bench.datasets.example_ids("whole") == bench.datasets.example_ids("parts")
    assert len(set(bench.datasets.example_ids("whole"))) == 215
    entries = bench.repairs.entries("parts")
    assert [entry.line for entry in entries] == [i + 1 for i in range(ROWS) if i % 7 == 6]
    lines = source.read_bytes().splitlines(keepends=True)
    assert all(entry.byte_offset == len(b"".join(lines[: entry.line - 1])) for entry in entries)


@pytest.mark.usefixtures("small_blocks")
def test_a_load_goes_on_behind_its_last_whole_block(tmp_path: Path) -> None:
    source, moments = write(tmp_path), random.Random(0)
    with Workbench(tmp_path / "undisturbed") as bench:
        expected = bench.ingest(source, "rows")
        ids, content = bench.datasets.example_ids("rows"), bench.datasets.get("rows").content_hash
    for attempt in range(6):
        workspace = tmp_path / str(attempt)
        with Workbench(workspace) as bench:
            load = bench._begin([str(source)], "rows", IngestSettings(), guarded=False)
            job = JobFolder(bench.folder.loads / load)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Blocks, "write", dying(Blocks.write, moments.randrange(13)))
                with pytest.raises(KeyboardInterrupt):
                    run_here(job.path)
            assert job.progress().state == "interrupted"
            bench.take_loads()
            assert bench.datasets.all() == []
        with Workbench(workspace) as bench:
            assert bench.ingest(source, "rows") == expected
            assert bench.datasets.example_ids("rows") == ids
            assert bench.datasets.get("rows").content_hash == content
            assert bench.loads.all() == []
            assert not (bench.folder.loads / load / "blocks").exists()


def dying(write_block, count: int):
    """A `write` that dies in its `count`-th call."""
    calls = iter(range(count + 1))

    def write_or_die(self: Blocks, *given: object) -> None:
        if next(calls) == count:
            raise KeyboardInterrupt
        write_block(self, *given)

    return write_or_die


def test_the_same_content_again_changes_nothing(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    first = bench.ingest(source, "rows")
    assert bench.ingest(source, "rows") == first
    copy = tmp_path / "elsewhere.jsonl"
    copy.write_bytes(source.read_bytes())
    assert bench.ingest(copy, "rows") == first
    assert [dataset.name for dataset in bench.datasets.all()] == ["rows"]


def test_changed_content_is_the_next_version_and_keeps_decisions(bench: Workbench, tmp_path: Path) -> None:
    bench.ingest(write(tmp_path), "rows")
    bench.decide("rows", [0, 3], "ban", "dull")
    report = bench.ingest(write(tmp_path, changed=3), "rows")
    assert report == IngestReport("rows@2", "prompt-completion", 250, 215, 35)
    newest = bench.datasets.get("rows@2")
    assert (newest.title, newest.version, newest.previous) == ("rows", 2, "rows")
    assert bench.decisions.standing("rows@2").banned == (0,)
    third = bench.ingest(write(tmp_path, rows=100), "rows@2")
    assert (third.dataset, bench.datasets.get("rows@3").previous) == ("rows@3", "rows@2")
    assert bench.ingest(write(tmp_path), "rows").dataset == "rows"


def test_several_files_are_one_dataset(bench: Workbench, tmp_path: Path) -> None:
    files = [write(tmp_path, 30, "a.jsonl"), write(tmp_path, 20, "b.jsonl", changed=1)]
    report = bench.ingest(files, "both")
    assert report.rows_read == 50
    assert {Path(of.file).name for of in bench.datasets.examples("both", range(report.rows_loaded))} == {
        "a.jsonl",
        "b.jsonl",
    }
    assert len(set(bench.datasets.example_ids("both"))) == report.rows_loaded


def test_a_source_of_which_nothing_can_be_loaded_leaves_nothing(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text('{"prompt": "p", "completion": ""}\n' * 2)
    with pytest.raises(BadInput, match=r"`completion` is empty \(2\)"):
        bench.ingest(path, "rows")
    assert (bench.datasets.all(), bench.loads.all()) == ([], [])
    assert bench.ingest(write(tmp_path), "rows").rows_loaded == 215


@pytest.mark.usefixtures("small_blocks")
def test_a_file_that_changed_since_its_load_stopped_is_read_anew(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    load = bench._begin([str(source)], "rows", IngestSettings(), guarded=False)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Blocks, "write", dying(Blocks.write, 5))
        run_here(bench.folder.loads / load)
    bench.take_loads()
    report = bench.ingest(write(tmp_path, 120), "rows")
    assert (report.rows_read, len(bench.datasets.example_ids("rows"))) == (120, report.rows_loaded)


@pytest.mark.usefixtures("cold_workers")
def test_a_job_loads_in_a_process_of_its_own_and_can_be_cancelled(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLEANER_BLOCK_ROWS", "50")
    source = write(tmp_path, 20_000)
    load = bench.start_loading(source, "rows")
    wait_until(lambda: bench.load_progress(load).done > 0)
    bench.cancel_load(load)
    wait_until(lambda: bench.load_progress(load).state == "cancelled" and not is_alive(bench, load))
    bench.take_loads()
    assert bench.datasets.all() == []
    bench.resume_load(load)
    wait_until(lambda: bench.load_progress(load).state == "done")
    bench.take_loads()
    assert bench.load_report(load).rows_read == 20_000
    other = bench.start_loading(write(tmp_path, 19_000), "rows")
    wait_until(lambda: bench.load_progress(other).done > 0)
    bench.cancel_load(other)
    wait_until(lambda: bench.load_progress(other).has_ended and not is_alive(bench, other))
    bench.discard_load(other)
    assert (bench.loads.all(), [of.name for of in bench.datasets.all()]) == ([], ["rows"])


def is_alive(bench: Workbench, load: str) -> bool:
    return JobFolder(bench.folder.loads / load).is_alive()


def test_a_large_source_is_loaded_by_a_worker_with_the_same_result(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = bench.ingest(write(tmp_path), "here")
    monkeypatch.setattr(face, "SHORT_BYTES", 0)
    there = bench.ingest(write(tmp_path), "there")
    assert (there.rows_loaded, there.rows_quarantined) == (here.rows_loaded, here.rows_quarantined)
    assert bench.datasets.get("there").content_hash == bench.datasets.get("here").content_hash


def test_pages_read_files_under_the_allowed_roots_alone(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    monkeypatch.chdir(inside)
    monkeypatch.setenv("HOME", str(inside))
    secret = write(outside)
    (inside / "link.jsonl").symlink_to(secret)
    for path in (secret, inside / "link.jsonl", inside / ".." / "outside" / "rows.jsonl"):
        with pytest.raises(BadInput, match="GLEANER_ROOTS"):
            bench.start_loading(path, "rows", guarded=True)
    assert bench.preview(write(inside), guarded=True).format == "prompt-completion"
    monkeypatch.setenv("GLEANER_ROOTS", os.pathsep.join([str(outside), "/nowhere"]))
    assert bench.preview(secret, guarded=True).format == "prompt-completion"
    with pytest.raises(BadInput, match="GLEANER_ROOTS"):
        bench.preview(inside / "rows.jsonl", guarded=True)
    monkeypatch.setenv("GLEANER_ROOTS", str(inside))
    with pytest.raises(BadInput, match="GLEANER_ROOTS"):
        bench.ingest(secret, "rows")


def test_the_content_hash_is_that_of_the_examples(bench: Workbench, tmp_path: Path) -> None:
    import hashlib

    bench.ingest(write(tmp_path), "rows")
    examples = bench.datasets.examples("rows", range(215))
    whole = hashlib.sha256(b"".join(digest_example(example) for example in examples)).hexdigest()
    assert bench.datasets.get("rows").content_hash == whole


def test_other_bad_rows_or_other_bytes_are_another_version(bench: Workbench, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = '{"prompt": "p", "completion": "c"}\n'
    path.write_text(good)
    assert bench.ingest(path, "rows").rows_read == 1
    path.write_text(good + '{"prompt": "lost", "completion": ""}\n{bad\n')
    assert bench.ingest(path, "rows") == IngestReport("rows@2", "prompt-completion", 3, 1, 2)
    path.write_text('{"completion": "c",  "prompt": "p"}\n')
    assert bench.ingest(path, "rows").dataset == "rows@3"
    assert bench.datasets.examples("rows@3", [0])[0].original + "\n" == path.read_text()
    path.write_text(good)
    assert bench.ingest(path, "rows").dataset == "rows"


@pytest.mark.usefixtures("small_blocks")
def test_a_load_does_not_go_on_in_a_file_that_is_another_now(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    load = bench._begin([str(source)], "rows", IngestSettings(), guarded=False)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Blocks, "write", dying(Blocks.write, 5))
        run_here(bench.folder.loads / load)
    bench.take_loads()
    write(tmp_path, 120)
    run_here(bench.folder.loads / load)
    assert "was changed since this load began" in str(bench.load_progress(load).error)
    bench.take_loads()
    assert (bench.loads.all(), bench.datasets.all()) == ([], [])


@pytest.mark.usefixtures("small_blocks")
def test_a_block_that_cannot_be_read_fails_its_load_alone(tmp_path: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        load = bench._begin([str(write(tmp_path))], "rows", IngestSettings(), guarded=False)
        assert run_here(bench.folder.loads / load) == 0
        (bench.folder.loads / load / "blocks" / "000000003.arrow").write_bytes(b"junk")
    with Workbench(tmp_path / "workspace") as bench:
        assert "cannot be taken in" in str(bench.load_progress(load).error)
        bench.take_loads()
        assert (bench.loads.all(), bench.datasets.all()) == ([], [])
        assert bench.ingest(write(tmp_path), "rows").rows_loaded == 215
        assert len(bench.datasets.example_ids("rows")) == 215


def test_a_load_that_was_cancelled_goes_on_when_it_is_asked_for_again(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    bench.cancel_load(bench._begin([str(source)], "rows", IngestSettings(), guarded=False))
    assert bench.ingest(source, "rows").rows_loaded == 215


def test_many_who_load_the_same_at_once_get_one_dataset(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    with ThreadPoolExecutor(6) as threads:
        reports = list(threads.map(lambda _: bench.ingest(source, "rows"), range(6)))
    assert set(reports) == {IngestReport("rows", "prompt-completion", 250, 215, 35)}
    assert (len(bench.datasets.example_ids("rows")), len(bench.repairs.entries("rows"))) == (215, 35)


def test_a_link_laid_while_a_load_waits_leads_nowhere(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    monkeypatch.setenv("GLEANER_ROOTS", str(inside))
    source, secret = write(inside), write(outside)
    os.utime(secret, ns=(source.stat().st_atime_ns, source.stat().st_mtime_ns))
    load = bench._begin([str(source)], "rows", IngestSettings(), guarded=True)
    source.unlink()
    source.symlink_to(secret)
    run_here(bench.folder.loads / load)
    assert "GLEANER_ROOTS" in str(bench.load_progress(load).error)


def test_what_an_older_gleaner_loaded_is_known_again(bench: Workbench, tmp_path: Path) -> None:
    source = write(tmp_path)
    bench.ingest(source, "rows")
    with bench.database.writing() as cursor:
        cursor.execute("UPDATE datasets SET content_hash = 'of another kind', read_hash = ''")
    assert bench.ingest(source, "rows").dataset == "rows"
    assert bench.ingest(write(tmp_path, changed=3), "rows").dataset == "rows@2"


def test_what_the_machine_does_not_let_in_waits_and_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        load = bench.start_loading(write_chats(tmp_path / "chats.jsonl", 6), "chats")
        wait_until(lambda: bench.load_progress(load).has_ended)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(Loads, "take", fail)
        with Workbench(tmp_path / "workspace") as bench:
            assert bench.datasets.all() == []
            with pytest.raises(Fault, match="I/O error"):
                bench.take_in()
            (bench.folder.requests).mkdir()
            (bench.folder.requests / "a.json").write_text("{}")
            with pytest.raises(Fault):
                bench.take_in()
            assert (bench.folder.requests / "a.answer").exists()  # what comes after it is done all the same
    with Workbench(tmp_path / "workspace") as bench:
        assert bench.datasets.get("chats").rows_loaded == 6
