"""Does the whole way give the right numbers, and how long does each step take?

    python benchmarks/end_to_end.py [--source FILE --limit 300] [--dtype bfloat16] [--quick]

Loads a dataset (the demo without --source), scores it with the embedded model, selects, and
exports, each by the command line. Then checks two claims by other means: each NLL against
`model(ids, labels=…)` in float32 on the same tokens, and the order of `fisher` against naive
greedy in float64 on what `factors` writes. The last line is one JSON object.
"""

import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.parquet as pq
import torch
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]


def main(
    source: Annotated[str, typer.Option(help="A dataset; the demo if not given.")] = "",
    limit: Annotated[int, typer.Option(help="Rows to read.")] = 300,
    dtype: Annotated[str, typer.Option(help="Precision of the weights.")] = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="24 rows, no calibration.")] = False,
) -> None:
    """Run the whole way and check it."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), source, 24 if quick else limit, dtype, quick)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps(figures))


def measure(folder: Path, source: str, limit: int, dtype: str, quick: bool) -> dict[str, Any]:
    """Times in seconds of each command, and the two agreements."""
    seconds: dict[str, float] = {}

    def core(*words: str) -> dict[str, Any]:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "core", *words, "--json", "--workspace", str(folder / "workspace")],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds[f"{words[0]}_seconds"] = seconds.get(f"{words[0]}_seconds", 0.0) + time.perf_counter() - start
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    core("ingest", source or demo_file(folder), "--name", "data", "--limit", str(limit))
    run = core("score", "data", "--dtype", dtype, *(["--no-calibration"] if quick else ["--calibrate", "0.1"]))
    chosen = core("select", "data", "--criterion", "fisher", "--budget", "10%")
    core("scores", run["run"], "-o", str(folder / "scores.parquet"))
    core("factors", run["run"], "-o", str(folder / "factors.npz"))
    core("ledger", chosen["selection"], "-o", str(folder / "ledger.parquet"))
    core("export", chosen["selection"], "--format", "messages", "-o", str(folder / "chosen.jsonl"))
    errors = nll_errors(folder)
    return {
        **seconds,
        **{name: run[name] for name in ("scored", "unscorable", "tokens", "tokens_per_second")},
        "log_det": chosen["log_det"],
        "random_log_det": chosen["random_log_det"],
        "exported": len((folder / "chosen.jsonl").read_text(encoding="utf-8").splitlines()),
        "worst_nll_error": max(errors),
        "median_nll_error": float(np.median(errors)),
        "picks_as_naive": share_as_naive(folder),
    }


def demo_file(folder: Path) -> str:
    """The demo as a file, so that a limit can be put on it."""
    sys.path.insert(0, str(ROOT))
    from core.data.demo import write_demo

    return str(write_demo(folder / "demo.jsonl"))


def nll_errors(folder: Path) -> list[float]:
    """Relative difference of each stored NLL from Hugging Face's own loss on the same tokens."""
    sys.path.insert(0, str(ROOT))
    from core.workbench import Workbench

    with Workbench(folder / "workspace") as bench:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(next(bench.folder.models.iterdir()), dtype=torch.float32).eval()
        errors = []
        for row in pq.read_table(folder / "scores.parquet").to_pylist():
            if row["nll"] is None:
                continue
            shown = bench.render("data", row["row"])
            ids = torch.tensor([shown.input_ids])
            labels = torch.where(torch.tensor([shown.response_mask]).bool(), ids, -100)
            with torch.inference_mode():
                loss = float(model(ids, labels=labels).loss)
            errors.append(abs(row["nll"] - loss) / loss)
    return errors


def share_as_naive(folder: Path) -> float:
    """Share of the ledger's picks that naive greedy with `slogdet` makes at the same rank."""
    with np.load(folder / "factors.npz") as stored:
        ids, offsets, values = stored["example_id"], stored["offsets"], stored["values"].astype(np.float64)
    ledger = pq.read_table(folder / "ledger.parquet")["example_id"].to_pylist()
    grams = [values[a:b].T @ values[a:b] for a, b in itertools.pairwise(offsets)]
    V, chosen = np.eye(values.shape[1]), []
    for _ in ledger:
        rest = [i for i in range(len(grams)) if i not in chosen and offsets[i + 1] > offsets[i]]
        best = max(rest, key=lambda i: (np.linalg.slogdet(V + grams[i])[1], -i))
        chosen.append(best)
        V += grams[best]
    return sum(str(ids[i]) == name for i, name in zip(chosen, ledger, strict=True)) / len(ledger)


if __name__ == "__main__":
    typer.run(main)
