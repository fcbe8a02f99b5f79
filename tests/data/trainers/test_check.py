"""Every known trap of the trainers is named on its line; good lines train; a file is never an error."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from traps import GOOD_ALPACA, GOOD_CHAT, GOOD_SHARED, STRICT, TOOL, TRAPS, Trap, assistant, call, chat, result, user

from core.data.export import ExportRow, export_examples
from core.data.trainers import check_file, count_reasons, say_verdict
from core.data.trainers.faults import UNREAD_WEIGHT
from core.errors import BadInput
from core.scoring.models import load_tokenizer
from core.settings import CheckSettings, ScoringSettings, Trainer

pytestmark = pytest.mark.model
TRAINERS: list[Trainer] = ["trl", "axolotl", "llama-factory", "openai"]
LENGTH = CheckSettings(max_length=512)


@pytest.fixture(scope="module")
def tokenizer(models_folder: Path) -> Any:
    return load_tokenizer(ScoringSettings(), models_folder)


def write(path: Path, *lines: Any) -> Path:
    """A file of lines, each as it stands or as JSON."""
    texts = [line if isinstance(line, str | bytes) else json.dumps(line) for line in lines]
    path.write_bytes(b"".join((t if isinstance(t, bytes) else t.encode()) + b"\n" for t in texts))
    return path


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap.trainer}: {trap.reason}")
def test_a_trap_is_named_on_its_line(trap: Trap, tokenizer: Any, tmp_path: Path) -> None:
    if trap.template:
        tokenizer = copy.deepcopy(tokenizer)
        tokenizer.chat_template = trap.template
    good = trap.good or GOOD_CHAT
    path = write(tmp_path / "rows.jsonl", *[good] * 10, trap.text)
    found = check_file(path, trap.trainer, tokenizer, LENGTH)
    named = [(finding.severity, finding.reason) for finding in found.findings if finding.line == 11]
    assert (trap.severity, trap.reason) in named
    assert found.rows == 11
    if trap.template is None and trap.line != good:
        first = [finding.reason for finding in found.findings if finding.line in (1, 2)]
        assert trap.reason not in first


@pytest.mark.parametrize("trainer", TRAINERS)
def test_good_lines_all_train_and_their_tokens_are_counted(trainer: Trainer, tokenizer: Any, tmp_path: Path) -> None:
    found = check_file(write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 12), trainer, tokenizer)
    assert (found.rows, found.will_train, found.refused, found.warned, found.findings) == (12, 12, 0, 0, [])
    assert found.tokens > 0
    assert found.tokens % 12 == found.tokens_cut == 0


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_kind_of_broken_line_in_one_file_is_told_apart_from_the_good_ones(
    trainer: Trainer, tokenizer: Any, tmp_path: Path
) -> None:
    broken = [trap.text for trap in TRAPS if trap.good is None and trap.template is None and trap.severity == "refused"]
    lines = [line for row in broken for line in (row, GOOD_CHAT)]
    found = check_file(write(tmp_path / "rows.jsonl", *lines), trainer, tokenizer, LENGTH)
    assert found.rows == len(lines)
    assert found.would_train + found.refused == found.rows
    assert (found.will_train, found.stops > 0) == (0, True)
    assert not [finding for finding in found.findings if finding.line % 2 == 0]
    assert len(found.findings) >= len({finding.line for finding in found.findings}) > 5


def test_trl_names_the_line_that_it_raises_at_in_its_own_words(tokenizer: Any, tmp_path: Path) -> None:
    marked = copy.deepcopy(tokenizer)
    marked.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] }}{% endgeneration %}"
        "{% else %}{{ m['content'] }}{% endif %}<|im_end|>\n{% endfor %}"
    )
    path = write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 9, chat(user()), *[GOOD_CHAT] * 3)
    found = check_file(path, "trl", marked, CheckSettings(assistant_only=True))
    (raised,) = [finding for finding in found.findings if finding.severity == "refused"]
    assert (raised.line, raised.reason) == (10, "TRL raises an error")
    assert "at least one example has no assistant tokens" in raised.detail
    assert (found.will_train, found.would_train, found.stops) == (0, 12, 1)
    assert found.notes == ["TRL stops at 1 line and trains nothing until they are out of the file."]


def test_what_trl_says_of_every_row_is_said_of_the_file(tokenizer: Any, tmp_path: Path) -> None:
    endless = copy.deepcopy(tokenizer)
    endless.chat_template = STRICT.replace("raise_exception('roles must alternate')", "1")
    found = check_file(
        write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 5), "trl", endless, CheckSettings(assistant_only=True)
    )
    assert [(finding.line, finding.reason) for finding in found.findings] == [(0, "TRL raises an error")]
    assert (found.will_train, found.would_train, found.refused) == (0, 0, 5)


def test_while_a_row_stops_the_trainer_none_trains(tokenizer: Any, tmp_path: Path) -> None:
    found = check_file(write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 20, chat(user())), "openai", tokenizer)
    assert (found.rows, found.will_train, found.would_train, found.stops) == (21, 0, 20, 1)
    assert say_verdict(found) == "None of 21 rows will train: 1 row stops the trainer. Without it 20 will."


@pytest.mark.parametrize(
    ("trainer", "lines", "verdict"),
    [
        ("openai", [GOOD_CHAT] * 12 + [chat(), chat()], "None of 14 rows .*: 2 rows stop .* Without them 12 will."),
        ("openai", [GOOD_CHAT] * 9 + [chat()], "None of 10 rows .*: 1 row stops the trainer. Without it none will."),
        ("openai", [GOOD_CHAT], "None of 1 row will train."),
        ("openai", [GOOD_SHARED] * 4, "None of 4 rows will train: the trainer does not take the file."),
        ("axolotl", [GOOD_CHAT] * 3 + [chat(user())], r"3 of 4 rows will train, on \d+ tokens."),
        ("axolotl", [GOOD_CHAT] * 3, r"3 of 3 rows will train, on \d+ tokens."),
    ],
)
def test_the_verdict_says_what_becomes_of_the_file_as_it_is(
    trainer: Trainer, lines: list[Any], verdict: str, tokenizer: Any, tmp_path: Path
) -> None:
    found = check_file(write(tmp_path / "rows.jsonl", *lines), trainer, tokenizer)
    assert re.fullmatch(verdict, say_verdict(found))


def test_turns_of_weight_0_are_learned_by_those_that_do_not_read_it(tokenizer: Any, tmp_path: Path) -> None:
    turns = chat(user(), assistant(), user(), assistant())
    marked = chat(user(), assistant(weight=0), user(), assistant(weight=1))
    paths = [write(tmp_path / f"{name}.jsonl", *[rows] * 10) for name, rows in (("a", turns), ("b", marked))]
    for trainer in TRAINERS:
        whole, found = (check_file(path, trainer, tokenizer) for path in paths)
        reads = trainer in ("axolotl", "openai")
        assert {finding.reason for finding in found.findings} == (set() if reads else {UNREAD_WEIGHT})
        assert found.tokens * (2 if reads else 1) == whole.tokens


def test_tokens_cut_and_kept_add_up_to_those_without_a_limit(tokenizer: Any, tmp_path: Path) -> None:
    long = chat(user(), assistant("far " * 300))
    path = write(tmp_path / "rows.jsonl", *[long] * 3)
    for trainer in TRAINERS:
        whole = check_file(path, trainer, tokenizer, CheckSettings(max_length=4096))
        cut = check_file(path, trainer, tokenizer, CheckSettings(max_length=100))
        assert whole.tokens_cut == 0
        assert cut.tokens + cut.tokens_cut == whole.tokens + cut.tokens_cut * (trainer == "openai" and not whole.tokens)
        assert cut.tokens_cut > 0


def test_a_file_that_datasets_cannot_read_is_said_so(tokenizer: Any, tmp_path: Path) -> None:
    dates = {"instruction": "When?", "input": "", "output": "2020-01-01"}
    found = check_file(write(tmp_path / "dates.jsonl", *[dates] * 3), "llama-factory", tokenizer)
    (file,) = found.findings
    assert (file.line, file.reason) == (0, "`datasets` reads texts that look like dates as times")
    assert "output" in file.detail
    late = [chat(user("x" * 4000), assistant()) for _ in range(3000)]
    path = write(tmp_path / "late.jsonl", *late, chat(user(), call(), result(), assistant()))
    assert count_reasons(check_file(path, "axolotl", tokenizer))[0][:2] == (
        "refused",
        "`datasets` cannot read the file",
    )


@pytest.mark.parametrize(
    ("trainer", "rows", "reason"),
    [
        ("trl", [GOOD_ALPACA], "TRL does not read the format alpaca"),
        ("openai", [GOOD_SHARED], "OpenAI does not read the format sharegpt"),
        ("llama-factory", [{"text": "a"}], "LLaMA-Factory does not read the format text"),
    ],
)
def test_a_format_that_the_trainer_does_not_read_is_refused_whole(
    trainer: Trainer, rows: list[Any], reason: str, tokenizer: Any, tmp_path: Path
) -> None:
    found = check_file(write(tmp_path / "rows.jsonl", *rows * 4), trainer, tokenizer)
    assert count_reasons(found) == [("refused", reason, 1, [0])]
    assert (found.rows, found.will_train, found.refused) == (4, 0, 4)


def test_a_tokenizer_without_a_chat_template_is_said_so(tokenizer: Any, tmp_path: Path) -> None:
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    path = write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 12)
    for trainer in ("trl", "axolotl"):
        assert count_reasons(check_file(path, trainer, plain))[0][1] == "the tokenizer has no chat template"
    for trainer in ("llama-factory", "openai"):
        assert check_file(path, trainer, plain).will_train == 12


def test_openai_wants_ten_examples_json_lines_and_no_mark(tokenizer: Any, tmp_path: Path) -> None:
    few = check_file(write(tmp_path / "few.jsonl", *[GOOD_CHAT] * 7), "openai", tokenizer)
    assert few.will_train == 0
    assert few.notes[0] == "OpenAI needs at least 10 examples; this file has 7."
    (tmp_path / "array.json").write_text(json.dumps([GOOD_CHAT] * 12))
    array = check_file(tmp_path / "array.json", "openai", tokenizer)
    assert (array.rows, array.findings[0].reason) == (12, "OpenAI takes JSON lines alone")
    marked = tmp_path / "marked.jsonl"
    marked.write_bytes(b"\xef\xbb\xbf" + (tmp_path / "few.jsonl").read_bytes() * 2)
    assert (
        check_file(marked, "openai", tokenizer).findings[0].reason == "a byte order mark stands before the first line"
    )
    assert check_file(marked, "trl", tokenizer).will_train == 14


def test_arrays_and_parquet_are_checked_like_lines(tokenizer: Any, tmp_path: Path) -> None:
    turns = [GOOD_CHAT["messages"], chat(user(), user(), assistant())["messages"]]
    rows = [ExportRow(i, str(i), turns[i % 2], None, "{}") for i in range(4)]
    export_examples(lambda: rows, "messages", tmp_path / "rows.parquet")
    (tmp_path / "rows.json").write_text(json.dumps([{"messages": row.messages} for row in rows]))
    for name in ("rows.parquet", "rows.json"):
        for trainer in ("trl", "axolotl", "llama-factory"):
            found = check_file(tmp_path / name, trainer, tokenizer)
            assert {finding.line for finding in found.findings} == {2, 4}, (name, trainer)


def test_an_export_for_openai_with_calls_is_taken(tokenizer: Any, tmp_path: Path) -> None:
    rows = [ExportRow(i, str(i), [user(), call(), result(), assistant()], [TOOL], "{}") for i in range(10)]
    export_examples(lambda: rows, "messages", tmp_path / "rows.jsonl", "openai")
    found = check_file(tmp_path / "rows.jsonl", "openai", tokenizer)
    assert (found.will_train, found.findings) == (10, [])


@pytest.mark.parametrize("content", [b"", b"\x00\x01", b'{"a": 1}\n', b"[1, 2", b"PAR1 but no table"])
def test_a_file_that_is_no_training_file_is_refused_in_one_line(content: bytes, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"rows\.jsonl"):
        check_file(path, "trl", tokenizer)
    with pytest.raises(BadInput, match="cannot be read"):
        check_file(tmp_path / "none.jsonl", "trl", tokenizer)
