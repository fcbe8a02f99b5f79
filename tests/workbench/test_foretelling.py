"""A trial on a sample measures, keeps its figures alone, and foretells the pool."""

from pathlib import Path

import pytest

from core.errors import BadInput, JobFailed
from core.jobs.folder import JobFolder
from core.settings import CalibrationSettings, RunSettings, ScoringSettings, TrialSettings
from core.workbench import Workbench
from tests.conftest import Scored, core_json, run_core, wait_until, write_chats

ROWS = 60


def asked(model: Path, **scoring) -> RunSettings:
    light = CalibrationSettings(epochs=1.0, batch_examples=2)
    return RunSettings(scoring=ScoringSettings(model=str(model), max_length=96, **scoring), calibration=light)


def test_a_trial_measures_a_sample_and_keeps_its_figures_alone(tmp_path: Path, tiny_model: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", ROWS), "chats")
        trial = bench.try_out("chats", asked(tiny_model, ifd=True), TrialSettings(rows=20))
        measured, forecast = bench.foretell(trial, price=3.0)
        assert (measured.rows, measured.device, measured.picks) == (20, "cpu", 2)
        assert 0 < measured.scorable <= 20
        for name in ("mean_tokens", "pass_seconds", "alone_seconds", "tuning_seconds", "look_seconds", "memory_mb"):
            assert getattr(measured, name) > 0, name
        assert measured.tuned_tokens < measured.scorable * measured.mean_tokens
        assert min(measured.input_bytes, measured.shard_bytes, measured.array_bytes) > 0
        assert forecast.rows == ROWS
        assert forecast.waits[0].cost == pytest.approx(3 * forecast.waits[0].gpu_hours)
        assert bench.foretell(trial, rows=6_000)[1].tokens == pytest.approx(100 * forecast.tokens, rel=0.01)
        left = {path.name for path in (bench.folder.trials / trial).iterdir()}
        assert left <= {"settings.json", "job.json", "progress.json", "log.txt", "worker.lock"}, left
        assert bench.trials("chats") == [trial]
        assert bench.runs.of_dataset("chats") == []


def test_its_tokens_are_those_of_the_pool_within_what_it_says(tmp_path: Path, tiny_model: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 400), "chats")
        settings = asked(tiny_model).model_copy(update={"calibration": None})
        forecast = bench.foretell(bench.try_out("chats", settings, TrialSettings(rows=200)))[1]
        scores = bench.runs.scores(bench.score("chats", settings).run).to_pylist()
        truth = sum(row["prompt_tokens"] + row["response_tokens"] for row in scores if row["nll"] is not None)
        assert abs(forecast.tokens - truth) <= 2 * forecast.tokens_off * truth
        assert forecast.tokens_off < 0.1


def test_the_command_prints_what_a_pool_takes(workspace: Path, scored: Scored) -> None:
    words = ("plan", "chats", "--model", str(scored.model), "--no-calibration", "--max-length", "128", "--rows", "12")
    told = core_json(workspace, *words, "--price", "2", "--pool", "10000000")
    assert told["rows"] == 10_000_000
    assert [wait["gpus"] for wait in told["waits"]] == [1, 8, 64]
    assert told["trial"]["rows"] == 12
    printed = run_core(workspace, *words).stdout
    assert "hours on 64 devices" in printed
    with Workbench(workspace) as bench:
        (trial,) = bench.trials("chats")
        timed = bench.trial_progress(trial).updated
    run_core(workspace, *words, "--price", "4")
    with Workbench(workspace) as bench:
        assert bench.trial_progress(trial).updated == timed
    run_core(workspace, *words, "--again")
    run_core(workspace, *words, "--seed", "1")
    with Workbench(workspace) as bench:
        assert bench.trial_progress(trial).updated > timed
        assert len(bench.trials("chats")) == 2
    assert "cost" not in printed


def test_what_cannot_be_tried_is_told(workspace: Path, scored: Scored, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        with pytest.raises(BadInput, match="There is no trial"):
            bench.foretell("../runs")
        with pytest.raises(BadInput, match="no-such-model"):
            bench.start_trial("chats", RunSettings(scoring=ScoringSettings(model="./no-such-model")))
        bench.ingest(write_chats(tmp_path / "more.jsonl", 12), "short")
        with pytest.raises(JobFailed, match="None of the 12 rows of the sample"):
            bench.try_out("short", asked(scored.model).model_copy(update={"scoring": hopeless(scored.model)}))


def test_a_pool_or_a_price_that_cannot_be_is_refused(workspace: Path, scored: Scored) -> None:
    words = ("plan", "chats", "--model", str(scored.model), "--no-calibration", "--max-length", "128", "--rows", "12")
    for pool in ("0", "-5", "1000000000001"):
        assert "rows cannot be foretold; give 1 to" in run_core(workspace, *words, "--pool", pool, code=2).stderr
    for price in ("-1", "nan", "inf"):
        refused = run_core(workspace, *words, "--price", price, code=2).stderr
        assert "price for an hour cannot be" in refused
        assert "Scoring" not in refused
    packed = run_core(workspace, *words[:4], "--set", "quantization=4bit", code=2).stderr
    assert "do not go together: weights in 4bit cannot be trained themselves; calibrate with method=lora" in packed


def hopeless(model: Path) -> ScoringSettings:
    """Settings under which nothing of a response is left."""
    return ScoringSettings(model=str(model), max_length=8)


def test_a_trial_that_works_is_among_the_jobs_and_can_be_stopped(tmp_path: Path, tiny_model: Path) -> None:
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 3_000), "chats")
        trial = bench.start_trial("chats", asked(tiny_model), TrialSettings(rows=3_000))
        (job,) = bench.working_jobs()
        assert (job.kind, job.of, job.dataset) == ("trial", trial, "chats")
        assert bench.start_trial("chats", asked(tiny_model), TrialSettings(rows=3_000)) == trial
        bench.stop_job(job)
        folder = JobFolder(bench.folder.trials / trial)
        wait_until(lambda: folder.progress().has_ended)
        assert folder.progress().state == "cancelled"
        with pytest.raises(BadInput, match="not finished"):
            bench.foretell(trial)
        bench.take_in()
        assert not bench.folder.trials.joinpath(trial, "input.parquet").exists()
        assert not bench.folder.trials.joinpath(trial, "base").exists()
