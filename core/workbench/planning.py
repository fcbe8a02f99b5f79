"""Plan a proof: which subsets are fine-tuned on, what is measured, and what will it take?"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.choices import SelectionRow
from core.errors import BadInput
from core.files import folder_stamp, user_path
from core.records import RunRow
from core.reports import Arm, ProofCost, ProofPlan
from core.scoring.device import settle, settle_training_dtype
from core.scoring.identity import absolute_model, model_identity
from core.scoring.models import count_parameters
from core.selection.arms import cut_to_tokens, matched_arms, random_arms
from core.selection.pool import Pool
from core.settings import ProofSettings, RunSettings, ScoringSettings
from core.tasks.tunes import Tunes, read_tune
from core.workbench.base import UNREADABLE, keep_last
from core.workbench.previewing import Previewing
from core.workspace import read_plan

TRAINING_COSTS = 6.0
"""A token that is trained on takes so many times as long as one that is scored, until a fine-tune has been measured:
forward, backward and its share of the optimiser's steps."""
LEAST_SHARE = 0.97
"""Of the tokens that are compared at; a token budget is not met to the last token."""
FEWEST_HELD_OUT = 10
KEPT_MODELS = 64
IDENTITY_SECONDS = 600.0
"""How long a hub's model is taken for what it was. A folder's is read again when one of its files changes."""
NO_SPLIT = (
    "This run has set nothing aside to measure on. Score again with a held-out share, such as --hold-out 0.05: what is "
    "set aside can never be selected."
)


