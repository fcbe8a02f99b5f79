"""Scoring runs: make one, and read what it found."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.commands import Address, Assignments, Json, Output, Runner, Workers, Workspace, app, print_progress
from core.commands import run as run_command
from core.errors import BadInput
from core.reports import Forecast, Trial
from core.settings import (
    CalibrationSettings,
    CrewSettings,
    HeldOutSettings,
    RunSettings,
    ScoringSettings,
    TrialSettings,
    parse_assignments,
)
from core.workbench import Workbench
from core.workbench.foretelling import check_pool

Model = Annotated[str, typer.Option(help="A local folder, a hub id, or 'embedded'.")]
Calibrate = Annotated[float | None, typer.Option(help="Random share to calibrate on; 0.1 if not given.")]
CalibratedModel = Annotated[str | None, typer.Option(help="A fine-tuned model, instead of calibrating.")]
NoCalibration = Annotated[bool, typer.Option("--no-calibration", help="Only the base pass.")]
MaxLength = Annotated[int | None, typer.Option(help="Tokens of an example that the model is shown.")]
Dtype = Annotated[str | None, typer.Option(help="auto, bfloat16, float16 or float32.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")]


@app.command()
def plan(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    model: Model = "embedded",
    calibrate: Calibrate = None,
    calibrated_model: CalibratedModel = None,
    no_calibration: NoCalibration = False,
    max_length: MaxLength = None,
    dtype: Dtype = None,
    device: Device = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the sample; 200 if not given.")] = None,
    pool: Annotated[int | None, typer.Option(help="Foretell a pool of so many rows like these, instead.")] = None,
    price: Annotated[float | None, typer.Option(help="What a device costs for an hour, in any currency.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 0,
    again: Annotated[bool, typer.Option("--again", help="Time anew what was timed before.")] = False,
    set: Assignments = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Time a sample of a dataset, and foretell what all of it takes on 1, 8 or 64 such devices."""

    def run(bench: Workbench) -> Any:
        check_pool(pool, price)
        given = {"model": model, "max_length": max_length, "dtype": dtype, "device": device}
        settings = run_settings(_given(given, set), calibrate, calibrated_model, no_calibration)
        sample = TrialSettings.checked(**_given({"rows": rows, "seed": seed}))
        trial = bench.try_out(name, settings, sample, print_progress(), anew=again)
        measured, forecast = bench.foretell(trial, price, pool)
        return asdict(forecast) | {"trial": asdict(measured)} if as_json else _readable(measured, forecast)

    run_command(workspace, as_json, run)


