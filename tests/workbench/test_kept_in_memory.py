"""What is kept in memory is made once, however many ask for it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.workbench.base import keep_last

ASKING = 8


def test_who_asks_while_it_is_made_waits_for_it() -> None:
    kept, made, all_ask = dict[str, list[int]](), list[int](), threading.Barrier(ASKING)

    def make() -> list[int]:
        made.append(1)
        threading.Event().wait(0.1)
        return [7]

    def ask(_: int) -> list[int]:
        all_ask.wait()
        return keep_last(kept, "key", 2, make)

    with ThreadPoolExecutor(ASKING) as threads:
        found = list(threads.map(ask, range(ASKING)))
    assert made == [1]
    assert all(each is found[0] for each in found)


def test_a_failure_is_told_and_the_next_one_makes_it() -> None:
    kept = dict[str, int]()
    with pytest.raises(ZeroDivisionError):
        keep_last(kept, "key", 2, lambda: 1 // 0)
    assert keep_last(kept, "key", 2, lambda: 5) == 5


def test_the_oldest_are_let_go_of_and_one_may_need_another() -> None:
    kept = dict[str, int]()
    for name in ("a", "b"):
        keep_last(kept, name, 2, lambda: 1)
    assert keep_last(kept, "c", 2, lambda: keep_last(kept, "d", 2, lambda: 3) + 1) == 4
    assert list(kept) == ["d", "c"]
