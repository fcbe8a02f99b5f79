"""What comes in: datasets, and how they are rendered."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from core.commands import Assignments, Json, Workspace, app, print_progress, run
from core.records import Shown
from core.settings import IngestSettings, ScoringSettings, parse_assignments
from core.workbench import Workbench


@app.command()
def demo(workspace: Workspace = None, as_json: Json = False) -> None:
    """Load the demo: 2,026 real English question-and-answer chats."""
    run(workspace, as_json, lambda bench: bench.demo())


@app.command()
def ingest(
    source: Annotated[
        list[str],
        typer.Argument(help="Files, a folder, a URL, or a hub id; several files are read one after the other."),
    ],
    name: Annotated[str, typer.Option(help="Name of the dataset.")],
    format: Annotated[str, typer.Option(help="auto, alpaca, sharegpt, messages, prompt-completion or text.")] = "auto",
    map: Annotated[list[str] | None, typer.Option(help="FIELD=COLUMN, such as prompt=question.")] = None,
    header: Annotated[
        Literal["auto", "yes", "no"], typer.Option(help="Whether a table's first line names its columns.")
    ] = "auto",
    split: Annotated[str | None, typer.Option(help="Split of a datasets folder or hub id.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of a hub id.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")] = None,
    limit: Annotated[int | None, typer.Option(help="Read at most this many rows.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Load a dataset; every row is loaded or quarantined with its reason. Goes on with a load that was interrupted.

    A changed source under the name of a dataset becomes its next version, NAME@2.
    """

    def load(bench: Workbench) -> Any:
        settings = IngestSettings.checked(
            format=format,
            mapping=parse_assignments(map or []),
            header=header,
            split=split,
            config=config,
            revision=revision,
            limit=limit,
        )
        return bench.ingest(source, name, settings, print_progress())

    run(workspace, as_json, load)


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
