"""Does InstructDiff select what another implementation selects, on real scores?

    python benchmarks/rules.py --workspace DIR --run RUN [--quick]

On the scores of a finished, calibrated run: the paper's and the code's rule, for some γ and β, against the plain
lists of `tests/oracles.py`. Then the distribution of ΔH, as the paper reports it. With --quick on 2,000 drawn
scores. The last line is one JSON object.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.selection.criteria.instructdiff import InstructDiffSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402
from tests import oracles  # noqa: E402


def main(
    workspace: Annotated[Path | None, typer.Option(help="Folder of the workspace.")] = None,
    run: Annotated[str, typer.Option(help="A finished run with calibration.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Drawn scores, under a minute.")] = False,
) -> None:
    """Compare, and print."""
    if quick:
        from desk import build_workspace

        with tempfile.TemporaryDirectory() as folder:
            figures = compare(Path(folder), build_workspace(Path(folder), 2_000))
    elif workspace is None:
        raise typer.BadParameter("Name a workspace and a run, or take --quick.")
    else:
        figures = compare(workspace, run)
    print(json.dumps(figures))


def compare(workspace: Path, run: str) -> dict[str, float | int | str]:
    """How many choices were compared, how many differ, and the pattern."""
    with Workbench(workspace) as bench:
        dataset = bench.runs.get(run).dataset
        scores = bench.runs.scores(run).to_pydict()
        names = ("nll", "nll_calibrated", "entropy", "entropy_calibrated", "response_tokens")
        raw = [[np.nan if value is None else value for value in scores[name]] for name in names]
        pool, compared, different = bench.pool(bench.runs.get(run)), 0, 0
        for rule in ("paper", "code"):
            for gamma, share in ((0.1, 0.1), (0.1, 0.2), (0.25, 0.05), (0.0, 0.1)):
                settings = InstructDiffSettings(rule=rule, gamma=gamma)
                chosen = bench.select(dataset, "instructdiff", f"{100 * share:g}%", run=run, settings=settings)
                rows = [pick.row for pick in bench.selections.picks(chosen.selection)]
                truth = oracles.instructdiff_both_rules(rule, *raw, gamma, share)
                compared, different = compared + 1, different + (rows != truth)
                print(f"{rule}, γ {gamma:g}, β {share:g}: {len(rows):,} examples, equal: {rows == truth}")
        found = bench.pattern(run)
    return {
        "rows": len(pool.nll),
        "compared": compared,
        "different": different,
        "pattern": found.name,
        "negative": found.negative,
        "mean": found.mean,
        "sd": found.deviation,
    }


if __name__ == "__main__":
    typer.run(main)
