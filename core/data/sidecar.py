"""Why is each line of an export in it? A table beside the file has the scores, reasons and decisions.

One row for each line of the file, in its order, so that the two can be put side by side; the training file itself
never holds a score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from core.choices import Decision, Pick
from core.files import replacing
from core.records import Example

SUFFIX = ".scores.parquet"
KEPT_OF_SCORES = (
    "prompt_tokens",
    "nll",
    "ppl",
    "entropy",
    "gini",
    "nll_calibrated",
    "entropy_calibrated",
    "delta_nll",
    "delta_entropy",
    "nll_alone",
    "ifd_loss_ratio",
    "ifd_perplexity_ratio",
    "truncated",
)
LEDGER = ("reason", "gain", "gain_alone", "cumulative", "objective_gain", "response_tokens")
KINDS = {"reason": pa.string(), "response_tokens": pa.int64()}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an example came from."""

    example_id: str
    file: str
    line: int

    @classmethod
    def of(cls, example: Example) -> "Origin":
        """An example's; of a file elsewhere on the machine only the name, since the table may be published."""
        path = PurePath(example.file)
        return cls(example.example_id, path.name if path.is_absolute() else example.file, example.line)


def make_sidecar(
    picks: Sequence[Pick], origins: Sequence[Origin], scores: pa.Table, standing: dict[int, list[Decision]]
) -> pa.Table:
    """One row for each pick: the ledger's line, the example's scores, and what somebody decided about it.

    `scores` has one row for each row of the dataset; `standing` the decisions in force on a row.
    """
    rows = [pick.row for pick in picks]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        "rank": pa.array([pick.rank for pick in picks], pa.int64()),
        "row": pa.array(rows, pa.int64()),
        "example_id": pa.array([origin.example_id for origin in origins], pa.string()),
        "file": pa.array([origin.file for origin in origins], pa.string()),
        "line": pa.array([origin.line for origin in origins], pa.int64()),
    }
    for name in LEDGER:
        columns[name] = pa.array([getattr(pick, name) for pick in picks], KINDS.get(name, pa.float64()))
    chosen = scores.select(list(KEPT_OF_SCORES)).take(pa.array(rows, pa.int64()))
    columns |= {name: chosen[name] for name in KEPT_OF_SCORES}
    decided = [_last(standing.get(row, ())) for row in rows]
    for name, tell in DECIDED.items():
        columns[name] = pa.array([None if made is None else tell(made) for made in decided], pa.string())
    columns["notes"] = pa.array([_notes(standing.get(row, ())) for row in rows], pa.string())
    return pa.table(columns)


def write_sidecar(table: pa.Table, path: Path) -> None:
    """Write the table as Parquet, complete or not at all."""
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def tell_time(made: Decision) -> str:
    """When it was made, in UTC."""
    return f"{made.made_at:%Y-%m-%d %H:%M:%S} UTC"


def _last(made: Sequence[Decision]) -> Decision | None:
    return next((one for one in reversed(made) if one.kind in ("pin", "ban")), None)


def _notes(made: Sequence[Decision]) -> str | None:
    told = [f"{one.who}, {tell_time(one)}: {one.why}" for one in made if one.kind == "note"]
    return "\n".join(told) or None


DECIDED: dict[str, Callable[[Decision], str]] = {
    "decision": lambda made: made.kind,
    "decided_by": lambda made: made.who,
    "decided_at": tell_time,
    "decided_why": lambda made: made.why,
}
