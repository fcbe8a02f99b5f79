"""A question about few rows, about many and about none gives the same as looking at all of them."""

import duckdb
import numpy as np
import pytest

from core.store.asking import FEW, among


@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 500])
def test_few_and_many_rows_are_found_alike(count: int) -> None:
    asked = np.random.default_rng(count).choice(1_000, count, replace=False)
    condition, values = among("entry", asked.tolist() + asked[:1].tolist())
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE pool AS SELECT range AS entry FROM range(800)")
        found = connection.execute(f"SELECT entry FROM pool WHERE 0 <= ? AND {condition}", [0, *values]).fetchall()
    assert sorted(row[0] for row in found) == sorted(asked[asked < 800])


@pytest.mark.parametrize("count", [1, 5, FEW])
def test_few_scattered_rows_are_found_without_a_join(count: int) -> None:
    condition, values = among("entry", [37 * number for number in range(count)])
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE pool AS SELECT range AS entry FROM range(800)")
        ((_, plan),) = connection.execute(f"EXPLAIN SELECT entry FROM pool WHERE {condition}", values).fetchall()
    assert "SCAN" in plan.upper() and "JOIN" not in plan.upper()
