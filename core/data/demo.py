"""The demo: 2,026 real English chats from the package chatterbot-corpus (BSD), in 21 topics.

In two topics a question stands with several answers to choose from; there the first answer is
the response and the others are kept beside it. In the rest the lines are turns, and a last one
that nobody answers is kept beside them. One entry of the trivia file lost its list marks in the
original and is put right.
"""

import importlib.util
import json
from pathlib import Path
from typing import Any

import yaml

from core.errors import BadInput
from core.files import replacing

PACKAGE = "chatterbot_corpus"
ALTERNATIVE_ANSWERS = {"computers", "emotion"}


def write_demo(path: Path) -> Path:
    """Write the demo as JSONL in OpenAI's messages, with a `topic` column. Raises BadInput without the package."""
    lines = [json.dumps(row, ensure_ascii=False) for file in _topic_files() for row in _read_topic(file)]
    with replacing(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _topic_files() -> list[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.origin).parent / "data" / "english" if spec and spec.origin else None
    files = sorted(folder.glob("*.yml")) if folder else []
    if not files:
        raise BadInput("The demo's package is not installed; run `make setup`, or `pip install chatterbot-corpus`.")
    return files


def _read_topic(file: Path) -> list[dict[str, Any]]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [_row(_lines(entry), file.stem) for entry in content["conversations"]]


def _lines(entry: Any) -> list[str]:
    if isinstance(entry, str):
        question, answer = entry.rsplit(" - ", 1)
        return [question, answer.strip("'")]
    return [str(line) for line in entry]


def _row(lines: list[str], topic: str) -> dict[str, Any]:
    row: dict[str, Any] = {"topic": topic}
    if topic in ALTERNATIVE_ANSWERS and len(lines) > 2:
        row["other_answers"] = lines[2:]
        lines = lines[:2]
    elif len(lines) % 2:
        row["unanswered"] = lines[-1]
        lines = lines[:-1]
    roles = ("user", "assistant")
    row["messages"] = [{"role": roles[turn % 2], "content": line} for turn, line in enumerate(lines)]
    return row
