"""Models and tokenizers can be loaded by many threads of a process at once, from its first moment on."""

import subprocess
import sys
from pathlib import Path

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
