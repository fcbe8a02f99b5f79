"""What a proof compares, on what it measures, and what it will take."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from transformers import LlamaForCausalLM

from core.errors import BadInput
from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.reports import ProofReport
from core.selection.registry import find_criterion
from core.settings import CalibrationSettings, HeldOutSettings, ProofSettings, RunSettings, ScoringSettings
from core.tasks.tunes import read_tune
from core.workbench import Workbench, planning
from tests.conftest import make_tiny_model
from tests.proving import QUICK, score_pool, write_pool


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """A workspace whose jobs run in this process."""
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as opened:
        yield opened


def found_in(bench: Workbench, selection: str, settings: ProofSettings = QUICK) -> ProofReport:
    return bench.proof(bench.prove(bench.plan_proof(selection, settings)))


def test_what_a_proof_takes_is_foretold_better_once_one_is_done(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    plan = bench.plan_proof(chosen, QUICK)
    before = bench.foretell_proof(plan)
    assert (before.fine_tunes, before.by) == (6, "the scoring run")
    bench.prove(plan)
    longer = bench.plan_proof(chosen, QUICK.model_copy(update={"seeds": 2}))
    after = bench.foretell_proof(longer)
    assert (after.fine_tunes, after.by) == (6, "earlier fine-tunes")
    took = sum(read_tune(path).seconds for path in bench.folder.tunes.glob("*.npz"))
    assert after.seconds is not None
    assert 0.4 * took < after.seconds < 2.5 * took


@pytest.mark.parametrize(("criterion", "budget"), [("fisher", "400tok"), ("fisher", "16"), ("random", "400tok")])
def test_a_proof_also_tunes_on_what_smaller_budgets_choose(
    bench: Workbench, tmp_path: Path, tiny_model: Path, criterion: str, budget: str
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", criterion, budget, run=run).selection
    plan = bench.plan_proof(chosen, QUICK.model_copy(update={"halvings": 2}))
    own, *smaller = (arm for arm in plan.arms if arm.selection == chosen)
    tokens = bench.pool(bench.runs.get(run)).response_tokens
    assert len(smaller) == 2
    for arm in smaller:
        assert arm.rows == bench.what_if(chosen, arm.budget).rows
        assert arm.name == f"a budget of {tokens[arm.rows].sum():,} tokens"
        share = tokens[arm.rows].sum() / tokens[own.rows].sum()
        assert arm.steps == max(1, round(own.steps * share))
    assert 0.3 < len(smaller[0].rows) / len(own.rows) < 0.8


def test_what_smaller_budgets_choose_is_told_and_costs_only_its_own_fine_tunes(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    before = found_in(bench, chosen)
    plan = bench.plan_proof(chosen, QUICK.model_copy(update={"halvings": 1}))
    assert bench.foretell_proof(plan).fine_tunes == 1, "what was tuned before is not tuned again"
    report = bench.proof(bench.prove(plan))
    [half] = report.smaller
    assert half.of == report.arms[-1].name
    assert 0.3 < report.arms[-1].tokens / report.arms[0].tokens < 0.7
    assert report.notes == before.notes, "that a smaller budget has fewer tokens is meant"


def test_a_selection_whose_smaller_budgets_are_not_known_cannot_be_halved(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select(
        "pool", "fisher", "16", run=run, settings=find_criterion("fisher").settings(search="stochastic")
    ).selection
    with pytest.raises(BadInput, match="only selecting again tells"):
        bench.plan_proof(chosen, QUICK.model_copy(update={"halvings": 1}))


def test_a_proof_of_few_steps_says_so(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    for batch, is_told in ((400, True), (20, False)):
        asked = QUICK.model_copy(update={"batch_tokens": batch, "epochs": 2, "points": 1})
        steps = bench.foretell_proof(bench.plan_proof(chosen, asked)).steps
        report = found_in(bench, chosen, asked)
        assert report.arms[0].steps == steps
        assert any(f"in {steps} optimiser step" in note for note in report.notes) is is_told


def test_a_smaller_model_may_stand_in_and_the_report_says_so(
    bench: Workbench, tmp_path: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = make_tiny_model(tmp_path_factory.mktemp("other"), hidden_size=16)
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 80), tiny_model)
    chosen = bench.select("pool", "random", "300tok", run=run).selection
    smaller = QUICK.model_copy(update={"model": str(other)})
    own, foretold = (bench.foretell_proof(bench.plan_proof(chosen, asked)) for asked in (QUICK, smaller))
    assert foretold.by == "the scoring run and the sizes of both models"
    sizes = [LlamaForCausalLM.from_pretrained(path).num_parameters() for path in (other, tiny_model)]
    assert foretold.seconds == pytest.approx(own.seconds * sizes[0] / sizes[1])
    report = found_in(bench, chosen, smaller)
    assert report.model == str(other)
    assert "not on the run's own model" in report.notes[0]
    assert not any("own model" in note for note in found_in(bench, chosen).notes)


def test_a_calibrated_model_that_was_given_may_have_seen_what_is_held_out(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    bench.ingest(write_pool(tmp_path / "pool.jsonl", "clean", 80), "pool")
    asked = {
        "scoring": ScoringSettings(model=str(tiny_model), max_length=128),
        "calibration": None,
        "held_out": HeldOutSettings(share=0.3),
    }
    for given in (None, str(tiny_model)):
        run = bench.score("pool", RunSettings(**asked, calibrated_model=given)).run
        chosen = bench.select("pool", "random", "300tok", run=run).selection
        notes = found_in(bench, chosen, QUICK.model_copy(update={"epochs": 1, "points": 1})).notes
        assert any("given its calibrated model" in note for note in notes) is bool(given)


def test_calibration_and_the_pass_alone_are_no_part_of_what_scoring_a_token_takes(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    bench.ingest(write_pool(tmp_path / "pool.jsonl", "clean", 100), "pool")
    settings = RunSettings(
        scoring=ScoringSettings(model=str(tiny_model), max_length=128, ifd=True),
        calibration=CalibrationSettings(share=0.5, epochs=2, iterations=2),
        held_out=HeldOutSettings(share=0.3),
    )
    run = bench.score("pool", settings).run
    plan = bench.plan_proof(bench.select("pool", "random", "400tok", run=run).selection, QUICK)
    pool, cost = bench.pool(bench.runs.get(run)), bench.foretell_proof(plan)
    both, responses = pool.response_tokens + pool.prompt_tokens, pool.response_tokens[pool.scored].sum()
    once = both[pool.scored].sum()
    gone_through = once + responses + 2 * (0.5 * 2 * 6 * once + once)
    measured = 7 * both[plan.held_out].sum()
    ahead = 6 * cost.tokens + measured
    assert cost.tokens == sum(QUICK.epochs * both[arm.rows].sum() for arm in plan.arms)
    took = bench.run_progress(run).result["seconds"]
    assert cost.seconds == pytest.approx(took * ahead / gone_through)


def test_a_ban_makes_no_fine_tune_worthless_and_its_example_does_not_count(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    before = found_in(bench, chosen)
    banned = int(bench.held_out(run)[1][3])
    bench.decide("pool", [banned], "ban", "noise", "ann")
    plan = bench.plan_proof(chosen, QUICK)
    assert bench.foretell_proof(plan).fine_tunes == 0
    assert plan.left_out == [banned]
    after = bench.proof(bench.prove(plan))
    assert after.held_out == before.held_out - 1
    assert after.proof != before.proof
    assert after.base != before.base


def test_too_few_that_count_are_told_and_nothing_is_compared(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    plan = bench.plan_proof(bench.select("pool", "random", "400tok", run=run).selection, QUICK)
    found = bench.proof(bench.prove(replace(plan, left_out=plan.held_out[:-5])))
    assert (found.compared, found.held_out, found.done) == ([], 5, 6)
    assert found.notes[0].startswith("Only 5 of the held-out examples can be scored")


def test_selections_of_runs_that_hold_out_the_same_are_compared(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    first = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    scoring = ScoringSettings(model=str(tiny_model), max_length=64, device="cpu")
    settings = RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=0.3))
    second = bench.score("pool", settings).run
    elsewhere = bench.score("pool", settings.model_copy(update={"held_out": HeldOutSettings(share=0.2)})).run
    chosen, other, foreign = (
        bench.select("pool", "fisher", "400tok", run=run).selection for run in (first, second, elsewhere)
    )
    assert first != second
    assert [of.selection for of in bench.comparable(bench.selections.get(chosen))] == [other]
    plan = bench.plan_proof(chosen, QUICK, [other])
    (arm,) = [arm for arm in plan.arms if arm.kind == "other"]
    assert arm.selection == other
    assert set(arm.rows).isdisjoint(bench.held_out(first)[0].tolist())
    assert foreign not in {of.selection for of in bench.comparable(bench.selections.get(chosen))}


def test_a_models_files_are_hashed_again_only_when_they_change(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_tiny_model(tmp_path / "model")
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    asked, real = list[str](), planning.model_identity
    monkeypatch.setattr(planning, "model_identity", lambda *of: (asked.append(of[0]), real(*of))[1])
    for _ in range(3):
        bench.plan_proof(chosen, QUICK)
    assert len(asked) == 1
    (model / "generation_config.json").write_text("{}")
    with pytest.raises(planning.BadInput, match="score again"):
        bench.plan_proof(chosen, QUICK)
    assert len(asked) == 2


@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_split_that_is_lost_is_drawn_again_when_its_run_goes_on(
    damage: str, bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model)
    before, path = bench.held_out(run), bench.folder.run(run).held_out
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(planning.BadInput, match="gone or damaged"):
        bench.held_out(run)
    bench.resume_run(run)
    assert bench.run_progress(run).state == "done"
    for ours, theirs in zip(bench.held_out(run), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
