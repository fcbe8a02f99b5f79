"""A Ray cluster of two nodes on this machine scores a run: the local runner's files, whoever dies."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.errors import BadInput, JobFailed
from core.jobs import cluster
from core.jobs.folder import JobFolder
from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.selection.registry import find_criterion
from core.settings import CalibrationSettings, CrewSettings, RunSettings, ScoringSettings
from core.tasks import crew
from core.tasks.orders import Block, NodeOrder
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
            cluster.ENVIRONMENT
            | {"RAY_AUTH_TOKEN": secrets.token_hex(20), "RAY_TMPDIR": str(folder), "HOME": str(folder)}
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
        assert not job.progress().has_ended
        assert shards() < ROWS / BLOCK
        wait_until(lambda: job.progress().has_ended, 2 * BEGIN)
        assert job.progress().state == "done", job.progress()
        assert files_of(bench, run) == whole
        bench.take_in()
        scores = bench.runs.scores(run)
        assert scores["row"].to_pylist() == list(range(ROWS))
        assert np.isfinite(scores["nll"].to_numpy()).mean() > 0.9
        assert not (folder.path / crew.MARK).exists()


@pytest.mark.parametrize("method", [None, "lora", "full"])
def test_scores_are_sent_back_from_nodes_that_do_not_see_the_files(
    tmp_path: Path, nodes: Any, settings: RunSettings, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    """Nor the model that the run tuned."""
    rows, asked = write_chats(tmp_path / "chats.jsonl", 120), settings
    if method:
        light = CalibrationSettings(share=0.1, epochs=1.0, method=method)
        asked = settings.model_copy(update={"calibration": light})
    with Workbench(tmp_path / "here") as bench:
        bench.ingest(rows, "chats")
        local = files_of(bench, bench.score("chats", asked).run)
    make = NodeOrder.of
    monkeypatch.setattr(NodeOrder, "of", lambda of, mark, _: hide_workspace(make(of, mark, "another word"), tmp_path))
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "there") as bench:
        bench.ingest(rows, "chats")
        run = bench.score("chats", asked, crew=CrewSettings(runner="ray", address=nodes.address, workers=2)).run
        assert files_of(bench, run) == local
    assert len(local) > (3 if method is None else 6)


def hide_workspace(order: NodeOrder, workspace: Path) -> NodeOrder:
    """The order with a tuned model's path that leads nowhere, as on another machine."""
    model = order.order.scoring.model
    if Path(model).is_relative_to(workspace):
        hidden = order.order.scoring.model_copy(update={"model": f"/not/here{model}"})
        return replace(order, order=replace(order.order, scoring=hidden))
    return order


def test_a_block_that_its_actors_die_of_is_left_unscored(
    tmp_path: Path, nodes: Any, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = NodeOrder.of

    def deadly(*asked: Any) -> Any:
        order = make(*asked)

        def prepare() -> Any:
            work = order()

            def do(block: Block) -> Any:
                if 60 in block.plan.rows:
                    os.kill(os.getpid(), signal.SIGKILL)
                return work(block)

            return do

        prepare.is_tuned = order.is_tuned
        return prepare

    monkeypatch.setattr(NodeOrder, "of", deadly)
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 4 * BLOCK), "chats")
        run = bench.score("chats", settings, crew=CrewSettings(runner="ray", address=nodes.address, workers=2)).run
        scores = bench.runs.scores(run)
    reasons = scores["unscorable_reason"].to_pylist()
    assert all("worker processes died while they scored its block" in why for why in reasons[BLOCK : 2 * BLOCK])
    rest = np.delete(scores["nll"].to_numpy(), slice(BLOCK, 2 * BLOCK))
    assert np.isfinite(rest).mean() > 0.9


def test_a_node_whose_model_is_another_is_refused(
    tmp_path: Path, nodes: Any, settings: RunSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = NodeOrder.of
    monkeypatch.setattr(NodeOrder, "of", lambda *asked: replace(make(*asked), identity="folder:another"))
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 60), "chats")
        with pytest.raises(JobFailed, match="The model was folder:another when this run was made and is folder:"):
            bench.score("chats", settings, crew=CrewSettings(runner="ray", address=nodes.address, workers=1))


def test_gpus_that_a_cluster_has_not_are_not_waited_for(nodes: Any) -> None:
    reached = cluster.Cluster(nodes.address)
    try:
        with pytest.raises(BadInput, match="has no GPU"):
            crew.Workers(CrewSettings(workers=2)).places(reached, needs_gpu=True, threads=1)
    finally:
        reached.leave()


@pytest.mark.parametrize("token", [None, "another" * 6])
def test_a_cluster_opens_to_its_token_alone(nodes: Any, token: str | None) -> None:
    """In a process of its own: Ray reads the token once."""
    words = f"from core.jobs.cluster import Cluster; Cluster({nodes.address!r})"
    environment = {name: value for name, value in os.environ.items() if name != "RAY_AUTH_TOKEN"}
    environment |= {"RAY_AUTH_TOKEN": token} if token else {}
    done = subprocess.run(
        [sys.executable, "-c", words], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 1
    assert "core.errors.BadInput: The Ray cluster" in done.stderr


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
