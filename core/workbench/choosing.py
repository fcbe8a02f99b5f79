"""Choose: a criterion and a budget become an ordered selection with its ledger, proof and envelope."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core.errors import BadInput
from core.records import Cover, SelectionReport, SelectionRow
from core.scoring.device import choose_device
from core.selection.choose import Choice, choose, information_ridge, view
from core.selection.covers import Covers
from core.selection.pool import Pool
from core.selection.registry import Criterion, find_criterion
from core.settings import Budget, Quota, Settings
from core.workbench.base import check_target
from core.workbench.pools import Pools
from core.workbench.tables import write_table

COVERS_AT_A_TIME = 50
GUESSED = (
    "A gain of I-optimality may rise as picks are added, so what lazy and stochastic search remember are guesses; "
    "search=naive computes every gain."
)
OWED = "The quotas of at least so much were missed by {:,} tokens: no whole example fits into the rest of the budget."


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

    def name(self) -> str:
        """The same request has the same name."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def recorded(self) -> dict[str, Any]:
        """What a selection keeps of it: the criterion's settings, decisions, quotas and target."""
        kept = {name: value for name, value in asdict(self).items() if name in ("pinned", "banned", "quotas")}
        target = {"target_rows": list(self.target_rows), "target_run": self.target_run}
        has_target = bool(self.target_rows or self.target_run)
        return self.settings | {name: list(value) for name, value in kept.items()} | (target if has_target else {})


class Choosing(Pools):
    """Selections."""

    _kept_finder: tuple[str, Covers] | None = None

    def select(
        self,
        dataset: str,
        criterion: str,
        budget: str,
        *,
        run: str | None = None,
        seed: int = 0,
        settings: Settings | None = None,
        pinned: Sequence[str] = (),
        banned: Sequence[str] = (),
        quotas: Sequence[Quota] = (),
        target: Sequence[str] = (),
        target_run: str | None = None,
        device: str = "auto",
    ) -> SelectionReport:
        """Select from a dataset's newest finished run, or the one named; pins, bans and target are example ids.

        A `target` of examples, or the run of another dataset, is what `ioptimal` serves. Raises BadInput
        for an unknown criterion, a budget of nothing or of more than there is, quotas that cannot be
        kept, and for a criterion whose passes this run lacks.
        """
        rule, amount = find_criterion(criterion), Budget.parse(budget)
        _check_request(rule, seed, target, target_run)
        device = _design_device(device)
        chosen_run = self.finished_run(dataset, run)
        options = settings or rule.settings()
        rows = self._rows_of_ids(dataset, [*pinned, *banned, *target])
        request = Request(
            chosen_run.run,
            criterion,
            str(amount),
            seed,
            options.model_dump(mode="json"),
            pinned=tuple(rows[id_] for id_ in dict.fromkeys(pinned)),
            banned=tuple(sorted(rows[id_] for id_ in set(banned))),
            quotas=tuple(sorted({str(quota) for quota in quotas})),
            target_rows=tuple(sorted(rows[id_] for id_ in set(target))),
            target_run=target_run,
        )
        name = request.name()
        known = {selection.selection: selection for selection in self.selections.of_run(chosen_run.run)}
        if name not in known:
            pool = self._pool_of(request, dataset, device)
            self._store(name, request, dataset, _choose(pool, rule, amount, options, seed))
        return _report(self.selections.get(name))

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

    def _finder(self, chosen: SelectionRow) -> Covers:
        """The picks' sketches, kept for the selection last asked about."""
        if self._kept_finder and self._kept_finder[0] == chosen.selection:
            return self._kept_finder[1]
        kind = find_criterion(chosen.criterion).settings
        settings = kind(**{name: value for name, value in chosen.settings.items() if name in kind.model_fields})
        pool = view(self.pool(self.runs.get(chosen.run)), settings)
        picks = np.array([pick.row for pick in self.selections.picks(chosen.selection)], dtype=np.int64)
        finder = Covers(pool.design_factors, picks, information_ridge(settings))
        self._kept_finder = (chosen.selection, finder)
        return finder

    def _pool_of(self, request: Request, dataset: str, device: str) -> Pool:
        run = self.runs.get(request.run)
        pool = replace(self.pool(run), device=device)
        if request.quotas:
            quotas = tuple(Quota.parse(text) for text in request.quotas)
            pool = replace(pool, quotas=quotas, groups=self.grouping(dataset, quotas))
        if request.target_rows:
            pool = replace(pool, target=self.target_of_rows(run, pool, request.target_rows))
        if request.target_run:
            pool = replace(pool, target=self.target_of_run(run, request.target_run))
        return replace(pool, pinned=request.pinned, banned=frozenset(request.banned))

    def _store(self, name: str, request: Request, dataset: str, choice: Choice) -> None:
        found = choice.ordered
        evaluations = {"computed": found.evaluations, "naive": found.naive_evaluations}
        settings = request.recorded() | ({"quotas_missed_by": found.owed} if found.owed else {})
        row = SelectionRow(
            selection=name,
            run=request.run,
            dataset=dataset,
            criterion=request.criterion,
            budget=request.budget,
            seed=request.seed,
            settings=settings,
            examples=len(choice.picks),
            tokens=choice.tokens,
            log_det=choice.proof.value,
            envelope=choice.envelope.bands(),
            upper_bound=choice.proof.upper_bound,
            variance=None if choice.variance is None else asdict(choice.variance),
            evaluations=evaluations if found.gains is not None else None,
        )
        rest = choice.left_out
        columns = {"row": rest.rows, "gain": rest.gains, "gain_alone": rest.gains_alone}
        self.selections.add(row, choice.picks, pa.table(columns))

    def _rows_of_ids(self, dataset: str, example_ids: Sequence[str]) -> dict[str, int]:
        if not example_ids:
            return {}
        rows = {id_: row for row, id_ in enumerate(self.datasets.example_ids(dataset))}
        for id_ in example_ids:
            if id_ not in rows:
                raise BadInput(f"Dataset {dataset!r} has no example {id_!r}.")
        return rows


