"""A proof finds what was planted, goes on where it was stopped, and nothing that is held out ever leaks."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.data.lock import read_lock
from core.errors import BadInput, JobFailed
from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.scoring import tuning
from core.scoring.answers import Question
from core.scoring.models import LoadedModel
from core.selection.registry import CRITERIA
from core.settings import (
    CalibrationSettings,
    HeldOutSettings,
    ProofSettings,
    Quota,
    RepeatSettings,
    RunSettings,
    ScoringSettings,
)
from core.tasks.tunes import Tunes
from core.workbench import Workbench
from tests.conftest import core_json, run_core
from tests.proving import PLANTED, QUICK, score_pool, write_pool


@pytest.fixture(autouse=True)
def _run_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process; a command's in a worker of its own."""
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    with Workbench(tmp_path / "workspace") as opened:
        yield opened


def found_in(bench: Workbench, selection: str, settings: ProofSettings = QUICK, against: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    return bench.proof(bench.prove(bench.plan_proof(selection, settings, against)))


def test_planted_repeats_are_found_and_the_interval_excludes_zero(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "repeats", 400), tiny_model)
    exact = RepeatSettings(repeats="exact")
    chosen = bench.select("pool", "random", "1500tok", run=run, repeats=exact).selection
    with_repeats = bench.select("pool", "random", "1500tok", run=run, seed=5).selection
    report = found_in(bench, chosen, PLANTED, (with_repeats,))
    told = {found.against: found for found in report.compared}
    assert told["random"].verdict == "better"
    assert told["random"].low > 0
    assert told["random"].sentence.startswith("Better than random by")
    assert told["random of like lengths"].advantage < told["random"].advantage / 2  # these repeats are of two lengths
    assert report.done == report.planned == 9
    assert report.notes[0].startswith("Held-out examples are all different")
    steps, tokens = {arm.steps for arm in report.arms}, [arm.tokens for arm in report.arms]
    assert len(steps) == 1
    assert max(tokens) - min(tokens) < 60
    assert report.base is not None
    assert all(arm.loss < report.base for arm in report.arms)


def test_planted_noise_is_found_once_it_is_banned_and_told_by_group_before(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "noise", 400), tiny_model)
    noise = [id_ for row, id_ in enumerate(bench.datasets.example_ids("pool")) if row % 2]
    chosen = bench.select("pool", "random", "1500tok", run=run, banned=noise).selection
    plan = bench.plan_proof(chosen, PLANTED)
    assert {row % 2 for row in plan.left_out} == {1}
    assert {row % 2 for row in set(plan.held_out) - set(plan.left_out)} == {0}
    clean = bench.proof(bench.prove(plan))
    assert (clean.compared[0].verdict, clean.groups) == ("better", [])
    noisy = bench.proof(bench.prove(replace(plan, left_out=[])))
    assert {found.group: found.verdict for found in noisy.groups} == {"count": "better", "noise": "worse"}


@pytest.mark.long
def test_forty_random_subsets_are_rarely_told_from_random_ones(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 400), tiny_model)
    alarms = []
    for seed in range(40):
        chosen, other = (
            bench.select("pool", "random", "800tok", run=run, seed=of).selection for of in (seed, 1000 + seed)
        )
        settings = QUICK.model_copy(update={"seed": 100 + seed})
        alarms.append([of.verdict != "no difference" for of in found_in(bench, chosen, settings, (other,)).compared])
    against_random, against_matched, against_other = np.sum(alarms, axis=0)
    print(f"false alarms in 40: {against_random} random, {against_matched} of like lengths, {against_other} another")
    assert max(against_random, against_matched, against_other) <= 2


