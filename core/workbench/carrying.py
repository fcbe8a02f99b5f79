"""Carry: the rows that a dataset's next version still has keep the scores that an earlier version's run gave them."""

import json
import os
import shutil
from typing import Any

import numpy as np

from core.files import replacing, replacing_folder
from core.jobs.folder import JobFolder
from core.people import Role
from core.records import DatasetRow, RunRow
from core.workbench.rendering import Rendering
from core.workbench.rights import needs
from core.workspace import RunFolder

SAME_METHOD = ("model_identity", "template", "settings", "scoring_version")


class Carrying(Rendering):
    """Which earlier run has scores for a new one, and how it is told."""

    def earlier_run(self, dataset: DatasetRow, described: dict[str, Any]) -> RunRow | None:
        """The newest finished run of an earlier version of the dataset, read by the same columns and scored by the
        same model, template, settings and method.

        None where examples are set aside: the earlier version's calibration may have seen them."""
        if described["settings"]["scoring"]["prompt_features"] or described["settings"].get("held_out"):
            return None
        while dataset.previous:
            before = self.datasets.get(dataset.previous)
            if (before.format, before.mapping) != (dataset.format, dataset.mapping):
                return None
            for run in self.runs.of_dataset(before.name):
                path = self.folder.run(run.run).settings
                recorded = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
                is_same = all(recorded.get(name) == described[name] for name in SAME_METHOD)
                if is_same and JobFolder(self.folder.run(run.run).path).progress().state == "done":
                    return run
            dataset = before
        return None

    @needs(Role.CURATOR, "score")
    def take_over(self, earlier: RunRow, dataset: DatasetRow, files: RunFolder) -> None:
        """Say which rows have scores in the earlier run, and link its calibrated model: ΔNLL is then of one model."""
        model, before = self.folder.run(earlier.run).calibrated_model, self.datasets.example_ids(earlier.dataset)
        places = {example_id: row for row, example_id in enumerate(before)}
        rows = np.array([places.get(id_, -1) for id_ in self.datasets.example_ids(dataset.name)], dtype=np.int64)
        if model.exists() and not files.calibrated_model.exists():
            with replacing_folder(files.calibrated_model) as partial:
                shutil.copytree(model, partial, copy_function=os.link, dirs_exist_ok=True)
        with replacing(files.reuse) as partial, partial.open("wb") as stream:
            np.savez(stream, run=np.array(earlier.run), rows=rows)
