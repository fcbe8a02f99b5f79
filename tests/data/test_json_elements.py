"""A damaged element costs itself alone, in every way that a JSON file can hold rows."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from damaged import make_rows

from core.data.rows import parse_object
from core.data.sources import SourceRow, open_source
from core.errors import BadInput
from core.settings import IngestSettings

AUTO = IngestSettings()
ROWS = [{"instruction": f'Say "{i}", {{i}}', "input": "a\n[b]", "output": f"{i} \\"} for i in range(6)]
Layout = Callable[[list[dict[str, Any]]], str]
LAYOUTS: dict[str, Layout] = {
    "compact": lambda rows: json.dumps(rows, separators=(",", ":")),
    "spaced": json.dumps,
    "unindented": lambda rows: json.dumps(rows, indent=0),
    "indented": lambda rows: json.dumps(rows, indent=2),
    "tabs": lambda rows: json.dumps(rows, indent="\t"),
    "a line each": lambda rows: "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]",
    "records": lambda rows: json.dumps({f"i{at}": row for at, row in enumerate(rows)}),
    "indented records": lambda rows: json.dumps({f"i{at}": row for at, row in enumerate(rows)}, indent=2),
    "list in an object": lambda rows: json.dumps({"version": 1, "data": rows}),
}


def read(path: Path, text: str | bytes) -> list[SourceRow]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_source(str(path), AUTO)
    rows = list(source.rows())
    assert all(list(source.rows(start=start)) == rows[start:] for start in (1, len(rows) // 2, len(rows)))
    return rows


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ('"output": "3', '"output: "3'),
        ('"output": "3', 'output": "3'),
        ('"output": "3', '"output": 3'),
        ('"output": "3', '"output" "3'),
        ('"output": "3', '"output": {"3'),
        ('"output": "3', '"output": ["3'),
        ('"output": "3', '"output": NaN, "x": "3'),
        ('"output": "3', '"output": "\n3'),
        ('"output": "3', '"output": "3"}, "x": "'),
    ],
)
def test_damage_within_an_element_is_reported_alone(layout: str, whole: str, broken: str, tmp_path: Path) -> None:
    text = LAYOUTS[layout](ROWS)
    if layout == "compact":
        whole, broken = (part.replace('": ', '":').replace('", "', '","') for part in (whole, broken))
    damaged = text.replace(whole, broken)
    assert damaged != text
    rows = read(tmp_path / "rows.json", damaged)
    assert [row.fields for row in rows if row.fields in ROWS] == ROWS[:3] + ROWS[4:]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_wrong_byte_costs_two_rows_at_most(layout: str, tmp_path: Path) -> None:
    seldom = 0
    for seed in range(60):
        dice = random.Random(seed)
        rows = [row for _ in range(5) for row in make_rows(dice, dice.choice(["alpaca", "messages"]))]
        rows = [row for row in rows if row.keys() == rows[0].keys()]
        text = LAYOUTS[layout](rows).encode()
        at = dice.choice([i for i in range(len(text) // 4, len(text) - 1) if text[i : i + 1] in b'{}[]",:\\'])
        wrong = dice.choice([b"", b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\n", b"\0"])
        read_again = read(tmp_path / "rows.json", text[:at] + wrong + text[at + 1 :])
        seldom += sum(row.fields in rows for row in read_again) < len(rows) - 2
    assert seldom <= 1


def test_lines_and_offsets_are_those_of_the_file(tmp_path: Path) -> None:
    text = "\ufeff" + json.dumps(ROWS, indent=2, ensure_ascii=False).replace("\n", "\r\n")
    rows = read(tmp_path / "rows.json", text)
    assert [row.line for row in rows] == [2 + 5 * at for at in range(6)]
    content = text.encode()
    for row, fields in zip(rows, ROWS, strict=True):
        assert row.byte_offset is not None
        decoded = json.JSONDecoder().raw_decode(content[row.byte_offset :].decode())
        assert decoded[0] == fields == json.loads(row.raw)


def test_the_key_of_a_record_stands_in_its_file_as_a_pointer(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    rows = read(path, json.dumps({"a/b": ROWS[0], 'c~"d': ROWS[1]}))
    assert [row.file for row in rows] == [f"{path}#/a~1b", f'{path}#/c~0"d']


def test_columns_of_different_lengths_lose_no_value(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.json", '{"prompt": ["a", "b", "c"], "completion": ["x"]}')
    assert [row.fields for row in rows] == [{"prompt": "a", "completion": "x"}, None, None]
    assert [row.raw for row in rows[1:]] == ['{"prompt":"b"}', '{"prompt":"c"}']
    assert len({row.problem for row in rows[1:]}) == 1


def test_columns_by_index_are_joined_by_it(tmp_path: Path) -> None:
    columns = {"prompt": {"0": "a0", "2": "a2"}, "completion": {"0": "b0", "1": "b1", "2": "b2"}}
    rows = read(tmp_path / "rows.json", json.dumps(columns))
    assert [row.fields for row in rows] == [
        {"prompt": "a0", "completion": "b0"},
        {"prompt": "a2", "completion": "b2"},
        None,
    ]
    assert [(row.line, row.raw) for row in rows[2:]] == [(3, '{"completion":"b1"}')]
    assert "different indices" in str(rows[2].problem)


@pytest.mark.parametrize("indices", [["0", "1", "2"], ["7", "0", "12"], ["-1", "1700000000000", "3"]])
def test_columns_as_pandas_writes_them_are_told_from_records_by_id(indices: list[str], tmp_path: Path) -> None:
    long = "x" * 9_000  # beyond what is seen of a member's beginning
    rows = [{"prompt": f"{long}{at}", "completion": f"c{at}"} for at in range(3)]
    columns = {name: {index: row[name] for index, row in zip(indices, rows, strict=True)} for name in rows[0]}
    path = tmp_path / "rows.json"
    assert [row.fields for row in read(path, json.dumps(columns))] == rows
    assert [row.fields for row in read(path, json.dumps(dict(zip(indices, rows, strict=True))))] == rows


def test_numbered_records_and_numbered_columns_are_told_apart_by_their_number(tmp_path: Path) -> None:
    rows = [{"0": f"p{at}", "1": f"c{at}"} for at in range(5)]
    columns = {name: {str(at): row[name] for at, row in enumerate(rows)} for name in rows[0]}
    path = tmp_path / "rows.json"
    assert [row.fields for row in read(path, json.dumps(columns))] == rows
    assert [row.fields for row in read(path, json.dumps({str(at): row for at, row in enumerate(rows)}))] == rows


@pytest.mark.parametrize("deep", ["[" * 300 + "]" * 300, '{"x":' * 300 + "1" + "}" * 300])
def test_columns_that_are_nested_too_deeply_are_a_row_that_says_so(deep: str, tmp_path: Path) -> None:
    (row,) = read(tmp_path / "rows.json", f'{{"prompt": ["a", {deep}], "completion": ["x", "y"]}}')
    assert row.problem == "nested too deeply"


def test_a_single_object_that_is_a_row_is_one(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    for indent in (None, 2):
        (only,) = read(tmp_path / "rows.json", json.dumps(row, indent=indent))
        assert only.fields == row


def test_of_several_lists_the_split_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    assert [row.fields for row in read(path, json.dumps({"test": ROWS[:2], "train": ROWS}))] == ROWS
    test = open_source(str(path), IngestSettings(split="test"))
    assert [row.fields for row in test.rows()] == ROWS[:2]
    path.write_text(json.dumps({"a": ROWS, "b": ROWS}))
    with pytest.raises(BadInput, match="several lists of rows: a, b"):
        open_source(str(path), AUTO)


def test_a_file_without_its_beginning_gives_what_is_whole(tmp_path: Path) -> None:
    chat = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    for layout in ("compact", "spaced", "indented", "a line each"):
        text = LAYOUTS[layout]([chat] * 6)
        rows = read(tmp_path / "rows.json", text[text.index("user") :])
        assert [row.fields for row in rows if row.fields] == [chat] * 5, layout


@pytest.mark.parametrize("key", ["a", "b\\", 'c"d', "e:f"])
@pytest.mark.parametrize("colon", [":", " : ", "\t:", "  :", "   : ", " \t:", "\r :"])
def test_a_key_that_stands_twice_is_found_at_any_depth(key: str, colon: str, tmp_path: Path) -> None:
    name = json.dumps(key)
    twice = f'{{"x": [{{"y": {{{name}{colon}1, "z": "\\": \\"", {name}{colon}2}}}}]}}'
    once = f'{{"x": [{{"y": {{{name}{colon}1, "z": "\\": \\":"}}}}, {{{name}: 2}}]}}'
    rows = read(tmp_path / "rows.jsonl", f"{twice}\n{once}")
    assert [row.problem for row in rows] == [f"key `{key}` appears twice in an object", None]


@pytest.mark.parametrize("text", ['say "no" : now', ": x", '"', "\\", '\\"  :', 'a":b'])
def test_a_text_like_a_key_is_none_and_hides_none(text: str) -> None:
    shown = json.dumps(text).encode()
    assert parse_object(b'{"prompt"  :%s,"x" :{"y":%s}}' % (shown, shown))[1] is None
    for colon in (b":", b" :", b"  \n:"):
        twice = b'{"prompt"%s%s,"prompt":%s,"completion":%s}' % (colon, shown, shown, shown)
        assert parse_object(twice)[1] == "key `prompt` appears twice in an object"


def test_what_is_said_of_a_repeated_key_is_one_line() -> None:
    _, problem = parse_object(b'{"a\\nb": 1, "a\\nb": 2}')
    assert problem == "key `a?b` appears twice in an object"


def test_brackets_that_never_close_take_no_time(tmp_path: Path) -> None:
    rows = read(tmp_path / "rows.json", '[{"a":1},' + '{"a":[' * 20_000)
    assert rows[0].fields == {"a": 1}


def test_rows_that_never_close_cost_themselves_alone(tmp_path: Path) -> None:
    good, cut = json.dumps({"m": [{"r": "u", "c": "x" * 500}]}), '{"m": [{"r": "u", "c": "x"}'
    rows = read(tmp_path / "rows.json", "[" + ", ".join([*[good] * 99, cut] * 40) + "]")
    assert sum(row.problem is None for row in rows) == 99 * 40


def test_a_large_tree_whose_nodes_are_like_the_row_is_one_row(tmp_path: Path) -> None:
    tree = {"id": 1, "replies": [{"id": at, "text": "x" * 500} for at in range(300)]}
    rows = read(tmp_path / "rows.json", json.dumps([tree, tree]))
    assert [row.fields for row in rows] == [tree, tree]


def test_a_run_of_spaces_in_a_text_takes_no_time(tmp_path: Path) -> None:
    (row,) = read(tmp_path / "rows.json", '[\n{"a": "' + " " * 300_000 + '"\n}]')
    assert row.fields == {"a": " " * 300_000}
