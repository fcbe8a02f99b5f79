"""Keep a workspace: back it up while it is in use, and look over its files and counts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Workspace, answer, app, print_progress
from core.workbench.keeping import back_up, verify_workspace
from core.workbench.publishing import verify_files


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Folder to make, which is a workspace then; new, or empty.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Copy the workspace into a new folder, also while the app has it open. Exits with 1 where it has flaws."""
    flawed = 0

    def make() -> dict[str, Any]:
        nonlocal flawed
        made = back_up(workspace, target, "the command `backup`", print_progress())
        flawed = len(made.flaws)
        told = {name: getattr(made, name) for name in ("backup", "files", "bytes", "seconds")}
        if as_json:
            return told | {"flaws": made.flaws, "notes": made.notes}
        return told | _numbered("flaw", made.flaws) | _numbered("note", made.notes)

    answer(as_json, make)
    if flawed:
        raise typer.Exit(1)


@app.command()
def verify(
    lock: Annotated[
        Path | None, typer.Argument(help="A lock that `export` wrote: its files are checked, and no workspace.")
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended, and say what was done.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Look over the workspace: hashes, counts, leftovers; exits with 1 where flaws are left. Or the files of a lock."""
    left = 0
    if lock is not None:
        answer(as_json, lambda: {"files": verify_files(lock), "all_as_written": True})
        return

    def look() -> dict[str, Any]:
        nonlocal left
        found = verify_workspace(workspace, repair=repair, owner="the command `verify`")
        left = len(found.left)
        if as_json:
            lists = {"left": found.left, "repaired": found.repaired, "notes": found.notes}
            return {"is_clean": found.is_clean, "looked_at": found.looked_at} | lists
        told = {"looked at": found.looked_at, "flaws left": left}
        return (
            told
            | _numbered("flaw", found.left)
            | _numbered("repaired", found.repaired)
            | _numbered("note", found.notes)
        )

    answer(as_json, look)
    if left:
        raise typer.Exit(1)


def _numbered(word: str, lines: list[str]) -> dict[str, str]:
    return {f"{word} {number}": line for number, line in enumerate(lines, 1)}
