"""How much sooner does lazy greedy pick what the published method picks?

    python benchmarks/selection.py [--factors FILE.npz] [--device cuda] [--plot FILE.html] [--quick]

One run, the same factors: the method as published (a log-determinant for each candidate and step; measured
on some, extrapolated), naive greedy with the determinant lemma (likewise), and lazy greedy here (whole).
Then one vector an example against submodlib's log-determinant and apricot's facility location, which
`pip install --no-deps -r benchmarks/requirements.txt` brings; and a pool of 100,000 in a process of its own.
Factors are those that `core factors` wrote, or synthetic ones of real sizes. The last line is one JSON object.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import plotly.graph_objects as go
import typer
from plotly.subplots import make_subplots
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from core.selection.factors import Factors  # noqa: E402
from core.selection.greedy import Plan, Step, search_greedy  # noqa: E402
from core.selection.room import Room  # noqa: E402
from core.selection.vectors import log_det  # noqa: E402

TOPICS = 100
SWEEPS = {"N": (1000, 2000, 4000, 8000), "n": (50, 100, 200, 400), "r": (4, 8, 16, 32), "d": (64, 128, 256, 512)}
MIDDLE = {"N": 4000, "n": 200, "r": 16, "d": 256}


def main(
    factors: Annotated[Path | None, typer.Option(help="What `core factors` wrote; synthetic if not given.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    plot: Annotated[Path | None, typer.Option(help="Write cost against N, n, r and d as a page.")] = None,
    large: Annotated[bool, typer.Option("--large", hidden=True, help="Only the pool of 100,000.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Small pools, under a minute.")] = False,
) -> None:
    """Time every way on the same factors."""
    if large:
        print(json.dumps(measure_large(device, quick)))
        return
    apart = run_apart(device, quick)
    offsets, values, means = read_factors(factors) if factors else real_sized(400 if quick else 10_000)
    picks = min(len(offsets) - 1, 40 if quick else 1000)
    figures = measure_tokens(Factors(values, offsets, device), picks)
    figures |= measure_vectors(means, picks, device)
    figures |= apart
    if plot:
        draw(sweep(device), plot)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps(figures))


def measure_tokens(factors: Factors, picks: int) -> dict[str, Any]:
    """Lazy greedy whole; the published way and naive greedy from a part of their candidates."""
    n = len(factors.ranks)
    seconds, steps = timed(lambda: run_greedy(factors, picks))
    candidates_seen = sum(n - picked for picked in range(picks))
    naive, published = seconds_a_naive_gain(factors), seconds_a_published_gain(factors)
    return {
        "examples": n,
        "picks": picks,
        "dimension": factors.dimension,
        "mean_rank": float(factors.ranks.mean()),
        "lazy_seconds": seconds,
        "evaluations_share": sum(step.evaluations for step in steps) / candidates_seen,
        "naive_seconds": naive * candidates_seen,
        "published_seconds": published * candidates_seen,
        "ratio_to_naive": naive * candidates_seen / seconds,
        "ratio_to_published": published * candidates_seen / seconds,
    }


def seconds_a_naive_gain(factors: Factors, some: int = 400) -> float:
    """One gain by the determinant lemma, many at a time, after some picks."""
    objective = log_det(factors, 1.0)
    objective.add_all(np.arange(0, len(factors.ranks), 50))
    rows = np.linspace(0, len(factors.ranks) - 1, some).astype(np.int64)
    objective.gains(rows[:20])
    return timed(lambda: objective.gains(rows))[0] / some


def seconds_a_published_gain(factors: Factors, some: int = 40) -> float:
    """One log-determinant of V + FᵀF, as the paper's algorithm 1 states it."""
    V = np.eye(factors.dimension)
    rows = np.linspace(0, len(factors.ranks) - 1, some).astype(np.int64)
    blocks = [factors.read(rows[i : i + 1]).cpu().numpy() for i in range(some)]

    def whole() -> None:
        for F in blocks:
            np.linalg.slogdet(V + F.T @ F)

    whole()
    return timed(whole)[0] / some


