"""A map is drawn as a job and again when asked; a lassoed group is worth what its factors say."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.records import RunRow
from core.settings import ProjectionSettings
from core.workbench import Workbench
from tests.conftest import core_json, wait_until
from tests.oracles import log_det_information


@pytest.fixture
def bench(workspace: Path) -> Iterator[Workbench]:
    with Workbench(workspace) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _drawn_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process, where UMAP is compiled once; but for tests of the worker itself."""
    if "real_worker" not in request.fixturenames:
        monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))


@pytest.fixture
def real_worker() -> None:
    """Asks for a worker in a process of its own."""


@pytest.fixture
def run(bench: Workbench) -> RunRow:
    return bench.finished_run("chats")


def draw(bench: Workbench, run: RunRow, settings: ProjectionSettings | None = None) -> None:
    bench.start_map(run.run, settings)
    wait_until(lambda: bench.map_progress(run.run).has_ended)
    assert bench.map_progress(run.run).state == "done", bench.job_log("map", run.run)
    bench.take_in()


def places(bench: Workbench, run: RunRow) -> np.ndarray:
    table = bench.runs.map_points(run.run)
    return np.column_stack([table[name].to_numpy() for name in ("row_number", "x", "y")])


def test_a_map_is_drawn_and_drawn_again_with_other_settings(bench: Workbench, run: RunRow) -> None:
    draw(bench, run)
    first = places(bench, run)
    assert first[:, 0].tolist() == bench.pool(run).scored.tolist()
    assert bench.map_places(run.run) == []  # 23 examples are too few to be named
    versions = len(bench.runs.taken_shards(run.run))

    draw(bench, run, ProjectionSettings(seed=7, neighbors=4))
    assert not np.array_equal(places(bench, run), first)
    assert bench.map_settings(run.run) == ProjectionSettings(seed=7, neighbors=4)
    assert len(bench.runs.taken_shards(run.run)) == versions + 1  # so that nobody goes on showing the first
    assert [path.name for path in bench.folder.run(run.run).map.glob("*.npz")] == ["points-2.npz"]

    draw(bench, run)
    np.testing.assert_array_equal(places(bench, run), first)


def test_a_map_of_an_older_version_has_no_places_and_stays(bench: Workbench, run: RunRow) -> None:
    folder = bench.folder.run(run.run).map
    folder.mkdir()
    np.savez(folder / "points.npz", rows=np.arange(3), points=np.ones((3, 2), dtype=np.float32))
    bench.take_in()
    assert len(places(bench, run)) == 3
    assert bench.map_places(run.run) == []


def test_the_names_of_places_are_read_beside_the_points(bench: Workbench, run: RunRow) -> None:
    folder = bench.folder.run(run.run).map
    folder.mkdir()
    named = {"terms": np.array(["oak, ivy", "sea"]), "places": np.array([[1, 2], [3, 4.5]]), "counts": np.array([7, 5])}
    np.savez(folder / "points.npz", rows=np.arange(3), points=np.ones((3, 2), dtype=np.float32), **named)
    assert bench.map_places(run.run) == []  # not in the database yet
    bench.take_in()
    assert [(p.terms, p.x, p.y, p.count) for p in bench.map_places(run.run)] == [
        (("oak", "ivy"), 1.0, 2.0, 7),
        (("sea",), 3.0, 4.5, 5),
    ]


def test_a_map_that_cannot_be_drawn_says_why_and_leaves_the_old_one(bench: Workbench, run: RunRow) -> None:
    draw(bench, run)
    first = places(bench, run)
    arrays = bench.folder.run(run.run).arrays
    arrays.rename(arrays.with_name("moved"))
    bench.start_map(run.run)
    wait_until(lambda: bench.map_progress(run.run).has_ended)
    bench.take_in()
    assert bench.map_progress(run.run).state == "failed"
    assert "no factors yet" in (bench.map_progress(run.run).error or "")
    np.testing.assert_array_equal(places(bench, run), first)
    arrays.with_name("moved").rename(arrays)
    draw(bench, run)


def test_a_damaged_map_is_left_alone(bench: Workbench, run: RunRow) -> None:
    folder = bench.folder.run(run.run).map
    folder.mkdir()
    (folder / "points.npz").write_bytes(b"PK not really")
    bench.take_in()
    assert len(places(bench, run)) == 0


def test_a_cancelled_drawing_ends_without_a_map(bench: Workbench, run: RunRow, real_worker: None) -> None:
    bench.start_map(run.run)
    assert bench.map_progress(run.run).is_working
    bench.cancel_map(run.run)
    wait_until(lambda: bench.map_progress(run.run).has_ended)
    assert bench.map_progress(run.run).state == "cancelled"
    bench.take_in()
    assert len(places(bench, run)) == 0


