"""Map: draw it as a job, again with other settings if wished, and read what came of it."""

import re
from pathlib import Path

import numpy as np

from core.errors import BadInput, Fault
from core.insight.places import Place
from core.insight.projection import foretell_seconds
from core.jobs.folder import JobFolder
from core.people import Role
from core.records import JobProgress
from core.settings import ProjectionSettings
from core.workbench.base import UNREADABLE
from core.workbench.previewing import Previewing
from core.workbench.rights import needs

MAP_NAME = re.compile(r"points(?:-(\d+))?\.npz")


class Mapping(Previewing):
    """Maps of runs. Each drawing has a file of its own; the last one that is complete is the map."""

    @needs(Role.CURATOR, "draw a map")
    def start_map(self, run: str, settings: ProjectionSettings | None = None) -> None:
        """Start drawing the map of a finished run, anew where there is one. Nothing happens while one is drawn."""
        self._check_finished(run)
        job = self._map_job(run)
        if job.progress().is_working:
            return
        drawings = self._drawings(job.path)
        name = f"points-{_number(drawings[-1]) + 1}.npz" if drawings else "points.npz"
        chosen = (settings or ProjectionSettings()).model_dump(mode="json")
        job.create_anew("core.tasks:project", {"settings": chosen, "name": name})
        self.launcher.start(job)

    @needs(Role.CURATOR, "cancel a job")
    def cancel_map(self, run: str) -> None:
        """Stop the map's job, at once or within two seconds. The map that was there stays."""
        self.launcher.stop(self._map_job(run))

    def map_progress(self, run: str) -> JobProgress:
        """Where the map's job stands."""
        return self._map_job(run).progress()

    def map_settings(self, run: str) -> ProjectionSettings:
        """What the last drawing was asked for; the defaults before the first."""
        job = self._map_job(run)
        try:
            return ProjectionSettings.checked(**job.request()[1]["settings"])
        except (FileNotFoundError, BadInput):
            return ProjectionSettings()

    def map_seconds(self, run: str) -> float:
        """About how long drawing the map takes on one core."""
        return foretell_seconds(self.runs.counts(run)["scored"], self.map_settings(run))

    def map_places(self, run: str) -> list[Place]:
        """The named neighbourhoods of the run's map; none where an older version drew it."""
        taken = {name for kind, name in self.runs.taken_shards(run) if kind == "map"}
        drawn = [path for path in self._drawings(self._map_job(run).path) if path.name in taken]
        if not drawn:
            return []
        with np.load(drawn[-1], allow_pickle=False) as stored:
            if "terms" not in stored:
                return []
            named = zip(stored["terms"], stored["places"], stored["counts"], strict=True)
            return [Place(tuple(str(terms).split(", ")), float(x), float(y), int(n)) for terms, (x, y), n in named]

    def take_in(self) -> None:
        """Take what jobs have finished into the database: maps too, each exactly once."""
        super().take_in()
        for folder in sorted(self.folder.runs.glob("*/map")):
            try:
                self._take_map(folder)
            except Fault:
                raise  # of the machine, not of what is read: it waits
            except UNREADABLE as error:
                self._report(f"the map of run {folder.parent.name}", error)

    def _take_map(self, folder: Path) -> None:
        drawings, run = self._drawings(folder), folder.parent.name
        if not drawings or ("map", drawings[-1].name) in self.runs.taken_shards(run):
            return
        with np.load(drawings[-1], allow_pickle=False) as stored:
            self.runs.store_map(run, drawings[-1].name, stored["rows"], stored["points"])
        for older in drawings[:-1]:
            older.unlink(missing_ok=True)

    def _map_job(self, run: str) -> JobFolder:
        return JobFolder(self.folder.run(run).map)

    def _drawings(self, folder: Path) -> list[Path]:
        """The finished drawings in a map's folder, the last one last."""
        return sorted((path for path in folder.glob("points*.npz") if MAP_NAME.fullmatch(path.name)), key=_number)


def _number(drawing: Path) -> int:
    found = MAP_NAME.fullmatch(drawing.name)
    return int(found[1] or 1) if found else 0
