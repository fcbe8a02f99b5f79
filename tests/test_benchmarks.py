"""The benchmarks run from a clone and print what they promise."""

import importlib
import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PROMISED = {
    "scoring.py": {
        "tokens_per_second",
        "share_of_peak",
        "ratio_to_published",
        "peak_memory_mb",
        "compile_seconds",
    },
    "scoring_memory.py": {"peak_memory_mb", "ratio"},
    "resume.py": {"kills", "files_compared", "files_different"},
    "selection.py": {
        "lazy_seconds",
        "ratio_to_published",
        "ratio_to_naive",
        "ratio_to_submodlib",
        "ratio_to_apricot",
        "evaluations_share",
    },
    "desk.py": {"criterion_median_ms", "budget_median_ms", "price_median_ms", "ban_median_ms", "pin_median_ms"},
    "ui.py": {"budget_median_ms", "page_median_ms", "map_first_median_ms", "lasso_p95_ms", "session_mb"},
    "loading.py": {"load_seconds", "ratio_to_read_json", "peak_memory_mb", "kills", "half_exports"},
    "claims.py": {"claims", "everything"},
    "shakespeare.py": {"passages", "fisher", "clustered", "random", "verdict"},
    "fuzz.py": {"files", "failures", "outcomes"},
    "greedi.py": {"searches", "plan"},
    "plan.py": {"foretold", "measured", "ratios"},
    "tuning.py": {"seconds", "ratio_to_every_position", "largest_loss_difference"},
    "million.py": {"rows", "steps"},
    "rules.py": {"compared", "different", "pattern", "negative"},
    "fisher_synthetic.py": {"seeds", "independent", "autoregressive", "fisher_below_random_everywhere"},
}

EXACTLY = {
    "fuzz.py": {"files": 300, "failures": 0},
    "loading.py": {"killed_loads_that_differ": 0, "half_exports": 0},
    "resume.py": {"kills": 3, "files_different": 0},
    "rules.py": {"compared": 8, "different": 0},
}

LONG = {
    "claims.py",
    "fisher_synthetic.py",
    "loading.py",
    "million.py",
    "plan.py",
    "resume.py",
    "scoring.py",
    "scoring_memory.py",
    "shakespeare.py",
    "ui.py",
}
"""Those that take minutes: `make soak` runs them."""


def test_every_benchmark_finds_what_it_imports() -> None:
    for path in (ROOT / "benchmarks").glob("*.py"):
        importlib.import_module(f"benchmarks.{path.stem}")


@pytest.mark.parametrize("script", [pytest.param(of, marks=[pytest.mark.long] * (of in LONG)) for of in PROMISED])
def test_a_benchmark_prints_its_figures_as_its_last_line(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / script), "--quick"],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    figures = figures[-1] if isinstance(figures, list) else figures
    assert figures.keys() >= PROMISED[script]
    assert {name: figures[name] for name in EXACTLY.get(script, {})} == EXACTLY.get(script, {})
    if script == "greedi.py":
        check_parts(figures["searches"])
    if script == "scoring_memory.py":
        assert figures["ratio"] < 1.2
        assert figures["mean_rank"] > 30
    if script == "selection.py":
        assert figures["evaluations_share"] < 0.5
        assert figures["ratio_to_published"] > 1
    if script == "fisher_synthetic.py":
        fisher = figures["independent"]["fisher"]
        assert all(of["low"] <= of["difference"] <= of["high"] for of in fisher.values())
    if script == "tuning.py":
        assert figures["largest_loss_difference"] < 0.02
    if script == "ui.py":
        assert figures["views_of_budget"].keys() >= {"figures", "chart", "table"}
        assert figures["map_first_median_ms"] > 0
    if script == "loading.py":
        assert figures["kills"] >= 1
    if script == "claims.py":
        first, second = figures["claims"]
        assert (first["criterion"], second["criterion"]) == ("fisher", "length")
        assert first["over_random"][1] <= first["over_random"][0] <= first["over_random"][2]
    if script == "resume.py":
        assert figures["files_compared"] > 300


def check_parts(searches: list[dict[str, float]]) -> None:
    """GreeDi loses two in a hundred at most, and nothing is above its bound."""
    assert len(searches) == 4
    assert min(of["share_of_central"] for of in searches) >= 0.98
    assert all(of["value"] <= of["upper_bound"] for of in searches)
