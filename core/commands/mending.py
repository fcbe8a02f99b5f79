"""The rows that could not be loaded: list them, fix, keep or ignore them, and admit what was mended."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Workspace, app, run
from core.commands.deciding import Who
from core.errors import BadInput
from core.records import Entry
from core.workbench import Workbench

SHOWN = 200
Name = Annotated[str, typer.Argument(help="The dataset.")]
Reason = Annotated[str, typer.Option(help="The kind of rows, by its reason as `quarantine` lists it.")]


@app.command()
def quarantine(
    name: Name,
    reason: Annotated[str | None, typer.Option(help="Only rows with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many rows.")] = 20,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """List the rows that could not be loaded: by kind, then each with its place, reason and raw text."""

    def tell(bench: Workbench) -> dict[str, Any]:
        groups = bench.quarantine_groups(name)
        entries = bench.repairs.entries(name, reason=reason, limit=limit)
        if reason and not entries:
            raise BadInput(f"Dataset {name!r} has no row in quarantine for the reason {reason!r}.")
        if as_json:
            return {"groups": [asdict(group) for group in groups], "entries": [asdict(entry) for entry in entries]}
        kinds = {f"{group.reason} ({group.state})": group.rows for group in groups}
        return kinds | {f"entry {entry.entry}": _told(entry) for entry in entries}

    run(workspace, as_json, tell)


def _told(entry: Entry) -> str:
    state = entry.state if entry.admitted_row is None else f"admitted as row {entry.admitted_row:,}"
    return f"line {entry.line:,} of {entry.file}, {state}: {entry.reason}: {entry.raw[:SHOWN]}"


@app.command()
def fix(
    name: Name,
    entry: Annotated[int, typer.Option(help="The row's number in `quarantine`.")],
    text: Annotated[Path, typer.Option(help="File with the mended row, one JSON object.")],
    who: Who = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Mend one row that could not be loaded; `admit` then takes it into the dataset."""

    def mend(bench: Workbench) -> dict[str, Any]:
        try:
            mended = text.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise BadInput(f"{str(text)!r} cannot be read: {why}.") from None
        return {"entry": entry, "messages": bench.fix(name, entry, mended, who).messages}

    run(workspace, as_json, mend)


@app.command()
def keep(name: Name, reason: Reason, who: Who = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Keep all open rows of a kind as they are, such as those with an empty response; `admit` then takes them in."""
    run(workspace, as_json, lambda bench: {"rows": bench.keep(name, reason, who)})


@app.command()
def ignore(name: Name, reason: Reason, who: Who = None, workspace: Workspace = None, as_json: Json = False) -> None:
    """Decide to leave all open rows of a kind out."""
    run(workspace, as_json, lambda bench: {"rows": bench.ignore(name, reason, who)})


@app.command()
def reopen(
    name: Name,
    reason: Reason,
    state: Annotated[str, typer.Option(help="ignored, kept or fixed: which of them.")] = "ignored",
    who: Who = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take back what was decided about the rows of a kind that are not admitted yet."""
    run(workspace, as_json, lambda bench: {"rows": bench.reopen(name, reason, state, who)})


@app.command()
def admit(name: Name, workspace: Workspace = None, as_json: Json = False) -> None:
    """Take the fixed and kept rows into the dataset; where it was scored, into its next version."""
    run(workspace, as_json, lambda bench: bench.admit(name).report)