def test_only_a_finished_run_has_a_map(bench: Workbench, run: RunRow) -> None:
    with pytest.raises(BadInput, match="no scoring run"):
        bench.start_map("nothing")
    (JobFolder(bench.folder.run(run.run).path).path / "progress.json").unlink()
    with pytest.raises(BadInput, match="not finished"):
        bench.start_map(run.run)


def information(bench: Workbench, run: RunRow, rows: np.ndarray) -> float:
    arrays = bench.arrays(run.run)
    factors = [arrays.factors[a:b] for a, b in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]
    return log_det_information(factors, [int(row) for row in rows], ridge=1.0)


@pytest.mark.parametrize("size", [0, 1, 3, 9, 24])
def test_a_groups_worth_is_what_the_information_of_the_sets_differs_by(workspace: Path, size: int) -> None:
    with Workbench(workspace) as bench:
        run, chosen = bench.finished_run("chats"), bench.select("chats", "fisher", "6").selection
        picks = [pick.row for pick in bench.selections.picks(chosen)]
        group = np.random.default_rng(size).choice(24, size, replace=False)
        for cut in (np.array(picks), np.array(picks[:4])):
            found = bench.worth(chosen, cut, group)
            entering = np.setdiff1d(np.intersect1d(group, bench.pool(run).scored), cut)
            leaving, held = np.intersect1d(group, cut), information(bench, run, cut)
            assert (found.entering, found.leaving) == (len(entering), len(leaving))
            assert found.added == pytest.approx(information(bench, run, np.union1d(cut, entering)) - held, abs=1e-5)
            assert found.lost == pytest.approx(held - information(bench, run, np.setdiff1d(cut, leaving)), abs=1e-5)
            assert found.added_tokens == bench.pool(run).response_tokens[entering].sum()
            assert bench.worth_seconds(chosen, cut, group) < 0.3


def test_what_is_banned_is_not_added(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        bench.decide("chats", [2, 3], "ban")
        selection = bench.select("chats", "fisher", "6").selection
        cut = np.array([pick.row for pick in bench.selections.picks(selection)])
        assert bench.worth(selection, cut, np.array([2, 3])).entering == 0


def test_what_is_banned_after_selecting_is_not_added_until_that_is_undone(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        selection = bench.select("chats", "fisher", "6").selection
        cut = np.array([pick.row for pick in bench.selections.picks(selection)])
        group = np.setdiff1d(np.arange(23), cut)[:5]
        assert bench.worth(selection, cut, group).entering == 5
        made = bench.decide("chats", group.tolist(), "ban")
        assert bench.worth(selection, cut, group).entering == 0
        assert bench.worth(selection, cut, group).added == 0
        bench.undo(made[0])
        assert bench.worth(selection, cut, group).entering == 1


def test_a_group_is_told_by_scores_columns_and_words(tmp_path: Path, workspace: Path) -> None:
    """Every twelfth chat says the same word; the column `topic` goes round by three."""
    with Workbench(workspace) as bench:
        run = bench.finished_run("chats")
        tokens = bench.pool(run).response_tokens
        longest = np.argsort(-tokens, kind="stable")[:8]
        told = {(one.name, one.value): one for one in bench.special(run, longest)}
        assert told["response_tokens", None].strength == pytest.approx(1.0, abs=0.3)
        by_topic = bench.special(run, np.arange(0, 24, 3))
        assert [(one.name, one.value, one.inside, one.outside) for one in by_topic if one.name == "topic"] == [
            ("topic", "0", 1.0, 0.0)
        ]
        assert bench.special(run, np.zeros(0, dtype=np.int64)) == []


def test_words_of_a_group_are_told(workspace: Path, tmp_path: Path, tiny_model: Path) -> None:
    source = tmp_path / "words.jsonl"
    lines = (f'{{"instruction": "n {i}", "output": "{"tulip" if i % 4 == 0 else "engine"} {i}"}}' for i in range(48))
    source.write_text("\n".join(lines))
    core_json(workspace, "ingest", str(source), "--name", "words")
    core_json(workspace, "score", "words", "--model", str(tiny_model), "--no-calibration")
    with Workbench(workspace) as bench:
        run = bench.finished_run("words")
        found = [one for one in bench.special(run, np.arange(0, 48, 4)) if not one.name]
        assert [(one.value, one.inside, one.outside) for one in found] == [("tulip", 1.0, 0.0)]
        assert not [one for one in bench.special(run, np.arange(0, 48, 5)) if not one.name]


def test_search_finds_rows_whatever_their_case(bench: Workbench) -> None:
    texts = bench.datasets.texts("chats", range(24))
    expected = [text.row for text in texts if "OWL".lower() in f"{text.prompt}\n{text.response}".lower()]
    assert bench.datasets.rows_containing("chats", "OWL").tolist() == expected
    assert expected
    assert bench.datasets.rows_containing("chats", "100%_'").tolist() == []
