"""Where two choices differ, what deserves a person's eye, and what persons said of it."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core.commands import Json, Output, Workspace, app, run
from core.insight.agreement import agree_in_pairs, krippendorffs_alpha
from core.workbench import Workbench
from core.workbench.reviewing import QUEUES, QueueRequest
from core.workbench.sides import SCORES, find_score

OptionalOutput = Annotated[Path | None, typer.Option("--output", "-o", help="File with one row per example.")]


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A selection, or a scoring run.")],
    b: Annotated[str, typer.Argument(help="Another of its kind.")],
    by: Annotated[str, typer.Option(help=f"Of two runs, the score to order by: {', '.join(SCORES)}.")] = "nll",
    output: OptionalOutput = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Compare two selections, or the orders of two runs, example by example."""

    def tell(bench: Workbench) -> dict[str, Any]:
        found = bench.compare(a, b, by=find_score(by))
        told: dict[str, Any] = {"a": a, "b": b}
        if found.a.selection is not None:
            told |= asdict(found.overlap)
            told |= {"jaccard": found.overlap.jaccard, "overlap_of_smaller": found.overlap.of_smaller}
            told["information_cannot_be_compared"] = found.unlike
        told |= {"rank_correlation": found.correlation, "disagreements": len(found.disagreements())}
        return told if output is None else told | {"file": str(bench.write_comparison(found, output))}

    run(workspace, as_json, tell)


@app.command()
def review(
    selection: str,
    output: Output,
    queue: Annotated[str, typer.Option(help=f"One of: {', '.join(QUEUES)}.")] = "border",
    length: Annotated[int, typer.Option(help="At most so many examples.")] = 50,
    seed: Annotated[int, typer.Option(help="Seed of the random check.")] = 0,
    against: Annotated[
        str | None, typer.Option(help="For disagree: the other selection; the run's newest other one if not given.")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Write the examples of a selection that deserve a person's eye, with their texts and why."""
    request = QueueRequest(selection, queue, length, seed, against)
    run(workspace, as_json, lambda bench: {"file": str(bench.write_queue(request, output))})


@app.command()
def judgements(
    name: Annotated[str, typer.Argument(help="The dataset.")],
    output: OptionalOutput = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Tell who judged how many examples in which queue, and whether they agree; with -o, write each judgement."""

    def tell(bench: Workbench) -> dict[str, Any]:
        bench.datasets.get(name)
        told: dict[str, Any] = {}
        for queue in QUEUES:
            judged: dict[str, dict[int, str]] = {}
            for made in bench.judgements.standing(name, queue):
                judged.setdefault(made.who, {})[made.row] = made.verdict
            if judged:
                told[queue] = {
                    "persons": {who: dict(Counter(said.values())) for who, said in judged.items()},
                    "pairs": [asdict(pair) | {"agreement": pair.share} for pair in agree_in_pairs(judged)],
                    "krippendorffs_alpha": krippendorffs_alpha(judged),
                }
        return told if output is None else told | {"file": str(bench.write_judgements(name, output))}

    run(workspace, as_json, tell)