class Planning(Previewing):
    """Plans of proofs."""

    _identities: dict[tuple[str, str | None, Any], str]
    _parameters: dict[str, int]

    def plan_proof(
        self, selection: str, settings: ProofSettings | None = None, against: Sequence[str] = ()
    ) -> ProofPlan:
        """What a proof of a selection fine-tunes on, and on what it measures; `against` names other selections. What is
        banned does not count: noise among the held-out examples would ask for noise.

        Raises BadInput where the run has no held-out split or a small one, where its model is no longer what it was,
        for a selection of a run that holds out others, and for one that has fewer tokens than asked for.
        """
        chosen, asked = self.selections.get(selection), settings or ProofSettings()
        run = self.runs.get(chosen.run)
        others = [self.selections.get(other) for other in dict.fromkeys(against) if other != selection]
        measured = self.held_out(run.run)[1][: asked.held_out]
        left_out = self._left_out(chosen, measured)
        scoring, identity = self._model_of(run, asked)
        dtype = settle_training_dtype(asked.dtype, scoring.device)
        return ProofPlan(
            dataset=chosen.dataset,
            content_hash=self.datasets.get(chosen.dataset).content_hash,
            run=chosen.run,
            selection=selection,
            model_identity=identity,
            scoring=scoring.model_dump(mode="json"),
            settings=asked.model_dump(mode="json") | {"dtype": dtype, "learning_rate": asked.rate},
            arms=self._arms(chosen, asked, others),
            held_out=measured.tolist(),
            groups=self._groups_of(chosen.dataset, asked.column, measured),
            left_out=left_out.tolist(),
        )

    def foretell_proof(self, plan: ProofPlan) -> ProofCost:
        """How much of a proof is still to be computed, and how long that takes by what earlier fine-tunes took, or by
        the scoring run. What answering questions takes is known from earlier fine-tunes alone."""
        settings, pool = ProofSettings.checked(**plan.settings), self.pool(self.runs.get(plan.run))
        every, tunes = pool.response_tokens + pool.prompt_tokens, Tunes(self.folder, plan)
        units = [(arm, seed) for seed in range(settings.seeds) for arm in plan.arms]
        missing = [arm for arm, seed in units if not tunes.of(arm, seed).exists()]
        trained = settings.epochs * sum(int(every[arm.rows].sum()) for arm in missing)
        measured = (1 + len(missing) * settings.points) * int(every[plan.held_out].sum())
        rate, by = self._seconds_a_token(plan)
        seconds = None if rate is None else rate * (TRAINING_COSTS * trained + measured)
        steps = settings.epochs * plan.arms[0].steps
        return ProofCost(len(missing), trained, len(plan.held_out), seconds, by, steps)

    def comparable(self, selection: SelectionRow) -> list[SelectionRow]:
        """The other selections of the dataset that can be measured on the same held-out examples: those of its run, and
        of runs that hold out the same."""
        aside = self.held_out(selection.run)[1].tolist()
        runs = [run.run for run in self.runs.of_dataset(selection.dataset) if self._holds_out(run) == aside]
        return [
            other for run in runs for other in self.selections.of_run(run) if other.selection != selection.selection
        ]

    def _holds_out(self, run: RunRow) -> list[int]:
        try:
            return self.held_out(run.run)[1].tolist()
        except BadInput:
            return []

    def is_by_proxy(self, plan: ProofPlan) -> bool:
        """Whether another model stands in for the one that the run was scored with."""
        return plan.model_identity != _base_identity(self.runs.get(plan.run))

    def _left_out(self, chosen: SelectionRow, measured: np.ndarray) -> np.ndarray:
        """Of the held-out rows those that are banned: measured, so that a ban makes no fine-tune worthless, and not
        counted."""
        if not len(measured):
            raise BadInput(NO_SPLIT)
        banned = measured[np.isin(measured, self.in_force(chosen).banned)]
        if (left := len(measured) - len(banned)) < FEWEST_HELD_OUT:
            raise BadInput(
                f"This run has {left:,} held-out examples that are not banned; a proof says nothing below "
                f"{FEWEST_HELD_OUT}. Score again with a larger share held out."
            )
        return banned

    def _model_of(self, run: RunRow, settings: ProofSettings) -> tuple[ScoringSettings, str]:
        """The run's own model and settings, or the proof's model, and what that model is now."""
        scoring = RunSettings(**run.settings).scoring
        if settings.model is not None:
            self._check_models(settings.model, None)
            update = {"model": settings.model, "revision": None, "template": "auto"}
            scoring = settle(scoring.model_copy(update=update))
        whole = {"quantization": "none", "spread": False}  # what is tuned is not packed, and lies on one device
        scoring = scoring.model_copy(update={"model": absolute_model(scoring.model)} | whole)
        identity = self._identity(scoring.model, scoring.revision)
        if settings.model is None and identity != (was := _base_identity(run)):
            raise BadInput(f"The model was {was} when this run was made and is {identity} now; score again.")
        return scoring, identity

    def _identity(self, model: str, revision: str | None) -> str:
        stamp = folder_stamp(user_path(model)) or int(time.monotonic() / IDENTITY_SECONDS)
        return keep_last(
            self._identities, (model, revision, stamp), KEPT_MODELS, lambda: model_identity(model, revision)
        )

    def _arms(self, chosen: SelectionRow, settings: ProofSettings, others: Sequence[SelectionRow]) -> list[Arm]:
        """The subsets. Random ones are of everything that was scored: bans and repeats left out are the selection's own
        merit."""
        pool, tokens = self.pool(self.runs.get(chosen.run)), settings.tokens or chosen.tokens
        known = {chosen.selection, *(other.selection for other in self.comparable(chosen))}
        for other in (chosen, *others):
            if other.selection not in known:
                raise BadInput(f"Selection {other.selection!r} is of a run that does not hold out the same examples.")
            _check_tokens(other, int(pool.response_tokens[self._rows_of(other)].sum()), tokens)
        own = self._cut(pool, chosen, tokens)
        subsets: list[tuple[str, str, np.ndarray, str | None]] = [("the selection", "selection", own, chosen.selection)]
        for other in others:
            name = f"{other.criterion} {other.budget} ({other.selection[:6]})"
            subsets.append((name, "other", self._cut(pool, other, tokens), other.selection))
        drawn = random_arms(pool, tokens, settings.random, settings.seed)
        alike = matched_arms(pool, own, settings.matched, settings.seed)
        subsets += [(f"random {i}", "random", rows, None) for i, rows in enumerate(drawn, 1)]
        subsets += [(f"random of like lengths {i}", "matched", rows, None) for i, rows in enumerate(alike, 1)]
        steps = max(_steps(pool, rows, settings) for _, _, rows, _ in subsets)
        steps = min(steps, *(len(rows) for _, _, rows, _ in subsets))
        arms = [Arm(name, kind, rows.tolist(), steps, of) for name, kind, rows, of in subsets]
        arms += self._smaller(pool, chosen, arms[0], settings.halvings)
        if settings.everything:
            all_steps = min(_steps(pool, pool.rows, settings), len(pool.rows))
            arms.append(Arm("everything", "everything", pool.rows.tolist(), all_steps))
        return arms

    def _smaller(self, pool: Pool, chosen: SelectionRow, own: Arm, halvings: int) -> list[Arm]:
        """What half of the budget would choose, a quarter of it, and so on, each with its tokens' share of the steps.

        Raises BadInput where only selecting again tells what a smaller budget would choose.
        """
        arms, whole = list[Arm](), int(pool.response_tokens[own.rows].sum())
        for halving in range(1, halvings + 1):
            amount = (whole if chosen.unit == "tokens" else len(own.rows)) / 2**halving
            budget = f"{round(amount)}tok" if chosen.unit == "tokens" else str(round(amount))
            rows = self.what_if(chosen.selection, budget).rows if amount >= 1 else []
            if not rows or len(rows) == len((arms or [own])[-1].rows):
                break
            tokens = int(pool.response_tokens[rows].sum())
            steps = min(max(1, round(own.steps * tokens / whole)), len(rows))
            arms.append(Arm(f"a budget of {tokens:,} tokens", "smaller", rows, steps, chosen.selection, budget))
        return arms

    def _cut(self, pool: Pool, chosen: SelectionRow, tokens: int) -> np.ndarray:
        rows = self._rows_of(chosen)
        return cut_to_tokens(rows, pool.response_tokens[rows], tokens)

    def _rows_of(self, selection: SelectionRow) -> np.ndarray:
        return self.selections.ledger(selection.selection).rows

    def _groups_of(self, dataset: str, column: str | None, rows: np.ndarray) -> list[str]:
        """The group of each row: by this column, else by the first that has groups; "" where there is none."""
        named = column or next(iter(self.group_columns(dataset)), None)
        if named is None:
            return [""] * len(rows)
        grouping = self.groups(dataset, named)
        return [str(grouping.names[code]) or "(empty)" for code in grouping.codes[rows]]

    def _seconds_a_token(self, plan: ProofPlan) -> tuple[float | None, str]:
        """Seconds to score a token of prompt or response, and what tells it."""
        for _, earlier in self.proofs(plan.dataset):
            if earlier.model_identity == plan.model_identity and _alike(earlier, plan):
                rate = self._measured_rate(earlier)
                if rate is not None:
                    return rate, "earlier fine-tunes"
        run = self.runs.get(plan.run)
        seconds = float(self.run_progress(run.run).result.get("seconds") or 0.0)
        tokens = _scored_tokens(self.pool(run), RunSettings(**run.settings))
        if not (seconds and tokens):
            return None, ""
        if not self.is_by_proxy(plan):
            return seconds / tokens, "the scoring run"
        own, stand_in = RunSettings(**run.settings).scoring, ScoringSettings.checked(**plan.scoring)
        try:
            share = self._count_parameters(stand_in) / self._count_parameters(own)
        except BadInput:  # the run's own model may be gone
            return None, ""
        return share * seconds / tokens, "the scoring run and the sizes of both models"

    def _count_parameters(self, scoring: ScoringSettings) -> int:
        key = self._identity(scoring.model, scoring.revision)
        return keep_last(self._parameters, key, KEPT_MODELS, lambda: count_parameters(scoring, self.folder.models))

    def proofs(self, dataset: str) -> list[tuple[str, ProofPlan]]:
        """The proofs of a dataset with their plans, the newest first."""
        found = []
        for path in self.folder.proofs.glob("*/plan.json"):
            try:
                found.append((path.stat().st_mtime, path.parent.name, read_plan(path)))
            except UNREADABLE as error:
                self._report(f"the plan of proof {path.parent.name}", error)
        newest = sorted(found, key=lambda each: each[0], reverse=True)
        return [(name, plan) for _, name, plan in newest if plan.dataset == dataset]

    def _measured_rate(self, plan: ProofPlan) -> float | None:
        """What an earlier proof's fine-tunes took, where they can be read."""
        try:
            settings, pool = ProofSettings.checked(**plan.settings), self.pool(self.runs.get(plan.run))
            every, tunes = pool.response_tokens + pool.prompt_tokens, Tunes(self.folder, plan)
            measured, rates = settings.points * every[plan.held_out].sum(), []
            for arm in plan.arms:
                if (path := tunes.of(arm, 0)).exists():
                    trained = settings.epochs * every[arm.rows].sum()
                    rates.append(read_tune(path).seconds / float(TRAINING_COSTS * trained + measured))
        except UNREADABLE:
            return None
        return float(np.median(rates)) if rates else None


