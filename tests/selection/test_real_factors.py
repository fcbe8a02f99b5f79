"""On real factors lazy greedy picks what naive greedy picks: 500 GSM8K and 500 Alpaca rows, by SmolLM2."""

import json
from dataclasses import replace

import numpy as np
import pytest

from core.selection.greedy import Plan, search_greedy
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from core.selection.room import Room
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench
from tests.conftest import ROOT
from tests.selection.pools import select

DATA = ROOT.parent / "shared" / "data"
EACH = 500

pytestmark = [
    pytest.mark.model,
    pytest.mark.long,  # a slow machine scores a thousand rows for an hour
    pytest.mark.skipif(not (DATA / "gsm8k_train.jsonl").exists(), reason="needs the real datasets"),
]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Scored by the embedded model, in one dataset."""
    folder = tmp_path_factory.mktemp("real")
    sums = [json.loads(line) for line in (DATA / "gsm8k_train.jsonl").open(encoding="utf-8")][:EACH]
    asked = json.loads((DATA / "alpaca_random_9k.json").read_text(encoding="utf-8"))
    rows = [{"instruction": row["question"], "input": "", "output": row["answer"]} for row in sums]
    rows += [row for row in asked if row["output"].strip()][:EACH]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with Workbench(folder / "workspace") as bench:
        bench.ingest(str(folder / "rows.jsonl"), "real")
        run = bench.score("real", RunSettings(scoring=ScoringSettings(dtype="bfloat16"), calibration=None)).run
        pool = bench.pool(bench.runs.get(run))
        return replace(pool, factors=np.array(pool.factors), mean_features=np.array(pool.mean_features))


@pytest.mark.parametrize("by_tokens", [False, True])
def test_lazy_greedy_picks_what_naive_greedy_picks(pool: Pool, by_tokens: bool) -> None:
    assert len(pool.rows) == 2 * EACH
    weights = pool.response_tokens.astype(float) if by_tokens else None
    picked = {}
    for how in ("lazy", "naive"):
        room = Room(np.ones(2 * EACH, dtype=np.int64), 40)
        steps = list(search_greedy(LogDet(pool.design_factors, 1.0), pool.rows, room, Plan(how), weights))
        picked[how] = [step.row for step in steps]
        if how == "lazy":
            assert sum(step.evaluations for step in steps) < 0.2 * 40 * 2 * EACH
    assert picked["lazy"] == picked["naive"]


def test_one_vector_an_example_too(pool: Pool) -> None:
    assert select(pool, "fisher", "60", features="mean") == select(
        pool, "fisher", "60", features="mean", search="naive"
    )


def test_ioptimals_lazy_search_picks_what_naive_picks(pool: Pool) -> None:
    small = replace(pool, banned=frozenset(range(0, 2 * EACH, 2)))
    lazy, naive = (select(small, "ioptimal", "15", search=how) for how in ("lazy", "naive"))
    assert len(set(lazy) & set(naive)) >= 14
