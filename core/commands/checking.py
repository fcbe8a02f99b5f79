"""The dry run of a trainer over a file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Workspace, app
from core.commands import run as run_command
from core.data.trainers import count_reasons, say_verdict
from core.settings import CheckSettings
from core.workbench import Workbench
from core.workbench.base import check_target


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The file that the trainer is to read: JSONL, a JSON array or Parquet.")],
    trainer: Annotated[str, typer.Option(help="trl, axolotl, llama-factory or openai.")],
    model: Annotated[str, typer.Option(help="Whose tokenizer: a local folder, a hub id, or 'embedded'.")] = "embedded",
    max_length: Annotated[
        int | None, typer.Option(help="Tokens of a row that train; if not given, 2048, and 65536 for openai.")
    ] = None,
    assistant_only: Annotated[
        bool, typer.Option("--assistant-only", help="trl: with its assistant_only_loss.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File for the findings, one a line: .jsonl or .parquet.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when a line is refused.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Try a file on a trainer: which lines train, which do not, and why. Exits with 0 whatever it finds."""
    refused = 0

    def look(bench: Workbench) -> dict[str, Any]:
        nonlocal refused
        if output is not None:
            check_target(output, ".parquet", ".jsonl")
        settings = CheckSettings.checked(max_length=max_length, assistant_only=assistant_only)
        found = bench.check(file, trainer, model, settings)
        refused = found.refused
        names = ("trainer", "format", "rows", "will_train", "would_train", "refused", "warned", "stops", "tokens")
        told: dict[str, Any] = {name: getattr(found, name) for name in (*names, "tokens_cut")}
        told["verdict"] = say_verdict(found)
        if output is not None:
            told["findings"] = str(bench.write_findings(found, output))
        reasons = count_reasons(found)
        if as_json:
            keys = ("severity", "reason", "lines", "first_lines")
            return told | {"notes": found.notes, "reasons": [dict(zip(keys, r, strict=True)) for r in reasons]}
        told |= {f"{severity}: {reason}": _told(count, lines) for severity, reason, count, lines in reasons}
        return told | {f"note {number}": note for number, note in enumerate(found.notes, 1)}

    run_command(workspace, as_json, look)
    if strict and refused:
        raise typer.Exit(1)


def _told(count: int, lines: list[int]) -> str:
    if lines == [0]:
        return "the whole file"
    named = ", ".join(f"{line:,}" for line in lines) + (" …" if count > len(lines) else "")
    return f"{count:,} {'line' if count == 1 else 'lines'} ({named})"
