"""Choose: a criterion and a budget become an ordered selection with its ledger, proof and envelope."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from core.choices import SelectionReport, SelectionRow, Standing, StoredOrder
from core.errors import BadInput
from core.people import Role
from core.records import RunRow
from core.scoring.device import choose_device
from core.selection.choose import Choice, Task, choose, information_ridge, order, prepare
from core.selection.criterion import Criterion
from core.selection.following import Follower, followed_by
from core.selection.logdet import LogDet
from core.selection.pool import Pool
from core.selection.ranking import Ordered
from core.selection.registry import find_criterion
from core.settings import Budget, CrewSettings, Quota, RepeatSettings, Settings
from core.tasks.sharing import spread_over
from core.workbench.base import keep_last
from core.workbench.pools import MOST_POOLS, Pools
from core.workbench.requests import Request, as_ordered, as_stored, name_repeats
from core.workbench.rights import needs

LOOK_AHEAD, ORDERED_WHOLE = 2, 1_000
"""An order goes on to so many times the budget, and of so few candidates to the end, so that it is known at which
budget others would enter."""
GUESSED = (
    "A gain of I-optimality may rise as picks are added, so what lazy and stochastic search remember are guesses; "
    "search=naive computes every gain."
)
ONLY_IN_PARTS = "Only a search in parts has work for several; leave --workers and --runner out, or --set search=greedi."
OWED = "The quotas of at least so much were missed by {:,} tokens: no whole example fits into the rest of the budget."
RANDOM_LIKE = "By its measures this selection is not distinguishable from random subsets of equal tokens."


class Choosing(Pools):
    """Selections."""

    _kept: dict[str, Any]
    _everything: dict[tuple[str, str, float], float]

    @needs(Role.CURATOR, "make a selection")
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
        repeats: RepeatSettings | None = None,
        device: str = "auto",
        order_to: str | None = None,
        crew: CrewSettings | None = None,
        follow: Follower = lambda *_: None,
    ) -> SelectionReport:
        """Select from a dataset's newest finished run, or the one named; pins, bans and target are example ids.

        The pins and bans that stand for the dataset apply too. A `target` of examples, or the run of another
        dataset, is what `ioptimal` serves. The order goes on to `order_to`, a budget, or to twice the budget.
        `crew` searches the parts of a search in parts. `follow` is called with what is done, how far it is, and how
        far it goes.
        Raises BadInput for an unknown criterion, a budget of nothing or of more than there is, quotas that
        cannot be kept, and for a criterion whose passes this run lacks.
        """
        rule, amount = find_criterion(criterion), Budget.parse(budget)
        _check_request(rule, seed, target, target_run)
        chosen_run, options = self.finished_run(dataset, run), settings or rule.settings()
        if crew and (crew.workers or crew.runner == "ray") and not _is_in_parts(options):
            raise BadInput(ONLY_IN_PARTS)
        rows, standing = self.rows_of_ids(dataset, [*pinned, *banned, *target]), self.standing_in(chosen_run)
        self._check_not_held_out(chosen_run, {rows[id_] for id_ in [*pinned, *target]})
        given = Standing(_once(rows[id_] for id_ in pinned), tuple(sorted({rows[id_] for id_ in banned})))
        request = Request(
            chosen_run.run,
            criterion,
            str(amount),
            seed,
            options.model_dump(mode="json"),
            pinned=_once([*given.pinned, *standing.pinned]),
            banned=tuple(sorted({*given.banned, *standing.banned})),
            quotas=tuple(sorted({str(quota) for quota in quotas})),
            target_rows=tuple(sorted(rows[id_] for id_ in set(target))),
            target_run=target_run,
            repeats=name_repeats(repeats or RepeatSettings()),
        )
        with followed_by(follow):
            return self.select_request(request, given, device, Budget.parse(order_to) if order_to else None, crew)

    def _check_not_held_out(self, run: RunRow, rows: set[int]) -> None:
        aside = rows & set(self.held_out(run.run)[0].tolist())
        if aside:
            raise BadInput(
                f"{len(aside):,} pins or targets are held out for a proof by run {run.run!r} (row {min(aside):,}); "
                "take them out, or choose from a run that holds nothing out."
            )

    @needs(Role.CURATOR, "make a selection")
    def select_request(
        self,
        request: Request,
        given: Standing,
        device: str = "auto",
        further: Budget | None = None,
        crew: CrewSettings | None = None,
    ) -> SelectionReport:
        """Make the selection that a request describes, or find it; `given` are the pins and bans of its own, beside
        those that stand for the dataset."""
        name, rule, device = request.name(), find_criterion(request.criterion), _design_device(device)
        if further or not self.selections.has(name):
            settings, amount = rule.settings.checked(**request.settings), Budget.parse(request.budget)
            with _numbers_in_reach():
                spread = spread_over(crew or CrewSettings(), device) if _is_in_parts(settings) else None
                pool = replace(self.pool_of(request, device), spread=spread)
                task = prepare(pool, rule, amount, settings, request.seed)
                ordered = self.ordered(request, task, further)
                self._store(request, given, task, ordered, choose(task, ordered))
        return _report(self.selections.get(name))

    def pool_of(self, request: Request, device: str = "cpu") -> Pool:
        """The pool that a request chooses from."""
        run = self.runs.get(request.run)
        pool, dataset = replace(self.pool(run), device=device), run.dataset
        if request.quotas:
            quotas = tuple(request.read_quotas())
            pool = replace(pool, quotas=quotas, groups=self.grouping(dataset, quotas))
        elif columns := self.group_columns(dataset):
            pool = replace(pool, groups=self.groups(dataset, columns[0]))
        if request.target_rows:
            pool = replace(pool, target=self.target_of_rows(run, pool, request.target_rows))
        if request.target_run:
            pool = replace(pool, target=self.target_of_run(run, request.target_run))
        pool = replace(pool, repeats=self.repeats(run, pool, request.read_repeats()))
        return replace(pool, pinned=request.pinned, banned=frozenset(request.banned))

    @needs(Role.CURATOR, "make a selection")
    def ordered(self, request: Request, task: Task, further: Budget | None = None) -> Ordered:
        """The request's order: as it was computed before if that goes far enough, else to `further`, or to
        twice the budget."""
        name, pins = request.order_name(task.allowance.unit), task.allowance.amount - task.room.total
        wanted = task.room.total
        if further:
            wanted = _amount(further, task) - pins
            if wanted < task.room.total:
                raise BadInput(f"Order to {further} is less than the budget; an order goes on from there.")
        stored = self.orders.find(name)
        if stored is not None and (not task.is_free or reach_of(stored, task) >= wanted):
            return as_ordered(stored)
        is_small = len(task.pool.candidates) <= ORDERED_WHOLE
        everything = int(task.room.costs.sum())
        found = order(task, wanted if further else everything if is_small else LOOK_AHEAD * wanted)
        self.orders.put(as_stored(name, request, found))
        return found

    def _store(self, request: Request, given: Standing, task: Task, ordered: Ordered, choice: Choice) -> None:
        picked = choice.picked
        evaluations = {"computed": ordered.evaluations, "naive": ordered.naive_evaluations}
        settings = request.recorded() | ({"quotas_missed_by": picked.owed} if picked.owed else {})
        if given.pinned or given.banned:
            settings["given"] = {"pinned": list(given.pinned), "banned": list(given.banned)}
        bands = {measure: asdict(band) for measure, band in choice.comparison.bands.items()}
        compared = {"bands": bands, "is_distinguishable": choice.comparison.is_distinguishable}
        row = SelectionRow(
            selection=request.name(),
            run=request.run,
            dataset=self.runs.get(request.run).dataset,
            criterion=request.criterion,
            budget=request.budget,
            seed=request.seed,
            settings=settings,
            examples=len(choice.picks),
            tokens=choice.tokens,
            log_det=choice.certificate.value,
            envelope=choice.envelope.bands(),
            upper_bound=choice.certificate.upper_bound,
            variance=None if choice.variance is None else asdict(choice.variance),
            evaluations=evaluations if ordered.evaluations else None,
            order_name=request.order_name(task.allowance.unit),
            curve=choice.curve.recorded() | {"everything": self._information_of_all(request, task)},
            comparison=compared | {"mix_column": task.pool.groups.column or None},
        )
        rest, gates = choice.left_out, choice.outcomes
        left_out = {"row": rest.rows, "gain": rest.gains, "gain_alone": rest.gains_alone}
        outcomes = {
            "row": gates.rows,
            "gate": gates.gates,
            "detail": gates.details,
            "other": gates.others,
            "enters": gates.enters,
        }
        self.selections.add(row, choice.picks, pa.table(left_out), pa.table(outcomes))
        self._kept.clear()

    def _information_of_all(self, request: Request, task: Task) -> float:
        """What all scored examples hold together, in nats, by the measure of the task's information."""
        ridge, features = information_ridge(task.settings), getattr(task.settings, "features", "tokens")

        def compute() -> float:
            design = LogDet(task.pool.design_factors, ridge)
            design.add_all(task.pool.scored)
            return design.value()

        return keep_last(self._everything, (request.run, str(features), ridge), MOST_POOLS, compute)

    def rows_of_ids(self, dataset: str, example_ids: Sequence[str]) -> dict[str, int]:
        """The row of each of these ids. Raises BadInput for one that is not there."""
        self.datasets.get(dataset)
        if not example_ids:
            return {}
        rows = {id_: row for row, id_ in enumerate(self.datasets.example_ids(dataset))}
        for id_ in example_ids:
            if id_ not in rows:
                raise BadInput(f"Dataset {dataset!r} has no example {id_!r}.")
        return rows


