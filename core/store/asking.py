"""How are rows named in a question?"""

from collections.abc import Sequence
from typing import Any

FEW = 64


def among(column: str, numbers: Sequence[int]) -> tuple[str, list[Any]]:
    """A condition on a column of whole numbers, and the values of its parameters, which are its last.

    Few are written out: a join, which many need, leaves blocks that DuckDB keeps until it has some hundred thousand of
    them, 2 kB for each question that a page asks about ten rows.
    """
    if not 0 < len(numbers) <= FEW:
        return f"{column} IN (SELECT unnest(?::BIGINT[]))", [[int(number) for number in numbers]]
    return f"{column} IN ({', '.join('?' * len(numbers))})", [int(number) for number in numbers]
