"""Proof says what is missing, foretells, follows its job, and tells in words what was found."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pytest

from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.settings import HeldOutSettings, RunSettings, ScoringSettings
from core.tasks.tunes import Tunes
from core.web.proof.advice import advise
from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import make_tiny_model
from tests.pages.conftest import Open, button, links, texts
from tests.proving import QUICK, score_pool, write_pool


@pytest.fixture
def prepared(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str, str]]:
    """A workspace with a held-out split and two selections."""
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    workspace = tmp_path / "workspace"
    with Workbench(workspace) as bench:
        run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
        chosen, other = (bench.select("pool", name, "400tok", run=run).selection for name in ("random", "fisher"))
    yield workspace, chosen, other


def test_a_run_without_a_split_is_scored_again_with_one(open_app: Open, workspace: Path) -> None:
    with Workbench(workspace) as bench:
        before = bench.select("chats", "fisher", "6").selection
    app = open_app(workspace, "proof", selection=before)
    assert "This run set none aside" in texts(app)
    app.number_input(key="proof.hold.share").set_value(0.25).run()
    assert "About 6 examples, 25 % of the dataset." in texts(app)
    assert any("says nothing below 10 examples" in warning.value for warning in app.warning)
    assert "Score again with these held out" not in [one.label for one in app.button]
    app.number_input(key="proof.hold.share").set_value(0.5).run()
    assert "About 12 examples, 50 % of the dataset." in texts(app)
    button(app, "Score again with these held out").click().run()
    assert not app.exception
    assert "Scoring again" in texts(app)
    (newest, *_) = open_bench().runs.of_dataset("chats")
    assert newest.settings["held_out"]["share"] == 0.5
    assert len(open_bench().held_out(newest.run)[0]) == 12


def test_a_run_with_too_few_held_out_is_scored_again_with_more(
    open_app: Open, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))
    with Workbench(tmp_path / "workspace") as bench:
        run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 60), tiny_model, share=0.1)
        chosen = bench.select("pool", "random", "10", run=run).selection
    app = open_app(tmp_path / "workspace", "proof", selection=chosen)
    assert "This run set 6 aside, too few for an answer." in texts(app)
    assert "About 30 examples, 50 % of the dataset." in texts(app)
    assert not button(app, "Score again with these held out").disabled


def test_a_model_that_stands_in_is_told_before_the_proof(open_app: Open, prepared: tuple[Path, str, str]) -> None:
    workspace, chosen, _ = prepared
    app = open_app(workspace, "proof", selection=chosen)
    assert "not on the run's own model" not in texts(app)
    smaller = make_tiny_model(workspace.parent / "smaller", hidden_size=16)
    app.text_input(key="proof.model").set_value(str(smaller)).run()
    assert f"Measured on {smaller}, not on the run's own model" in texts(app)
    assert "the sizes of both models" in texts(app)


def test_a_proof_is_foretold_started_and_told(open_app: Open, prepared: tuple[Path, str, str]) -> None:
    workspace, chosen, other = prepared
    app = open_app(workspace, "proof", selection=chosen)
    assert "the same steps, the same seeds" in texts(app)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["Fine-tunes"] == "16"
    app.number_input(key="proof.seeds").set_value(1).run()
    for name in ("random", "batch_tokens", "learning_rate", "points"):
        app.number_input(key=f"proof.{name}").set_value(getattr(QUICK, name)).run()
    app.multiselect(key="proof.against").set_value([other]).run()
    assert {metric.label: metric.value for metric in app.metric}["Fine-tunes"] == "7"
    button(app, "Start the proof").click().run()
    assert not app.exception, app.exception
    assert not app.error
    told = texts(app)
    assert "7 of 7 fine-tunes are done." in told
    assert "Tuned: all weights of" in told
    assert "random" in "".join(str(one.value) for one in [*app.info, *app.success, *app.warning])
    assert "95 % interval" in told.replace("\\", "")
    assert {"NLL before tuning", "After the selection"} <= {metric.label for metric in app.metric}
    assert len(app.get("plotly_chart")) == 2
    proofs = open_bench().proofs("pool")
    [advice] = advise(open_bench().proof(proofs[0][0]))
    assert advice.label in links(app)
    assert advice.words in told
    status = open_app(workspace, "status")
    assert not status.exception
    rows = [list(row) for frame in status.dataframe for row in frame.value.iloc[:, :2].to_numpy()]
    assert ["Proof", "pool"] in rows


def test_the_best_of_the_tested_selections_is_carried_to_the_desk(
    open_app: Open, prepared: tuple[Path, str, str]
) -> None:
    workspace, chosen, other = prepared
    with Workbench(workspace) as bench:
        plan = bench.plan_proof(chosen, QUICK, [other])
        bench.start_proof(plan)
        path = Tunes(bench.folder, plan).of(plan.arms[1], 0)
        with np.load(path) as stored:
            lower = {name: stored[name] for name in stored.files} | {"nll": stored["nll"] - 3}
        np.savez(path, **lower)
    app = open_app(workspace, "proof", selection=chosen)
    assert f"fisher 400tok ({other[:6]}) did better than it." in texts(app)
    link = next(element for element in app.get("page_link") if element.proto.label == "Take it to the Desk")
    assert f"take={other}" in link.proto.query_string
    desk = open_app(workspace, "select", selection=chosen, take=other)
    assert desk.sidebar.selectbox(key="selection").value == other
    assert "take" not in desk.query_params
    assert any("Worse than fisher" in warning.value.replace("\\", "") for warning in app.warning)


def test_a_smaller_budget_is_carried_to_the_desk(open_app: Open, prepared: tuple[Path, str, str]) -> None:
    workspace, chosen, other = prepared
    with Workbench(workspace) as bench:
        plan = bench.plan_proof(other, QUICK.model_copy(update={"halvings": 1}))
        bench.start_proof(plan)
        half = next(arm for arm in plan.arms if arm.kind == "smaller")
        path = Tunes(bench.folder, plan).of(half, 0)
        with np.load(path) as stored:
            lower = {name: stored[name] for name in stored.files} | {"nll": stored["nll"] - 3}
        np.savez(path, **lower)
    app = open_app(workspace, "proof", selection=other)
    assert "did better than random subsets of the whole budget" in texts(app)
    link = next(element for element in app.get("page_link") if element.proto.label == "Take this budget to the Desk")
    budget = dict(parse_qsl(link.proto.query_string))["budget"]
    assert budget == half.budget
    desk = open_app(workspace, "select", selection=chosen, take=other, budget=budget)
    assert desk.sidebar.selectbox(key="selection").value == other
    assert desk.query_params["budget"] == budget
    assert open_bench().what_if(other, budget).rows == half.rows
    assert {metric.label: metric.value for metric in desk.metric}["Examples"] == str(len(half.rows))


def test_what_is_taken_brings_its_own_run(open_app: Open, prepared: tuple[Path, str, str], tiny_model: Path) -> None:
    workspace, chosen, _ = prepared
    with Workbench(workspace) as bench:
        scoring = ScoringSettings(model=str(tiny_model), max_length=64, device="cpu")
        settings = RunSettings(scoring=scoring, calibration=None, held_out=HeldOutSettings(share=0.3))
        second = bench.score("pool", settings).run
        other = bench.select("pool", "fisher", "400tok", run=second).selection
        first = bench.selections.get(chosen).run
    desk = open_app(workspace, "select", dataset="pool", run=first, selection=chosen, take=other)
    assert (desk.sidebar.selectbox(key="run").value, desk.sidebar.selectbox(key="selection").value) == (second, other)
    gone = open_app(workspace, "select", dataset="pool", run=first, selection=chosen, take="nothing")
    assert gone.sidebar.selectbox(key="selection").value == chosen


def test_a_proof_that_failed_says_why_and_is_resumed(
    open_app: Open, prepared: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, chosen, _ = prepared

    def fails(*_: object) -> list[float]:
        raise MemoryError

    with monkeypatch.context() as patch, Workbench(workspace) as bench:
        patch.setattr("core.tasks.proving.fine_tune", fails)
        bench.start_proof(bench.plan_proof(chosen, QUICK))
    app = open_app(workspace, "proof", selection=chosen)
    assert "Proof was interrupted. Memory ran out" in texts(app)
    button(app, "Resume").click().run()
    assert not app.exception
    assert "6 of 6 fine-tunes are done." in texts(app)
