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
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import Fault
from core.files import user_path
from core.jobs.launcher import Launcher, Supervisor
from core.jobs.queue import Queue
from core.people import Person, local_person
from core.store import Database, Datasets, Decisions, Judgements, Loads, Orders, Repairs, Runs, Selections
from core.store.owner import APP
from core.workbench.checking import Checking
from core.workbench.comparing import Comparing
from core.workbench.coverage import Covering
from core.workbench.lassoing import Lassoing
from core.workbench.lensing import Lensing
from core.workbench.overview import Overview
from core.workbench.pulsing import Pulsing
from core.workbench.replaying import Replaying
from core.workbench.reviewing import Reviewing
from core.workbench.status import Status
from core.workbench.verifying import Verifying
from core.workspace import WorkspaceFolder

__all__ = ["Workbench", "default_workspace"]


class Workbench(
    Overview, Pulsing, Lassoing, Lensing, Covering, Reviewing, Comparing, Replaying, Checking, Verifying, Status
):
    """An open workspace. One process has it at a time; inside it, any thread may use it."""

    is_closed = False

    def __init__(
        self,
        workspace: Path | str | None = None,
        *,
        supervise: bool = False,
        owner: str | None = None,
        who: Callable[[], Person] = local_person,
    ) -> None:
        """Open or create a workspace. Raises WorkspaceBusy when another process has it.

        With `supervise`, a thread takes finished shards into the database as they come; the
        app does this, a command does it while it waits. `owner` is what the next one who wants the workspace is told
        has it. `who` says for which person the calling thread works; the
        machine's own user, who may do everything, if not given.
        """
        self.who, self.is_served = who, supervise
        self.folder = WorkspaceFolder(user_path(workspace or default_workspace()).resolve())
        self.database = Database(self.folder.database, owner or (APP if supervise else "a Python program"))
        self.datasets, self.runs = Datasets(self.database), Runs(self.database)
        self.selections, self.orders = Selections(self.database), Orders(self.database)
        self.decisions, self.judgements = Decisions(self.database), Judgements(self.database)
        self.loads, self.repairs = Loads(self.database), Repairs(self.database)
        self.taking = threading.RLock()
        self._group_columns, self._groups, self._pools, self._kept = {}, {}, {}, {}
        self._everything, self._glances, self._token_counts, self._prefixes, self._owners = {}, {}, {}, {}, {}
        self._renderers, self._neighbours, self._designs, self._features = {}, {}, {}, {}
        self._row_covers = {}
        self._ranked, self._term_samples, self._cut_designs = {}, {}, {}
        self._gains, self._cells, self._measured, self._main_covers = {}, {}, {}, {}
        self._pulses, self._reported, self._identities, self._parameters = {}, set(), {}, {}
        self.launcher = Launcher()
        self.queue = Queue(self.launcher, self.heavy_jobs)
        try:
            self.sweep_loads()
            self.forget_requests()
            self.take_in()
        except Fault as error:  # what has not been taken in yet waits, and keeps nobody out
            self._report("what a job has finished", error)
        except BaseException:
            self.database.close()
            raise
        self.beat()
        self._supervisor = Supervisor(self._look_after, _log_error) if supervise else None

    def close(self) -> None:
        """Let go of the workspace. Running jobs go on; the next to open it takes in what they finish."""
        if self._supervisor:
            self._supervisor.stop()
        self.database.close()
        self.is_closed = True

    def _look_after(self) -> None:
        do_each(self.take_in, self.answer_requests, self.queue.start_next, self.log_jobs, self.beat)

    def take_in(self) -> None:
        """Take what jobs have finished into the database: blocks of rows, shards of scores, maps. Where no thread
        looks after it, answer what other processes ask meanwhile."""
        do_each(self.take_loads, super().take_in, *([] if self.is_served else [self.answer_requests]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def do_each(*steps: Callable[[], None]) -> None:
    """Every step, whatever happens to those before it; then raise the first error."""
    errors = list[Exception]()
    for step in steps:
        try:
            step()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]


def default_workspace() -> Path:
    """The folder named by GLEANER_WORKSPACE, or `workspace`."""
    return Path(os.environ.get("GLEANER_WORKSPACE") or "workspace")


def _log_error(error: Exception) -> None:
    logging.getLogger("gleaner").error("taking in job results failed", exc_info=error)
