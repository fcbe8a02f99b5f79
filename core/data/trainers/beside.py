"""What does a trainer need beside the file? A dataset_info.json entry, a configuration's stanza, or a short script.

Each names the file by its name alone, and lies beside it.
"""

import json
from pathlib import Path

from core.data.formats import FileSchema
from core.data.trainers.openai import LEAST, ROLES
from core.data.trainers.reading import open_file
from core.errors import BadInput
from core.settings import CheckSettings, ExportFormat, Trainer

SHARED_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
CHAT_TAGS = SHARED_TAGS | {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
}
TAKES: dict[Trainer, tuple[ExportFormat, ...]] = {
    "trl": ("messages", "prompt-completion"),
    "axolotl": ("messages", "alpaca", "sharegpt"),
    "llama-factory": ("messages", "alpaca", "sharegpt"),
    "openai": ("messages",),
}
"""Which of our formats a trainer takes; `original` rows are what they are."""


def check_format(trainer: Trainer, format: ExportFormat) -> None:
    """Raises BadInput, naming those that fit, for a format that a trainer cannot read."""
    if format != "original" and format not in TAKES[trainer]:
        fitting = " or ".join(TAKES[trainer])
        raise BadInput(f"Trainer {trainer!r} does not read the format {format!r} as Gleaner writes it; take {fitting}.")


def side_files(data: Path, format: ExportFormat, schema: FileSchema, trainer: Trainer) -> dict[str, str]:
    """File name → text of what a trainer needs beside `data`; nothing where it cannot read the format.

    What `original` rows are is seen from the file.
    """
    shape = _shape_of_file(data) if format == "original" else format
    if trainer == "trl":
        return {"train_trl.py": _trl_script(data)} if shape in (*TAKES["trl"], "text") else {}
    if trainer == "axolotl":
        stanza = _axolotl_stanza(data, shape, schema)
        return {"axolotl.yaml": stanza} if stanza else {}
    if trainer == "llama-factory":
        entry = _llama_factory_entry(data, shape, schema)
        text = json.dumps({data.stem: entry}, ensure_ascii=False, indent=2)
        return {"dataset_info.json": text + "\n"} if entry else {}
    return {"upload_openai.py": _openai_script(data)} if shape == "messages" else {}


def _shape_of_file(data: Path) -> str:
    try:
        return open_file(data).shape
    except BadInput:
        return "unknown"


def _is_parquet(data: Path) -> bool:
    return data.suffix.lower() == ".parquet"


def _trl_script(data: Path) -> str:
    return f'''"""Fine-tune a model with TRL: python train_trl.py MODEL [STEPS]"""

import sys
from pathlib import Path

import torch
from datasets import load_dataset
from trl import SFTConfig, SFTTrainer

file = Path(__file__).with_name({json.dumps(data.name)})
rows = load_dataset("{"parquet" if _is_parquet(data) else "json"}", data_files=str(file), split="train")
steps = int(sys.argv[2]) if len(sys.argv) > 2 else -1
bf16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
length = {CheckSettings().length("trl")}  # tokens of a row
settings = SFTConfig(output_dir="trained", max_length=length, max_steps=steps, bf16=bf16)
trainer = SFTTrainer(model=sys.argv[1], args=settings, train_dataset=rows)
trainer.train()
trainer.save_model()
'''


def _axolotl_stanza(data: Path, shape: str, schema: FileSchema) -> str | None:
    kinds = {
        "messages": [
            "type: chat_template",
            "field_messages: messages",
            *_mapped("role", "content"),
            "message_field_training: weight",
        ],
        "sharegpt": [
            "type: chat_template",
            "field_messages: conversations",
            *_mapped("from", "value"),
            "roles:",
            "  system: [system]",
            "  user: [human, user]",
            "  assistant: [gpt, assistant, function_call]",
            "  tool: [observation, tool]",
        ],
        "alpaca": [f"type: {'alpaca_w_system.load_instruct' if schema.with_system else 'alpaca'}"],
        "text": ["type: completion", "field: text"],
    }
    if shape not in kinds:
        return None
    lines = [f"path: {json.dumps(data.name)}", f"ds_type: {'parquet' if _is_parquet(data) else 'json'}", *kinds[shape]]
    if shape == "sharegpt" and schema.with_system:
        lines.append("field_system: system")
    if schema.with_tools:
        lines.append("field_tools: tools")
    if "type: chat_template" in lines:
        lines += ["chat_template: tokenizer_default", "roles_to_train: [assistant]", "train_on_eos: turn"]
    listed = "\n".join(f"  {'-' if not i else ' '} {line}" for i, line in enumerate(lines))
    head = "# Into your Axolotl configuration; the path is relative to where axolotl runs."
    return f"{head}\ndatasets:\n{listed}\nsequence_len: {CheckSettings().length('axolotl')}\ntrain_on_inputs: false\n"


def _mapped(role: str, content: str) -> list[str]:
    return ["message_property_mappings:", f"  role: {role}", f"  content: {content}"]


def _llama_factory_entry(data: Path, shape: str, schema: FileSchema) -> dict[str, object] | None:
    """LLaMA-Factory forgets the default of every column and tag that an entry with such a list leaves out."""
    entry: dict[str, object] = {"file_name": data.name}
    beside = {name: name for name in ("system", "tools") if getattr(schema, f"with_{name}")}
    if shape == "messages":
        # only its openai converter sees tool calls; it also writes a sentence of its own into system turns
        formatting = "openai" if schema.with_calls else "sharegpt"
        return entry | {"formatting": formatting, "columns": {"messages": "messages"} | beside, "tags": CHAT_TAGS}
    if shape == "sharegpt":
        columns = {"messages": "conversations"} | beside
        return entry | {"formatting": "sharegpt", "columns": columns, "tags": SHARED_TAGS}
    if shape == "alpaca":
        columns = {"prompt": "instruction", "query": "input", "response": "output"} | beside
        return entry | {"formatting": "alpaca", "columns": columns}
    return None


def _openai_script(data: Path) -> str:
    return f'''"""Upload to OpenAI and start a fine-tune: python upload_openai.py MODEL (OPENAI_API_KEY is read)"""

import json
import sys
from pathlib import Path

from openai import OpenAI

ROLES = {json.dumps(ROLES)}


def find_fault(line):
    """What OpenAI would refuse the file for, as far as a quick look shows it."""
    try:
        roles = [turn["role"] for turn in json.loads(line)["messages"]]
    except (ValueError, KeyError, TypeError):
        return "it is no JSON object with messages, each with a role"
    odd = next((role for role in roles if role not in ROLES), None)
    if odd is not None:
        return f"the role {{odd!r}} is unknown"
    return None if roles[-1:] == ["assistant"] else "the last turn is not the assistant's"


file = Path(__file__).with_name({json.dumps(data.name)})
model, number = sys.argv[1], 0
with file.open("rb") as lines:
    for number, line in enumerate(lines, 1):
        if fault := find_fault(line):
            shown = line[:200].decode(errors="replace")
            sys.exit(f"Not uploaded: line {{number}} of {{file.name}}: {{fault}}.\\n{{shown}}")
if number < {LEAST}:
    sys.exit(f"Not uploaded: OpenAI needs at least {LEAST} lines; {{file.name}} has {{number}}.")

client = OpenAI()
uploaded = client.files.create(file=file.open("rb"), purpose="fine-tune")
job = client.fine_tuning.jobs.create(training_file=uploaded.id, model=model)
print(job.id, job.status)
'''