def _choose(pool: Pool, rule: Criterion, budget: Budget, settings: Settings, seed: int) -> Choice:
    try:
        return choose(pool, rule, budget, settings, seed)
    except torch.linalg.LinAlgError as error:
        raise BadInput(f"These features and this ridge are too far apart to compute with ({error}).") from None


def _check_request(rule: Criterion, seed: int, target: Sequence[str], target_run: str | None) -> None:
    if not 0 <= seed < 2**63:
        raise BadInput(f"Seed {seed} is not a whole number from 0 to 9,223,372,036,854,775,807.")
    if (target or target_run) and not rule.takes_target:
        raise BadInput(f"Criterion {rule.name!r} takes no target; ioptimal does.")
    if target and target_run:
        raise BadInput("Give a target of examples or a target run, not both.")


def _design_device(device: str) -> str:
    """Designs are computed in float64, which Apple's GPUs have not."""
    chosen = choose_device(device)
    return "cpu" if chosen.type == "mps" else str(chosen)


def _cover_columns(ids: Sequence[str], covers: Sequence[Cover]) -> dict[str, Any]:
    return {
        "covered_by": " ".join(ids[cover.row] for cover in covers),
        "covered_share": covers[-1].share if covers else 0.0,
    }


def _report(row: SelectionRow) -> SelectionReport:
    band = row.envelope
    notes = [GUESSED] if row.criterion == "ioptimal" and row.settings["search"] != "naive" else []
    if missed := row.settings.get("quotas_missed_by"):
        notes.append(OWED.format(missed))
    return SelectionReport(
        row.selection,
        row.examples,
        row.tokens,
        row.log_det,
        (band["low"][-1], band["high"][-1]),
        row.upper_bound,
        row.at_least,
        row.variance,
        row.evaluations,
        " ".join(notes) or None,
    )
