"""Scoring runs: make one, and read what it found."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.commands import Address, Assignments, Json, Output, Runner, Workers, Workspace, app, print_progress
from core.commands import run as run_command
from core.errors import BadInput
from core.settings import (
    CalibrationSettings,
    CrewSettings,
    HeldOutSettings,
    RunSettings,
    ScoringSettings,
    parse_assignments,
)
from core.workbench import Workbench


@app.command()
def score(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    model: Annotated[str, typer.Option(help="A local folder, a hub id, or 'embedded'.")] = "embedded",
    calibrate: Annotated[float | None, typer.Option(help="Random share to calibrate on; 0.1 if not given.")] = None,
    calibrated_model: Annotated[str | None, typer.Option(help="A fine-tuned model, instead of calibrating.")] = None,
    no_calibration: Annotated[bool, typer.Option("--no-calibration", help="Only the base pass.")] = False,
    max_length: Annotated[int | None, typer.Option(help="Tokens of an example that the model is shown.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, bfloat16, float16 or float32.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
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
        settings = _run_settings(
            {key: value for key, value in given.items() if value is not None} | parse_assignments(set or []),
            calibrate,
            calibrated_model,
            no_calibration,
            _held_out(hold_out, hold_out_by, hold_out_seed),
        )
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


def _run_settings(
    options: dict[str, Any],
    share: float | None,
    calibrated_model: str | None,
    no_calibration: bool,
    held_out: HeldOutSettings | None,
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
    return RunSettings(
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
