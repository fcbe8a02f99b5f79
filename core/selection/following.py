"""How far is a long choice? Whoever waits for it may follow.

The search tells how many picks it has made without knowing who listens; nobody by default.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Follower = Callable[[str, int, int], None]

_follower: ContextVar[Follower | None] = ContextVar("follower", default=None)


@contextmanager
def followed_by(follower: Follower) -> Iterator[None]:
    """Tell `follower(phase, done, total)` of every step that is made in this context."""
    token = _follower.set(follower)
    try:
        yield
    finally:
        _follower.reset(token)


def follow(phase: str, steps: Iterable[T], total: int) -> Iterator[T]:
    """The same steps, told of one by one."""
    for done, step in enumerate(steps, start=1):
        tell(phase, done, total)
        yield step


def tell(phase: str, done: int, total: int) -> None:
    """Tell whoever follows that so many of so many are done."""
    follower = _follower.get()
    if follower:
        follower(phase, min(done, total), total)
