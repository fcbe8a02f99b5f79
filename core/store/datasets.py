"""Which datasets are there, and what is in them?"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from core.blocks import plain_messages
from core.errors import BadInput
from core.records import DatasetRow, Example, ExampleRow, Quarantined
from core.store.asking import among
from core.store.database import Database
from core.store.kept import kept
from core.store.versions import DATASET_COLUMNS

EXAMPLE_COLUMNS = "row_number, example_id, file, line, prompt, response, messages, original, tools"


class Datasets:
    """The datasets of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @kept
    def all(self) -> list[DatasetRow]:
        """Every dataset, the newest first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {DATASET_COLUMNS} FROM datasets ORDER BY created_at DESC, name"  # noqa: S608
            ).fetchall()
        return [_dataset(row) for row in rows]

    @kept
    def get(self, name: str) -> DatasetRow:
        """Raises BadInput naming the datasets there are."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                f"SELECT {DATASET_COLUMNS} FROM datasets WHERE name = ?",  # noqa: S608
                [name],
            ).fetchall()
        if not rows:
            known = ", ".join(dataset.name for dataset in self.all()) or "none yet"
            raise BadInput(f"There is no dataset {name!r}; loaded are: {known}.")
        return _dataset(rows[0])

    @kept
    def counts(self, name: str) -> tuple[int, int, int]:
        """How many runs and selections a dataset has, and how many datasets there are."""
        with self._database.reading() as cursor:
            found: tuple[int, int, int] = cursor.execute(
                "SELECT (SELECT count(*) FROM runs WHERE dataset = $1), "
                "(SELECT count(*) FROM selections WHERE dataset = $1), (SELECT count(*) FROM datasets)",
                [name],
            ).fetchall()[0]
        return found

    def examples(self, name: str, rows: Sequence[int]) -> list[Example]:
        """The examples at these row numbers, in the order asked for."""
        condition, values = among("row_number", rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                f"SELECT {EXAMPLE_COLUMNS} FROM examples WHERE dataset = ? AND {condition}",  # noqa: S608
                [name, *values],
            ).fetchall()
        by_row = {row[0]: _example(row) for row in found}
        missing = [row for row in rows if row not in by_row]
        if missing:
            raise BadInput(f"Dataset {name!r} has no row {missing[0]:,}.")
        return [by_row[row] for row in rows]

    def blocks(self, name: str, block_rows: int) -> Iterator[list[Example]]:
        """All examples in row order, a block at a time."""
        total = self.get(name).rows_loaded
        for start in range(0, total, block_rows):
            with self._database.reading() as cursor:
                found = cursor.execute(
                    f"SELECT {EXAMPLE_COLUMNS} FROM examples WHERE dataset = ? AND row_number BETWEEN ? AND ? "  # noqa: S608
                    "ORDER BY row_number",
                    [name, start, start + block_rows - 1],
                ).fetchall()
            yield [_example(row) for row in found]

    def example_ids(self, name: str) -> list[str]:
        """All example ids in row order."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT example_id FROM examples WHERE dataset = ? ORDER BY row_number", [name]
            ).fetchall()
        return [row[0] for row in rows]

    def grouped(self, name: str, column: str, most: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """A column of the rows as they came: a code for each row [n], in row order, and the values that the codes point
        to, ascending; what is missing or null is "(none)".

        Raises BadInput, naming the columns of the first row, when no row has it, and for more than `most` values: they
        are counted by their hashes first, so that a column of long texts never comes into memory.
        """
        value = "json_extract_string(original, ?)"
        pointer = "/" + column.replace("~", "~0").replace("/", "~1")
        with self._database.reading() as cursor:
            given, values = cursor.execute(
                f"SELECT count(hashed), count(DISTINCT hashed) + (count(*) > count(hashed))::INTEGER FROM "  # noqa: S608
                f"(SELECT CASE WHEN {value} IS NOT NULL THEN hash({value}) END AS hashed FROM examples "
                "WHERE dataset = ?)",
                [pointer, pointer, name],
            ).fetchall()[0]
            if not given:
                raise BadInput(self._without_column(name, column))
            if values > most:
                raise BadInput(
                    f"Column {column!r} has {values:,} values; a column with at most {most:,} can be grouped by."
                )
            text = f"coalesce({value}, '(none)')"
            found = cursor.execute(
                f"SELECT DISTINCT {text} FROM examples WHERE dataset = ?",  # noqa: S608
                [pointer, name],
            ).fetchall()
            names = sorted(row[0] for row in found)
            cursor.register("named", pa.table({"value": pa.array(names, pa.string()), "code": range(len(names))}))
            codes = cursor.execute(
                f"SELECT code FROM examples JOIN named ON value = {text} WHERE dataset = ? "  # noqa: S608
                "ORDER BY row_number",
                [pointer, name],
            ).fetchnumpy()["code"]
            cursor.unregister("named")
        return np.asarray(codes, dtype=np.int64), tuple(names)

    def _without_column(self, name: str, column: str) -> str:
        with self._database.reading() as cursor:
            first = cursor.execute(
                "SELECT json_keys(original) FROM examples WHERE dataset = ? ORDER BY row_number LIMIT 1", [name]
            ).fetchall()
        known = ", ".join(first[0][0] if first else [])
        return f"No row of dataset {name!r} has a column {column!r}; the first row has {known}."

    def full_texts(self, name: str) -> list[str]:
        """Prompt and response of every example as one text, in row order."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT prompt || chr(10) || response FROM examples WHERE dataset = ? ORDER BY row_number", [name]
            ).fetchall()
        return [row[0] for row in rows]

    def group_columns(self, name: str, most: int) -> list[str]:
        """The columns of the first row that have from 2 to `most` values over the dataset, as they come in it."""
        with self._database.reading() as cursor:
            first = cursor.execute(
                "SELECT json_keys(original) FROM examples WHERE dataset = ? ORDER BY row_number LIMIT 1", [name]
            ).fetchall()
            found = []
            for key in first[0][0] if first and first[0][0] else []:
                counted = cursor.execute(
                    "SELECT approx_count_distinct(json_extract_string(original, ?)) FROM examples WHERE dataset = ?",
                    ["/" + key.replace("~", "~0").replace("/", "~1"), name],
                ).fetchall()
                found += [key] if 2 <= counted[0][0] <= most else []
        return found

    def rows_containing(self, name: str, search: str) -> np.ndarray:
        """The rows whose prompt or response contains `search`, whatever its case, ascending."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT row_number FROM examples WHERE dataset = ? "
                "AND (contains(lower(prompt), lower(?)) OR contains(lower(response), lower(?))) ORDER BY row_number",
                [name, search, search],
            ).fetchnumpy()
        return np.asarray(found["row_number"], dtype=np.int64)

    def texts(self, name: str, rows: Sequence[int]) -> list[ExampleRow]:
        """Prompt and response of these rows, in the order asked for."""
        condition, values = among("row_number", rows)
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT row_number, example_id, line, prompt, response FROM examples "  # noqa: S608
                f"WHERE dataset = ? AND {condition}",
                [name, *values],
            ).fetchall()
        by_row = {row[0]: ExampleRow(*row) for row in found}
        return [by_row[row] for row in rows if row in by_row]

    def quarantine(self, name: str, offset: int, limit: int) -> list[Quarantined]:
        """A page of the rows that could not be loaded, in file order."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT file, line, byte_offset, reason, raw FROM quarantine WHERE dataset = ? "
                "AND admitted_row IS NULL ORDER BY entry LIMIT ? OFFSET ?",
                [name, limit, offset],
            ).fetchall()
        return [Quarantined(*row) for row in rows]

    def quarantine_reasons(self, name: str) -> list[tuple[str, int]]:
        """Reasons with their counts, the most frequent first."""
        with self._database.reading() as cursor:
            rows = cursor.execute(
                "SELECT reason, count(*) FROM quarantine WHERE dataset = ? AND admitted_row IS NULL "
                "GROUP BY reason ORDER BY 2 DESC, 1",
                [name],
            ).fetchall()
        return [(row[0], row[1]) for row in rows]


def _dataset(row: Sequence[Any]) -> DatasetRow:
    values = dict(zip(DATASET_COLUMNS.split(", "), row, strict=True))
    values |= {name: json.loads(values[name]) for name in ("mapping", "settings", "sources")}
    return DatasetRow(**(values | {"sources": tuple(values["sources"])}))


def _example(row: Sequence[Any]) -> Example:
    row_number, example_id, file, line, prompt, response, messages, original, tools = row
    return Example(
        example_id,
        row_number,
        file,
        line,
        plain_messages(prompt, response) if messages is None else json.loads(messages),
        original,
        None if tools is None else json.loads(tools),
    )
