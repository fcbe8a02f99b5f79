"""What was asked for, and how an order is kept: the names and forms in which selections are stored."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.choices import SelectionRow, StoredOrder
from core.selection.choose import BOUND_TO_BUDGET
from core.selection.ranking import Ordered, Ranking
from core.selection.registry import find_criterion
from core.settings import Quota, RepeatSettings


@dataclass(frozen=True, slots=True)
class Request:
    """What a selection was asked to be; its hash is the selection's name."""

    run: str
    criterion: str
    budget: str
    seed: int
    settings: dict[str, Any]
    pinned: tuple[int, ...]
    banned: tuple[int, ...]
    quotas: tuple[str, ...] = ()
    target_rows: tuple[int, ...] = ()
    target_run: str | None = None
    repeats: str = "keep"

    def name(self) -> str:
        """The same request has the same name."""
        return _hash(asdict(self))

    def order_name(self, unit: str) -> str:
        """The name of the order it is cut from: that of any budget in this unit, unless the budget shapes it."""
        described = asdict(self) | {"unit": unit}
        is_free = not self.quotas and self.settings.get("search") not in BOUND_TO_BUDGET
        return _hash(described | {"budget": ""} if is_free else described)

    def recorded(self) -> dict[str, Any]:
        """What a selection keeps of it: the criterion's settings, decisions, quotas, repeats and target."""
        kept = {name: list(value) for name, value in asdict(self).items() if name in ("pinned", "banned", "quotas")}
        target = {"target_rows": list(self.target_rows), "target_run": self.target_run}
        has_target = bool(self.target_rows or self.target_run)
        repeats = {} if self.repeats == "keep" else {"repeats": self.repeats}
        return self.settings | kept | repeats | (target if has_target else {})

    def read_quotas(self) -> list[Quota]:
        """Its quotas."""
        return [Quota.parse(text) for text in self.quotas]

    def read_repeats(self) -> RepeatSettings:
        """What it counts as the same example."""
        how, _, threshold = self.repeats.partition(" ")
        return RepeatSettings.checked(repeats=how, repeat_threshold=float(threshold) if threshold else None)

    @classmethod
    def of(cls, selection: SelectionRow) -> "Request":
        """What a stored selection was asked to be."""
        known, names = selection.settings, find_criterion(selection.criterion).settings.model_fields
        return cls(
            selection.run,
            selection.criterion,
            selection.budget,
            selection.seed,
            {name: value for name, value in known.items() if name in names},
            pinned=tuple(known["pinned"]),
            banned=tuple(known["banned"]),
            quotas=tuple(known.get("quotas", ())),
            target_rows=tuple(known.get("target_rows", ())),
            target_run=known.get("target_run"),
            repeats=known.get("repeats", "keep"),
        )


def name_repeats(settings: RepeatSettings) -> str:
    """`keep`, `exact`, or how with its threshold, such as `near 0.8`."""
    return settings.repeats if settings.repeats in ("keep", "exact") else f"{settings.repeats} {settings.threshold:g}"


def as_ordered(stored: StoredOrder) -> Ordered:
    """What the database kept, as the criteria hand it on."""
    rankings = tuple(Ranking(rows, None if np.isnan(gains).all() else gains) for rows, gains in stored.rankings)
    return Ordered(rankings, stored.is_complete, stored.refused, stored.evaluations, stored.naive_evaluations)


def as_stored(name: str, request: Request, found: Ordered) -> StoredOrder:
    rankings = [(r.rows, np.full(len(r.rows), np.nan) if r.gains is None else r.gains) for r in found.rankings]
    return StoredOrder(
        name,
        request.run,
        request.criterion,
        found.is_complete,
        rankings,
        found.refused,
        found.evaluations,
        found.naive_evaluations,
    )


def _hash(described: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:12]
