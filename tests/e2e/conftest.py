"""What the tests in a browser share: a slice of the demo, and a server over any workspace."""

import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from core.data.demo import write_demo
from core.jobs.folder import JobFolder
from core.records import JobProgress
from core.workbench import Workbench
from tests.conftest import core_json, map_and_select
from tests.e2e.driving import Server, serving

SLICE = 36


@pytest.fixture(scope="module")
def demo_slice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The slice as a file to load."""
    return write_slice(tmp_path_factory.mktemp("slice"))


def write_slice(folder: Path) -> Path:
    """Every 56th chat of the demo: all topics, a few repeats."""
    lines = write_demo(folder / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    path = folder / "slice.jsonl"
    path.write_text("\n".join(lines[:: len(lines) // SLICE][:SLICE]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, models_folder: Path) -> Path:
    """An empty workspace that shares the unpacked embedded model with the other tests."""
    folder = tmp_path_factory.mktemp("e2e") / "workspace"
    folder.mkdir()
    (folder / "models").symlink_to(models_folder, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[[Path], Server]]:
    """Starts the app over a workspace; every server ends with the module."""
    with ExitStack() as servers:
        yield lambda workspace: servers.enter_context(serving(workspace, workspace.parent / "server.log"))


@pytest.fixture(scope="module")
def server(serve: Callable[[Path], Server], workspace: Path) -> Server:
    """The app over the module's workspace."""
    return serve(workspace)


@pytest.fixture(scope="module")
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    """One browser context for a whole module, 1440 wide."""
    with closing(browser.new_context(viewport={"width": 1440, "height": 900})) as context:
        yield context


@pytest.fixture(scope="module")
def tab(desktop: BrowserContext) -> Page:
    """One page for a whole module."""
    return desktop.new_page()


@dataclass(frozen=True)
class Place:
    """A workspace, and what an address says to show something of it."""

    workspace: Path
    address: dict[str, str]


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Place:
    """The demo's slice scored by the tiny model, with selections, a map, decisions and judgements."""
    folder = tmp_path_factory.mktemp("full")
    workspace = folder / "workspace"
    core_json(workspace, "ingest", str(write_slice(folder)), "--name", "slice")
    scored = ("--model", str(tiny_model), "--calibrate", "0.3", "--set", "epochs=1", "--max-length", "128")
    run = core_json(workspace, "score", "slice", *scored)["run"]
    with Workbench(workspace) as bench:
        selection = map_and_select(bench, "slice", run, "25%")
        bench.decide("slice", [3], "pin", "a clear answer", who="Ada")
        bench.decide("slice", [5, 8], "ban", "says nothing", who="Ben")
        for row, who, verdict in ((4, "Ada", "keep"), (4, "Ben", "keep"), (7, "Ada", "drop"), (7, "Ben", "keep")):
            bench.judge("slice", row, "random", verdict, who=who)
    return Place(workspace, {"dataset": "slice", "run": run, "selection": selection, "row": "4"})


@pytest.fixture
def own(full: Place, tmp_path: Path) -> Place:
    """A copy that the test may change."""
    return Place(Path(shutil.copytree(full.workspace, tmp_path / "workspace")), full.address)


@pytest.fixture(scope="session")
def working(tmp_path_factory: pytest.TempPathFactory, full: Place) -> Iterator[Place]:
    """The same with two more runs: `scoring`, which is scored, and `mapping`, whose map is drawn. Both jobs are half
    through for ever: this process holds their locks and works at nothing."""
    workspace = Path(shutil.copytree(full.workspace, tmp_path_factory.mktemp("working") / "workspace"))
    with ExitStack() as locks:
        with Workbench(workspace) as bench:
            add_twin(bench, full.address["run"], "mapping", JobProgress("done"))
            keep_working(bench.folder.run("mapping").map, "Finding each example's neighbours", locks)
            add_twin(bench, full.address["run"], "scoring", JobProgress("new"))
            keep_working(bench.folder.run("scoring").path, "Scoring with the base model", locks)
        yield Place(workspace, {"dataset": "slice", "run": "scoring"})


def add_twin(bench: Workbench, run: str, name: str, progress: JobProgress) -> None:
    """Another run of the same dataset with the same results, in this state."""
    row = bench.runs.get(run)
    bench.runs.add(name, row.dataset, json.dumps(row.settings), row.model_identity)
    shutil.copytree(bench.folder.run(run).path, bench.folder.run(name).path)
    JobFolder(bench.folder.run(name).path).write(progress)
    bench.take_in()


def keep_working(path: Path, phase: str, locks: ExitStack) -> None:
    """A job that looks as if its worker were half through."""
    job, now = JobFolder(path), time.time()
    job.create("core.tasks:none", {})
    job.write(JobProgress("running", phase, 18, SLICE, "examples", 1.5, 12.0, now - 12, now, 12.0))
    lock = locks.enter_context((path / "worker.lock").open("w"))
    fcntl.flock(lock, fcntl.LOCK_EX)
