"""A page asks the same things many times, and all sessions ask them: what was read is kept until something is written.

Only one process writes to the database, and only through `Database.writing`, so that nothing here is ever old.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

MOST_VALUES = 4096

Store = TypeVar("Store")
Asked = ParamSpec("Asked")
Answer = TypeVar("Answer")


class Kept:
    """Values by the store that read them. What is handed out is shared: nobody changes it."""

    def __init__(self) -> None:
        self._values: dict[str, dict[Hashable, Any]] = {}

    def of(self, store: str) -> dict[Hashable, Any]:
        """The values of a store. Take them before reading: what is added to them once they are forgotten is lost."""
        return self._values.setdefault(store, {})

    def forget(self, stores: Sequence[str] = ()) -> None:
        """After writing: what these stores read; what all of them read if none is named."""
        for store in stores or list(self._values):
            self._values.pop(store, None)


def kept(read: Callable[Concatenate[Store, Asked], Answer]) -> Callable[Concatenate[Store, Asked], Answer]:
    """Have a store's method, whose arguments are positional, read once until something is written."""
    store, name = read.__qualname__.split(".")[-2:]

    @wraps(read)
    def remember(self: Store, *args: Asked.args, **kwargs: Asked.kwargs) -> Answer:
        if kwargs:
            raise TypeError(f"{read.__qualname__} takes its arguments by position")
        values = cast("Any", self)._database.kept.of(store)
        key = (name, *map(_hashable, args))
        found = values.get(key, values)
        if found is values:
            found = read(self, *args, **kwargs)
            if len(values) >= MOST_VALUES:
                values.clear()
            values[key] = found
        return cast("Answer", found.copy() if isinstance(found, list) else found)

    return remember


def _hashable(value: object) -> Hashable:
    is_many = isinstance(value, Iterable) and not isinstance(value, str)
    return tuple(cast("Iterable[Any]", value)) if is_many else value
