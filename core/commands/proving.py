"""Proofs: does a selection help? Fine-tune on it and on other subsets, and read what came of it."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.commands import Assignments, Json, Workspace, app, print_progress
from core.commands import run as run_command
from core.insight.proof import say_seeds
from core.reports import ProofReport
from core.settings import ProofSettings, parse_assignments
from core.workbench import Workbench


@app.command()
def prove(
    selection: Annotated[str, typer.Argument(help="The selection, as `select` named it.")],
    against: Annotated[
        list[str] | None,
        typer.Option(help="Another selection with the same held-out examples to compare with. Repeatable."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="A folder, a hub id or 'embedded'; the run's if not given.")] = None,
    foretell: Annotated[bool, typer.Option("--foretell", help="Only say what it would take.")] = False,
    set: Assignments = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Fine-tune on a selection and on random subsets of equal tokens and steps; compare on held-out examples."""

    def run(bench: Workbench) -> Any:
        given = ({} if model is None else {"model": model}) | parse_assignments(set or [])
        plan = bench.plan_proof(selection, ProofSettings.checked(**given), against or [])
        cost = bench.foretell_proof(plan)
        if foretell:
            return cost
        about = "" if cost.seconds is None else f", about {cost.seconds / 60:,.0f} minutes by {cost.by}"
        name = bench.start_proof(plan)
        told = f"Proof {name}: {cost.fine_tunes:,} fine-tunes to do, on {cost.tokens:,} tokens in all, prompts too"
        print(f"{told}{about}; {cost.steps:,} optimiser steps on the selection", file=sys.stderr)
        return _told(bench.proof(bench.prove(plan, print_progress())), as_json)

    run_command(workspace, as_json, run)


@app.command()
def proof(
    name: Annotated[str, typer.Argument(help="The proof, as `prove` named it.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Say what a proof found, or has found so far."""
    run_command(workspace, as_json, lambda bench: _told(bench.proof(name), as_json))


@app.command()
def proofs(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List the proofs of a dataset, the newest first: of which selection, and how far each is."""

    def tell(bench: Workbench) -> Any:
        bench.datasets.get(name)
        found = [
            {
                "proof": of,
                "selection": plan.selection,
                "state": bench.proof_progress(of).state,
                "fine_tunes": bench.tuned(of),
                "planned": len(plan.arms) * plan.settings["seeds"],
            }
            for of, plan in bench.proofs(name)
        ]
        if as_json:
            return {"proofs": found}
        told = "of selection {selection}, {fine_tunes:,} of {planned:,} fine-tunes, {state}"
        return {str(line["proof"]): told.format(**line) for line in found}

    run_command(workspace, as_json, tell)


def _told(report: ProofReport, as_json: bool) -> dict[str, Any]:
    """All of it as JSON; for people what the intervals support, and the losses."""
    if as_json:
        return asdict(report)
    told: dict[str, Any] = {"proof": report.proof, "fine_tunes": f"{report.done:,} of {report.planned:,}"}
    told |= {"held_out_examples": report.held_out, "model": report.model, "nll_before_tuning": report.base}
    told |= {arm.name: f"{arm.loss:.4f} nats a token, {say_seeds(arm.seeds)}" for arm in report.arms}
    told |= {f"against {found.against}": found.sentence for found in report.compared}
    told |= {f"with {found.of}": found.sentence for found in report.smaller}
    if report.answers:
        told["right answers"] = report.answers
    told |= {f"in {found.group}": found.sentence for found in report.groups}
    return told | {f"note {number}": note for number, note in enumerate(report.notes, 1)}
