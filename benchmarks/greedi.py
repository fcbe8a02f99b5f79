"""What does a search in parts cost and lose, against one search of the whole pool?

    python benchmarks/greedi.py [--rows 20000] [--by-tokens] [--quick]

20,000 synthetic factors of real sizes (d = 576, 52 rows on average) in a memory map; a twentieth of them is picked, or
with --by-tokens a twentieth of their rows by gain per row, where no few large examples lead. Every search runs in a
process of its own, one after the other, so that its seconds and its memory are its own: the whole pool at once, then
2, 4 and 8 parts and the last search over what these picked. Beside each value stands the upper bound on the best
possible selection, from a look at the whole pool. A model fitted to the searches, seconds = a × candidates + b × picks,
then plans ten million rows. The last line is one JSON object.
"""

import json
import pickle
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.selection import synthetic  # noqa: E402
from core.selection.factors import Factors  # noqa: E402
from core.selection.parts import Dealing, Part  # noqa: E402
from core.selection.room import Room  # noqa: E402
from core.selection.vectors import log_det  # noqa: E402

D, RIDGE, WRITTEN = 576, 1.0, 500
PARTS = ((2, 4.0), (4, 4.0), (8, 4.0))
"""How many parts, and how many budgets they pick together."""
PLANNED_ROWS, PLANNED_PARTS, PLANNED_SHARE = 10_000_000, (16, 64, 256), 0.01


@dataclass(frozen=True)
class Searched:
    """One search in a process of its own: what it picked, and what that took."""

    rows: list[int]
    value: float
    candidates: int
    seconds: float
    peak_mb: float


def main(
    search: Annotated[Path | None, typer.Option(hidden=True, help="Only this part.")] = None,
    rows: Annotated[int, typer.Option(help="Factors of the pool.")] = 20_000,
    by_tokens: Annotated[bool, typer.Option("--by-tokens", help="A budget in factors' rows, by gain a row.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A small pool, under a minute.")] = False,
) -> None:
    """Search the same factors at once and in parts."""
    if search:
        print(json.dumps(asdict(search_part(search))))
        return
    with tempfile.TemporaryDirectory() as folder:
        offsets = write_factors(Path(folder), 600 if quick else rows)
        figures = measure(Path(folder), offsets, by_tokens=by_tokens)
    tell(figures)
    print(json.dumps(figures))


def measure(folder: Path, offsets: np.ndarray, *, by_tokens: bool) -> dict[str, Any]:
    """The whole pool, then in parts."""
    n = len(offsets) - 1
    rows, costs = np.arange(n), np.diff(offsets) if by_tokens else np.ones(n, dtype=np.int64)
    budget = int(costs.sum()) // 20
    whole = run_apart(folder, Part(rows, costs, costs, budget))
    searches, bound = [whole], upper_bound(folder, offsets, whole.rows, costs, budget)
    table: list[dict[str, Any]] = [
        line("1 (central)", whole.value, whole.value, [whole], None, bound) | {"shared": 1.0}
    ]
    for parts, oversample in PARTS:
        dealt = Dealing(parts, oversample, seed=0).deal(rows, Room(costs, budget), costs)
        found = [run_apart(folder, part) for part in dealt]
        union = np.unique(np.concatenate([of.rows for of in found]))
        last = run_apart(folder, Part(union, costs[union], costs[union], budget))
        searches += [*found, last]
        named = f"{parts}, κ = {dealt[0].total:,}"
        bound = upper_bound(folder, offsets, last.rows, costs, budget)
        table.append(line(named, whole.value, last.value, found, last, bound) | {"shared": shared(whole, last)})
    return {
        "examples": n,
        "budget": budget,
        "by_tokens": by_tokens,
        "picks": len(whole.rows),
        "dimension": D,
        "searches": table,
        "plan": plan(searches),
    }


def line(
    parts: str, central: float, value: float, found: list[Searched], last: Searched | None, bound: float
) -> dict[str, Any]:
    """One row of the table. On a node for each part the slowest of them is waited for."""
    slowest, end = max(of.seconds for of in found), last.seconds if last else 0.0
    return {
        "parts": parts,
        "value": value,
        "share_of_central": value / central,
        "upper_bound": bound,
        "slowest_part_seconds": slowest,
        "last_search_seconds": end,
        "seconds_on_a_node_a_part": slowest + end,
        "seconds_one_after_the_other": sum(of.seconds for of in found) + end,
        "peak_mb_of_a_part": max(of.peak_mb for of in found),
        "peak_mb_of_the_last": last.peak_mb if last else None,
    }


