"""No damaged file brings the reading down, and what is read of it holds together. (More: benchmarks/fuzz.py.)"""

from pathlib import Path

import pytest
from damaged import check_case, make_case


@pytest.mark.parametrize("first", range(0, 500, 50))
def test_a_damaged_file_is_refused_or_read_with_every_row_accounted_for(first: int, tmp_path: Path) -> None:
    for seed in range(first, first + 50):
        name, content = make_case(seed)
        path = tmp_path / name
        path.write_bytes(content)
        try:
            check_case(path)
        except Exception as error:
            raise AssertionError(f"seed {seed}, {name}") from error
