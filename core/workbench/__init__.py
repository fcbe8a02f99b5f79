"""The use cases, called alike by the pages, the command line and Python.

from core.workbench import Workbench

with Workbench("workspace") as bench:
    bench.ingest("data.jsonl", "mine")
    run = bench.score("mine").run
    selection = bench.select("mine", "fisher", "10%", run=run)
    bench.export(selection.selection, "messages", "chosen.jsonl")
"""

import logging
import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from core.files import user_path
from core.jobs.launcher import Launcher, Supervisor
from core.store import Database, Datasets, Decisions, Loads, Orders, Repairs, Runs, Selections
from core.workbench.checking import Checking
from core.workbench.comparing import Comparing
from core.workbench.explaining import Explaining
from core.workbench.overview import Overview
from core.workbench.replaying import Replaying
from core.workspace import WorkspaceFolder

__all__ = ["Workbench", "default_workspace"]


class Workbench(Overview, Explaining, Comparing, Replaying, Checking):
    """An open workspace. One process has it at a time; inside it, any thread may use it."""

    def __init__(self, workspace: Path | str | None = None, *, supervise: bool = False) -> None:
        """Open or create a workspace. Raises WorkspaceBusy when another process has it.

        With `supervise`, a thread takes finished shards into the database as they come; the
        app does this, a command does it while it waits.
        """
        self.folder = WorkspaceFolder(user_path(workspace or default_workspace()).resolve())
        self.database = Database(self.folder.database)
        self.datasets, self.runs = Datasets(self.database), Runs(self.database)
        self.selections, self.orders = Selections(self.database), Orders(self.database)
        self.decisions = Decisions(self.database)
        self.loads, self.repairs = Loads(self.database), Repairs(self.database)
        self.taking = threading.RLock()
        self._group_columns, self._groups, self._pools, self._kept = {}, {}, {}, {}
        self._glances, self._token_counts = {}, {}
        self.launcher = Launcher()
        self.sweep_loads()
        self.take_in()
        self._supervisor = Supervisor(self.take_in, _log_error) if supervise else None

    def close(self) -> None:
        """Let go of the workspace. Running jobs go on; the next to open it takes in what they finish."""
        if self._supervisor:
            self._supervisor.stop()
        self.database.close()

    def take_in(self) -> None:
        """Take what jobs have finished into the database: blocks of rows, shards of scores, maps."""
        self.take_loads()
        super().take_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def default_workspace() -> Path:
    """The folder named by GLEANER_WORKSPACE, or `workspace`."""
    return Path(os.environ.get("GLEANER_WORKSPACE") or "workspace")


def _log_error(error: Exception) -> None:
    logging.getLogger("gleaner").error("taking in job results failed", exc_info=error)
