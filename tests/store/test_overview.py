"""Figures of a dataset are those that plain Python counts over its rows."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.reports import ColumnFacts, Conversations
from core.store import Database
from core.store import overview as module
from core.store.overview import Overview, Sample, even_sample

ALL = Sample("d", 1_000_000)
TOOL_CALL = [{"type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "curation.duckdb")
    yield opened
    opened.close()


def turns(*texts: str, system: bool = False) -> list[dict]:
    spoken = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return [{"role": "system", "content": "s"}, *spoken] if system else spoken


def put(
    database: Database,
    conversations: list[list[dict]],
    originals: list[str] | None = None,
    tools: list[str | None] | None = None,
    ids: list[str] | None = None,
    name: str = "d",
) -> Overview:
    """Enter examples as the loader would: the last turn is the response."""
    rows = []
    for row, messages in enumerate(conversations):
        prompt = "\n\n".join(m["content"] for m in messages[:-1])
        original = originals[row] if originals else "{}"
        identity, declared = ids[row] if ids else f"id{row}", tools[row] if tools else None
        texts = [prompt, messages[-1]["content"], json.dumps(messages, ensure_ascii=False)]
        rows.append([name, row, identity, "file", row + 1, *texts, declared, original])
    with database.writing() as cursor:
        cursor.executemany(
            "INSERT INTO examples (dataset, row_number, example_id, file, line, prompt, response, messages, tools, "
            "original) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    return Overview(database)


def test_turns_system_messages_and_tools_are_counted(database: Database) -> None:
    called = [*turns("q"), {"role": "assistant", "content": "", "tool_calls": TOOL_CALL}]
    answered = [*called, {"role": "tool", "content": "1"}, {"role": "assistant", "content": "a"}]
    conversations = [turns("q", "a"), turns("q", "a", "q", "a"), turns("q", "a", system=True), called, answered]
    overview = put(database, [*conversations, turns("q", "a")], tools=[None] * 5 + ['[{"name": "f"}]'])
    put(database, [turns("q", "a", "q", "a")], name="other")
    assert overview.conversations("d") == Conversations(6, several_turns=1, with_system=1, with_tools=3, most_turns=4)
    assert overview.conversations("none") == Conversations(0, 0, 0, 0, 0)


def test_what_is_quoted_in_a_text_is_no_tool_and_no_role(database: Database) -> None:
    quoted = '{"role": "system", "tool_calls": [1]}, "tool_calls"'
    overview = put(database, [turns(quoted, quoted)])
    assert overview.conversations("d") == Conversations(1, 0, 0, 0, 2)


def test_a_question_and_its_answer_need_no_messages(database: Database) -> None:
    overview = put(database, [turns("q", "a"), turns("q", "")])
    with database.writing() as cursor:
        cursor.execute("ALTER TABLE examples ALTER COLUMN messages DROP NOT NULL")
        cursor.execute("UPDATE examples SET messages = NULL")
    assert overview.conversations("d") == Conversations(2, 0, 0, 0, 2)
    assert overview.empty_fields("d") == (0, 2)


def test_lengths_are_counted_in_characters(database: Database) -> None:
    texts = ["", "a", "é", "日本", "👩 x", "a" * 500, "b"]
    overview = put(database, [turns(text, text * 2) for text in texts])
    prompts, responses = overview.lengths("d")
    assert prompts == sorted(Counter(len(text) for text in texts).items())
    assert responses == sorted(Counter(2 * len(text) for text in texts).items())


def test_blank_prompts_and_hardly_any_response_are_counted(database: Database) -> None:
    called = [*turns("q"), {"role": "assistant", "content": "", "tool_calls": TOOL_CALL}]
    overview = put(database, [turns("", "abc"), turns("  ", " ab "), turns("q", "abcd"), turns("q", ""), called])
    assert overview.empty_fields("d") == (2, 2)


@pytest.mark.parametrize("grouped", [2, 1_000_000])
def test_repeats_are_found_however_the_keys_are_parted(
    grouped: int, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GROUPED", grouped)
    pairs = [("p", "r"), ("p", "r"), ("p", "r"), ("p", "s"), ("q", "s"), ("u", "r"), ("", "x"), ("", "y"), ("v", "")]
    ids = ["a", "a-2", "a-3", "b", "c", "d", "e", "f", "g"]
    found = put(database, [turns(*pair) for pair in pairs], ids=ids).duplicates("d", len(pairs))
    assert (found.exact, found.groups, found.largest) == (2, 1, 3)
    assert found.conversations == len(pairs) - len(set(pairs))
    assert (found.prompts, found.prompt_examples) == (1, 4)
    assert (found.responses, found.response_examples) == (2, 6)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Good day, 12", "Latin"),
        ("Où êtes-vous ?", "Latin"),
        ("12 + 7 = 19", "No letters"),
        ("…", "No letters"),
        ("", "No letters"),
        ("这是一个测试 ok", "Han"),
        ("東京都は日本の首都です。", "Kana"),
        ("カタカナ", "Kana"),
        ("안녕하세요 여러분, hello", "Hangul"),
        ("Это ответ: yes", "Cyrillic"),
        ("مرحبا بالعالم", "Arabic"),
        ("नमस्ते दुनिया", "Devanagari"),
        ("สวัสดี", "Thai"),
        ("შენ", "Other"),
    ],
)
def test_a_response_has_the_script_of_most_of_its_letters(text: str, script: str, database: Database) -> None:
    assert put(database, [turns("q", text)]).scripts(ALL) == [(script, 1)]


def test_columns_say_how_far_they_are_filled_and_with_what(database: Database) -> None:
    rows = [{"t": ["x", "y"][i % 2], "n": i, "u": f"v{i}", "odd/~": True} for i in range(6)]
    rows += [{"t": "", "n": None, "u": 1.5}, {"t": "x", "l": [], "n": {"a": 1}}]
    overview = put(database, [turns("q", "a")] * 8, originals=[json.dumps(row) for row in rows])
    columns, count = overview.columns(ALL)
    assert count == 5
    assert columns == [
        ColumnFacts("t", 7, 0, 0, 1, ["text"], 2, [("x", 4), ("y", 3)]),
        ColumnFacts("n", 7, 0, 1, 0, ["number", "object"], 7, []),
        ColumnFacts("u", 7, 1, 0, 0, ["text", "number"], 7, []),
        ColumnFacts("odd/~", 6, 2, 0, 0, ["true or false"], 1, []),
        ColumnFacts("l", 0, 7, 0, 1, ["list"], 0, []),
    ]


def test_no_more_than_fifty_columns_are_described_and_all_are_counted(database: Database) -> None:
    wide = json.dumps({f"c{i}": i for i in range(70)})
    columns, count = put(database, [turns("q", "a")], originals=[wide]).columns(ALL)
    assert ([column.name for column in columns], count) == ([f"c{i}" for i in range(50)], 70)


def test_rows_without_columns_have_none(database: Database) -> None:
    overview = put(database, [turns("q", "a")], originals=['"text"'])
    assert overview.columns(ALL) == ([], 0)
    assert overview.columns(Sample("none", 1_000_000)) == ([], 0)


def test_a_large_dataset_is_sampled_evenly(database: Database) -> None:
    assert even_sample("d", 100_000) == ALL
    assert even_sample("d", 1_000_000) == Sample("d", 100_000)
    with database.writing() as cursor:
        cursor.execute(
            "INSERT INTO examples SELECT 'd', i, i::VARCHAR, 'f', i, 'p', 'r', '[]', NULL, '{}' FROM range(20000) t(i)"
        )
        drawn = cursor.execute(
            f"SELECT count(*), avg(row_number) FROM examples WHERE {module.IN_SAMPLE}", ["d", 100_000]
        ).fetchall()[0]
    assert Overview(database).sampled(Sample("d", 100_000)) == drawn[0]
    assert drawn[0] == pytest.approx(2_000, rel=0.1)
    assert drawn[1] == pytest.approx(10_000, rel=0.05)
