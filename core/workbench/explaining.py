"""Explain: what each pick brought, what covers what, and why each other example was left out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from core.choices import Cover, Outcome, SelectionRow
from core.errors import BadInput
from core.people import Role
from core.selection.choose import BOUND_TO_BUDGET, information_ridge, view
from core.selection.covers import Covers
from core.selection.outcomes import HELD_OUT
from core.selection.registry import find_criterion
from core.workbench.base import check_target
from core.workbench.deciding import Deciding
from core.workbench.requests import Request
from core.workbench.rights import needs
from core.workbench.tables import write_table

COVERS_AT_A_TIME = 50


class Explaining(Deciding):
    """Ledgers, covers and reasons."""

    _kept_finder: tuple[str, Covers] | None = None

    @needs(Role.CURATOR, "write a file")
    def ledger(self, selection: str, path: Path | str, follow: Callable[[int, int], None] = lambda *_: None) -> Path:
        """Write what each pick brought, with the earlier picks that cover most of it: Parquet, JSONL or CSV by
        suffix. `follow` is called with the picks done and their number."""
        target, chosen = check_target(path, ".parquet", ".jsonl", ".csv"), self.selections.get(selection)
        ids, picks = self.datasets.example_ids(chosen.dataset), self.selections.picks(selection)
        covers = self._covers_in_blocks(chosen, [pick.row for pick in picks], follow)
        columns = ["gain", "gain_alone", "cumulative", "response_tokens", "reason", "objective_gain"]
        lines = [
            {"rank": pick.rank, "example_id": ids[pick.row]}
            | {name: getattr(pick, name) for name in columns}
            | _cover_columns(ids, covers[pick.row])
            for pick in picks
        ]
        return write_table(pa.Table.from_pylist(lines), target)

    @needs(Role.CURATOR, "write a file")
    def left_out(self, selection: str, path: Path | str, follow: Callable[[int, int], None] = lambda *_: None) -> Path:
        """Write what each example left out would bring now, and the picks that cover most of it."""
        target, chosen = check_target(path, ".parquet", ".jsonl", ".csv"), self.selections.get(selection)
        ids, rows = self.datasets.example_ids(chosen.dataset), self.selections.left_out(selection)
        if chosen.upper_bound is None:
            raise BadInput(f"Selection {selection!r} was made by an older version; select again for what it left out.")
        covers = self._covers_in_blocks(chosen, [row.row for row in rows], follow)
        lines = [
            {"example_id": ids[row.row], "row": row.row, "gain": row.gain, "gain_alone": row.gain_alone}
            | {"covered": row.covered}
            | _cover_columns(ids, covers[row.row])
            for row in rows
        ]
        schema = None if lines else pa.schema([("example_id", pa.string()), ("row", pa.int64())])
        return write_table(pa.Table.from_pylist(lines, schema), target)

    def covers(self, selection: str, rows: Sequence[int]) -> dict[int, list[Cover]]:
        """For each of these rows the picks that cover most of its information; for a pick, earlier ones."""
        return self._covers_in_blocks(self.selections.get(selection), rows, lambda *_: None)

    def _covers_in_blocks(
        self, chosen: SelectionRow, rows: Sequence[int], follow: Callable[[int, int], None]
    ) -> dict[int, list[Cover]]:
        finder, found = self._finder(chosen), dict[int, list[Cover]]()
        for start in range(0, len(rows), COVERS_AT_A_TIME):
            block = rows[start : start + COVERS_AT_A_TIME]
            found |= dict(zip(block, finder.of(block), strict=True))
            follow(len(found), len(rows))
        return found

    @needs(Role.CURATOR, "write a file")
    def reasons(self, selection: str, path: Path | str) -> Path:
        """Write for every row read of the dataset why it is in the selection or not: the selected ones with rank
        and gain, then those left out with the first gate, then the quarantined ones."""
        target, chosen = check_target(path, ".parquet", ".jsonl", ".csv"), self.selections.get(selection)
        ids = self.datasets.example_ids(chosen.dataset)
        blank = {"rank": None, "gain": None, "enters": None, "unit": None, "other_id": None}
        lines: list[dict[str, Any]] = [
            {"example_id": ids[pick.row], "row": pick.row, "state": "selected", "reason": pick.reason}
            | blank
            | {"rank": pick.rank, "gain": pick.gain}
            for pick in self.selections.picks(selection)
        ]
        for outcome in self.outcomes(selection):
            told = {"example_id": ids[outcome.row], "row": outcome.row, "state": outcome.gate}
            other = None if outcome.other is None else ids[outcome.other]
            known = {"enters": outcome.enters, "unit": chosen.unit if outcome.enters else None, "other_id": other}
            lines.append(told | {"reason": tell_outcome(outcome, chosen, ids)} | blank | known)
        for row in self.datasets.quarantine(chosen.dataset, 0, 2**62):
            reason = f"{row.file}, line {row.line:,}: {row.reason}"
            lines.append({"example_id": None, "row": None, "state": "quarantined", "reason": reason} | blank)
        return write_table(pa.Table.from_pylist(lines, REASON_SCHEMA), target)

    def outcomes(self, selection: str, rows: Sequence[int] | None = None) -> list[Outcome]:
        """Why examples are not in the selection, in row order, with what kept unscorable ones from being scored."""
        chosen, found = self.selections.get(selection), self.selections.outcomes(selection, rows)
        unscorable = {outcome.row for outcome in found if outcome.gate == "unscorable"}
        if not unscorable:
            return found
        why = dict(enumerate(self.runs.scores(chosen.run)["unscorable_reason"].to_pylist()))
        return [replace(o, detail=why[o.row] or "") if o.row in unscorable else o for o in found]

    def _finder(self, chosen: SelectionRow) -> Covers:
        """The picks' sketches, kept for the selection last asked about."""
        if self._kept_finder and self._kept_finder[0] == chosen.selection:
            return self._kept_finder[1]
        request = Request.of(chosen)
        settings = find_criterion(chosen.criterion).settings.checked(**request.settings)
        rows = np.array([pick.row for pick in self.selections.picks(chosen.selection)], dtype=np.int64)
        finder = Covers(view(self.pool_of(request), settings).design_factors, rows, information_ridge(settings))
        self._kept_finder = (chosen.selection, finder)
        return finder


