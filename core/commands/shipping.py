"""What goes out: exports, their replay from a lock, and publishing."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Output, Workspace, answer, app, print_progress, run
from core.workbench import Workbench
from core.workbench.publishing import publish_export

Lock = Annotated[Path, typer.Argument(help="The lock that `export` wrote beside a file.")]


@app.command()
def export(
    selection: str,
    output: Output,
    format: Annotated[
        str, typer.Option(help="original, messages, prompt-completion, alpaca or sharegpt.")
    ] = "messages",
    trainer: Annotated[
        list[str] | None, typer.Option(help="Also what trl, axolotl, llama-factory or openai needs. Repeatable.")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Write a selection for a trainer, .jsonl or .parquet, with its scores, card and lock beside it."""
    run(workspace, as_json, lambda bench: bench.export(selection, format, output, trainers=trainer or []))


@app.command()
def replay(
    lock: Lock,
    output: Output,
    source: Annotated[list[str] | None, typer.Option(help="The source, where it is not what the lock names.")] = None,
    model: Annotated[str | None, typer.Option(help="The model, where it lies elsewhere.")] = None,
    calibrated_model: Annotated[str | None, typer.Option(help="The fine-tuned model, likewise.")] = None,
    target_source: Annotated[
        list[str] | None, typer.Option(help="The source of the dataset that is served, likewise.")
    ] = None,
    earlier_source: Annotated[
        list[str] | None,
        typer.Option(help="The source of the earlier version whose scores were taken over, likewise."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N; the lock's if not given.")] = None,
    picks_from_lock: Annotated[
        bool, typer.Option("--picks-from-lock", help="Neither score nor select: take the lock's examples.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Make a file again from its lock, byte for byte, or name the first row or stage that differs."""

    def again(bench: Workbench) -> Any:
        return bench.replay(
            lock,
            output,
            source=source,
            model=model,
            calibrated_model=calibrated_model,
            target_source=target_source,
            earlier_source=earlier_source,
            device=device,
            trust_picks=picks_from_lock,
            follow=print_progress(),
        )

    run(workspace, as_json, again)


@app.command()
def publish(
    lock: Lock,
    repo_id: Annotated[str, typer.Argument(help="NAME or OWNER/NAME of a dataset repository on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="For all to see; private if not given.")] = False,
    as_json: Json = False,
) -> None:
    """Check an export and put it on the hub as a dataset repository. The token is HF_TOKEN's or the login's."""
    answer(as_json, lambda: {"address": publish_export(lock, repo_id, private=not public)})
