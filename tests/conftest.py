"""What all tests share: tiny random models, the embedded model, and a browser."""

import io
import json
import logging
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

from core.jobs import launcher
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from tests.warm import forking, start_warm, wait_until_loaded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from core.workbench import Workbench

settings.register_profile("gleaner", deadline=None)  # a busy machine is no failure
settings.load_profile("gleaner")

ROOT = Path(__file__).parents[1]
START_COLD = launcher.start_process
PATIENCE_MS = 120_000
"""How long a page may take: a machine that others use too may be slow, and one that comes costs nothing."""

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


def installed_chromium() -> str | None:
    """The path of a Chromium that is on this machine, if there is one."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next((path for path in found if path), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in a browser that fails since it found two of one is run once more, and named: for a moment Streamlit
    shows what goes beside what comes, and Playwright does not wait for the end of that
    (https://github.com/microsoft/playwright/issues/22868)."""
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.flaky(reruns=1, only_rerun="strict mode violation"))


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict) -> dict:
    """Start the installed Chromium; Playwright's own where there is none."""
    path = installed_chromium()
    return browser_type_launch_args | {"args": CHROMIUM_FLAGS} | ({"executable_path": path} if path else {})


@pytest.fixture(scope="session")
def browser(browser: "Browser") -> "Browser":
    """One in which a click, too, waits for a slow machine."""
    make = browser.new_context

    def patient(*words: Any, **options: Any) -> "BrowserContext":
        context = make(*words, **options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    browser.new_context = patient  # type: ignore[method-assign]
    return browser


@pytest.fixture(scope="session", autouse=True)
def offline() -> Iterator[None]:
    """No test asks a hub."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
            patch.setenv(name, "1")
        patch.setenv("TOKENIZERS_PARALLELISM", "false")
        yield


@pytest.fixture(scope="session", autouse=True)
def warm_workers(offline: None) -> Iterator[None]:
    """Jobs that this process starts need not load PyTorch first; a server in a process of its own starts its workers
    as it always does."""
    start = Launcher.start

    def start_when_loaded(of: Launcher, job: JobFolder) -> None:
        wait_until_loaded()
        start(of, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher, "start_process", start_warm)
        patch.setattr(Launcher, "start", start_when_loaded)
        with forking():
            yield


@pytest.fixture
def cold_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job that this process starts has a Python of its own."""
    monkeypatch.setattr(launcher, "start_process", START_COLD)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the embedded model is unpacked, once for all tests."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with a byte-level tokenizer and a chat template, saved as a folder."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


def make_tiny_model(folder: Path, **changes: int) -> Path:
    """Save a random Llama (vocabulary 300, d = 32, unless `changes` say otherwise) into `folder`."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<bos>", "<eos>", "<user>", "<assistant>"]
    vocabulary = {token: i for i, token in enumerate([*specials, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>")
    fast.add_special_tokens({"additional_special_tokens": ["<user>", "<assistant>"]})
    fast.chat_template = (
        "<bos>{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}"
        "{% if m['role'] == 'assistant' %}<eos>{% endif %}\n{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=300, max_position_embeddings=512, bos_token_id=0, eos_token_id=1, **sizes | changes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def write_chats(path: Path, count: int) -> Path:
    """Short chats as Alpaca JSONL; every 24th has a prompt of 200 words."""
    words = ["tin", "owl", "sea", "map", "ash", "ink", "fig", "elm", "oak", "ivy", "yew", "bay"]
    with path.open("w", encoding="utf-8") as stream:
        for i in range(count):
            word = words[i % len(words)]
            asked = f"Say {word}. " * (50 if i % 24 == 23 else 1)
            row = {"instruction": asked, "input": "", "output": f"{word} " * (1 + i % 5) + str(i), "topic": i % 3}
            stream.write(json.dumps(row) + "\n")
    return path


@dataclass(frozen=True)
class Scored:
    """A workspace whose dataset `chats` a tiny model scored and calibrated on, by the command line."""

    workspace: Path
    report: dict
    model: Path


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Poll until the condition holds; fail when it has not within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@contextmanager
def held_database(path: Path) -> Iterator[int]:
    """Another process has the database open; its id."""
    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        yield holder.pid
    finally:
        holder.communicate("\n", timeout=300)


def run_core(workspace: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Do what `python -m core` does with these words, in this process, and check how it ended."""
    from core.__main__ import main

    command = ["core", *words, "--workspace", str(workspace)]
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", command)
        patch.setattr(logging.getLogger(), "handlers", [])  # so that what is logged goes to stderr, as elsewhere
        patch.chdir(ROOT)
        ended = main()
    told, warned = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    assert ended == code, warned
    assert "Traceback" not in warned + told
    return subprocess.CompletedProcess(command, ended, told, warned)


def run_core_apart(workspace: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `python -m core` in a process of its own, and check how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *words, "--workspace", str(workspace)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    return done


def core_json(workspace: Path, *words: str) -> dict:
    """The one JSON object that a command prints on stdout."""
    result: dict = json.loads(run_core(workspace, *words, "--json").stdout)
    return result


def map_and_select(bench: "Workbench", dataset: str, run: str, budget: str) -> str:
    """Give a run a map, of its first two features, and two selections; the second one's id."""
    features = np.nan_to_num(np.asarray(bench.arrays(run).mean_features, dtype=np.float32))
    bench.runs.store_map(run, "points.npz", np.arange(len(features)), features[:, :2])
    made = [bench.select(dataset, criterion, budget, run=run).selection for criterion in ("instructdiff", "fisher")]
    return made[-1]


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Scored:
    """Twenty-four chats, one of them too long to score, scored once for all tests that only read."""
    folder = tmp_path_factory.mktemp("scored")
    source = write_chats(folder / "chats.jsonl", 24)
    core_json(folder / "workspace", "ingest", str(source), "--name", "chats")
    report = core_json(
        folder / "workspace",
        *("score", "chats", "--model", str(tiny_model), "--calibrate", "0.3", "--max-length", "128"),
        *("--set", "epochs=1", "--set", "shard_rows=8"),
    )
    return Scored(folder / "workspace", report, tiny_model)


@pytest.fixture
def workspace(scored: Scored, tmp_path: Path) -> Path:
    """A copy of the scored workspace that a test may change."""
    return Path(shutil.copytree(scored.workspace, tmp_path / "workspace"))
