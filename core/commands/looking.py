"""What is in a dataset, at a glance."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.commands import Json, Workspace, app, run
from core.reports import ColumnFacts, Glance, Lengths, TokenCount
from core.workbench import Workbench

MOST_VALUES = 8


@app.command()
def glance(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Show what is in a dataset: lengths, tokens, turns, columns, scripts, duplicates and empty fields."""

    def look(bench: Workbench) -> Any:
        found, tokens = bench.glance(name), bench.token_count(name)
        if as_json:
            return asdict(found) | {"tokens": None if tokens is None else asdict(tokens)}
        return _readable(found, tokens)

    run(workspace, as_json, look)


def _readable(found: Glance, tokens: TokenCount | None) -> dict[str, Any]:
    """What `glance` prints for a reader, one line a question and one a column."""
    turns, same = found.conversations, found.duplicates
    figures = {
        "examples": turns.examples,
        "quarantined": found.quarantined,
        "tokens": _tokens(tokens),
        "prompts": _lengths(found.prompts),
        "responses": _lengths(found.responses),
        "with several user turns": turns.several_turns,
        "with a system message": turns.with_system,
        "with tools": turns.with_tools,
        "turns of the longest": turns.most_turns,
        "whole rows again": f"{same.exact:,} in {same.groups:,} groups, the largest of {same.largest:,}",
        "conversations again": same.conversations,
        "prompts with different responses": f"{same.prompts:,} in {same.prompt_examples:,} examples",
        "responses to different prompts": f"{same.responses:,} in {same.response_examples:,} examples",
        "empty prompts": found.empty_prompts,
        "responses below 3 characters": found.short_responses,
        "columns and scripts read from": f"{found.sampled:,} examples",
        "scripts of responses": dict(found.scripts),
    }
    figures |= {f"column {column.name}": _column(column) for column in found.columns}
    if (more := found.column_count - len(found.columns)) > 0:
        figures["columns not shown"] = more
    return figures


def _tokens(tokens: TokenCount | None) -> str | None:
    if tokens is None:
        return None
    about, how = ("", "counted by") if tokens.is_exact else ("about ", "estimated with")
    return f"{about}{tokens.prompt:,} of prompts, {about}{tokens.response:,} of responses, {how} {tokens.counted_by}"


def _lengths(lengths: Lengths) -> str:
    return (
        f"{lengths.total:,} characters; 5 % have up to {lengths.low:,}, half up to {lengths.median:,}, "
        f"95 % up to {lengths.high:,}, the longest {lengths.longest:,}"
    )


def _column(column: ColumnFacts) -> str:
    """Filled, and what else it is where it is not; then the values of a column with few."""
    counts = {"missing": column.missing, "null": column.null, "empty": column.empty}
    gaps = "".join(f", {count:,} {word}" for word, count in counts.items() if count)
    shown, rest = column.values[:MOST_VALUES], column.values[MOST_VALUES:]
    values = ", ".join(f"{' '.join(value.split())[:40]} {count:,}" for value, count in shown)
    more = f" and {len(rest):,} more" if rest else ""
    kinds = " or ".join(column.types) or "nothing"
    return f"{kinds}, {column.filled:,} filled{gaps}, {column.distinct:,} distinct" + (
        f": {values}{more}" if values else ""
    )