REASON_SCHEMA = pa.schema(
    [
        ("example_id", pa.string()),
        ("row", pa.int64()),
        ("state", pa.string()),
        ("reason", pa.string()),
        ("rank", pa.int64()),
        ("gain", pa.float64()),
        ("enters", pa.int64()),
        ("unit", pa.string()),
        ("other_id", pa.string()),
    ]
)


def tell_outcome(outcome: Outcome, selection: SelectionRow, names: Sequence[str] | None = None) -> str:
    """Why an example is not in a selection, as a sentence without its full stop."""
    if outcome.gate == HELD_OUT:
        return "held out for a proof"
    if outcome.gate == "unscorable":
        return f"could not be scored: {outcome.detail}" if outcome.detail else "could not be scored"
    if outcome.gate == "banned":
        return "banned"
    if outcome.gate == "repeat" and outcome.other is not None:
        of = names[outcome.other] if names else f"row {outcome.other:,}"
        return f"near-duplicate of {of}: {outcome.detail}"
    if outcome.gate == "filter":
        return outcome.detail
    if outcome.gate == "quota":
        return f"the quota of {outcome.detail} is full, or what is left is held back for another group"
    if outcome.enters is not None:
        return f"over budget: would enter at {outcome.enters:,} {selection.unit}"
    is_bound = selection.settings["quotas"] or selection.settings.get("search") in BOUND_TO_BUDGET
    if is_bound or not selection.curve:
        return f"over budget: {selection.criterion} took others first"
    return f"over budget: would enter beyond {selection.curve['reach']:,} {selection.unit}, where its order ends"


def _cover_columns(ids: Sequence[str], covers: Sequence[Cover]) -> dict[str, Any]:
    return {
        "covered_by": " ".join(ids[cover.row] for cover in covers),
        "covered_share": covers[-1].share if covers else 0.0,
    }
