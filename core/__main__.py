"""The command line: `python -m core COMMAND`, for servers without a browser.

A thin face of the workbench. With `--json`, one JSON object on stdout; progress and messages
go to stderr. Bad input: one line that says what came and what to do, exit code 2.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.errors import BadInput, GleanerError
from core.records import JobProgress, Shown
from core.selection.registry import CRITERIA, find_criterion
from core.settings import (
    CalibrationSettings,
    IngestSettings,
    Quota,
    RunSettings,
    ScoringSettings,
    parse_assignments,
)
from core.workbench import Workbench

app = typer.Typer(
    help="Gleaner: find the few examples of an instruction-tuning dataset worth training on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Workspace = Annotated[
    Path | None, typer.Option(help="Folder of the workspace; GLEANER_WORKSPACE, or ./workspace, if not given.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write; its suffix names the format.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="OPTION=VALUE, for any option of the method.")]


@app.command()
def demo(workspace: Workspace = None, as_json: Json = False) -> None:
    """Load the demo: 2,026 real English question-and-answer chats."""
    _run(workspace, as_json, lambda bench: bench.demo())


@app.command()
def ingest(
    source: Annotated[str, typer.Argument(help="A file, a folder saved by datasets, or a hub id.")],
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    format: Annotated[str, typer.Option(help="auto, alpaca, sharegpt, messages, prompt-completion or text.")] = "auto",
    map: Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN, such as prompt=question.")] = None,
    split: Annotated[str | None, typer.Option(help="Split of a datasets folder or hub id.")] = None,
    limit: Annotated[int | None, typer.Option(help="Read at most this many rows.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Load a dataset; every row is loaded or quarantined with its reason."""

    def load(bench: Workbench) -> Any:
        settings = IngestSettings.checked(format=format, mapping=parse_assignments(map or []), split=split, limit=limit)
        return bench.ingest(source, name, settings)

    _run(workspace, as_json, load)


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
    runner: Annotated[Literal["local"], typer.Option(help="Where the work runs.")] = "local",
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
        )
        report = bench.score(name, settings, _print_progress())
        counted = [f"{count:,} unscorable: {reason}" for reason, count in bench.runs.unscorable_reasons(report.run)]
        for note in [*bench.run_notes(report.run), *counted]:
            print(note, file=sys.stderr)
        return report

    del runner  # one value so far; the cluster's comes with its extra
    _run(workspace, as_json, run)


@app.command()
def select(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    criterion: Annotated[str, typer.Option(help=f"One of: {', '.join(CRITERIA)}.")],
    budget: Annotated[str, typer.Option(help="500 examples, 10% of them, or 20000tok of responses.")],
    run: Annotated[str | None, typer.Option(help="The scoring run; the newest finished one if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of random choices and of the random envelope.")] = 0,
    pin: Annotated[Path | None, typer.Option(help="File of example ids that must be in, one a line.")] = None,
    ban: Annotated[Path | None, typer.Option(help="File of example ids that must stay out, one a line.")] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(help="topic=food<=200, topic=food>=5% (of the budget), or topic: in proportion. Repeatable."),
    ] = None,
    target: Annotated[
        Path | None, typer.Option(help="For ioptimal: file of example ids of the task to serve, one a line.")
    ] = None,
    target_run: Annotated[
        str | None, typer.Option(help="For ioptimal: the scoring run of another dataset, the task to serve.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where gains are computed: auto takes a GPU if there is one.")] = "auto",
    set: Assignments = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Select examples by a criterion, within a budget, with random subsets of equal tokens beside it."""

    def choose(bench: Workbench) -> Any:
        settings = find_criterion(criterion).settings.checked(**parse_assignments(set or []))
        report = bench.select(
            name,
            criterion,
            budget,
            run=run,
            seed=seed,
            settings=settings,
            pinned=_read_ids(pin),
            banned=_read_ids(ban),
            quotas=[Quota.parse(text) for text in quota or []],
            target=_read_target(target),
            target_run=target_run,
            device=device,
        )
        print(f"Selected from scoring run {bench.selections.get(report.selection).run}", file=sys.stderr)
        if report.note:
            print(report.note, file=sys.stderr)
        return report

    _run(workspace, as_json, choose)


@app.command()
def scores(run: str, output: Output, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write the scores of a run, one row per example: .parquet or .jsonl."""
    _run(workspace, as_json, lambda bench: {"file": str(bench.scores(run, output))})


