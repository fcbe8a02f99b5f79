"""What comes in and what goes out: datasets, how they are rendered, and exports."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from core.commands import Assignments, Json, Output, Workspace, app, run
from core.records import Shown
from core.settings import IngestSettings, ScoringSettings, parse_assignments
from core.workbench import Workbench


@app.command()
def demo(workspace: Workspace = None, as_json: Json = False) -> None:
    """Load the demo: 2,026 real English question-and-answer chats."""
    run(workspace, as_json, lambda bench: bench.demo())


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

    run(workspace, as_json, load)


@app.command()
def export(
    selection: str,
    output: Output,
    format: Annotated[str, typer.Option(help="original or messages.")] = "messages",
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Write a selection as JSONL for a trainer, with a manifest beside it."""
    run(workspace, as_json, lambda bench: bench.export(selection, format, output))


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

    run(workspace, as_json, show)


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
