"""A changed file is a new version: the rows that it still has keep their scores, bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput
from core.settings import CalibrationSettings, RunSettings, ScoringSettings
from core.workbench import Workbench, scoring
from tests.conftest import write_chats

ROWS = 40
CHANGED, GONE = 7, 20


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Workbench:
    folder = tmp_path_factory.mktemp("versions")
    settings = RunSettings(
        scoring=ScoringSettings(model=str(tiny_model), shard_rows=8, ifd=True),
        calibration=CalibrationSettings(epochs=1),
    )
    bench = Workbench(folder / "workspace")
    bench.ingest(write_chats(folder / "chats.jsonl", ROWS), "chats")
    bench.score("chats", settings)
    lines = (folder / "chats.jsonl").read_text().splitlines()
    lines[CHANGED] = json.dumps(json.loads(lines[CHANGED]) | {"output": "something else"})
    del lines[GONE]
    (folder / "chats.jsonl").write_text("\n".join([json.dumps({"instruction": "New", "output": "row"}), *lines]))
    bench.ingest(folder / "chats.jsonl", "chats")
    bench.score("chats@2", settings)
    return bench


def runs(bench: Workbench) -> tuple[str, str]:
    """The first runs of both versions."""
    first, second = (bench.runs.of_dataset(name)[-1].run for name in ("chats", "chats@2"))
    return first, second


def test_unchanged_rows_keep_every_score_and_the_others_are_scored(versions: Workbench) -> None:
    first, second = (versions.runs.scores(run).to_pylist() for run in runs(versions))
    before = {row["example_id"]: row for row in first}
    kept = [row for row in second if row["example_id"] in before]
    assert len(kept) == ROWS - 2
    for row in kept:
        assert row | {"row": 0} == before[row["example_id"]] | {"row": 0}
    new = [row for row in second if row["example_id"] not in before]
    assert [row["row"] for row in new] == [0, CHANGED + 1]
    assert all(np.isfinite([row["nll"], row["nll_calibrated"], row["nll_alone"]]).all() for row in new)


def test_changed_rows_score_what_they_would_in_a_run_of_their_own(versions: Workbench) -> None:
    run = versions.runs.get(runs(versions)[1])
    settings = RunSettings.checked(**run.settings)
    versions.ingest(versions.datasets.get("chats@2").sources[0], "alone")  # a title of its own has no version before it
    calibrated = str(versions.folder.run(run.run).calibrated_model)
    other = versions.score("alone", settings.model_copy(update={"calibration": None, "calibrated_model": calibrated}))
    one, two = versions.runs.scores(run.run), versions.runs.scores(other.run)
    for name in ("nll", "entropy", "nll_calibrated", "entropy_calibrated", "nll_alone"):
        np.testing.assert_allclose(one[name].to_numpy(), two[name].to_numpy(), rtol=2e-4)


def test_factors_are_the_same_in_the_features_own_unit(versions: Workbench) -> None:
    first, second = runs(versions)
    before, after = versions.arrays(first), versions.arrays(second)
    rows = {id_: row for row, id_ in enumerate(versions.datasets.example_ids("chats"))}
    for row, id_ in enumerate(versions.datasets.example_ids("chats@2")):
        if id_ not in rows:
            continue
        old = before.factors[before.offsets[rows[id_]] : before.offsets[rows[id_] + 1]] * before.rms_norm
        new = after.factors[after.offsets[row] : after.offsets[row + 1]] * after.rms_norm
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(after.mean_features[row], before.mean_features[rows[id_]])


def test_a_replay_scores_the_earlier_version_first(versions: Workbench, tmp_path: Path) -> None:
    source = Path(versions.datasets.get("chats@2").sources[0])
    before = source.with_name("before.jsonl")
    before.write_bytes(b"".join(e.original.encode() + b"\n" for e in versions.datasets.examples("chats", range(ROWS))))
    run = runs(versions)[1]
    selection = versions.select("chats@2", "instructdiff", "9", run=run).selection
    report = versions.export(selection, "messages", tmp_path / "chosen.jsonl")
    with Workbench(tmp_path / "elsewhere") as other, pytest.raises(BadInput, match="Stage earlier dataset: Row 0 "):
        other.replay(report.lock, tmp_path / "never.jsonl")
    with Workbench(tmp_path / "again") as other:
        again = other.replay(report.lock, tmp_path / "again.jsonl", earlier_source=before)
        assert [stage for stage, _ in again.stages][:3] == ["earlier dataset", "earlier model", "earlier scores"]
        assert all("are the lock's" in said for stage, said in again.stages if "scores" in stage)
        assert other.folder.run(other.finished_run("chats@2").run).reuse.exists()


def test_every_token_keeps_its_scores(versions: Workbench) -> None:
    first, second = runs(versions)
    assert versions.token_scores(second, 4) == versions.token_scores(first, 3)


def test_other_settings_take_nothing_over(versions: Workbench, tiny_model: Path) -> None:
    assert versions.folder.run(runs(versions)[1]).reuse.exists()
    scoring = ScoringSettings(model=str(tiny_model), shard_rows=8, max_length=64)
    run = versions.score("chats@2", RunSettings(scoring=scoring, calibration=None)).run
    assert not versions.folder.run(run).reuse.exists()


def test_scores_of_another_method_are_not_taken_over(
    versions: Workbench, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = RunSettings(scoring=ScoringSettings(model=str(tiny_model), shard_rows=8), calibration=None)
    with Workbench(tmp_path / "workspace") as bench:
        source = write_chats(tmp_path / "rows.jsonl", 12)
        bench.ingest(source, "rows")
        with monkeypatch.context() as patch:
            patch.setattr(scoring, "SCORING_VERSION", 0)
            bench.score("rows", settings)
        for rows in (13, 14):
            bench.ingest(write_chats(source, rows), "rows")
        run = bench.score("rows@3", settings).run
        assert not bench.folder.run(run).reuse.exists()
        bench.score("rows@2", settings)
        bench.ingest(write_chats(source, 15), "rows")
        assert bench.folder.run(bench.score("rows@4", settings).run).reuse.exists()
