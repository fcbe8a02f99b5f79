"""Review: which examples deserve a person's eye, what did persons say of them, and what follows?

A queue is decided by its selection, kind, length and seed, so that all who judge it see the same examples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.choices import Judgement, SelectionRow
from core.errors import BadInput
from core.people import Role
from core.settings import RepeatSettings
from core.workbench.base import check_target, check_text
from core.workbench.deciding import LONGEST
from core.workbench.differing import Differing
from core.workbench.requests import Request
from core.workbench.rights import needs
from core.workbench.sides import BANNED, BUDGET, Side, tell_place
from core.workbench.tables import write_table

VERDICTS = ("keep", "drop", "unsure")
KINDS = {"keep": "pin", "drop": "ban"}
QUEUES = {
    "border": "At the cut",
    "disagree": "Selections disagree",
    "repeats": "Near-duplicates",
    "truncated": "Truncated responses",
    "random": "Random check",
}
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Asked:
    """One example of a queue: why it is in it, and the row of the example to hold beside it, if there is one."""

    row: int
    why: str
    other: int | None = None


@dataclass(frozen=True, slots=True)
class QueueRequest:
    """Which queue: of a selection, of a kind and length, drawn by a seed; `against` is the selection that `disagree`
    compares with, the newest other one of the run if not given."""

    selection: str
    queue: str
    length: int = 50
    seed: int = 0
    against: str | None = None


class Reviewing(Differing):
    """Queues and judgements."""

    def review_queue(self, request: QueueRequest) -> list[Asked]:
        """The examples of a queue, the first to judge first; fewer than its length where there are no more.

        Raises BadInput for another kind or length, and where there is nothing to compare with.
        """
        find: dict[str, Callable[[Side, QueueRequest], list[Asked]]] = {
            "border": _at_the_cut,
            "disagree": self._disagreeing,
            "repeats": self._repeating,
            "truncated": self._truncated,
            "random": _at_random,
        }
        if request.queue not in find:
            raise BadInput(f"There is no queue {request.queue!r}; there are {', '.join(QUEUES)}.")
        if not 1 <= request.length <= MOST:
            raise BadInput(f"A queue has from 1 to {MOST:,} examples, not {request.length:,}.")
        self.selections.get(request.selection)
        return find[request.queue](self.side(request.selection), request)[: request.length]

    def other_selection(self, selection: SelectionRow) -> str:
        """The newest other selection of the same run. Raises BadInput where there is none."""
        others = [other.selection for other in self.selections.of_run(selection.run)]
        found = next((name for name in others if name != selection.selection), None)
        if found is None:
            raise BadInput("This run has no other selection to disagree with; select by another criterion first.")
        return found

    def _disagreeing(self, _: Side, request: QueueRequest) -> list[Asked]:
        """What one of two selections has and the other has not, the farthest apart in rank first."""
        against = request.against or self.other_selection(self.selections.get(request.selection))
        found = self.compare(request.selection, against)
        places = found.disagreements()
        places = places[(found.a.chosen ^ found.b.chosen)[places]][: request.length]
        other = self.selections.get(against)
        return [
            Asked(
                int(found.rows_a[i]),
                f"here {tell_place(found.a, i)}; by {other.criterion} {other.budget} {tell_place(found.b, i)}",
            )
            for i in places.tolist()
        ]

    def _repeating(self, side: Side, request: QueueRequest) -> list[Asked]:
        """Each other of a group with the one that stands for it: first where both are selected, then by its rank."""
        own = Request.of(self.selections.get(request.selection)).read_repeats()
        settings = RepeatSettings(repeats="near") if own.repeats == "keep" else own
        repeats = self.repeats(side.run, self.pool(side.run), settings)
        assert repeats is not None
        rows = np.flatnonzero(np.isfinite(side.scores["nll"]) & ~side.is_in(BANNED))
        place = np.where(side.chosen, side.spans.first, np.inf)[rows]
        order = np.lexsort((rows, place, repeats.codes[rows]))
        rows, place, codes = rows[order], place[order], repeats.codes[rows[order]]
        _, starts, groups = np.unique(codes, return_index=True, return_inverse=True)
        first = starts[groups]
        others = np.flatnonzero(first != np.arange(len(rows)))
        lone = np.isinf(place)
        others = others[np.lexsort((rows[others], rows[first[others]], place[first[others]], lone[others]))]
        return [
            Asked(int(rows[i]), f"{repeats.how} as row {rows[first[i]]:,}", int(rows[first[i]]))
            for i in others[: request.length].tolist()
        ]

    def _truncated(self, side: Side, request: QueueRequest) -> list[Asked]:
        """Those scored of whose response a part was cut at the run's longest length, the selected ones first."""
        is_cut = self.runs.scores(side.run.run)["truncated"].to_numpy(zero_copy_only=False).astype(bool)
        cut = np.flatnonzero(is_cut & np.isfinite(side.scores["nll"]))
        place = np.where(side.chosen, side.spans.first, np.inf)[cut]
        shown = cut[np.lexsort((cut, place))][: request.length]
        length = side.run.settings["scoring"]["max_length"]
        return [Asked(int(row), f"cut at {length:,} tokens; {tell_place(side, row)}") for row in shown.tolist()]

    @needs(Role.ANNOTATOR, "judge examples")
    def judge(self, dataset: str, row: int, queue: str, verdict: str, why: str = "", who: str | None = None) -> int:
        """Keep what somebody says of an example in a queue; returns its number.

        Raises BadInput for another queue or verdict, and for a row that is not there.
        """
        if queue not in QUEUES:
            raise BadInput(f"There is no queue {queue!r}; there are {', '.join(QUEUES)}.")
        if verdict not in VERDICTS:
            raise BadInput(f"There is no verdict {verdict!r}; there are {', '.join(VERDICTS)}.")
        self._check_rows(dataset, [row])
        return self.judgements.add(dataset, row, queue, verdict, check_text(why, "note", LONGEST), self.sign(who))

    def judged(self, dataset: str, queue: str, rows: Sequence[int]) -> dict[str, dict[int, Judgement]]:
        """Who said what last of which of these rows, by person."""
        found: dict[str, dict[int, Judgement]] = {}
        for made in self.judgements.standing(dataset, queue, rows):
            found.setdefault(made.who, {})[made.row] = made
        return found

    def agreed(
        self, dataset: str, queue: str, verdict: str, rows: Sequence[int] | None = None, least: int = 2
    ) -> dict[int, tuple[str, ...]]:
        """Of which rows every judge, and at least `least` of them, gave this verdict, with the judges; without those
        that are pinned or banned accordingly already."""
        said: dict[int, list[Judgement]] = {}
        for made in self.judgements.standing(dataset, queue, rows):
            said.setdefault(made.row, []).append(made)
        standing = self.decisions.standing(dataset)
        done = set(standing.pinned if verdict == "keep" else standing.banned)
        return {
            row: tuple(made.who for made in by)
            for row, by in said.items()
            if len(by) >= least and row not in done and all(made.verdict == verdict for made in by)
        }

    @needs(Role.CURATOR, "apply judgements")
    def apply_judgements(
        self,
        dataset: str,
        queue: str,
        verdict: str,
        rows: Sequence[int] | None = None,
        least: int = 2,
        who: str | None = None,
    ) -> list[int]:
        """Pin what every judge kept, or ban what every judge dropped; returns the decisions' numbers."""
        if verdict not in KINDS:
            raise BadInput(f"Only {' and '.join(KINDS)} can be applied, not {verdict!r}.")
        together: dict[tuple[str, ...], list[int]] = {}
        for row, judges in self.agreed(dataset, queue, verdict, rows, least).items():
            together.setdefault(judges, []).append(row)
        made = list[int]()
        for judges, of in together.items():
            why = f"Every judge said {verdict} ({QUEUES[queue].lower()}): {', '.join(judges)}"[:LONGEST]
            made += self.decide(dataset, of, KINDS[verdict], why, who)
        return made

    @needs(Role.CURATOR, "write a file")
    def write_queue(self, request: QueueRequest, path: Path | str) -> Path:
        """Write a queue with its texts, for annotators elsewhere: Parquet, JSONL or CSV by suffix."""
        target, asked = check_target(path, ".parquet", ".jsonl", ".csv"), self.review_queue(request)
        dataset = self.selections.get(request.selection).dataset
        rows = sorted({row for one in asked for row in (one.row, one.other) if row is not None})
        texts = {text.row: text for text in self.datasets.texts(dataset, rows)}
        lines = [
            {
                "position": position,
                "example_id": texts[one.row].example_id,
                "row": one.row,
                "why": one.why,
                "prompt": texts[one.row].prompt,
                "response": texts[one.row].response,
                "other_id": None if one.other is None else texts[one.other].example_id,
                "other_row": one.other,
            }
            for position, one in enumerate(asked, start=1)
        ]
        return write_table(pa.Table.from_pylist(lines, QUEUE_SCHEMA), target)

    @needs(Role.CURATOR, "write a file")
    def write_judgements(self, dataset: str, path: Path | str) -> Path:
        """Write every judgement on a dataset in order; `stands` is the last of its person on its example and queue."""
        target, ids = check_target(path, ".parquet", ".jsonl", ".csv"), self.datasets.example_ids(dataset)
        last = {made.judgement for made in self.judgements.standing(dataset)}
        lines = [
            {
                "example_id": ids[made.row],
                "row": made.row,
                "queue": made.queue,
                "verdict": made.verdict,
                "who": made.who,
                "why": made.why,
                "made_at": made.made_at.isoformat(),
                "stands": made.judgement in last,
            }
            for made in self.judgements.of_dataset(dataset)
        ]
        return write_table(pa.Table.from_pylist(lines, JUDGEMENT_SCHEMA), target)


