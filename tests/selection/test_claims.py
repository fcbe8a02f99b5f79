"""Who chooses a criterion is told what it was worth against random."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.selection.claims import CLAIMS, tell_claims
from core.selection.registry import CRITERIA


def claim(criterion: str, verdict: str, rival: str = "") -> dict[str, Any]:
    return {"criterion": criterion, "verdict": verdict, "rival": rival or criterion}


def test_a_criterion_that_does_not_beat_random_is_said_to(tmp_path: Path) -> None:
    known = tmp_path / "claims.json"
    maths = [claim("fisher", "worse"), claim("ppl", "no difference", "PPL mid"), claim("ppl", "better", "PPL low")]
    by_length = claim("zip", "better") | {"over_matched": [0.01, -0.002, 0.02]}
    alone = claim("length", "better") | {"over_matched": [0.01, 0.002, 0.02]}
    maths += [by_length, alone]
    known.write_text(
        json.dumps(
            {"maths": {"rows": 2000, "claims": maths}, "chat": {"rows": 500, "claims": [claim("fisher", "better")]}}
        )
    )
    alike = "better, though not than random examples of its own lengths, on maths (2,000 rows)"
    assert "fisher: worse on maths (2,000 rows), better, its lengths not compared yet, on chat (500 rows)." in (
        tell_claims("fisher", known)
    )
    assert "PPL mid: no different on maths (2,000 rows); PPL low: better, its lengths not compared yet, on maths" in (
        tell_claims("ppl", known)
    )
    assert f"zip: {alike}." in tell_claims("zip", known)
    assert "length: better on maths (2,000 rows)." in tell_claims("length", known)
    assert tell_claims("length", known).endswith("by chance alone.")
    assert tell_claims("entropy", known) == ""
    assert tell_claims("fisher", tmp_path / "none.json") == ""


def test_what_is_kept_is_of_criteria_that_there_are() -> None:
    if not CLAIMS.exists():
        pytest.skip("benchmarks/claims.py has not been run to its end yet")
    claims = [claim for pool in json.loads(CLAIMS.read_text()).values() for claim in pool["claims"]]
    assert {claim["criterion"] for claim in claims} <= set(CRITERIA)
    assert all(tell_claims(claim["criterion"]) for claim in claims)