@app.command()
def factors(run: str, output: Output, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write the Fisher factors of a run: .npz with example_id, offsets and values."""
    _run(workspace, as_json, lambda bench: {"file": str(bench.factors(run, output))})


@app.command()
def ledger(
    selection: str,
    output: Output,
    left_out: Annotated[
        bool, typer.Option("--left-out", help="Instead, what each example left out would gain, and what covers it.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Write what each pick of a selection gained, and the earlier picks that cover most of it."""

    def write(bench: Workbench) -> Any:
        follow = _print_count("examples")
        written = (bench.left_out if left_out else bench.ledger)(selection, output, follow)
        return {"file": str(written)}

    _run(workspace, as_json, write)


@app.command()
def export(
    selection: str,
    output: Output,
    format: Annotated[str, typer.Option(help="original or messages.")] = "messages",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Write a selection as JSONL for a trainer, with a manifest beside it."""
    _run(workspace, as_json, lambda bench: bench.export(selection, format, output))


@app.command()
def render(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    row: Annotated[int, typer.Option(help="Row of the dataset, from 0.")],
    model: Annotated[str, typer.Option(help="A local folder, a hub id, or 'embedded'.")] = "embedded",
    set: Assignments = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show what the model is shown for one row, and which tokens are scored."""

    def show(bench: Workbench) -> Any:
        shown = bench.show(name, row, ScoringSettings.checked(model=model, **parse_assignments(set or [])))
        return asdict(shown.rendered) if as_json else _readable(shown)

    _run(workspace, as_json, show)


def _run_settings(
    options: dict[str, Any], share: float | None, calibrated_model: str | None, no_calibration: bool
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
        scoring=ScoringSettings.checked(**scoring), calibration=calibration, calibrated_model=calibrated_model
    )


def _read_ids(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return list(dict.fromkeys(path.read_text(encoding="utf-8").split()))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{str(path)!r} cannot be read as a list of example ids: {error}") from None


def _read_target(path: Path | None) -> list[str]:
    ids = _read_ids(path)
    if path is not None and not ids:
        raise BadInput(f"{str(path)!r} names no example; a target needs some.")
    return ids


def _print_progress() -> Callable[[JobProgress], None]:
    """Say on stderr, when something changed, how far and how long."""
    last = ""

    def follow(progress: JobProgress) -> None:
        nonlocal last
        counted = f" {progress.done:,} of {progress.total:,} {progress.unit}" if progress.total else ""
        left = f", {progress.seconds_left:,.0f} s left" if progress.seconds_left else ""
        line = f"{progress.phase or progress.state}{counted}{left}"
        if line != last:
            print(line, file=sys.stderr, flush=True)
        last = line

    return follow


def _print_count(unit: str) -> Callable[[int, int], None]:
    """Say on stderr how many are done, each time that some hundred more are."""

    def follow(done: int, total: int) -> None:
        if done % 500 == 0 and done < total:
            print(f"{done:,} of {total:,} {unit}", file=sys.stderr, flush=True)

    return follow


def _readable(shown: Shown) -> dict[str, Any]:
    """What `render` prints for a reader: the text with the scored parts in double brackets, then figures."""
    brackets = {"prompt": ("", ""), "response": ("⟦", "⟧"), "cut": ("✂", "")}
    text = "".join(brackets[kind][0] + part + brackets[kind][1] for kind, part in shown.parts)
    rendered = shown.rendered
    return {
        "text (⟦scored⟧, ✂ cut)": f"\n{text}\n",
        "tokens": len(rendered.input_ids),
        "scored tokens": sum(rendered.response_mask),
        "truncated": rendered.truncated,
        "unscorable reason": rendered.unscorable_reason,
    }


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        yield
    except GleanerError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        print("Stopped. A scoring job goes on in the background; the same command follows it again.", file=sys.stderr)
        raise typer.Exit(130) from None


def _run(workspace: Path | None, as_json: bool, use: Callable[[Workbench], Any]) -> None:
    with _errors_in_one_line(), Workbench(workspace) as bench:
        result = use(bench)
        values = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
        if as_json:
            print(json.dumps(values, ensure_ascii=False))
        else:
            for name, value in ((name, value) for name, value in values.items() if value is not None):
                print(f"{name}: {value:,}" if type(value) is int else f"{name}: {value}")


def main() -> int:
    """Run the command line; what typer refuses is one line too."""
    usage_error: Any = typer.BadParameter.__base__  # typer exports the kinds of it, not the class itself
    try:
        return int(app(standalone_mode=False) or 0)
    except usage_error as error:
        print(f"Error: {error.format_message() or 'name a command; --help lists them.'}", file=sys.stderr)
        return 2
    except typer.Abort:
        return 130


if __name__ == "__main__":
    sys.exit(main())
