"""What did a proof find? Read from the files of its fine-tunes, however many are done."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import BadInput
from core.insight.verdict import OF_OTHER_SIZES, Measured, Verdict
from core.reports import Arm, ArmResult, ProofPlan, ProofReport
from core.settings import ProofSettings
from core.tasks.tunes import Tunes, read_tune
from core.workbench.base import UNREADABLE
from core.workbench.planning import FEWEST_HELD_OUT
from core.workbench.proving import Proving

MOST_OVERLAP, FEWEST_STEPS = 0.5, 10
OWN_MERIT = (
    "Held-out examples are all different, and without what is banned; random subsets are of everything. So leaving out "
    "repeats or banned examples counts in the selection's favour, as it should where these are of no use."
)
PROXY = (
    "Measured on {model}, not on the run's own model: it shows which data that model learns from. Whether another "
    "model learns from the same data it does not show. How much is gained surely differs, since a larger model knows "
    "more beforehand."
)
GIVEN_MODEL = (
    "This run was given its calibrated model: what that was tuned on is not looked into. If it saw held-out examples, "
    "its scores, and a selection by them, may fit these better than other data."
)


class Proven(Proving):
    """Proofs' results."""

    def proof(self, proof: str) -> ProofReport:
        """What a proof found so far. Raises BadInput for a proof that is not there."""
        _, plan = self.planned(proof)
        settings = ProofSettings.checked(**plan.settings)
        tunes = Tunes(self.folder, plan)
        results = [self._read_seeds(tunes, arm, settings.seeds) for arm in plan.arms]
        known: dict[str, Any] = {
            "proof": proof,
            "dataset": plan.dataset,
            "run": plan.run,
            "selection": plan.selection,
            "model": str(plan.scoring["model"]),
            "done": sum(map(len, results)),
            "planned": settings.seeds * len(plan.arms),
        }
        base = self._read(tunes.base)
        if base is None:
            return ProofReport(**known, held_out=len(plan.held_out), notes=self._proxy_note(plan))
        place = {row: number for number, row in enumerate(plan.held_out)}
        verdict = Verdict(plan.arms, plan.groups, base, results, [place[row] for row in plan.left_out])
        arms = self._tell_parts(verdict.arms(), plan, is_over=known["done"] == known["planned"])
        return ProofReport(
            **known,
            held_out=verdict.held_out,
            base=verdict.base_loss,
            base_accuracy=verdict.base_accuracy,
            arms=arms,
            compared=verdict.compared(),
            smaller=verdict.smaller(),
            groups=verdict.groups(),
            answers=verdict.answers(),
            notes=[
                *self._proxy_note(plan),
                *_tell_few(verdict.held_out),
                *_tell_few_steps(arms),
                *self._own_merit_note(plan),
                *self._given_model_note(plan),
                *_tell_worse(arms, verdict.base_loss),
                *_tell_tokens(arms),
                *self._cut_note(arms),
                *_tell_overlap(plan),
            ],
        )

    def _proxy_note(self, plan: ProofPlan) -> list[str]:
        return [PROXY.format(model=plan.scoring["model"])] if self.is_by_proxy(plan) else []

    def _own_merit_note(self, plan: ProofPlan) -> list[str]:
        asked = self.selections.get(plan.selection).settings
        return [OWN_MERIT] if asked.get("banned") or asked.get("repeats", "keep") != "keep" else []

    def _given_model_note(self, plan: ProofPlan) -> list[str]:
        return [GIVEN_MODEL] if self.runs.get(plan.run).settings["calibrated_model"] else []

    def _tell_parts(self, arms: list[ArmResult], plan: ProofPlan, *, is_over: bool) -> list[ArmResult]:
        """Which arms are of the first part of a selection, for equal tokens; once the proof is over, by which budget
        the Desk shows it."""
        rows, told = {arm.name: arm.rows for arm in plan.arms}, []
        for arm in arms:
            if arm.kind in ("selection", "other") and arm.selection and self.selections.has(arm.selection):
                part = rows[arm.name]
                if len(part) < self.selections.get(arm.selection).examples:
                    budget = self._budget_of(arm.selection, part) if is_over else None
                    arm = replace(arm, is_part=True, budget=budget)
            told.append(arm)
        return told

    def _budget_of(self, selection: str, part: list[int]) -> str | None:
        """The budget that cuts a selection to its first part; None where only selecting again tells, or pins, bans or
        a rival order would bring others."""
        chosen = self.selections.get(selection)
        try:
            tokens = int(self.pool(self.runs.get(chosen.run)).response_tokens[part].sum())
            budget = f"{tokens}tok" if chosen.unit == "tokens" else str(len(part))
            return budget if set(self.what_if(selection, budget).rows) == set(part) else None
        except BadInput:
            return None

    def _cut_note(self, arms: list[ArmResult]) -> list[str]:
        """Where only a first part of a selection was tuned on."""
        return [
            f"Of {arm.name} the first {arm.examples:,} of {self.selections.get(str(arm.selection)).examples:,} "
            "examples were tuned on."
            for arm in arms
            if arm.is_part
        ]

    def _read_seeds(self, tunes: Tunes, arm: Arm, seeds: int) -> dict[int, Measured]:
        found = {seed: self._read(tunes.of(arm, seed)) for seed in range(seeds)}
        return {seed: measured for seed, measured in found.items() if measured is not None}

    def _read(self, path: Path) -> Measured | None:
        """None where it is not there; where it is damaged too, since the proof then tunes again."""
        try:
            return read_tune(path)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            self._report(f"fine-tune {path.name}", error)
            return None


def _tell_few(held_out: int) -> list[str]:
    if held_out >= FEWEST_HELD_OUT:
        return []
    told = f"Only {held_out:,} of the held-out examples can be scored by this model and are not banned"
    return [f"{told}: nothing is said below {FEWEST_HELD_OUT}. Hold out more, or choose another model."]


def _tell_few_steps(arms: list[ArmResult]) -> list[str]:
    steps = next((arm.steps for arm in arms if arm.kind == "selection"), FEWEST_STEPS)
    if steps >= FEWEST_STEPS:
        return []
    told = f"The selection was tuned on in {steps:,} optimiser {'step' if steps == 1 else 'steps'}, which teach little"
    return [f"{told}: ask for a larger budget, more epochs or a smaller batch_tokens."]


def _tell_tokens(arms: list[ArmResult]) -> list[str]:
    """Where subsets of equal tokens are further apart than two in a hundred."""
    tokens = [arm.tokens for arm in arms if arm.kind not in OF_OTHER_SIZES]
    if not tokens or max(tokens) <= 1.02 * min(tokens):
        return []
    return [f"The subsets have {min(tokens):,} to {max(tokens):,} response tokens: whole examples, by this tokenizer."]


def _tell_overlap(plan: ProofPlan) -> list[str]:
    """Where the selection's lengths leave its random subsets little choice."""
    own = set(plan.arms[0].rows)
    shares = [len(own & set(arm.rows)) / len(own) for arm in plan.arms if arm.kind == "matched"]
    if not shares or max(shares) < MOST_OVERLAP:
        return []
    told = f"The random subsets of like lengths share up to {max(shares):.0%} of their examples with the selection"
    return [f"{told}: it takes nearly all there are of its lengths, so that they say little."]


def _tell_worse(arms: list[ArmResult], base: float) -> list[str]:
    worse = sum(arm.loss > base for arm in arms)
    if not worse:
        return []
    told = f"Tuning made the model worse on {worse:,} of {len(arms):,} subsets"
    return [f"{told}: choose a lower learning_rate, or compare with care."]
