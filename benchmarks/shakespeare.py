"""Held-out NLL against the number of chosen passages, in the spirit of FisherSFT's experiment on Shakespeare.

    python benchmarks/shakespeare.py --workspace DIR [--data FOLDER] [--quick]

The embedded model is fine-tuned on the first n passages that FisherSFT, clustered and density sampling choose, and on
random ones of as many tokens (arXiv 2505.14826, section 6, compares at equal n; at equal n the longer passages win).
Everything lies in the workspace, and what is done is not done again. With --quick a tiny random model on drawn
passages, in a minute. The last line is one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.claims import load, score  # noqa: E402
from core.settings import HeldOutSettings, ProofSettings, RunSettings, ScoringSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402

NUMBERS = (25, 50, 100, 200, 400)
RIVALS = ("clustered", "density")


def main(
    workspace: Annotated[Path | None, typer.Option(help="Where everything is kept between runs.")] = None,
    data: Annotated[Path, typer.Option(help="Folder of the datasets.")] = ROOT.parent / "shared" / "data",
    seeds: Annotated[int, typer.Option(help="Training seeds.")] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="A tiny random model, under a minute.")] = False,
) -> None:
    """Run what is missing, and print what is known."""
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            figures = try_quickly(Path(folder))
    elif workspace is None:
        raise typer.BadParameter("Name a --workspace to keep the work in, or take --quick.")
    else:
        scoring = ScoringSettings(max_length=512)
        settings = RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=0.1))
        with Workbench(workspace) as bench:
            load(bench, "shakespeare", data / "tinyshakespeare_input.txt", 0)
            run = score(bench, "shakespeare", settings)
            figures = measure(bench, "shakespeare", run, NUMBERS, ProofSettings(seeds=seeds, points=1))
    show(figures)
    print(json.dumps(figures))


def measure(
    bench: Workbench, name: str, run: str, numbers: tuple[int, ...], settings: ProofSettings
) -> list[dict[str, Any]]:
    """For each number of passages the held-out NLL of each rival, in nats a token, and what a proof says of it."""
    found = []
    for number in numbers:
        chosen = bench.select(name, "fisher", str(number), run=run)
        budget = f"{round(1.03 * chosen.tokens)}tok"
        others = [bench.select(name, rival, budget, run=run).selection for rival in RIVALS]
        plan = bench.plan_proof(chosen.selection, settings, others)
        report = bench.proof(bench.prove(plan, lambda progress: print(progress.phase, progress.done, file=sys.stderr)))
        by_kind = {kind: [arm.loss for arm in report.arms if arm.kind == kind] for kind in ("random", "matched")}
        found.append(
            {
                "passages": number,
                "tokens": chosen.tokens,
                "base": report.base,
                "fisher": report.arms[0].loss,
                **dict(zip(RIVALS, (arm.loss for arm in report.arms[1:3]), strict=True)),
                **by_kind,
                "verdict": report.compared[0].sentence,
            }
        )
    return found


def show(figures: list[dict[str, Any]]) -> None:
    """The figures as a table."""
    table = Table("passages", "tokens", "fisher", *RIVALS, "random", "random of like lengths", title="Held-out NLL")
    for of in figures:
        ranges = [f"{min(of[kind]):.4f} to {max(of[kind]):.4f}" for kind in ("random", "matched")]
        own = [f"{of[name]:.4f}" for name in ("fisher", *RIVALS)]
        table.add_row(str(of["passages"]), f"{of['tokens']:,}", *own, *ranges)
    Console(stderr=True, width=120).print(table)


def try_quickly(folder: Path) -> list[dict[str, Any]]:
    """The whole way with a tiny random model."""
    from tests.conftest import make_tiny_model
    from tests.proving import write_pool

    scoring = ScoringSettings(model=str(make_tiny_model(folder / "model")), max_length=128)
    settings = RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=0.2))
    quick = ProofSettings(seeds=1, points=1, epochs=1, random=3, batch_tokens=60, learning_rate=1e-2, dtype="float32")
    with Workbench(folder / "workspace") as bench:
        load(bench, "passages", write_pool(folder / "pool.jsonl", "clean"), 0)
        return measure(bench, "passages", score(bench, "passages", settings), (8, 16), quick)


if __name__ == "__main__":
    typer.run(main)
