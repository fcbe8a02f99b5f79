"""How are rows named in a question?"""

from collections.abc import Sequence
from typing import Any

FEW = 16


def among(column: str, numbers: Sequence[int]) -> tuple[str, list[Any]]:
    """A condition on a column of whole numbers, and the values of its question marks.

    Few are looked for row by row: a join, which is what more of them need and what IN becomes, leaves blocks behind
    that DuckDB drops by the hundred thousand only, some kilobytes for each question that a page asks.
    """
    asked = [int(number) for number in numbers]
    if not 0 < len(asked) <= FEW:
        return f"{column} IN (SELECT unnest(?::BIGINT[]))", [asked]
    near = f"{column} BETWEEN ? AND ?"  # which blocks of the table need not be read
    return f"{near} AND list_position(?::BIGINT[], {column}) > 0", [min(asked), max(asked), asked]
