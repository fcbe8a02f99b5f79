"""Rows read = rows loaded + rows quarantined, whatever came."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.ingest import Ingest, preview, read_examples
from core.errors import BadInput
from core.records import Example, Quarantined
from core.settings import IngestSettings

SHARED = Path(__file__).parents[3] / "shared" / "data"
AUTO = IngestSettings()
GOOD = [json.dumps({"prompt": f"p{i % 3}", "completion": f"c{i % 3}"}).encode() for i in range(8)]
REAL = {
    "alpaca_en_demo.json": ("alpaca", 999, 999),
    "alpaca_random_9k.json": ("alpaca", 9229, 9225),
    "alpagasus_claude_t45.json": ("alpaca", 5305, 5301),
    "chatdoctor5k_first2000.json": ("alpaca", 2000, 2000),
    "fastchat_dummy_conversation.json": ("sharegpt", 500, 500),
    "glaive_toolcall_en_demo.json": ("sharegpt", 300, 300),
    "gpteacher_codegen.json": ("alpaca", 4535, 4535),
    "gsm8k_train.jsonl": ("prompt-completion", 7473, 7473),
    "kto_en_demo.json": ("messages", 300, 300),
    "oaast_sft_zh.json": ("alpaca", 689, 689),
    "seed_tasks.jsonl": ("alpaca", 175, 175),
    "tau_bench_airline_first60.json": ("messages", 60, 60),
    "tinyshakespeare_input.txt": ("text", 7222, 7222),
    "v1_sft_demo.jsonl": ("messages", 500, 500),
}


def load(ingest: Ingest) -> tuple[list[Example], list[Quarantined]]:
    outcomes = list(ingest.outcomes())
    return [of for of in outcomes if isinstance(of, Example)], [of for of in outcomes if isinstance(of, Quarantined)]


def write(folder: Path, lines: list[bytes]) -> str:
    path = folder / "rows.jsonl"
    path.write_bytes(b"\n".join(lines))
    return str(path)


def test_every_row_is_loaded_or_quarantined_with_its_reason(tmp_path: Path) -> None:
    source = write(tmp_path, [*GOOD, b'{"prompt": "p", "completion": ""}', b"oops"])
    examples, quarantined = load(read_examples(source, AUTO))
    assert len(examples) + len(quarantined) == 10
    assert [example.row for example in examples] == list(range(8))
    before = sum(len(line) + 1 for line in GOOD)
    assert [(q.line, q.byte_offset, q.raw) for q in quarantined] == [
        (9, before, '{"prompt": "p", "completion": ""}'),
        (10, before + 34, "oops"),
    ]
    assert quarantined[0].reason == "`completion` is empty"


def test_ids_are_of_the_content_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    examples, _ = load(read_examples(write(tmp_path, GOOD), AUTO))
    ids = [example.example_id for example in examples]
    assert len(set(ids)) == 3
    assert ids[3] == ids[0]
    reordered = b'{"completion":"c0",   "prompt":"p0"}'
    (same,), _ = load(read_examples(write(tmp_path, [reordered]), AUTO))
    assert same.example_id == ids[0]
    assert same.original == reordered.decode()


def test_reading_again_gives_the_same_and_a_limit_reads_no_further(tmp_path: Path) -> None:
    ingest = read_examples(write(tmp_path, GOOD), AUTO)
    assert load(ingest) == load(ingest)
    limited = read_examples(write(tmp_path, [*GOOD, b"oops"]), IngestSettings(limit=5))
    assert len(list(limited.outcomes())) == 5


def test_reading_goes_on_behind_any_row(tmp_path: Path) -> None:
    ingest = read_examples(write(tmp_path, [*GOOD[:4], b"oops", *GOOD[4:]]), IngestSettings(limit=7))
    whole = list(ingest.outcomes())
    for start in range(8):
        loaded = sum(isinstance(of, Example) for of in whole[:start])
        assert list(ingest.outcomes(start, loaded)) == whole[start:]


def test_a_source_of_which_nothing_can_be_loaded_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"None of the 2 rows .* not JSON"):
        read_examples(write(tmp_path, [b"oops", b"no"]), AUTO)


def test_a_bad_beginning_does_not_condemn_a_file(tmp_path: Path) -> None:
    examples, quarantined = load(read_examples(write(tmp_path, [b"oops"] * 300 + GOOD), AUTO))
    assert (len(examples), len(quarantined)) == (8, 300)


def test_a_preview_shows_shape_columns_and_first_rows(tmp_path: Path) -> None:
    shown = preview(read_examples(write(tmp_path, [*GOOD[:2], b"oops"]), AUTO))
    assert (shown.format, shown.columns) == ("prompt-completion", ["prompt", "completion"])
    assert [type(row) for row in shown.rows] == [Example, Example, Quarantined]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from(GOOD), min_size=1, max_size=6),
    damages=st.lists(
        st.tuples(st.sampled_from(["cut", "flip", "splice"]), st.floats(0, 1), st.binary(max_size=6)), max_size=5
    ),
    name=st.sampled_from(["rows.jsonl", "rows.json", "rows.csv", "rows.txt"]),
)
def test_damaged_files_lose_no_row_and_raise_nothing_else(
    lines: list[bytes], damages: list[tuple[str, float, bytes]], name: str, tmp_path: Path
) -> None:
    content = b"[" + b",".join(lines) + b"]" if name.endswith(".json") else b"\n".join(lines)
    for kind, place, data in damages:
        at = int(place * len(content))
        if kind == "cut":
            content = content[:at]
        elif kind == "flip":
            content = content[:at] + bytes([data[0] if data else 0]) + content[at + 1 :]
        else:
            content = content[:at] + data + content[at:]
    path = tmp_path / name
    path.write_bytes(content)
    try:
        ingest = read_examples(str(path), AUTO)
        examples, quarantined = load(ingest)
    except BadInput as error:
        assert "\n" not in str(error)
        return
    assert len(examples) + len(quarantined) == len(list(ingest.source.rows()))
    assert all(row.reason for row in quarantined)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real datasets are not here")
@pytest.mark.parametrize("name", REAL)
def test_real_files_load_by_themselves(name: str) -> None:
    ingest = read_examples(str(SHARED / name), AUTO)
    examples, quarantined = load(ingest)
    assert (ingest.format, len(examples) + len(quarantined), len(examples)) == REAL[name]
    if name.endswith((".json", ".jsonl")):
        outcomes = [of.original if isinstance(of, Example) else of.raw for of in ingest.outcomes()]
        content = (SHARED / name).read_bytes()
        if name.endswith(".jsonl"):
            lines = [line.removesuffix(b"\r") for line in content.split(b"\n")]
            assert [of.encode() for of in outcomes] == [line for line in lines if line.strip()]
        else:  # as text, or 1 would be 1.0 and the order of keys nothing
            assert [json.dumps(json.loads(of)) for of in outcomes] == [json.dumps(row) for row in json.loads(content)]
