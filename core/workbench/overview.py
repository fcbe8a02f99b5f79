"""Look: what is in a dataset, at a glance? Its figures, its tokens, and a few examples to read."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.errors import BadInput
from core.records import DatasetRow, Example
from core.reports import Glance, Lengths, TokenCount
from core.scoring.models import load_tokenizer
from core.settings import EMBEDDED_MODEL, ScoringSettings
from core.store.overview import Overview as Questions
from core.store.overview import even_sample
from core.workbench.base import Bench, keep_last

MOST_KEPT = 8
BINS_PER_DECADE = 8
TOKEN_EXAMPLES, TOKEN_CHARACTERS = 2_000, 4_000
PERCENTILES = (0.05, 0.5, 0.95)
TOKENIZERS: dict[str, Any] = {}
"""The embedded tokenizer, once a process: it takes seconds to load, and is the same in every workspace."""


class Overview(Bench):
    """Datasets at a glance; what was found is kept while the content stays the same."""

    _glances: dict[tuple[str, str], Glance]
    _token_counts: dict[tuple[str, str], TokenCount | None]

    def glance(self, dataset: str) -> Glance:
        """Lengths, turns, columns, scripts and duplicates. Raises BadInput for an unknown dataset."""
        loaded = self.datasets.get(dataset)
        return keep_last(self._glances, (dataset, loaded.content_hash), MOST_KEPT, lambda: self._look(loaded))

    def token_count(self, dataset: str) -> TokenCount | None:
        """Tokens of all prompts and responses: as a finished scoring run that cut nothing counted them, otherwise
        estimated from a sample by the embedded tokenizer. None where that is not installed.

        Raises BadInput for an unknown dataset.
        """
        loaded = self.datasets.get(dataset)
        for run in self.runs.of_dataset(dataset):
            counts = self.runs.counts(run.run)
            if counts["scored"] == loaded.rows_loaded and not counts["truncated"]:
                prompt, response = Questions(self.database).counted_tokens(run.run)
                return TokenCount(prompt, response, f"scoring run {run.run}", is_exact=True)
        key = (dataset, loaded.content_hash)
        if key not in self._token_counts:
            keep_last(self._token_counts, key, MOST_KEPT, lambda: self._estimate_tokens(loaded))
        return self._token_counts.get(key)

    def draw_examples(self, dataset: str, count: int, seed: int) -> list[Example]:
        """So many examples of a dataset, drawn evenly at random, in row order; one seed draws the same ones."""
        rows = self.datasets.get(dataset).rows_loaded
        return self.datasets.examples(dataset, sorted(random.Random(seed).sample(range(rows), min(count, rows))))  # noqa: S311

    def _look(self, dataset: DatasetRow) -> Glance:
        ask, name = Questions(self.database), dataset.name
        conversations = ask.conversations(name)
        sample = even_sample(name, conversations.examples)
        prompts, responses = ask.lengths(name)
        edges = length_edges(max((length for length, _ in [*prompts, *responses]), default=1))
        empty_prompts, short_responses = ask.empty_fields(name)
        columns, column_count = ask.columns(sample)
        texts = set(dataset.mapping.values())  # what is said is read below as examples, not counted as values
        return Glance(
            dataset=name,
            quarantined=dataset.rows_quarantined,
            conversations=conversations,
            prompts=summarise_lengths(prompts, edges),
            responses=summarise_lengths(responses, edges),
            empty_prompts=empty_prompts,
            short_responses=short_responses,
            duplicates=ask.duplicates(name, conversations.examples),
            sampled=ask.sampled(sample),
            scripts=ask.scripts(sample),
            columns=[replace(column, values=[]) if column.name in texts else column for column in columns],
            column_count=column_count,
        )

    def _estimate_tokens(self, dataset: DatasetRow) -> TokenCount | None:
        """Tokens a character in the beginnings of a sample, times all characters."""
        try:
            tokenizer = keep_last(
                TOKENIZERS, EMBEDDED_MODEL, 1, lambda: load_tokenizer(ScoringSettings(), self.folder.models)
            )
        except BadInput:
            return None
        count = min(TOKEN_EXAMPLES, dataset.rows_loaded)
        rows = random.Random(0).sample(range(dataset.rows_loaded), count)  # noqa: S311
        glance, texts = (
            self.glance(dataset.name),
            Questions(self.database).excerpts(dataset.name, rows, TOKEN_CHARACTERS),
        )

        def estimate(kind: int, characters: int) -> int:
            parts = [text[kind] for text in texts if text[kind]]
            encoded = tokenizer(parts, add_special_tokens=False)["input_ids"] if parts else []
            return round(sum(map(len, encoded)) / max(1, sum(map(len, parts))) * characters)

        prompt, response = estimate(0, glance.prompts.total), estimate(1, glance.responses.total)
        return TokenCount(prompt, response, f"the {EMBEDDED_MODEL} model's tokenizer", is_exact=False)


def length_edges(longest: int) -> list[int]:
    """Whole numbers from 1 to beyond `longest`, eight to a factor of ten."""
    steps = np.arange(BINS_PER_DECADE * (len(str(max(1, longest))) + 1) + 1) / BINS_PER_DECADE
    edges = np.unique(np.round(10.0**steps).astype(np.int64))
    return [int(edge) for edge in edges[: np.searchsorted(edges, longest, side="right") + 1]]


def summarise_lengths(counted: Sequence[tuple[int, int]], edges: list[int]) -> Lengths:
    """Exact figures from lengths with their counts, shortest first; a percentile is the least length that so large
    a share of the texts does not exceed."""
    if not counted:
        return Lengths(0, 0, 0, 0, 0, edges, [0] * (len(edges) - 1))
    lengths, counts = (np.array(column, dtype=np.int64) for column in zip(*counted, strict=True))
    reached = np.cumsum(counts)
    low, median, high = (int(lengths[np.searchsorted(reached, share * reached[-1])]) for share in PERCENTILES)
    in_bins = np.histogram(lengths, bins=edges, weights=counts)[0]
    return Lengths(int(lengths @ counts), low, median, high, int(lengths[-1]), edges, [int(count) for count in in_bins])