def measure_vectors(means: np.ndarray, picks: int, device: str) -> dict[str, Any]:
    """One vector an example: here, submodlib's log-determinant, apricot's facility location; from the vectors on."""
    X = (means / np.sqrt((means.astype(np.float64) ** 2).sum(axis=1).mean())).astype(np.float32)
    factors = Factors(X, np.arange(len(X) + 1), device)
    seconds, steps = min((timed(lambda: run_greedy(factors, picks)) for _ in range(2)), key=lambda run: run[0])
    total = sum(step.gain for step in steps)
    figures: dict[str, Any] = {"vector_seconds": seconds}
    submodlib, apricot = time_submodlib(X, picks, total), time_apricot(X, picks)
    figures |= {"submodlib_seconds": submodlib and submodlib[0], "submodlib_search_seconds": submodlib and submodlib[1]}
    figures |= {"ratio_to_submodlib": submodlib and submodlib[0] / seconds}
    figures |= {"apricot_seconds": apricot, "ratio_to_apricot": apricot and apricot / seconds}
    return figures


def time_submodlib(X: np.ndarray, picks: int, expected: float) -> tuple[float, float] | None:
    """Seconds with and without its kernel; its value must be ours. None where it is not installed."""
    try:
        from submodlib import LogDeterminantFunction
    except ImportError:
        return None
    start = time.perf_counter()
    kernel = X.astype(np.float64) @ X.astype(np.float64).T
    function = LogDeterminantFunction(n=len(X), mode="dense", lambdaVal=1.0, sijs=kernel)
    options = {"stopIfZeroGain": False, "stopIfNegativeGain": False, "show_progress": False}
    search, found = timed(lambda: function.maximize(budget=picks, optimizer="LazyGreedy", **options))
    whole = time.perf_counter() - start
    value = sum(gain for _, gain in found)
    assert abs(value - expected) < 1e-6 * expected, f"submodlib reaches {value}, lazy greedy here {expected}"
    return whole, search


def time_apricot(X: np.ndarray, picks: int) -> float | None:
    """Seconds of apricot's lazy facility location; None where it is not installed."""
    try:
        from apricot import FacilityLocationSelection
    except ImportError:
        return None
    selection = FacilityLocationSelection(picks, metric="euclidean", optimizer="lazy", verbose=False)
    return timed(lambda: selection.fit(X))[0]