def reach_of(stored: StoredOrder, task: Task) -> float:
    """How much of the budget's unit the order holds, of the shortest of its rankings."""
    if stored.is_complete:
        return float("inf")
    places = (np.searchsorted(task.pool.candidates, rows) for rows, _ in stored.rankings)
    return min(int(task.room.costs[positions].sum()) for positions in places)


def _amount(further: Budget, task: Task) -> int:
    """A budget in the task's unit; a percentage is of all that it could buy."""
    if further.kind == "percent":
        costs = task.allowance.costs(task.pool.response_tokens)
        return math.ceil(further.amount / 100 * int(costs[task.pool.rows].sum()))
    if further.kind != task.allowance.unit:
        raise BadInput(f"Order to {further} is not in the budget's unit, which is {task.allowance.unit}.")
    return int(further.amount)


@contextmanager
def _numbers_in_reach() -> Iterator[None]:
    try:
        yield
    except torch.linalg.LinAlgError as error:
        raise BadInput(f"These features and this ridge are too far apart to compute with ({error}).") from None


def _check_request(rule: Criterion, seed: int, target: Sequence[str], target_run: str | None) -> None:
    if not 0 <= seed < 2**63:
        raise BadInput(f"Seed {seed} is not a whole number from 0 to 9,223,372,036,854,775,807.")
    if (target or target_run) and not rule.takes_target:
        raise BadInput(f"Criterion {rule.name!r} takes no target; ioptimal does.")
    if target and target_run:
        raise BadInput("Give a target of examples or a target run, not both.")


def _is_in_parts(settings: Settings) -> bool:
    """Whether the criterion's search may be shared out."""
    return getattr(settings, "search", "") == "greedi"


def _design_device(device: str) -> str:
    """Designs are computed in float64, which Apple's GPUs have not."""
    chosen = choose_device(device)
    return "cpu" if chosen.type == "mps" else str(chosen)


def _once(rows: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(rows))


def _report(row: SelectionRow) -> SelectionReport:
    band, compared = row.envelope, row.comparison or {}
    notes = [GUESSED] if row.criterion == "ioptimal" and row.settings["search"] != "naive" else []
    if missed := row.settings.get("quotas_missed_by"):
        notes.append(OWED.format(missed))
    if compared.get("is_distinguishable") is False:
        notes.append(RANDOM_LIKE)
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
        compared.get("is_distinguishable"),
        " ".join(notes) or None,
    )
