"""Hands take pieces from a common list: each is done once, whoever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import psutil
import pytest

from core.errors import BadInput
from core.jobs.crew import Crew, HandDied
from core.jobs.processes import HandFailed, ProcessHand


@dataclass(frozen=True)
class Worker:
    """Doubles what it gets, and does what it is told at some pieces. Each start and each piece leaves a file."""

    folder: Path
    dies_of: tuple[int, ...] = ()
    dies_once_of: tuple[int, ...] = ()
    refuses: tuple[int, ...] = ()
    breaks_at: tuple[int, ...] = ()
    needs_room: tuple[int, ...] = ()
    sleeps: float = 0.0
    never_begins: bool = False

    def __call__(self) -> Callable[[int], tuple[int, str]]:
        if self.never_begins:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work

    def work(self, piece: int) -> tuple[int, str]:
        once = self.folder / f"once-{piece}"
        if piece in self.dies_of or (piece in self.dies_once_of and not once.exists()):
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if piece in self.needs_room and len(hands(psutil.Process(os.getppid()))) > 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if piece in self.refuses:
            raise BadInput(f"Piece {piece} cannot be used.")
        if piece in self.breaks_at:
            raise Unpicklable(lambda: None)
        time.sleep(self.sleeps)
        (self.folder / f"{piece}-{time.monotonic_ns()}").touch()
        return 2 * piece, os.environ.get("PLACE", "")


class Unpicklable(Exception):
    pass


def hands(of: psutil.Process) -> list[psutil.Process]:
    alive = (process for process in of.children() if process.status() != psutil.STATUS_ZOMBIE)
    return [process for process in alive if "spawn_main" in " ".join(process.cmdline())]


class Told:
    """What a crew said of its pieces."""

    def __init__(self, workers: int, worker: Worker, check: Callable[[], None] = lambda: None) -> None:
        makers = [partial(ProcessHand, worker, {"PLACE": str(number)}) for number in range(workers)]
        self.done, self.given_up = dict[int, tuple[int, str]](), dict[int, str]()
        self.crew = Crew[int, tuple[int, str]](makers, self._done, self._give_up, check)

    def _done(self, piece: int, result: tuple[int, str]) -> None:
        assert piece not in self.done
        self.done[piece] = result

    def _give_up(self, piece: int, why: str) -> None:
        assert piece not in self.given_up
        self.given_up[piece] = why


@pytest.fixture(autouse=True)
def nobody_is_left() -> None:
    before = set(psutil.Process().children(recursive=True))
    yield
    end = time.monotonic() + 20
    while left := set(psutil.Process().children(recursive=True)) - before:
        left = {process for process in left if "spawn_main" in " ".join(process.cmdline())}
        if not left:
            return
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_every_piece_is_done_once_and_both_places_work(tmp_path: Path) -> None:
    told = Told(2, Worker(tmp_path, sleeps=0.2))
    told.crew.work(range(12))
    assert {piece: result for piece, (result, _) in told.done.items()} == {piece: 2 * piece for piece in range(12)}
    assert {place for _, place in told.done.values()} == {"0", "1"}
    assert sorted(int(path.name.partition("-")[0]) for path in tmp_path.iterdir()) == list(range(12))


def test_what_calls_itself_main_is_not_run_again_in_a_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = ModuleType("__main__")
    page.__file__ = str(tmp_path / "page.py")
    Path(page.__file__).write_text("raise SystemExit('a page was drawn')", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "__main__", page)
    told = Told(4, Worker(tmp_path))
    told.crew.work(range(8))
    assert sorted(told.done) == list(range(8))
    assert sys.modules["__main__"] is page


def test_a_hand_that_dies_is_replaced_and_its_piece_done_again(tmp_path: Path) -> None:
    told = Told(2, Worker(tmp_path, dies_once_of=(3, 4)))
    told.crew.work(range(8))
    assert sorted(told.done) == list(range(8))
    assert not told.given_up


@pytest.mark.parametrize("workers", [1, 2])
def test_a_piece_that_two_hands_died_of_is_given_up(tmp_path: Path, workers: int) -> None:
    told = Told(workers, Worker(tmp_path, dies_of=(2, 3, 5)))
    told.crew.work(range(8))
    assert sorted(told.done) == [0, 1, 4, 6, 7]
    assert sorted(told.given_up) == [2, 3, 5]
    assert "killed" in told.given_up[2]


def test_a_piece_that_others_left_no_room_is_done_by_a_hand_alone(tmp_path: Path) -> None:
    told = Told(2, Worker(tmp_path, needs_room=(1, 4, 5)))
    told.crew.work(range(8))
    assert sorted(told.done) == list(range(8))
    assert not told.given_up


@pytest.mark.parametrize("workers", [1, 2])
def test_hands_that_die_of_one_piece_after_the_other_end_the_work(tmp_path: Path, workers: int) -> None:
    told = Told(workers, Worker(tmp_path, dies_of=tuple(range(2, 20))))
    with pytest.raises(HandDied, match="4 pieces in a row"):
        told.crew.work(range(20))
    assert sorted(told.done) == [0, 1]
    assert not told.given_up


def test_a_hand_ends_with_its_parent_whatever_it_does(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "from pathlib import Path\n"
        "from core.jobs.processes import ProcessHand\n"
        "from tests.jobs.test_crew import Worker\n"
        f"hand = ProcessHand(Worker(Path({str(tmp_path)!r}), sleeps=300), {{}})\n"
        "hand.begin()\n"
        "print('ready', flush=True)\n"
        "hand.do(1)\n"
    )
    root = Path(__file__).resolve().parents[2]
    words = [sys.executable, str(script)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}
    ) as parent:
        assert parent.stdout is not None and parent.stdout.readline() == b"ready\n"
        (hand,) = hands(psutil.Process(parent.pid))
        parent.kill()
    hand.wait(10)


def test_hands_that_cannot_begin_end_the_work(tmp_path: Path) -> None:
    told = Told(2, Worker(tmp_path, never_begins=True))
    with pytest.raises(HandDied, match="killed"):
        told.crew.work(range(4))
    assert not told.done


@pytest.mark.parametrize(
    ("worker", "error", "said"),
    [({"refuses": (2,)}, BadInput, "Piece 2 cannot"), ({"breaks_at": (2,)}, HandFailed, "Unpicklable")],
)
def test_what_the_work_raises_is_raised_here(
    tmp_path: Path, worker: dict[str, tuple[int, ...]], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Told(2, Worker(tmp_path, **worker)).crew.work(range(50))


def test_the_work_is_stopped_at_once_whatever_is_held(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        if told.done:
            raise Stop

    told = Told(2, Worker(tmp_path, sleeps=0.5), check)
    started = time.monotonic()
    with pytest.raises(Stop):
        told.crew.work(range(1000))
    assert len(told.done) < 1000
    assert time.monotonic() - started < 120


def test_nothing_to_do_starts_nobody(tmp_path: Path) -> None:
    told = Told(2, Worker(tmp_path, never_begins=True))
    told.crew.work([])
    assert not told.done