def run_apart(device: str, quick: bool) -> dict[str, Any]:
    """The large pool in a process of its own, so that its memory is its own; before anything else, since a
    process's peak begins with that of the process that started it."""
    words = [sys.executable, str(Path(__file__)), "--large", "--device", device, *(["--quick"] if quick else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure_large(device: str, quick: bool) -> dict[str, Any]:
    """N = 100,000, p = 256, r = 16, n = 10,000 from a memory map: seconds and the process's peak memory."""
    n, picks = (5000, 300) if quick else (100_000, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "factors.npy"
        values = np.lib.format.open_memmap(path, "w+", "<f4", (n * 16, 256))
        for start in range(0, n, 1000):
            values[start * 16 : (start + 1000) * 16] = synthetic(1000, 256, np.full(1000, 16), seed=start)
        values.flush()
        del values
        factors = Factors(np.load(path, mmap_mode="r"), np.arange(n + 1) * 16, device)
        seconds, steps = timed(lambda: run_greedy(factors, picks))
    share = sum(step.evaluations for step in steps) / sum(n - picked for picked in range(picks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "large_examples": n,
        "large_picks": picks,
        "large_seconds": seconds,
        "large_peak_mb": peak,
        "large_evaluations_share": share,
    }


def run_greedy(factors: Factors, picks: int) -> list[Step]:
    """Lazy greedy for the log-determinant."""
    n = len(factors.ranks)
    room = Room(np.ones(n, dtype=np.int64), picks)
    return list(search_greedy(log_det(factors, 1.0), np.arange(n), room, Plan()))


def read_factors(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets, values, and the first row of each factor as its one vector."""
    with np.load(path) as stored:
        offsets, values = stored["offsets"], stored["values"]
    scored = np.diff(offsets) > 0
    return offsets, values, values[offsets[:-1][scored]]


def real_sized(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Synthetic factors with the sizes seen on 10,000 GSM8K and Alpaca rows: d = 576, ranks 1 to 170, mean 52."""
    ranks = np.clip(np.random.default_rng(0).gamma(3.0, 17.5, n), 1, 170).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(ranks)])
    values = synthetic(n, 576, ranks, seed=0)
    return offsets, values, values[offsets[:-1]]


def synthetic(n: int, d: int, ranks: np.ndarray, seed: int) -> np.ndarray:
    """Factors of skewed topics with falling spectra, rows one after the other [Σ r_i, d] float32."""
    bases = np.random.default_rng(12345).standard_normal((TOPICS, 32, d)).astype(np.float32) / np.sqrt(d)
    generator = np.random.default_rng(seed)
    topics = np.minimum((TOPICS * generator.random(n) ** 2).astype(int), TOPICS - 1)
    blocks = []
    for topic, rank in zip(topics, ranks, strict=True):
        mixed = generator.standard_normal((rank, 32), dtype=np.float32) @ bases[topic] / np.sqrt(32)
        own = generator.standard_normal((rank, d), dtype=np.float32) / np.sqrt(d)
        spectrum = 2.0 * np.exp(-3.0 * np.arange(rank, dtype=np.float32) / rank)
        blocks.append((mixed + 0.5 * own) * spectrum[:, None] * np.sqrt(rank) / 4)
    return np.concatenate(blocks).astype(np.float32)


def sweep(device: str) -> dict[str, list[tuple[int, float]]]:
    """Seconds of lazy greedy with one size changed at a time."""
    costs: dict[str, list[tuple[int, float]]] = {}
    run_greedy(Factors(synthetic(500, 64, np.full(500, 4), seed=1), np.arange(501) * 4, device), 20)  # warm
    for name, sizes in SWEEPS.items():
        for size in sizes:
            at = MIDDLE | {name: size}
            values = synthetic(at["N"], at["d"], np.full(at["N"], at["r"]), seed=1)
            factors = Factors(values, np.arange(at["N"] + 1) * at["r"], device)
            seconds = timed(lambda factors=factors, at=at: run_greedy(factors, at["n"]))[0]
            costs.setdefault(name, []).append((size, seconds))
    return costs


def draw(costs: dict[str, list[tuple[int, float]]], path: Path) -> None:
    """Four panels, both axes logarithmic."""
    titles = {"N": "examples N", "n": "picks n", "r": "rank r", "d": "dimension d"}
    figure = make_subplots(1, 4, subplot_titles=list(titles.values()), shared_yaxes=True)
    for column, points in enumerate(costs.values(), 1):
        x, y = zip(*points, strict=True)
        figure.add_scatter(x=x, y=y, mode="lines+markers", line={"color": "#0b6e99"}, row=1, col=column)
        figure.update_xaxes(type="log", tickvals=x, row=1, col=column)
    figure.update_yaxes(type="log", tickvals=(0.2, 0.5, 1, 2, 5, 10))
    figure.update_yaxes(title_text="seconds", row=1, col=1)
    margin = {"l": 60, "r": 10, "t": 40, "b": 30}
    figure.update_layout(showlegend=False, template="simple_white", height=300, width=1100, margin=margin)
    go.Figure(figure).write_html(path, include_plotlyjs="directory")


def timed(what: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and the result."""
    start = time.perf_counter()
    result = what()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    typer.run(main)
