"""What lies beside a file is what its trainer takes: entries and stanzas parse, scripts run."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any, get_args
from unittest.mock import MagicMock

import pytest
import yaml

from core.data.export import ExportRow, export_examples
from core.data.formats import FileSchema
from core.data.trainers import TAKES, check_format, side_files
from core.errors import BadInput
from core.settings import ExportFormat

FORMATS: list[ExportFormat] = ["original", "messages", "prompt-completion"]
SCHEMA = FileSchema(with_tools=True, with_system=True)
LINE = json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})


def chats(count: int) -> list[ExportRow]:
    """Rows of one prompt and one response, one in three with a system turn."""
    rows = []
    for i in range(count):
        turns = [{"role": "user", "content": f"Count to {i}."}, {"role": "assistant", "content": "1, 2 and so on."}]
        turns = [{"role": "system", "content": "Be brief."}, *turns] if i % 3 == 0 else turns
        rows.append(ExportRow(i, str(i), turns, None, json.dumps({"messages": turns})))
    return rows


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("format", FORMATS)
def test_the_script_trains_a_step_on_the_file(
    format: ExportFormat, suffix: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (format, suffix) == ("original", "parquet"):
        pytest.skip("original rows are JSON lines")
    path = tmp_path / f"chosen.{suffix}"
    written = export_examples(lambda: chats(9), format, path)
    (script,) = side_files(path, format, written.schema, "trl").items()
    (tmp_path / script[0]).write_text(script[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", [script[0], str(tiny_model), "1"])
    trained = runpy.run_path(str(tmp_path / script[0]))["trainer"]
    assert trained.state.global_step == 1
    assert len(trained.train_dataset) == 9
    assert (tmp_path / "trained" / "model.safetensors").is_file()


def test_a_trainer_gets_no_file_beside_a_format_that_it_does_not_take(tmp_path: Path) -> None:
    for trainer, takes in TAKES.items():
        for format in get_args(ExportFormat):
            path = tmp_path / f"{format}.jsonl"
            written = export_examples(lambda: chats(9), format, path)
            files = side_files(path, format, written.schema, trainer)
            assert bool(files) == (format in (*takes, "original")), (trainer, format)
            if format == "original" or format in takes:
                check_format(trainer, format)
            else:
                with pytest.raises(BadInput, match=f"'{format}' as Gleaner writes it; take {takes[0]}"):
                    check_format(trainer, format)


def entry(path: str, format: ExportFormat, schema: FileSchema) -> Any:
    text = side_files(Path(path), format, schema, "llama-factory")["dataset_info.json"]
    ((name, fields),) = json.loads(text).items()
    assert name == Path(path).stem
    return fields


def test_llama_factorys_entry_names_every_column_and_every_tag() -> None:
    shared = entry("my data.jsonl", "sharegpt", SCHEMA)
    assert (shared["file_name"], shared["formatting"]) == ("my data.jsonl", "sharegpt")
    assert shared["columns"] == {"messages": "conversations", "system": "system", "tools": "tools"}
    assert set(shared["tags"]) == {
        f"{name}_tag" for name in ("role", "content", "user", "assistant", "observation", "function", "system")
    }
    alpaca = entry("a.jsonl", "alpaca", FileSchema(with_system=True))
    assert alpaca["columns"] == {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    assert entry("a.jsonl", "messages", FileSchema())["formatting"] == "sharegpt"
    assert entry("a.jsonl", "messages", FileSchema(with_calls=True))["formatting"] == "openai"


def test_axolotls_stanza_parses_and_names_the_file_its_kind_and_its_type() -> None:
    def stanza(path: str, format: ExportFormat, schema: FileSchema = SCHEMA) -> Any:
        (dataset,) = yaml.safe_load(side_files(Path(path), format, schema, "axolotl")["axolotl.yaml"])["datasets"]
        return dataset

    shared = stanza('odd "name": x.parquet', "sharegpt")
    assert (shared["path"], shared["ds_type"], shared["type"]) == ('odd "name": x.parquet', "parquet", "chat_template")
    assert shared["message_property_mappings"] == {"role": "from", "content": "value"}
    assert shared["roles"]["assistant"] == ["gpt", "assistant", "function_call"]
    assert (shared["field_messages"], shared["field_system"], shared["field_tools"]) == (
        "conversations",
        "system",
        "tools",
    )
    messages = stanza("a.jsonl", "messages")
    assert (messages["field_messages"], messages["roles_to_train"]) == ("messages", ["assistant"])
    assert messages["message_field_training"] == "weight"
    assert stanza("a.jsonl", "alpaca", FileSchema())["type"] == "alpaca"
    assert stanza("a.jsonl", "alpaca")["type"] == "alpaca_w_system.load_instruct"


def test_openais_script_compiles_and_what_a_trainer_does_not_read_has_nothing_beside_it(tmp_path: Path) -> None:
    script = side_files(tmp_path / "a.jsonl", "messages", FileSchema(), "openai")["upload_openai.py"]
    compile(script, "upload_openai.py", "exec")
    assert '"a.jsonl"' in script
    for trainer in ("axolotl", "llama-factory", "openai"):
        assert side_files(tmp_path / "a.jsonl", "prompt-completion", FileSchema(), trainer) == {}
    assert side_files(tmp_path / "none.jsonl", "original", FileSchema(), "axolotl") == {}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([LINE] * 10, None),
        ([LINE] * 9, "OpenAI needs at least 10 lines; a.jsonl has 9"),
        ([LINE] * 11 + ['{"messages": ['], 'line 12 of a.jsonl: it is no JSON object.*\n{"messages": \\['),
        ([LINE] * 10 + ["[]"], "line 11 of a.jsonl: it is no JSON object"),
        ([LINE] * 10 + [LINE.replace("user", "human")], "line 11 of a.jsonl: the role 'human' is unknown"),
        ([LINE] * 10 + ['{"messages": [{"role": "user", "content": "a"}]}'], "line 11 .*not the assistant's"),
        ([LINE] * 10 + ['{"messages": []}'], "line 11 .*not the assistant's"),
    ],
)
def test_openais_script_uploads_what_passes_a_quick_look_alone(
    lines: list[str], reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MagicMock()
    monkeypatch.setitem(sys.modules, "openai", MagicMock(OpenAI=lambda: client))
    monkeypatch.setattr(sys, "argv", ["upload_openai.py", "gpt"])
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    text = side_files(tmp_path / "a.jsonl", "messages", FileSchema(), "openai")["upload_openai.py"]
    (tmp_path / "upload_openai.py").write_text(text, encoding="utf-8")
    if reason is None:
        runpy.run_path(str(tmp_path / "upload_openai.py"))
    else:
        with pytest.raises(SystemExit, match=f"Not uploaded: {reason}"):
            runpy.run_path(str(tmp_path / "upload_openai.py"))
    assert client.files.create.called == client.fine_tuning.jobs.create.called == (reason is None)
