"""Selections: make one, and read why it is as it is."""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Address, Assignments, Json, Output, Runner, Workers, Workspace, app, read_ids
from core.commands import run as run_command
from core.errors import BadInput
from core.selection.registry import CRITERIA, find_criterion
from core.settings import CrewSettings, Quota, RepeatSettings, parse_assignments
from core.workbench import Workbench

TELL_SECONDS = 5.0
"""A choice that is made sooner says nothing of itself."""


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
    repeats: Annotated[str, typer.Option(help="Of examples that say the same: keep, exact, near or factor.")] = "keep",
    repeat_threshold: Annotated[
        float | None, typer.Option(help="How alike near and factor have to be, 0 to 1.")
    ] = None,
    order_to: Annotated[
        str | None,
        typer.Option(help="How far to order, such as 100%; to twice the budget if not given."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where gains are computed: auto takes a GPU if there is one.")] = "auto",
    workers: Workers = None,
    runner: Runner = "local",
    address: Address = None,
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
            pinned=read_ids(pin),
            banned=read_ids(ban),
            quotas=[Quota.parse(text) for text in quota or []],
            target=_read_target(target),
            target_run=target_run,
            repeats=RepeatSettings.checked(repeats=repeats, repeat_threshold=repeat_threshold),
            device=device,
            order_to=order_to,
            crew=CrewSettings.checked(runner=runner, workers=workers, address=address),
            follow=_print_steps(),
        )
        print(f"Selected from scoring run {bench.selections.get(report.selection).run}", file=sys.stderr)
        if report.note and as_json:
            print(report.note, file=sys.stderr)
        return report

    run_command(workspace, as_json, choose)


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

    run_command(workspace, as_json, write)


@app.command()
def reasons(selection: str, output: Output, workspace: Workspace = None, as_json: Json = False) -> None:
    """Write why each row of the dataset is in a selection or not: the first gate that left it out."""
    run_command(workspace, as_json, lambda bench: {"file": str(bench.reasons(selection, output))})


@app.command()
def mixture(
    selection: str,
    column: Annotated[str, typer.Option(help="A column of the rows as they came.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show how a column's values are spread in the pool, in a selection and in random subsets of equal tokens."""

    def count(bench: Workbench) -> dict[str, Any]:
        shares = bench.mixture(selection, column)
        if as_json:
            return {"column": column, "groups": [asdict(share) for share in shares]}
        examples = max(1, sum(share.selected for share in shares))
        told = (
            "{0.selected:,} of {0.pool:,}, {1:.1%} of the selection (random {0.random_low:.1%} to {0.random_high:.1%})"
        )
        return {share.group: told.format(share, share.selected / examples) for share in shares}

    run_command(workspace, as_json, count)


@app.command()
def stability(
    selection: str,
    run: Annotated[
        list[str] | None, typer.Option(help="A run to compare with; all finished ones of the dataset if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for how often each example was chosen.")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make the same choice on other runs of the dataset (another seed, template, dtype or model): do they agree?"""

    def compare(bench: Workbench) -> dict[str, Any]:
        found = bench.stability(selection, run or [])
        told: dict[str, Any] = {"mean_overlap": found.mean_overlap, "chosen_by_all": found.always}
        if output is not None:
            told["file"] = str(bench.write_stability(found, selection, output))
        if as_json:
            runs = {"runs": found.differences, "selections": found.selections, "skipped": found.skipped}
            return told | runs | {"overlaps": found.overlaps}
        named = {f"run {name}": difference for name, difference in found.differences.items()}
        pairs = {"overlap " + " and ".join(pair["runs"]): f"{pair['overlap']:.3f}" for pair in found.overlaps}
        return told | named | pairs | {f"skipped {run}": why for run, why in found.skipped.items()}

    run_command(workspace, as_json, compare)


def _read_target(path: Path | None) -> list[str]:
    ids = read_ids(path)
    if path is not None and not ids:
        raise BadInput(f"{str(path)!r} names no example; a target needs some.")
    return ids


def _print_steps() -> Callable[[str, int, int], None]:
    """Say on stderr, every few seconds, how far a choice is."""
    told = time.monotonic()

    def follow(phase: str, done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            print(f"{phase}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return follow


def _print_count(unit: str) -> Callable[[int, int], None]:
    """Say on stderr how many are done, each time that some hundred more are."""

    def follow(done: int, total: int) -> None:
        if done % 500 == 0 and done < total:
            print(f"{done:,} of {total:,} {unit}", file=sys.stderr, flush=True)

    return follow
