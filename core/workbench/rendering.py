"""Read: what is the model shown, and what did each of its response tokens score?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from core.data.places import check_roots
from core.errors import BadInput
from core.files import user_path
from core.people import Role
from core.records import DatasetRow, Example, Rendered, Shown, TokenScores
from core.scoring.calibration import read_curve
from core.scoring.models import load_tokenizer, longest_input
from core.scoring.rendering import Renderer
from core.scoring.shards import list_shards, read_scores
from core.settings import EMBEDDED_MODEL, ScoringSettings
from core.workbench.base import Bench, keep_last

MOST_RENDERERS = 3
TOKEN_SCORES = ("nll", "entropy", "gini")


class Rendering(Bench):
    """Rows as a model sees them."""

    _renderers: dict[ScoringSettings, Renderer]

    def render(self, dataset: str, row: int, settings: ScoringSettings | None = None) -> Rendered:
        """What the model is shown for one row. Raises BadInput for an unknown dataset, row or model."""
        return self.show(dataset, row, settings).rendered

    def show(self, dataset: str, row: int, settings: ScoringSettings | None = None) -> Shown:
        """The same as a reader sees it: prompt, response and what was cut told apart.

        A model that no run of the workspace has used is read from this machine's disk or from a hub: that takes a
        curator.
        """
        wanted = settings or ScoringSettings()
        if not self._is_known(wanted.model):
            self.who().insist(Role.CURATOR, "look at another model")
        renderer = self.renderer(wanted)
        example = self.prepared_example(dataset, row, renderer)
        return renderer.show(example.messages, example.tools)

    def renderer(self, settings: ScoringSettings) -> Renderer:
        """What renders by these settings; those last asked for are kept."""
        return keep_last(self._renderers, settings, MOST_RENDERERS, lambda: self._load_renderer(settings))

    def prepared_example(self, dataset: str, row: int, renderer: Renderer) -> Example:
        """One row as this renderer's template needs it. Raises BadInput for an unknown dataset or row."""
        loaded = self.datasets.get(dataset)
        if not 0 <= row < loaded.rows_loaded:
            raise BadInput(f"Dataset {dataset!r} has no row {row:,}; its rows are 0 to {loaded.rows_loaded - 1:,}.")
        (example,) = self._prepared(loaded, renderer, self.datasets.examples(dataset, [row]))
        return example

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

    def _check_models(self, *models: str | None) -> None:
        """Raise BadInput for a model's folder that may not be read, as `allowed_roots` says; a run's own model may."""
        roots = self.allowed_roots(self.is_served)
        for model in models:
            folder = user_path(model) if model else None
            if roots is not None and folder and folder.is_dir() and not self._is_known(str(model)):
                check_roots(str(model), [folder], roots)
                check_roots(str(model), folder.rglob("*"), roots)

    def _is_known(self, model: str) -> bool:
        runs = (run for dataset in self.datasets.all() for run in self.runs.of_dataset(dataset.name))
        return model == EMBEDDED_MODEL or any(model == run.settings["scoring"]["model"] for run in runs)

    def _load_renderer(self, settings: ScoringSettings) -> Renderer:
        self._check_models(settings.model)
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
