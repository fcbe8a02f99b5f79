"""Who may call this? Every method of the workbench that changes something says which role it takes.

It is asked here, below pages and buttons: what a page forgets to hide is refused all the same.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from core.people import Role
from core.workbench.base import Bench

B = TypeVar("B", bound=Bench)
P = ParamSpec("P")
R = TypeVar("R")
TAKES = "takes_role"


def needs(role: Role, to: str) -> Callable[[Callable[Concatenate[B, P], R]], Callable[Concatenate[B, P], R]]:
    """Let only those with this role, or a higher one, call a method of the workbench; `to` says what it does.

    For all others it raises Forbidden, before anything is done.
    """

    def guard(method: Callable[Concatenate[B, P], R]) -> Callable[Concatenate[B, P], R]:
        @wraps(method)
        def guarded(bench: B, *args: P.args, **given: P.kwargs) -> R:
            bench.who().insist(role, to)
            return method(bench, *args, **given)

        setattr(guarded, TAKES, role)
        return guarded

    return guard
