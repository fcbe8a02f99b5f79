"""A hand that is a process on this machine: one for each GPU."""

import multiprocessing
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any, Generic, TypeVar

from core.jobs.crew import HandDied

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Prepare = Callable[[], Callable[[Piece], Result]]
LEAVING_SECONDS = 5.0
_one_at_a_time = threading.Lock()
KNOWN = ("builtins", "torch", "torch._C", "core.errors")
"""Whose errors are sent as they are: any other may not be made again from what was sent of it."""


class HandFailed(Exception):
    """The work raised what it should not; the job's log says where."""


class ProcessHand(Generic[Piece, Result]):
    """A process that prepares once, such as by loading a model, and then does what it is sent.

    `prepare` is pickled: a function of a module, or an instance of a class of one. `environment` is what the process
    finds in its own besides ours, before it imports what `prepare` needs.
    """

    def __init__(self, prepare: Prepare[Piece, Result], environment: Mapping[str, str]) -> None:
        spawning = multiprocessing.get_context("spawn")
        self._line, theirs = spawning.Pipe()
        self._process = spawning.Process(target=_serve, args=(theirs, prepare, dict(environment)), daemon=True)
        with nothing_as_main():
            self._process.start()
        theirs.close()  # or its death would leave the line open

    def begin(self) -> None:
        """Wait until it is prepared. Raises HandDied, or what preparing raised."""
        with self._watched(by_piece=False):
            answer = self._line.recv()
        _unpack(answer)

    def do(self, piece: Piece) -> Result:
        """The piece's result. Raises HandDied, or what the work itself raised."""
        with self._watched(by_piece=True):
            self._line.send(piece)
            answer = self._line.recv()
        result: Result = _unpack(answer)
        return result

    def leave(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join(LEAVING_SECONDS)

    @contextmanager
    def _watched(self, *, by_piece: bool) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):
            self._process.join(LEAVING_SECONDS)
            code = self._process.exitcode
            told = "it was killed, as the system does when memory runs out" if code == -9 else f"it ended with {code}"
            raise HandDied(told, by_piece=by_piece) from None


@contextmanager
def nothing_as_main() -> Iterator[None]:
    """A process that is started meanwhile does not first run what calls itself `__main__` here: Streamlit's pages do,
    and it would draw one."""
    with _one_at_a_time:
        main, nothing = sys.modules["__main__"], ModuleType("__main__")
        sys.modules["__main__"] = nothing
        try:
            yield
        finally:
            if sys.modules["__main__"] is nothing:  # a page that came meanwhile is the one that stays
                sys.modules["__main__"] = main


def _unpack(answer: tuple[bool, Any]) -> Any:
    is_error, value = answer
    if is_error:
        raise value
    return value


def _serve(line: Connection, prepare: Callable[[], Callable[[Any], Any]], environment: dict[str, str]) -> None:
    """Prepare, say so, and do what comes until the other end is gone."""
    os.environ.update(environment)
    forget_bounds()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        is_error, work = _try(prepare)
        line.send((is_error, work if is_error else None))
        while not is_error:
            piece = line.recv()
            is_error, result = _try(partial(work, piece))
            line.send((is_error, result))


def forget_bounds() -> None:
    """Who started us may have been within a template's bounds, which are not ours."""
    with suppress(OSError, ValueError):
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _end_with_parent() -> None:
    """What is under way is of no use to anybody then, and holds memory that a next one needs."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _try(work: Callable[[], Any]) -> tuple[bool, Any]:
    """What it returns, or what it raises, as something that can be sent."""
    try:
        return False, work()
    except Exception as error:
        traceback.print_exc()
        is_known = type(error).__module__ in KNOWN
        return True, error if is_known else HandFailed(f"{type(error).__name__}: {error}")
