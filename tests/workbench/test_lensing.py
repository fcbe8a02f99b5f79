"""One example, looked at closely: every number stands at its token, and the story's facts are the ledger's."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import BadInput
from core.scoring.models import load_model
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench
from tests import oracles
from tests.conftest import Scored, core_json

ROW = 6


@pytest.fixture
def selection(workspace: Path) -> str:
    return str(core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6")["selection"])


def test_every_number_stands_at_its_token(workspace: Path, scored: Scored) -> None:
    with Workbench(workspace) as bench:
        run = bench.runs.get(scored.report["run"])
        lens, settings = bench.token_lens(run.run, ROW), bench.settings_of(run).scoring
        rendered = bench.render("chats", ROW, settings)
        (example,) = bench.datasets.examples("chats", [ROW])
        calibrated = bench.folder.run(run.run).calibrated_model
    (turn,) = lens.turns.values()
    assert "".join(turn.pieces) == f"{example.messages[-1]['content']}<eos>"
    base = token_truth(load_model(settings, scored.model).model, rendered)
    tuned = token_truth(
        load_model(settings.model_copy(update={"model": str(calibrated)}), scored.model).model, rendered
    )
    expected = {
        "nll": base[:, 0],
        "entropy": base[:, 1],
        "delta_nll": tuned[:, 0] - base[:, 0],
        "delta_entropy": base[:, 1] - tuned[:, 1],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(lens.values[name], values, atol=8e-3)  # stored in float16


def token_truth(model, rendered) -> np.ndarray:
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([rendered.input_ids]), use_cache=False).logits[0]
    at = [t for t, scored in enumerate(rendered.response_mask) if scored]
    return np.array([oracles.token_scores(logits[t - 1], rendered.input_ids[t])[:2] for t in at])


def test_leverage_is_that_of_the_explicit_inverse_and_sums_to_what_the_factor_says(
    workspace: Path, scored: Scored, selection: str
) -> None:
    with Workbench(workspace) as bench:
        run = bench.runs.get(scored.report["run"])
        arrays, settings = bench.arrays(run.run), bench.settings_of(run).scoring
        factors = [
            np.asarray(arrays.factors[a:b]) for a, b in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)
        ]
        picks = [pick.row for pick in bench.selections.picks(selection)]
        model = load_model(settings, scored.model).model
        for row in (ROW, picks[0]):
            rendered = bench.render("chats", row, settings)
            truth = oracles.score_one(model, rendered.input_ids, rendered.response_mask)
            X = truth["features"].double().numpy() / arrays.rms_norm
            found = bench.leverage(selection, row)
            np.testing.assert_allclose(found, oracles.leverages(factors, picks, 1.0, X), rtol=1e-3)
            of_factor = sum(oracles.leverages(factors, picks, 1.0, factors[row]))
            lost = (1 - arrays.kept[row]) * float((X**2).sum())  # V⁻¹ is at most 1/λ
            assert of_factor - 1e-4 <= sum(found) <= of_factor + lost + 1e-4
        half = np.array(picks[:3])
        np.testing.assert_allclose(
            bench.leverage(selection, ROW, half),
            oracles.leverages(factors, picks[:3], 1.0, bench.token_features(run.run, ROW).response),
            rtol=1e-9,
        )


def test_leverage_is_refused_where_it_would_mean_nothing(workspace: Path, scored: Scored, selection: str) -> None:
    means = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "6", "--set", "features=mean")
    with Workbench(workspace) as bench:
        with pytest.raises(BadInput, match="one vector an example"):
            bench.leverage(means["selection"], ROW)
        with pytest.raises(BadInput, match="no token features"):
            bench.leverage(selection, 23)
        with bench.database.writing() as cursor:
            cursor.execute("UPDATE runs SET model_identity = 'folder:other'")
        with pytest.raises(BadInput, match=r"was folder:other when this run was made"):
            bench.leverage(selection, ROW)


def test_a_row_that_was_not_scored_has_no_lens_and_other_tokens_are_refused(workspace: Path, scored: Scored) -> None:
    run = scored.report["run"]
    with Workbench(workspace) as bench:
        with pytest.raises(BadInput, match="Row 23 has no scores"):
            bench.token_lens(run, 23)
        job = workspace / "runs" / run / "job.json"
        asked = json.loads(job.read_text())
        asked["arguments"]["settings"]["scoring"]["max_length"] = 20
        job.write_text(json.dumps(asked))
        with pytest.raises(BadInput, match="cut into other tokens now"):
            bench.token_lens(run, ROW)


def test_a_run_whose_job_is_damaged_is_read_by_its_record(workspace: Path, scored: Scored) -> None:
    run = scored.report["run"]
    with Workbench(workspace) as bench:
        whole = bench.token_lens(run, ROW)
        (workspace / "runs" / run / "job.json").write_text("{")
        assert bench.token_lens(run, ROW) == whole


def test_the_facts_are_those_of_ledger_covers_and_decisions(workspace: Path, selection: str) -> None:
    with Workbench(workspace) as bench:
        picks = bench.selections.picks(selection)
        rows = np.array([pick.row for pick in picks])
        picked = bench.story_facts(selection, picks[2].row, rows)
        assert (picked.pick, picked.outcome, picked.left, picked.shown) == (picks[2], None, None, 3)
        assert [cover.row for _, cover in picked.covers] == [
            c.row for c in bench.covers(selection, [picks[2].row])[picks[2].row]
        ]
        assert all(rows[rank - 1] == cover.row for rank, cover in picked.covers)
        left = bench.selections.left_out(selection)[0]
        bench.decide("chats", [left.row], "pin", "", "ada")
        out = bench.story_facts(selection, left.row, rows[:3], is_tried=True)
        assert (out.pick, out.left, out.shown, out.examples, out.standing) == (None, left, None, 3, "pinned")
        assert out.outcome == bench.outcomes(selection, [left.row])[0]


def test_the_nearest_are_found_by_mean_feature(workspace: Path, scored: Scored) -> None:
    run, mask = scored.report["run"], np.arange(24) < 12
    with Workbench(workspace) as bench:
        features = np.asarray(bench.arrays(run).mean_features)
        for among, found in zip([mask, ~mask], bench.nearest(run, ROW, [mask, ~mask]), strict=True):
            expected = oracles.nearest_by_cosine(features, ROW, np.flatnonzero(among).tolist(), 3)
            np.testing.assert_allclose([near.similarity for near in found], [c for _, c in expected], atol=1e-5)


@pytest.mark.model
def test_the_embedded_models_leverages_sum_to_what_its_factors_say(tmp_path: Path) -> None:
    source = tmp_path / "sums.jsonl"
    rows = [{"prompt": f"What is {i} + {i}?", "completion": f"{i} + {i} makes {2 * i}.\n"} for i in range(8)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(str(source), "sums")
        run = bench.score("sums", RunSettings(scoring=ScoringSettings(), calibration=None)).run
        selection = bench.select("sums", "fisher", "3", run=run).selection
        arrays, picks = bench.arrays(run), [pick.row for pick in bench.selections.picks(selection)]
        factors = [
            np.asarray(arrays.factors[a:b]) for a, b in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)
        ]
        for row in range(8):
            found, F = bench.leverage(selection, row), factors[row]
            assert len(found) == sum(len(turn.pieces) for turn in bench.token_lens(run, row).turns.values())
            of_factor = sum(oracles.leverages(factors, picks, 1.0, F))
            lost = (1 / arrays.kept[row] - 1) * float((F.astype(np.float64) ** 2).sum())
            assert of_factor - 1e-3 <= sum(found) <= of_factor + lost + 1e-3