def _schema(**types: Any) -> pa.Schema:
    return pa.schema(list(types.items()))


TEXT, NUMBER = pa.string(), pa.int64()
QUEUE_SCHEMA = _schema(
    position=NUMBER,
    example_id=TEXT,
    row=NUMBER,
    why=TEXT,
    prompt=TEXT,
    response=TEXT,
    other_id=TEXT,
    other_row=NUMBER,
)
JUDGEMENT_SCHEMA = _schema(
    example_id=TEXT, row=NUMBER, queue=TEXT, verdict=TEXT, who=TEXT, why=TEXT, made_at=TEXT, stands=pa.bool_()
)


def _at_the_cut(side: Side, request: QueueRequest) -> list[Asked]:
    """The last picks and the first that would enter, in turn from the cut outwards; pins are nobody's question."""
    assert side.selection is not None
    pins = side.selection.settings["pinned"]
    inside = np.flatnonzero(side.chosen & ~np.isin(np.arange(len(side.chosen)), pins))
    outside = np.flatnonzero(~side.chosen & (side.enters >= 0) & side.is_in(BUDGET))
    inside = inside[np.argsort(-side.spans.first[inside], kind="stable")][: request.length]
    outside = outside[np.lexsort((outside, side.enters[outside]))][: request.length]
    in_turn = chain.from_iterable(zip_longest(inside.tolist(), outside.tolist()))
    return [Asked(row, tell_place(side, row)) for row in in_turn if row is not None]


def _at_random(side: Side, request: QueueRequest) -> list[Asked]:
    """Selected examples drawn by the seed; a longer queue goes on where a shorter one ends."""
    drawn = np.random.default_rng(request.seed).permutation(np.flatnonzero(side.chosen))[: request.length]
    return [Asked(row, tell_place(side, row)) for row in drawn.tolist()]
