"""What was measured of each criterion: does training on what it chooses beat training on random examples?

`benchmarks/claims.py` writes the file, pool by pool. It is read for those who choose a criterion.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

CLAIMS = Path(__file__).with_name("claims.json")
CHANCE = "With so many criteria one may be told from random by chance alone."
VERDICTS = {"better": "better", "worse": "worse", "no difference": "no different"}
BY_LENGTH = "better, though not than random examples of its own lengths,"
UNKNOWN_LENGTH = "better, its lengths not compared yet,"


def tell_claims(criterion: str, path: Path = CLAIMS) -> str:
    """How small fine-tunes on what it chose did against random examples of as many tokens, for each way of asking for
    it, as a sentence; "" where it was never tried. What was not told from random examples of its own lengths
    may be better by its lengths alone."""
    told: dict[str, list[str]] = {}
    for name, pool in _read(path).items():
        where = f"{name} ({pool['rows']:,} rows)"
        for claim in pool["claims"]:
            if claim["criterion"] == criterion:
                told.setdefault(claim["rival"], []).append(f"{_tell(claim)} on {where}")
    found = "; ".join(f"{rival}: {', '.join(verdicts)}" for rival, verdicts in told.items())
    return f"Fine-tunes of a small model on its choice against random examples. {found}. {CHANCE}" if found else ""


def _tell(claim: dict[str, Any]) -> str:
    matched = claim.get("over_matched")
    if claim["verdict"] == "better" and (matched is None or matched[1] <= 0):
        return UNKNOWN_LENGTH if matched is None else BY_LENGTH
    return VERDICTS[claim["verdict"]]


@cache
def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}
