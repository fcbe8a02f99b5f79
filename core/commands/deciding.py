"""Decisions: pin, ban and note examples, take it back, and read who decided what; and what can be set at all."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Workspace, app, read_ids, run
from core.errors import BadInput
from core.workbench import Workbench
from core.workbench.options import describe_criteria, describe_options

Who = Annotated[str | None, typer.Option(help="Who decides; the account's name if not given.")]
Why = Annotated[str, typer.Option(help="Why.")]


@app.command()
def decide(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    kind: Annotated[str, typer.Option(help="pin, ban or note.")],
    id: Annotated[list[str] | None, typer.Option(help="Id of an example. Repeatable.")] = None,
    ids: Annotated[Path | None, typer.Option(help="File of example ids, one a line.")] = None,
    why: Why = "",
    who: Who = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Pin, ban or note examples of a dataset; later selections keep to it."""

    def add(bench: Workbench) -> dict[str, Any]:
        wanted = [*(id or []), *read_ids(ids)]
        if not wanted:
            raise BadInput("Name an example with --id, or a file of them with --ids.")
        rows = bench.rows_of_ids(name, wanted)
        return {"decisions": bench.decide(name, [rows[one] for one in wanted], kind, why, who)}

    run(workspace, as_json, add)


@app.command()
def undo(
    decision: Annotated[int, typer.Argument(help="Its number; `decisions` lists them.")],
    why: Why = "",
    who: Who = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take a decision back, by a new one; both stay in the history."""
    run(workspace, as_json, lambda bench: {"decision": bench.undo(decision, why, who)})


@app.command()
def decisions(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List every decision on a dataset, and how many pins and bans stand."""

    def tell(bench: Workbench) -> dict[str, Any]:
        ids, made = bench.datasets.example_ids(name), bench.history(name)
        standing = bench.decisions.standing(name)
        counts = {"pinned": len(standing.pinned), "banned": len(standing.banned)}
        if as_json:
            return counts | {"decisions": [asdict(one) | {"example_id": ids[one.row]} for one in made]}
        told = "{0.made_at:%Y-%m-%d %H:%M} {0.who}: {0.kind} {1}"
        return counts | {
            f"#{one.decision}": told.format(one, f"of #{one.undoes}" if one.undoes else ids[one.row])
            + (f" ({one.why})" if one.why else "")
            for one in made
        }

    run(workspace, as_json, tell)


@app.command()
def options() -> None:
    """Print every criterion and every option as the README has them."""
    print(describe_criteria(), end="\n\n")
    print(describe_options())
