"""A pool with planted repeats and noise, scored by a tiny model with a held-out split, for tests of proofs."""

import json
import random
from pathlib import Path

from core.settings import HeldOutSettings, ProofSettings, RunSettings, ScoringSettings
from core.workbench import Workbench

QUICK = ProofSettings(
    seeds=1, random=3, points=1, batch_tokens=100, learning_rate=1e-2, dtype="float32", method="full", epochs=3
)
PLANTED = QUICK.model_copy(update={"learning_rate": 3e-3, "epochs": 6, "random": 5})


def write_pool(path: Path, kind: str, rows: int = 160) -> Path:
    """Half of the rows count on from a number; the other half is a pair repeated (`repeats`), letters at random
    (`noise`), or counts too (`clean`)."""
    generator = random.Random(0)
    with path.open("w", encoding="utf-8") as stream:
        for i in range(rows):
            start, length = generator.randrange(1, 90), generator.randrange(5, 10)
            asked, said = f"count from {start}", " ".join(str(start + k) for k in range(length))
            if i % 2 and kind == "repeats":
                asked, said = [("who?", "me, myself and I"), ("where?", "over the hills and far away")][i // 2 % 2]
            elif i % 2 and kind == "noise":
                said = "".join(generator.choice("qwzxvkj") for _ in range(len(said)))
            row = {"instruction": asked, "input": "", "output": said, "kind": kind if i % 2 else "count"}
            stream.write(json.dumps(row) + "\n")
    return path


def score_pool(bench: Workbench, source: Path, model: Path, share: float = 0.3) -> str:
    """Load and score it, a share held out; the run."""
    bench.ingest(source, "pool")
    scoring = ScoringSettings(model=str(model), max_length=128, device="cpu")
    settings = RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=share))
    return bench.score("pool", settings).run
