"""Look at a group of examples: what is special about it, and what is it worth to a selection?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.insight.special import (
    ALPHA,
    LEAST_STRENGTH,
    Counted,
    Difference,
    Ranked,
    by_strength,
    rank,
    special_scores,
    special_values,
)
from core.insight.terms import drop_overlapping, terms_of
from core.records import RunRow
from core.selection.choose import information_ridge
from core.selection.logdet import LogDet
from core.selection.price import information_change
from core.selection.vectors import log_det
from core.workbench.base import keep_last
from core.workbench.mapping import Mapping
from core.workbench.previewing import Kept

ASKED_SCORES = ("nll", "entropy", "delta_nll", "delta_entropy", "response_tokens")
KINDS_OF_QUESTIONS = 3
TEXTS_INSIDE, TEXTS_OUTSIDE, LONGEST_TEXT, FEWEST_TEXTS, MOST_TERMS = 200, 800, 600, 3, 3
MOST_RANKED, MOST_SAMPLES, MOST_DESIGNS = 3, 3, 3
FLOPS = 1.5e10
"""Multiply-adds in float64 that two cores do in a second."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a group means to a selection, in nats: `added` by those `entering` that it lacks, `lost` by those `leaving`
    that it holds, each with their response tokens."""

    entering: int
    added: float
    added_tokens: int
    leaving: int
    lost: float
    lost_tokens: int


class Lassoing(Mapping):
    """Groups of examples."""

    _ranked: dict[str, dict[str, Ranked]]
    _term_samples: dict[str, dict[int, frozenset[str]]]
    _cut_designs: dict[tuple[str, bytes], LogDet]

    def special(self, run: RunRow, rows: np.ndarray) -> list[Difference]:
        """What sets the examples at these rows apart from the rest of the run's dataset, the strongest first: scores,
        column values, and terms of their texts. With 95 % certainty, nothing that chance explains."""
        if not len(rows):
            return []
        alpha = ALPHA / KINDS_OF_QUESTIONS
        found = special_scores(self._rank_scores(run), rows, alpha)
        return by_strength([*found, *self._special_columns(run, rows, alpha), *self._special_terms(run, rows, alpha)])

    def worth_seconds(self, selection: str, cut: np.ndarray, group: np.ndarray) -> float:
        """About how long `worth` takes, from the products it needs."""
        kept = self._keep(selection)
        factors = kept.task.pool.design_factors
        p, R = factors.dimension, int(factors.ranks[group].sum())
        products = 2 * R * p**2 + (p**3 if p < R else R**2 * p)
        if (selection, cut.tobytes()) not in self._cut_designs:
            products += int(factors.ranks[cut].sum()) * p**2 + p**3
        return products / FLOPS

    def worth(self, selection: str, cut: np.ndarray, group: np.ndarray) -> Worth:
        """What adding those of a group that `cut`, rows of the selection's order, lacks would bring it, and what taking
        out those that it holds would lose. Those that were not scored or are banned now are not added.

        Raises BadInput for a selection of an older version.
        """
        kept = self._keep(selection)
        pool, design = kept.task.pool, self._design_of_cut(kept, selection, cut)
        leaving = np.intersect1d(group, cut)
        entering = np.setdiff1d(np.intersect1d(group, pool.scored), cut)
        entering = entering[~np.isin(entering, self.in_force(self.selections.get(selection)).banned)]
        tokens = pool.response_tokens
        return Worth(
            len(entering),
            _change(design, entering, 1.0),
            int(tokens[entering].sum()),
            len(leaving),
            -_change(design, leaving, -1.0),
            int(tokens[leaving].sum()),
        )

    def _design_of_cut(self, kept: Kept, selection: str, cut: np.ndarray) -> LogDet:
        def make() -> LogDet:
            if kept.design and np.array_equal(cut, kept.rows):
                return kept.design[0]
            design = log_det(kept.task.pool.design_factors, information_ridge(kept.task.settings))
            design.add_all(cut)
            return design

        return keep_last(self._cut_designs, (selection, cut.tobytes()), MOST_DESIGNS, make)

    def _rank_scores(self, run: RunRow) -> dict[str, Ranked]:
        def read() -> dict[str, Ranked]:
            scores = self.runs.scores(run.run)
            columns = {name: scores[name].to_numpy().astype(np.float64) for name in ASKED_SCORES}
            columns["response_tokens"] = np.where(np.isfinite(columns["nll"]), columns["response_tokens"], np.nan)
            return {name: rank(values) for name, values in columns.items() if np.isfinite(values).any()}

        return keep_last(self._ranked, run.run, MOST_RANKED, read)

    def _special_columns(self, run: RunRow, rows: np.ndarray, alpha: float) -> list[Difference]:
        """The value of each column that the group has most too often."""
        groups = [self.groups(run.dataset, column) for column in self.group_columns(run.dataset)]
        questions, found = sum(len(of.names) for of in groups), []
        for of in groups:
            everywhere = Counted(np.bincount(of.codes, minlength=len(of.names)), len(of.codes))
            inside = Counted(np.bincount(of.codes[rows], minlength=len(of.names)), len(rows))
            found += special_values(of.names, inside, everywhere, alpha, column=of.column, questions=questions)[:1]
        return found

    def _special_terms(self, run: RunRow, rows: np.ndarray, alpha: float) -> list[Difference]:
        """The terms that a sample of the group's texts has too often, against a sample of the others."""
        inside = self._terms_at(run.dataset, _evenly(rows, TEXTS_INSIDE))
        sample = self._sample_terms(run)
        is_inside = np.isin(np.fromiter(sample, np.int64, len(sample)), rows)
        outside = [terms for terms, inside_too in zip(sample.values(), is_inside, strict=True) if not inside_too]
        counts = Counter(term for terms in inside.values() for term in terms)
        least = max(FEWEST_TEXTS, LEAST_STRENGTH * len(inside))
        names = [term for term, count in counts.items() if count >= least]
        if not names or not outside:
            return []
        within = np.array([counts[name] for name in names])
        elsewhere = np.array([sum(name in terms for terms in outside) for name in names])
        found = special_values(
            names,
            Counted(within, len(inside)),
            Counted(within + elsewhere, len(inside) + len(outside)),
            alpha,
            column="",
            questions=len(frozenset[str]().union(*inside.values(), *outside)),
        )
        told = set(drop_overlapping([str(difference.value) for difference in found], MOST_TERMS))
        return [difference for difference in found if difference.value in told]

    def _sample_terms(self, run: RunRow) -> dict[int, frozenset[str]]:
        """The terms of an even sample of a dataset's texts, by row; read once."""

        def read() -> dict[int, frozenset[str]]:
            return self._terms_at(run.dataset, _evenly(self.pool(run).scored, TEXTS_OUTSIDE))

        return keep_last(self._term_samples, run.run, MOST_SAMPLES, read)

    def _terms_at(self, dataset: str, rows: Sequence[int]) -> dict[int, frozenset[str]]:
        texts = self.datasets.texts(dataset, rows)
        return {
            text.row: frozenset(terms_of(f"{text.prompt[:LONGEST_TEXT]}\n{text.response[:LONGEST_TEXT]}"))
            for text in texts
        }


def _change(design: LogDet, rows: np.ndarray, sign: float) -> float:
    """What adding these rows (`sign` 1) or taking them out (−1) changes, in nats."""
    if int(design.factors.ranks[rows].sum()) <= design.factors.dimension:
        none = np.zeros(0, dtype=np.int64)
        return information_change(design, *((none, rows) if sign > 0 else (rows, none)))
    changed = design.between(design, 0.0)
    changed.add_all(rows, np.full(len(rows), sign))
    return changed.value() - design.value()


def _evenly(rows: np.ndarray, most: int) -> list[int]:
    """At most so many of these rows, at even steps."""
    if len(rows) <= most:
        return [int(row) for row in rows]
    return [int(row) for row in rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]]