def plan(searches: list[Searched]) -> dict[str, Any]:
    """Ten million rows by the fitted model, with 1 % picked and four budgets in the parts."""
    sizes = np.array([[of.candidates, len(of.rows)] for of in searches], dtype=float)
    seconds = np.array([of.seconds for of in searches])
    rates, _, _, _ = np.linalg.lstsq(sizes, seconds, rcond=None)
    rates = np.maximum(rates, 0.0)
    off = float(np.abs(sizes @ rates - seconds).max() / seconds.max())
    budget, lines = int(PLANNED_ROWS * PLANNED_SHARE), []
    for parts in PLANNED_PARTS:
        each, picks = PLANNED_ROWS / parts, min(budget, 4 * budget / parts)
        part, last = (float(np.dot(rates, size)) for size in ((each, picks), (4 * budget, budget)))
        lines.append({"parts": parts, "part_hours": part / 3600, "last_hours": last / 3600, "rows_a_part": each})
    return {
        "rows": PLANNED_ROWS,
        "picks": budget,
        "seconds_a_candidate": float(rates[0]),
        "seconds_a_pick": float(rates[1]),
        "largest_error_of_the_model": off,
        "factor_gigabytes": PLANNED_ROWS * 52 * D * 4 / 1e9,
        "lines": lines,
    }


def search_part(path: Path) -> Searched:
    """Search one part as a node does, with the factors in a memory map."""
    part: Part = pickle.loads(path.read_bytes())
    folder = path.parent
    factors = Factors(np.load(folder / "factors.npy", mmap_mode="r"), np.load(folder / "offsets.npy"))
    start = time.perf_counter()
    ranking = part.search(log_det(factors, RIDGE)).rankings[0]
    seconds = time.perf_counter() - start
    assert ranking.gains is not None
    return Searched(ranking.rows.tolist(), float(ranking.gains.sum()), len(part.rows), seconds, peak_megabytes())


def peak_megabytes() -> float:
    """The most memory that this process held, what it has of the memory map included; on Linux."""
    held = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert held
    return int(held[1]) / 1024


def run_apart(folder: Path, part: Part) -> Searched:
    """The same in a process of its own."""
    path = folder / "part.pickle"
    path.write_bytes(pickle.dumps(part))
    words = [sys.executable, str(Path(__file__)), "--search", str(path)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    found = Searched(**json.loads(done.stdout.splitlines()[-1]))
    told = f"{found.candidates:,} candidates, {len(found.rows):,} picks: {found.seconds:.1f} s, {found.peak_mb:,.0f} MB"
    print(told, file=sys.stderr, flush=True)
    return found


def shared(one: Searched, other: Searched) -> float:
    """The share of one's picks that the other has too."""
    return len(set(one.rows) & set(other.rows)) / len(one.rows)


def upper_bound(folder: Path, offsets: np.ndarray, rows: list[int], costs: np.ndarray, budget: int) -> float:
    """f(best) ≤ f(S) + the most that the budget pays for of the gains that are left: one look at every candidate."""
    objective = log_det(Factors(np.load(folder / "factors.npy", mmap_mode="r"), offsets), RIDGE)
    objective.add_all(np.array(rows))
    left = np.setdiff1d(np.arange(len(offsets) - 1), rows)
    gains = np.maximum(objective.gains(left), 0.0)
    return objective.value() + float(Room(costs[left], budget).most_valuable(gains) @ gains)


def write_factors(folder: Path, n: int) -> np.ndarray:
    """Factors with the sizes seen on GSM8K and Alpaca rows, written a few hundred at a time; their offsets [n + 1]."""
    ranks = np.clip(np.random.default_rng(0).gamma(3.0, 17.5, n), 1, 170).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(ranks)])
    values = np.lib.format.open_memmap(folder / "factors.npy", "w+", "<f4", (int(offsets[-1]), D))
    for start in range(0, n, WRITTEN):
        stop = min(n, start + WRITTEN)
        values[offsets[start] : offsets[stop]] = synthetic(stop - start, D, ranks[start:stop], seed=start)
    values.flush()
    np.save(folder / "offsets.npy", offsets)
    return offsets


def tell(figures: dict[str, Any]) -> None:
    """Print the tables."""
    table = Table(*(name.replace("_", " ") for name in figures["searches"][0]))
    for searched in figures["searches"]:
        table.add_row(*(f"{value:,.4g}" if isinstance(value, float) else str(value) for value in searched.values()))
    Console(width=200).print(table)
    planned = Table("parts", "rows a part", "hours a part", "hours of the last search")
    for each in figures["plan"]["lines"]:
        hours = (f"{each[name]:,.2f}" for name in ("part_hours", "last_hours"))
        planned.add_row(str(each["parts"]), f"{each['rows_a_part']:,.0f}", *hours)
    Console().print(f"A plan for {figures['plan']['rows']:,} rows, {figures['plan']['picks']:,} picks", planned)


if __name__ == "__main__":
    typer.run(main)