@app.command()
def score(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    model: Model = "embedded",
    calibrate: Calibrate = None,
    calibrated_model: CalibratedModel = None,
    no_calibration: NoCalibration = False,
    max_length: MaxLength = None,
    dtype: Dtype = None,
    device: Device = None,
    hold_out: Annotated[
        float | None, typer.Option(help="Share to set aside for a proof, never selectable, such as 0.05.")
    ] = None,
    hold_out_by: Annotated[
        str | None, typer.Option(help="Column whose groups all give their share to what is set aside.")
    ] = None,
    hold_out_seed: Annotated[int, typer.Option(help="Seed of what is set aside.")] = 0,
    workers: Workers = None,
    runner: Runner = "local",
    address: Address = None,
    set: Assignments = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Score every example: NLL, entropy, Fisher factor; calibrate; score again. Resumes what was interrupted."""

    def run(bench: Workbench) -> Any:
        given = {"model": model, "max_length": max_length, "dtype": dtype, "device": device}
        held_out = _held_out(hold_out, hold_out_by, hold_out_seed)
        settings = run_settings(_given(given, set), calibrate, calibrated_model, no_calibration, held_out)
        crew = CrewSettings.checked(runner=runner, workers=workers, address=address)
        report = bench.score(name, settings, print_progress(), crew)
        counted = [f"{count:,} unscorable: {reason}" for reason, count in bench.runs.unscorable_reasons(report.run)]
        for note in [*bench.run_notes(report.run), *counted]:
            print(note, file=sys.stderr)
        return report

    run_command(workspace, as_json, run)


@app.command()
def scores(run: str, output: Output, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write the scores of a run, one row per example: .parquet or .jsonl."""
    run_command(workspace, as_json, lambda bench: {"file": str(bench.scores(run, output))})


@app.command()
def factors(run: str, output: Output, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write the Fisher factors of a run: .npz with example_id, offsets and values."""
    run_command(workspace, as_json, lambda bench: {"file": str(bench.factors(run, output))})


@app.command()
def pattern(run: str, workspace: Workspace = None, as_json: Json = False) -> None:
    """Say what light tuning did to a run's pool (compression or expansion), and how its rounds agree."""

    def tell(bench: Workbench) -> dict[str, Any]:
        found = bench.pattern(run)
        rounds = [asdict(of) for of in bench.rounds(run)]
        told = {"pattern": found.name, "negative_delta_entropy": found.negative}
        return told | {"mean_delta_entropy": found.mean, "sd_delta_entropy": found.deviation, "rounds": rounds}

    run_command(workspace, as_json, tell)


def _given(options: dict[str, Any], assignments: list[str] | None = None) -> dict[str, Any]:
    """The options that were given, and those of --set."""
    return {name: value for name, value in options.items() if value is not None} | parse_assignments(assignments or [])


def _readable(trial: Trial, forecast: Forecast) -> dict[str, Any]:
    """What `plan` prints for a reader."""
    told: dict[str, Any] = {
        "measured": f"{trial.rows:,} rows on {trial.device}, {trial.mean_tokens:,.0f} tokens each",
        "foretold": f"{forecast.rows:,} rows, {forecast.tokens:,} tokens, prompts too, ± {forecast.tokens_off:.0%}",
        "memory of each device while it scores": f"{forecast.memory_mb * 1024**2 / 1e6:,.0f} MB",
        "disk at its fullest": f"{forecast.disk_bytes / 1e6:,.0f} MB, models and database aside",
    }
    for wait in forecast.waits:
        parts = {
            "scoring": wait.scoring_seconds,
            "calibrating": wait.calibrating_seconds,
            "choosing a tenth": wait.choosing_seconds,
        }
        each = ", ".join(f"{what} {_figure(seconds / 3600)}" for what, seconds in parts.items())
        cost = "" if wait.cost is None else f", cost {_figure(wait.cost)}"
        devices = "1 device" if wait.gpus == 1 else f"{wait.gpus:,} devices"
        told[f"hours on {devices}"] = f"{_figure(wait.hours)} ({each}), {_figure(wait.gpu_hours)} device hours{cost}"
    return told


def _figure(number: float) -> str:
    """To two digits at least."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}" if number < 1 else f"{number:.1f}"


def run_settings(
    options: dict[str, Any],
    share: float | None,
    calibrated_model: str | None,
    no_calibration: bool,
    held_out: HeldOutSettings | None = None,
) -> RunSettings:
    """Sort options into the settings that know them. Raises BadInput for an unknown one."""
    if sum([share is not None, calibrated_model is not None, no_calibration]) > 1:
        raise BadInput("Give one of --calibrate, --calibrated-model and --no-calibration.")
    known = set(CalibrationSettings.model_fields)
    every = sorted(known | set(ScoringSettings.model_fields))
    for name in options:
        if name not in every:
            raise BadInput(f"There is no option {name!r} here; the options are: {', '.join(every)}.")
    training = {name: value for name, value in options.items() if name in known}
    scoring = {name: value for name, value in options.items() if name not in known}
    calibration = None
    if not (calibrated_model or no_calibration):
        calibration = CalibrationSettings.checked(**training | ({} if share is None else {"share": share}))
    elif training:
        raise BadInput(f"Option {next(iter(training))!r} is about calibrating, which this run does not do.")
    return RunSettings.checked(
        scoring=ScoringSettings.checked(**scoring),
        calibration=calibration,
        calibrated_model=calibrated_model,
        held_out=held_out,
    )


def _held_out(share: float | None, column: str | None, seed: int) -> HeldOutSettings | None:
    if share is None and (column is not None or seed):
        raise BadInput(
            "Options --hold-out-by and --hold-out-seed go with --hold-out, which says how much is set aside."
        )
    return None if share is None else HeldOutSettings.checked(share=share, column=column, seed=seed)
