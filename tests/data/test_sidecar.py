"""The table beside an export has a row for each line, in the file's order."""

from datetime import datetime

import pyarrow as pa

from core.choices import Decision, Pick
from core.data.sidecar import KEPT_OF_SCORES, Origin, make_sidecar
from core.records import Example

PICKS = [Pick(1, 2, 1.5, 2.0, 1.5, 7, "largest gain"), Pick(2, 0, None, None, None, 3, "drawn at random")]
ORIGINS = [Origin("c", "a.jsonl", 3), Origin("a", "a.jsonl", 1)]
SCORES = pa.table({name: [0.5, 1.5, 2.5] for name in KEPT_OF_SCORES})


def made(number: int, row: int, kind: str, why: str) -> Decision:
    return Decision(number, "d", row, kind, why, "ann", None, datetime(2026, 1, 2, 3, 4, 5))


def test_scores_are_those_of_the_picks_row() -> None:
    table = make_sidecar(PICKS, ORIGINS, SCORES, {})
    assert table["rank"].to_pylist() == [1, 2]
    assert table["row"].to_pylist() == [2, 0]
    assert table["example_id"].to_pylist() == ["c", "a"]
    assert table["nll"].to_pylist() == [2.5, 0.5]
    assert table["gain"].to_pylist() == [1.5, None]
    assert table["decision"].null_count == table["notes"].null_count == 2


def test_what_stands_on_an_example_is_told_with_who_when_and_why() -> None:
    standing = {0: [made(1, 0, "note", "odd"), made(2, 0, "pin", "good"), made(3, 0, "note", "fine")]}
    (row,) = make_sidecar(PICKS, ORIGINS, SCORES, standing).to_pylist()[1:]
    assert row["decision"] == "pin"
    assert row["decided_by"] == "ann"
    assert row["decided_at"] == "2026-01-02 03:04:05 UTC"
    assert row["decided_why"] == "good"
    assert row["notes"] == "ann, 2026-01-02 03:04:05 UTC: odd\nann, 2026-01-02 03:04:05 UTC: fine"


def test_a_file_elsewhere_on_the_machine_is_named_without_its_folders() -> None:
    for file, name in {"/home/me/a.jsonl": "a.jsonl", "owner/name": "owner/name"}.items():
        assert Origin.of(Example("a", 0, file, 3, [], "")).file == name
