"""The demo loads whole."""

import json
from collections import Counter
from pathlib import Path

from core.data.demo import write_demo
from core.data.ingest import read_examples
from core.records import Example
from core.settings import IngestSettings


def test_the_demo_has_2026_chats_in_21_topics_of_which_1050_are_ten_pairs_repeated(tmp_path: Path) -> None:
    path = write_demo(tmp_path / "demo.jsonl")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2026
    assert len({row["topic"] for row in rows}) == 21
    support = Counter(json.dumps(row["messages"]) for row in rows if row["topic"] == "tech_support")
    assert (len(support), support.total()) == (10, 1050)
    outcomes = read_examples(str(path), IngestSettings()).outcomes()
    assert sum(isinstance(outcome, Example) for outcome in outcomes) == 2026


def test_alternative_answers_are_kept_beside_the_first(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_demo(tmp_path / "demo.jsonl").read_text(encoding="utf-8").splitlines()]
    computer = next(row for row in rows if row["messages"][0]["content"] == "What is a computer?")
    assert len(computer["messages"]) == 2
    assert len(computer["other_answers"]) == 3
    bingo = next(row for row in rows if row["messages"][0]["content"].startswith("In a game of bingo"))
    assert bingo["messages"][1]["content"] == "22"
