"""Workers that start at once: each is a fork of one process that has loaded what jobs need, and has done nothing else.

Most of a small job's time goes into loading PyTorch and its friends. What a test changes in its environment is known
to the job, but not to a module that read it when it was imported: such a test asks for `cold_workers`.
"""

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import cache
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
from setproctitle import setproctitle

from core.jobs import worker
from core.jobs.launcher import REPOSITORY
from core.jobs.launcher import start_process as start_cold
from core.jobs.processes import nothing_as_main

WORKER = "core.jobs.worker"
PRELOADED = (
    *("tests.warm", "core.tasks.loading", "core.tasks.mapping", "core.tasks.proving", "core.tasks.scoring"),
    *("datasets", "peft", "trl.trainer.sft_trainer", "transformers.models.auto.modeling_auto"),
    *("transformers.models.llama.modeling_llama", "transformers.tokenization_utils_fast"),
)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(PRELOADED))
_one_at_a_time = threading.Lock()


class Fork:
    """As much of `subprocess.Popen` as the launcher and its tests use."""

    def __init__(self, folder: Path) -> None:
        self._process = fork(_work, folder, dict(os.environ))
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, minus the signal that ended it; None while it works."""
        with _one_at_a_time:
            return self._process.exitcode

    def poll(self) -> int | None:
        """How it ended, if it did."""
        return self.returncode


@contextmanager
def forking() -> Iterator[None]:
    """The process that is forked begins to load; at the end no fork of it lives."""
    with chdir(REPOSITORY):
        forkserver.ensure_running()
    try:
        yield
    finally:
        for left in multiprocessing.active_children():
            left.kill()
            left.join()


@cache
def wait_until_loaded() -> None:
    """The first fork waits for what is loaded, longer than a worker may take to begin."""
    fork(_do_nothing).join()


def start_warm(program: str, folder: Path) -> Fork | subprocess.Popen[bytes]:
    """A worker for the job in `folder`; any other program starts in a Python of its own."""
    return Fork(folder) if program == WORKER else start_cold(program, folder)


def fork(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """A process that has loaded what is named above and does `work`; nothing of this one's pages runs in it."""
    process = FORKS.Process(target=work, args=arguments)
    with _one_at_a_time, nothing_as_main():
        process.start()
    return process


def _do_nothing() -> None:
    pass


def _work(folder: Path, environment: dict[str, str]) -> None:
    with (folder / "log.txt").open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())
    setproctitle(f"{sys.executable} -m {WORKER} {folder}")
    os.setsid()
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment, TOKENIZERS_PARALLELISM="false")
    np.random.seed()  # who forgot a seed shall not find that of the process that was forked
    sys.exit(worker.main(folder))
