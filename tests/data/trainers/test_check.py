"""Every known trap of the trainers is named on its line; good lines train; a file is never an error."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from traps import GOOD_CHAT, TRAPS, Trap

from core.data.trainers import check_file
from core.scoring.models import load_tokenizer
from core.settings import CheckSettings, ScoringSettings

pytestmark = pytest.mark.model
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
    with_template = copy.deepcopy(tokenizer)
    with_template.chat_template = trap.template or tokenizer.chat_template
    good = trap.good or GOOD_CHAT
    path = write(tmp_path / "rows.jsonl", *[good] * 10, trap.text)
    found = check_file(path, trap.trainer, with_template, LENGTH)
    named = [(finding.severity, finding.reason) for finding in found.findings if finding.line == 11]
    assert (trap.severity, trap.reason) in named
    assert found.rows == 11
    if trap.template is None and trap.line != good:
        first = [finding.reason for finding in found.findings if finding.line in (1, 2)]
        assert trap.reason not in first


@pytest.mark.parametrize("trainer", ["trl", "axolotl", "llama-factory", "openai"])
def test_good_lines_all_train_and_their_tokens_are_counted(trainer: Any, tokenizer: Any, tmp_path: Path) -> None:
    found = check_file(write(tmp_path / "rows.jsonl", *[GOOD_CHAT] * 12), trainer, tokenizer)
    assert (found.rows, found.will_train, found.refused, found.warned, found.findings) == (12, 12, 0, 0, [])
    assert found.tokens > 0
    assert found.tokens % 12 == found.tokens_cut == 0
