"""A few kills of server and workers at random moments leave nothing lost, doubled or half-written; `make soak` does a
hundred."""

from pathlib import Path

import pytest

from tests.faults.kills import run


@pytest.mark.parametrize("kills", [5])
def test_kills_at_random_moments_lose_and_double_nothing(kills: int, tmp_path: Path) -> None:
    counts = run(kills, tmp_path, seed=3)
    assert counts["server"] + counts["worker"] + counts["both"] == kills
