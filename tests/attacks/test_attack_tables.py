"""No text becomes a formula in a table that Gleaner writes."""

import ast
import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.workbench import Workbench
from core.workbench.tables import write_table
from tests.attacks.tables import FORMULAS
from tests.conftest import ROOT, core_json

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet may take a cell for one, blanks and quotes before it passed over; a number is none."""
    try:
        float(cell)
    except ValueError:
        return cell.startswith(STARTS) or cell.lstrip(' \0"').startswith(STARTS)
    return False


def cells(path: Path) -> list[str]:
    """Every cell of a CSV, the names of its columns too."""
    with path.open(newline="", encoding="utf-8") as stream:
        return [cell for line in csv.reader(stream) for cell in line]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_and_a_column_are_text_in_a_csv_and_unchanged_elsewhere(text: str, tmp_path: Path) -> None:
    table = pa.table({text: [text, "plain", None], "number": [-1.5, 2.0, None]})
    read = cells(write_table(table, tmp_path / "table.csv"))
    assert not [cell for cell in read if is_formula(cell)]
    assert read[0] == read[2] == "'" + text
    assert read[4:] == ["plain", "2", "", ""]
    assert pq.read_table(write_table(table, tmp_path / "table.parquet")).equals(table)
    lines = write_table(table, tmp_path / "table.jsonl").read_text(encoding="utf-8").split("\n")
    assert json.loads(lines[0])[text] == text


def test_a_table_of_judgements_has_no_formula(tmp_path: Path) -> None:
    rows = [{"prompt": text, "completion": text} for text in FORMULAS]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    core_json(tmp_path / "workspace", "ingest", str(tmp_path / "rows.jsonl"), "--name", "rows")
    with Workbench(tmp_path / "workspace") as bench:
        for row, text in enumerate(FORMULAS):
            bench.judge("rows", row, "random", "keep", who=text)
    core_json(tmp_path / "workspace", "judgements", "rows", "-o", str(tmp_path / "judgements.csv"))
    read = cells(tmp_path / "judgements.csv")
    assert len(read) > len(FORMULAS)
    assert not [cell for cell in read if is_formula(cell)]


def test_every_csv_is_written_in_one_place() -> None:
    """Nothing else writes one, or lets the browser make one of what it shows."""
    writers = ("write_csv", "to_csv", "writer", "DictWriter")
    found = {
        str(path.relative_to(ROOT))
        for path in [*(ROOT / "core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in writers
    }
    assert found == {"core/workbench/tables.py"}
    assert "disableDataExport = true" in (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")
