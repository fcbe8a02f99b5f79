"""A changed file is a new version: the rows that it still has keep their scores, bit for bit."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.settings import CalibrationSettings, RunSettings, ScoringSettings
from core.workbench import Workbench
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


def test_every_token_keeps_its_scores(versions: Workbench) -> None:
    first, second = runs(versions)
    assert versions.token_scores(second, 4) == versions.token_scores(first, 3)


def test_other_settings_take_nothing_over(versions: Workbench, tiny_model: Path) -> None:
    assert versions.folder.run(runs(versions)[1]).reuse.exists()
    scoring = ScoringSettings(model=str(tiny_model), shard_rows=8, max_length=64)
    run = versions.score("chats@2", RunSettings(scoring=scoring, calibration=None)).run
    assert not versions.folder.run(run).reuse.exists()
