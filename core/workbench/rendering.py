"""Read: what is the model shown, and what did each of its response tokens score?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.errors import BadInput
from core.records import DatasetRow, Example, Rendered, Shown, TokenScores
from core.scoring.calibration import read_curve
from core.scoring.models import load_tokenizer, longest_input
from core.scoring.rendering import Renderer
from core.scoring.shards import list_shards, read_scores
from core.settings import ScoringSettings
from core.workbench.base import Bench

TOKEN_SCORES = ("nll", "entropy", "gini")


class Rendering(Bench):
    """Rows as a model sees them."""

    _shown: tuple[ScoringSettings, Renderer] | None = None

    def render(self, dataset: str, row: int, settings: ScoringSettings | None = None) -> Rendered:
        """What the model is shown for one row. Raises BadInput for an unknown dataset, row or model."""
        return self.show(dataset, row, settings).rendered

    def show(self, dataset: str, row: int, settings: ScoringSettings | None = None) -> Shown:
        """The same as a reader sees it: prompt, response and what was cut told apart."""
        loaded = self.datasets.get(dataset)
        if not 0 <= row < loaded.rows_loaded:
            raise BadInput(f"Dataset {dataset!r} has no row {row:,}; its rows are 0 to {loaded.rows_loaded - 1:,}.")
        chosen = settings or ScoringSettings()
        if self._shown is None or self._shown[0] != chosen:
            self._shown = chosen, self._load_renderer(chosen)
        renderer = self._shown[1]
        (example,) = self._prepared(loaded, renderer, self.datasets.examples(dataset, [row]))
        return renderer.show(example.messages, example.tools)

    def token_scores(self, run: str, row: int) -> TokenScores:
        """What each response token of one row scored. Raises BadInput for a row that was not scored."""
        files = self.folder.run(self.runs.get(run).run)
        base = _row_of_shard(files.base, row)
        if base is None:
            raise BadInput(f"Row {row:,} has no scores in run {run!r}.")
        return TokenScores(**base, calibrated=_row_of_shard(files.calibrated, row))

    def learning_curve(self, run: str) -> list[dict[str, float]]:
        """The calibration's `step`, `loss` in nats a token and `learning_rate`; empty where there was none."""
        return read_curve(self.folder.run(self.runs.get(run).run).calibrated_model)

    def _load_renderer(self, settings: ScoringSettings) -> Renderer:
        models = self.folder.models
        return Renderer(load_tokenizer(settings, models), settings, longest_input(settings, models))

    def _blocks(self, dataset: DatasetRow, renderer: Renderer, rows: int) -> Iterator[list[Example]]:
        for block in self.datasets.blocks(dataset.name, rows):
            yield self._prepared(dataset, renderer, block)

    def _prepared(self, dataset: DatasetRow, renderer: Renderer, examples: Sequence[Example]) -> list[Example]:
        """The examples as the template needs them: Alpaca's has a heading of its own for `input`."""
        column = dataset.mapping.get("input") or dataset.mapping.get("instances")
        if renderer.template != "alpaca" or dataset.format != "alpaca" or column is None:
            return list(examples)
        return [_with_input(example, column) for example in examples]


def _with_input(example: Example, column: str) -> Example:
    """The last user turn with Alpaca's `input` told apart from its instruction."""
    given = json.loads(example.original).get(column)
    if isinstance(given, list):
        given = given[0].get("input") if given and isinstance(given[0], dict) else None
    last = max((i for i, m in enumerate(example.messages) if m["role"] == "user"), default=None)
    if last is None or not str(given or "").strip():
        return example
    messages = list(example.messages)
    messages[last] = messages[last] | {"input": str(given)}
    return replace(example, messages=messages)


def _row_of_shard(folder: Path, row: int) -> dict[str, list[float]] | None:
    """One row's token scores from its shard: shards are named by their first row."""
    path = next((p for p in reversed(list(list_shards(folder))) if int(p.name.partition("-")[0]) <= row), None)
    try:
        shard = read_scores(path) if path else None
    except ValueError as error:
        raise BadInput(str(error)) from None
    if shard is None or row > shard.rows[-1] or np.isnan(shard.nll[row - shard.rows[0]]):
        return None
    i = row - int(shard.rows[0])
    part = slice(shard.token_offsets[i], shard.token_offsets[i + 1])
    return {name: getattr(shard, f"token_{name}")[part].astype(float).tolist() for name in TOKEN_SCORES}
