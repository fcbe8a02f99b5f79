"""Ship: a selection becomes the file that a trainer reads, with everything needed to account for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from core.choices import SelectionRow
from core.data.export import ExportRow, export_examples
from core.errors import BadInput
from core.records import ExportReport
from core.settings import ExportFormat
from core.workbench.base import check_target
from core.workbench.previewing import Previewing
from core.workbench.scoring import versions

EXPORT_BLOCK = 1000


class Shipping(Previewing):
    """Exports."""

    def export(self, selection: str, format: str, path: Path | str) -> ExportReport:
        """Write a selection in its order as JSONL, with a manifest beside it.

        Raises BadInput for an unknown selection or format, and for a path that cannot be written.
        """
        formats = {known: known for known in get_args(ExportFormat)}
        if format not in formats:
            raise BadInput(f"There is no export format {format!r}; the formats are: {', '.join(formats)}.")
        target, chosen = check_target(path, ".jsonl"), self.selections.get(selection)
        return export_examples(
            self._export_rows(chosen),
            formats[format],
            target,
            self.manifest(selection),
            with_tools=self.datasets.has_tools(chosen.dataset),
        )

    def manifest(self, selection: str) -> dict[str, Any]:
        """How a selection was made: settings, model, seeds, versions and hashes."""
        chosen = self.selections.get(selection)
        run, dataset = self.runs.get(chosen.run), self.datasets.get(chosen.dataset)
        return {
            "dataset": {
                "name": dataset.name,
                "source": dataset.source,
                "format": dataset.format,
                "content_hash": dataset.content_hash,
                "rows_loaded": dataset.rows_loaded,
                "rows_quarantined": dataset.rows_quarantined,
            },
            "scoring_run": {"run": run.run, "model_identity": run.model_identity, "settings": run.settings},
            "selection": {
                "selection": chosen.selection,
                "criterion": chosen.criterion,
                "budget": chosen.budget,
                "seed": chosen.seed,
                "settings": chosen.settings,
                "examples": chosen.examples,
                "tokens": chosen.tokens,
                "log_det_nats": chosen.log_det,
                "upper_bound_nats": chosen.upper_bound,
                "decisions_since": self.newer_decisions(chosen),
                "random_log_det_nats": [chosen.envelope["low"][-1], chosen.envelope["high"][-1]],
            },
            "versions": {"scoring": self._scoring_versions(run.run), "export": versions()},
        }

    def _scoring_versions(self, run: str) -> dict[str, str]:
        recorded: dict[str, str] = json.loads(self.folder.run(run).settings.read_text(encoding="utf-8"))["versions"]
        return recorded

    def _export_rows(self, selection: SelectionRow) -> Iterator[ExportRow]:
        rows = [pick.row for pick in self.selections.picks(selection.selection)]
        for start in range(0, len(rows), EXPORT_BLOCK):
            for example in self.datasets.examples(selection.dataset, rows[start : start + EXPORT_BLOCK]):
                yield ExportRow(example.row, example.example_id, example.messages, example.tools, example.original)
