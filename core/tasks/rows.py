"""The examples that a run scores, read from its input file a row group at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from core.records import Example
from core.workspace import read_input

BYTES_PER_TOKEN = 4


class InputRows:
    """A run's input file."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self.example_ids: list[str] = self._file.read(columns=["example_id"])["example_id"].to_pylist()
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._ends = np.cumsum(sizes)

    @property
    def about_tokens(self) -> int:
        """A guess at the tokens of all examples, from the size of their text."""
        metadata = self._file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(self._file.num_row_groups))
        return size // BYTES_PER_TOKEN

    def read(self, rows: Sequence[int]) -> list[Example]:
        """The examples of these ascending rows; only the row groups that hold them are read."""
        groups = sorted({int(group) for group in np.searchsorted(self._ends, list(rows), side="right")})
        wanted = set(rows)
        return [example for group in groups for example in read_input(self._file, group) if example.row in wanted]
