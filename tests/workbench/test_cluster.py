"""A Ray cluster of two nodes on this machine scores a run: the local runner's files, whoever dies."""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.errors import BadInput
from core.jobs import cluster
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.selection.registry import find_criterion
from core.settings import CrewSettings, RunSettings, ScoringSettings
from core.tasks import crew
from core.tasks.orders import NodeOrder
from core.workbench import Workbench
from tests.conftest import Scored, wait_until, write_chats
from tests.workbench.test_crews import files_of

pytestmark = pytest.mark.skipif(not find_spec("ray"), reason="requirements-cluster.txt is not installed")

ROWS, BLOCK, BEGIN = 2000, 50, 120


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """A head and, as `second`, another node, behind a token: Ray listens on all interfaces."""
    folder = Path(tempfile.mkdtemp(prefix="r"))  # the path of its sockets must be short
    room = {"num_cpus": 3, "object_store_memory": 200_000_000}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            cluster.ENVIRONMENT | {"RAY_AUTH_TOKEN": secrets.token_hex(20), "RAY_TMPDIR": str(folder)}
        ).items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster  # it reads the environment when it is imported

        head = room | {"include_dashboard": False}
        both = Cluster(initialize_head=True, head_node_args=head)
        both.second = both.add_node(**room)
        try:
            yield both
        finally:
            both.shutdown()
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def settings(tiny_model: Path) -> RunSettings:
    scoring = ScoringSettings(model=str(tiny_model), max_length=96, shard_rows=BLOCK, device="cpu", compile="never")
    return RunSettings(scoring=scoring, calibration=None)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("rows") / "chats.jsonl", ROWS)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, rows: Path, settings: RunSettings) -> dict[str, str]:
    """The files of a run that the local runner made."""
    with Workbench(tmp_path_factory.mktemp("whole") / "workspace") as bench:
        bench.ingest(rows, "chats")
        return files_of(bench, bench.score("chats", settings).run)


def actors() -> list[psutil.Process]:
    """Those at work in the cluster."""
    found = (process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"])
    return [process for process in found if process.info["cmdline"][0].startswith("ray::_Actor")]


def test_actors_a_node_and_the_driver_die_and_every_row_is_there_once(
    tmp_path: Path, nodes: Any, rows: Path, settings: RunSettings, whole: dict[str, str]
) -> None:
    asked = CrewSettings(runner="ray", address=nodes.address, workers=2)
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(rows, "chats")
        run = bench.start_scoring("chats", settings, asked)
        folder, job = bench.folder.run(run), JobFolder(bench.folder.run(run).path)
        shards = lambda: len(list(folder.base.glob("0*")))  # noqa: E731
        wait_until(lambda: shards() >= 3 and actors(), BEGIN)
        actors()[0].send_signal(signal.SIGKILL)
        wait_until(lambda: shards() >= 8, BEGIN)
        driver = job.worker()
        assert driver is not None
        os.kill(driver, signal.SIGKILL)
        wait_until(lambda: not job.is_alive(), 60)
        bench.launcher.reap()
        before = shards()
        assert before < ROWS / BLOCK
        bench.resume_run(run)
        wait_until(lambda: shards() > before + 2, BEGIN)
        nodes.remove_node(nodes.second, allow_graceful=False)
        wait_until(lambda: job.progress().has_ended, 2 * BEGIN)
        assert job.progress().state == "done", job.progress()
        assert files_of(bench, run) == whole
        bench.take_in()
        pool = bench.pool(bench.runs.get(run))
        assert len(pool.nll) == ROWS
        assert not (folder.path / crew.MARK).exists()


def test_scores_are_sent_back_from_a_node_that_does_not_see_the_files(
    tmp_path: Path, nodes: Any, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_chats(tmp_path / "chats.jsonl", 120)
    with Workbench(tmp_path / "here") as bench:
        bench.ingest(rows, "chats")
        local = files_of(bench, bench.score("chats", settings).run)
    monkeypatch.setattr(crew, "NodeOrder", lambda order, mark, word: NodeOrder(order, mark, "another word"))
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "there") as bench:
        bench.ingest(rows, "chats")
        run = bench.score("chats", settings, crew=CrewSettings(runner="ray", address=nodes.address, workers=1)).run
        assert files_of(bench, run) == local


def test_parts_are_searched_by_the_clusters_nodes(tmp_path: Path, nodes: Any, scored: Scored) -> None:
    settings, chosen = find_criterion("fisher").settings(search="greedi", parts=4), []
    for asked in (CrewSettings(workers=1), CrewSettings(runner="ray", address=nodes.address, workers=2)):
        with Workbench(shutil.copytree(scored.workspace, tmp_path / asked.runner)) as bench:
            report = bench.select("chats", "fisher", "8", settings=settings, crew=asked)
            chosen.append(bench.selections.picks(report.selection))
    assert chosen[0] == chosen[1]


def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(BadInput, match="Give --address"):
        cluster.Cluster(None)
    for address in ("127.0.0.1:1", "nowhere"):
        with pytest.raises(BadInput, match=f"No Ray cluster listens at '{address}'"):
            cluster.Cluster(address)