@pytest.mark.parametrize(
    ("criterion", "budget", "quotas", "is_known"),
    [
        ("random", "1200tok", [], True),
        ("random", "60", [], True),
        ("random", "60", [Quota.parse("kind=count<=50")], False),  # only selecting again tells
    ],
)
def test_where_only_a_first_part_is_tuned_on_the_budget_that_cuts_to_it_is_told(
    bench: Workbench, tmp_path: Path, tiny_model: Path, criterion: str, budget: str, quotas: list[Quota], is_known: bool
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "repeats"), tiny_model)
    chosen = bench.select("pool", criterion, budget, run=run, quotas=quotas)
    plan = bench.plan_proof(chosen.selection, QUICK.model_copy(update={"tokens": chosen.tokens // 2, "seeds": 1}))
    part = plan.arms[0].rows
    assert 0 < len(part) < chosen.examples
    found = bench.proof(bench.prove(plan))
    assert f"Of the selection the first {len(part)} of {chosen.examples} examples were tuned on." in found.notes
    own, *others = found.arms
    assert own.is_part
    assert not any(arm.is_part or arm.budget for arm in others)
    if is_known:
        assert bench.what_if(chosen.selection, str(own.budget)).rows == part
    assert (own.budget is not None) is is_known


def held_ids(bench: Workbench, run: str) -> set[str]:
    ids = bench.datasets.example_ids("pool")
    return {ids[row] for row in bench.held_out(run)[0]}


def test_nothing_held_out_is_scored_tuned_on_selected_or_exported(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    bench.ingest(write_pool(tmp_path / "pool.jsonl", "repeats"), "pool")
    settings = RunSettings(
        scoring=ScoringSettings(model=str(tiny_model), max_length=128, ifd=True),
        calibration=CalibrationSettings(share=1.0, epochs=1, iterations=2),
        held_out=HeldOutSettings(share=0.3, column="kind"),
    )
    run = bench.score("pool", settings).run
    held, held_rows = held_ids(bench, run), set(bench.held_out(run)[0].tolist())
    assert held
    rounds = [json.loads(path.read_text()) for path in bench.folder.run(run).path.glob("rounds/*.json")]
    assert len(rounds) == 2
    assert all(held_rows.isdisjoint(rows) for rows in rounds)
    scores = bench.runs.scores(run).to_pylist()
    assert {row["example_id"] for row in scores if row["unscorable_reason"] == "it is held out for a proof"} == held
    measures = ("nll", "entropy", "nll_calibrated", "nll_alone")
    assert all(row[name] is None for row in scores if row["example_id"] in held for name in measures)
    assert all(row["nll_calibrated"] is not None for row in scores if row["example_id"] not in held)
    counts = bench.runs.counts(run)
    assert (counts["held_out"], counts["unscorable"], bench.runs.unscorable_reasons(run)) == (len(held), 0, [])
    pool = bench.pool(bench.runs.get(run))
    assert held_rows.isdisjoint(pool.rows.tolist())
    texts = bench.datasets.full_texts("pool")
    assert {texts[row] for row in held_rows}.isdisjoint(texts[row] for row in pool.rows)

    originals = [example.original for block in bench.datasets.blocks("pool", 1000) for example in block]
    everything = {json.dumps(json.loads(original)) for original in originals}
    for number, criterion in enumerate(CRITERIA):
        chosen = bench.select("pool", criterion, "100%" if criterion == "random" else "15", run=run).selection
        lines = bench.export(chosen, "original", tmp_path / f"{number}.jsonl").file
        exported = {json.dumps(json.loads(line)) for line in Path(lines).read_text().splitlines()}
        assert exported <= everything
        assert exported.isdisjoint(json.dumps(json.loads(originals[row])) for row in held_rows)
        assert held.isdisjoint(read_lock(Path(lines).with_name(f"{number}.lock.json")).picks.example_ids)
    assert set(read_lock(tmp_path / "0.lock.json").scoring.held_out) == held
    assert {outcome.row for outcome in bench.outcomes(chosen) if outcome.gate == "held out"} == held_rows
    reasons = [json.loads(line) for line in bench.reasons(chosen, tmp_path / "why.jsonl").read_text().splitlines()]
    assert {line["example_id"] for line in reasons if line["reason"] == "held out for a proof"} == held
    for name in (chosen, run):
        assert set(np.flatnonzero(bench.side(name).is_in("held out")).tolist()) == held_rows
    for plan in (
        bench.plan_proof(chosen, QUICK),
        bench.plan_proof(chosen, QUICK.model_copy(update={"everything": True})),
    ):
        assert all(held_rows.isdisjoint(arm.rows) for arm in plan.arms)
        assert set(plan.held_out) <= held_rows


def test_what_is_held_out_can_be_neither_pinned_nor_a_target(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    bench.ingest(write_pool(tmp_path / "pool.jsonl", "clean"), "pool")
    scoring = ScoringSettings(model=str(tiny_model), max_length=128)
    run = bench.score("pool", RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=0.2))).run
    row = int(bench.held_out(run)[0][0])
    held = bench.datasets.example_ids("pool")[row]
    with pytest.raises(BadInput, match="held out for a proof"):
        bench.select("pool", "random", "10", run=run, pinned=[held])
    with pytest.raises(BadInput, match="held out for a proof"):
        bench.select("pool", "ioptimal", "10", run=run, target=[held])
    bench.decide("pool", [row, next(r for r in range(160) if r not in bench.held_out(run)[0])], "pin", "both", "ann")
    chosen = bench.select("pool", "random", "10", run=run).selection
    picked = [pick.row for pick in bench.selections.picks(chosen)]
    assert row not in picked
    assert len(bench.selections.get(chosen).settings["pinned"]) == 1
    assert bench.newer_decisions(bench.selections.get(chosen)) == 0


def test_the_calibrated_model_of_an_earlier_version_is_not_taken_over(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    source = write_pool(tmp_path / "pool.jsonl", "clean", 40)
    bench.ingest(source, "pool")
    scoring = ScoringSettings(model=str(tiny_model), max_length=128)
    settings = RunSettings(
        scoring=scoring, calibration=CalibrationSettings(epochs=1), held_out=HeldOutSettings(share=0.2)
    )
    bench.score("pool", settings)
    with source.open("a") as stream:
        stream.write(json.dumps({"instruction": "more", "input": "", "output": "of it", "kind": "count"}) + "\n")
    later = bench.ingest(source, "pool").dataset
    run = bench.score(later, settings).run
    assert not bench.folder.run(run).reuse.exists()


def test_the_same_settings_hold_out_the_same_and_a_run_without_is_named_as_before(
    bench: Workbench, tmp_path: Path, tiny_model: Path
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model)
    before = bench.held_out(run)
    bench.folder.run(run).held_out.unlink()
    bench.set_aside("pool", HeldOutSettings(share=0.3), bench.folder.run(run))
    for ours, theirs in zip(bench.held_out(run), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert "held_out" not in RunSettings().model_dump()
    chosen = bench.select("pool", "random", "10", run=run).selection
    bench.score("pool", RunSettings(scoring=ScoringSettings(model=str(tiny_model)), calibration=None))
    plain = bench.select("pool", "random", "10").selection
    assert bench.held_out(bench.selections.get(plain).run)[0].size == 0
    with pytest.raises(BadInput, match="set nothing aside"):
        bench.plan_proof(plain)
    with pytest.raises(BadInput, match="does not hold out the same"):
        bench.plan_proof(chosen, QUICK, [plain])


def test_a_proof_goes_on_behind_the_fine_tunes_that_are_done(
    bench: Workbench, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    plan = bench.plan_proof(chosen, QUICK)
    real, calls = tuning.fine_tune, list[int]()

    def dies_at_the_third(*words: object, **named: object) -> list[float]:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("power cut")
        return real(*words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("core.tasks.proving.fine_tune", dies_at_the_third)
    with pytest.raises(JobFailed, match="power cut"):
        bench.prove(plan)
    (name,) = [name for name, _ in bench.proofs("pool")]
    half = bench.proof(name)
    assert (half.done, half.planned, half.compared) == (2, 6, [])
    assert [arm.name for arm in half.arms] == ["the selection", "random 1"]
    kept = {path.name: path.read_bytes() for path in bench.folder.tunes.glob("*.npz")}
    assert len(kept) == 3

    assert bench.prove(plan) == name
    assert len(calls) == 3 + 4
    assert bench.proof(name).done == 6
    for file, content in kept.items():
        assert (bench.folder.tunes / file).read_bytes() == content
    more = bench.prove(bench.plan_proof(chosen, QUICK.model_copy(update={"random": 4})))
    assert bench.proof(more).done == 7
    assert len(calls) == 3 + 4 + 1  # the fine-tunes that both proofs have are done once


def test_a_proof_that_cannot_be_says_why(
    bench: Workbench, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    small = bench.select("pool", "random", "100tok", run=run).selection
    with pytest.raises(BadInput, match="equal tokens"):
        bench.plan_proof(chosen, QUICK.model_copy(update={"tokens": 10_000}))
    with pytest.raises(BadInput, match="equal tokens"):
        bench.plan_proof(chosen, QUICK, [small])
    with pytest.raises(BadInput, match="There is no proof"):
        bench.proof("nothing")
    report = found_in(bench, chosen, QUICK.model_copy(update={"learning_rate": 1.0, "epochs": 1}))
    assert any("Tuning made the model worse on 6 of 6 subsets" in note for note in report.notes)
    monkeypatch.setattr("core.tasks.proving.fine_tune", lambda *_: [float("nan")])
    with pytest.raises(JobFailed, match="diverged"):
        bench.prove(bench.plan_proof(chosen, QUICK.model_copy(update={"learning_rate": 0.9})))


def test_final_answers_are_counted_where_they_are_asked_for(
    bench: Workbench, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "sums.jsonl"
    rows = [{"question": f"{i} + 1?", "answer": f"{i} and 1\n#### {i + 1}"} for i in range(60)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = score_pool(bench, source, tiny_model, share=0.2)
    chosen = bench.select("pool", "random", "200tok", run=run).selection
    asked = {"accuracy": True, "epochs": 1, "dtype": "bfloat16"}
    counted = list[int]()

    def right(model: LoadedModel, _: object, questions: list[Question], __: object) -> list[bool]:
        assert not model.model.training
        counted.append(len(questions))
        return [number < len(counted) for number in range(len(questions))]

    monkeypatch.setattr("core.tasks.proving.answer_questions", right)
    report = found_in(bench, chosen, QUICK.model_copy(update=asked))
    assert set(counted) == {report.held_out}
    shares = [report.base_accuracy, *(arm.accuracy for arm in report.arms)]
    assert shares == [min(1.0, number / report.held_out) for number in range(1, len(counted) + 1)]
    own = 100 * 2 / report.held_out
    told = f"Right final answers: {own:.1f} %, no difference seen from models tuned on random subsets: −"
    assert report.answers.startswith(told)
    assert f"{report.held_out} questions, 1 training seed." in report.answers


def test_answers_are_not_asked_for_where_there_are_none(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model, share=0.2)
    chosen = bench.select("pool", "random", "200tok", run=run).selection
    with pytest.raises(JobFailed, match="No held-out response ends in a line"):
        bench.prove(bench.plan_proof(chosen, QUICK.model_copy(update={"accuracy": True})))


def test_a_model_that_is_being_tuned_answers_as_it_is_now(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    source = tmp_path / "sums.jsonl"
    rows = [{"question": f"{i}?", "answer": "#### 7"} for i in range(80)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = score_pool(bench, source, tiny_model, share=0.2)
    chosen = bench.select("pool", "random", "300tok", run=run).selection
    report = found_in(bench, chosen, QUICK.model_copy(update={"accuracy": True, "epochs": 12, "dtype": "bfloat16"}))
    assert report.base_accuracy == 0.0
    assert report.arms[0].accuracy == 1.0


def test_a_target_that_has_held_out_examples_is_refused(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model)
    scoring = ScoringSettings(model=str(tiny_model), max_length=128, device="cpu")
    everything = bench.score("pool", RunSettings(scoring=scoring, calibration=None)).run
    with pytest.raises(BadInput, match="are held out for a proof there"):
        bench.select("pool", "ioptimal", "10", run=run, target_run=everything)


def test_damaged_files_are_told_or_made_again(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
    chosen = bench.select("pool", "random", "400tok", run=run).selection
    plan = bench.plan_proof(chosen, QUICK)
    name = bench.prove(plan)
    whole = bench.proof(name)
    tunes = Tunes(bench.folder, plan)
    tunes.of(plan.arms[2], 0).write_bytes(b"PK")
    tunes.of(plan.arms[3], 0).unlink()
    assert bench.proof(name).done == 4
    bench.resume_proof(name)
    assert bench.proof(name).done == 6
    assert bench.proof(name).compared == whole.compared
    (bench.folder.proofs / name / "plan.json").write_text("{")
    with pytest.raises(BadInput, match="is damaged; start the proof anew"):
        bench.proof(name)
    assert bench.proofs("pool") == []
    assert bench.prove(plan) == name
    assert bench.proof(name) == whole
    bench.folder.run(run).held_out.unlink()
    with pytest.raises(BadInput, match="is gone or damaged; score again"):
        bench.plan_proof(chosen, QUICK)
    settings = RunSettings(**bench.runs.get(run).settings)
    assert bench.score("pool", settings).run == run
    assert bench.plan_proof(chosen, QUICK) == plan


def test_too_few_held_out_examples_are_no_proof(bench: Workbench, tmp_path: Path, tiny_model: Path) -> None:
    run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model, share=0.1)
    chosen = bench.select("pool", "random", "10", run=run).selection
    with pytest.raises(BadInput, match=r"6 held-out examples .* larger share held out"):
        bench.plan_proof(chosen, QUICK)


def test_the_commands_hold_out_prove_and_tell(tmp_path: Path, tiny_model: Path) -> None:
    workspace, source = tmp_path / "workspace", write_pool(tmp_path / "pool.jsonl", "repeats")
    core_json(workspace, "ingest", str(source), "--name", "pool")
    words = ("score", "pool", "--model", str(tiny_model), "--no-calibration", "--max-length", "128")
    assert "--hold-out" in run_core(workspace, *words, "--hold-out-by", "kind", code=2).stderr
    assert "leave one part empty" in run_core(workspace, *words, "--hold-out", "0.0001", code=2).stderr
    scored = core_json(workspace, *words, "--hold-out", "0.3", "--hold-out-by", "kind")
    assert scored["held_out"] > 0
    assert scored["unscorable"] == 0
    chosen = core_json(workspace, "select", "pool", "--criterion", "random", "--budget", "800tok")["selection"]
    options = [f"{name}={value}" for name, value in QUICK.model_dump(exclude_defaults=True).items()]
    asked = ("prove", chosen, *(word for option in options for word in ("--set", option)))
    assert core_json(workspace, *asked, "--foretell")["fine_tunes"] == 6
    report = core_json(workspace, *asked)
    assert report["done"] == 6
    assert {found["against"] for found in report["compared"]} == {"random", "random of like lengths"}
    told = run_core(workspace, "proof", report["proof"]).stdout
    (listed,) = core_json(workspace, "proofs", "pool")["proofs"]
    assert (listed["proof"], listed["selection"], listed["state"]) == (report["proof"], chosen, "done")
    assert listed["fine_tunes"] == listed["planned"] == report["planned"]
    assert f"of selection {chosen}" in run_core(workspace, "proofs", "pool").stdout
    assert "nothing" in run_core(workspace, "proofs", "nothing", code=2).stderr
    assert report["compared"][0]["sentence"] in told
    assert "no proof" in run_core(workspace, "proof", "nothing", code=2).stderr