def _base_identity(run: RunRow) -> str:
    """Of a run's models the base one."""
    return run.model_identity.split(" → ")[0]


def _steps(pool: Pool, rows: np.ndarray, settings: ProofSettings) -> int:
    """Optimiser steps for a pass over these rows, of so many response tokens each."""
    return max(1, round(int(pool.response_tokens[rows].sum()) / settings.batch_tokens))


def _scored_tokens(pool: Pool, settings: RunSettings) -> float:
    """How many tokens a scoring run went through, a token that was trained on counted as several."""
    responses = int(pool.response_tokens[pool.scored].sum())
    everything = responses + int(pool.prompt_tokens[pool.scored].sum())
    passes = 1.0 + (settings.calibrated_model is not None)
    if settings.calibration is not None:
        warm_up = TRAINING_COSTS * settings.calibration.share * settings.calibration.epochs
        passes += settings.calibration.iterations * (1 + warm_up)
    return passes * everything + settings.scoring.ifd * responses


def _check_tokens(selection: SelectionRow, has: int, wanted: int) -> None:
    if has < LEAST_SHARE * wanted:
        told = f"Selection {selection.selection!r} has {has:,} response tokens, not {wanted:,}"
        raise BadInput(f"{told}: subsets are compared at equal tokens. Ask for fewer tokens.")


def _alike(earlier: ProofPlan, plan: ProofPlan) -> bool:
    same = all(earlier.settings.get(name) == plan.settings[name] for name in ("method", "dtype", "accuracy"))
    return same and earlier.scoring["device"] == plan.scoring["device"]
