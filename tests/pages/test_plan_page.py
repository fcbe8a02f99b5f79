"""Plan asks what is tried, follows the trial, and shows what a pool takes."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.launcher import Launcher
from core.jobs.worker import run_here
from core.settings import RunSettings, ScoringSettings, TrialSettings
from core.web.session import open_bench
from core.web.theme import format_seconds, format_sig
from core.workbench import Workbench
from tests.conftest import Scored
from tests.pages.conftest import Open, button, texts


@pytest.fixture(autouse=True)
def jobs_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Launcher, "start", lambda _, job: run_here(job.path))


def foretold(app: AppTest) -> dict[str, list]:
    return app.dataframe[0].value.to_dict("list")


def test_a_trial_is_started_and_foretells_the_dataset(open_app: Open, workspace: Path, scored: Scored) -> None:
    app = open_app(workspace, "plan", dataset="chats")
    app.text_input(key="plan.model").set_value(str(scored.model)).run()
    app.radio(key="plan.second").set_value("Base model only").run()
    app.number_input(key="plan.sample.rows").set_value(12).run()
    button(app, "Try 12 rows").click().run()
    assert not app.exception
    assert not app.error
    assert "Measured on 12 rows, cpu" in texts(app)
    lines = foretold(app)
    assert lines["Devices"] == [1, 8, 64]
    assert all(seconds.endswith("s") for seconds in lines["Scoring"])
    assert len(set(lines["Calibrating"])) == 1
    assert "Cost" not in lines


def test_options_that_do_not_go_together_are_told(open_app: Open, workspace: Path) -> None:
    for page in ("plan", "scoring"):
        app = open_app(workspace, page, dataset="chats")
        app.selectbox(key=f"{'score' if page == 'scoring' else page}.quantization").set_value("4bit").run()
        assert not app.exception
        assert "calibrate with method=lora" in texts(app)


def test_a_price_and_a_larger_pool_are_foretold(open_app: Open, workspace: Path, scored: Scored) -> None:
    with Workbench(workspace) as bench:
        asked = RunSettings(scoring=ScoringSettings(model=str(scored.model), max_length=128), calibration=None)
        trial = bench.try_out("chats", asked, TrialSettings(rows=12))
    app = open_app(workspace, "plan", dataset="chats")
    usual = app.number_input(key="pool")
    assert (usual.value, usual.placeholder) == (None, "24, those of this dataset")
    usual.set_value(24_000_000).run()
    app.number_input(key="price").set_value(2.0).run()
    after = foretold(app)
    forecast = open_bench().foretell(trial, price=2.0, rows=24_000_000)[1]
    assert after["Cost"] == [format_sig(2 * wait.gpu_hours) for wait in forecast.waits]
    assert after["All of it"] == [format_seconds(3600 * wait.hours) for wait in forecast.waits]
    assert f"{forecast.tokens:,} ±" in texts(app)
    assert app.query_params["trial"] == trial
    linked = open_app(workspace, "plan", dataset="chats", trial=trial, pool="24000000", price="2.0")
    assert foretold(linked) == after
    for number in ("0", "none", "1e999", "9" * 4_400):
        broken = open_app(workspace, "plan", dataset="chats", trial=trial, pool=number, price=f"-{number}")
        assert not broken.exception
        assert broken.number_input(key="pool").value is None
        assert "Cost" not in foretold(broken) or number == "0"


def test_several_trials_are_told_apart_and_a_failed_one_says_why(
    open_app: Open, workspace: Path, scored: Scored
) -> None:
    with Workbench(workspace) as bench:
        for length in (128, 8):
            asked = RunSettings(scoring=ScoringSettings(model=str(scored.model), max_length=length), calibration=None)
            trial = bench.start_trial("chats", asked, TrialSettings(rows=12))
    app = open_app(workspace, "plan", dataset="chats", trial=trial)
    assert len(app.selectbox(key="trial").options) == 2
    assert any("None of the 12 rows of the sample can be scored" in error.value for error in app.error)
    assert open_bench().trial_progress(trial).state == "failed"
    app.switch_page("../../pages/status.py").run()
    assert not app.exception
    rows = [list(row) for table in app.dataframe for row in table.value.iloc[:, :2].to_numpy()]
    assert rows.count(["Trial", "chats"]) == 2


def test_a_link_to_a_trial_that_is_not_here_is_told(open_app: Open, workspace: Path, scored: Scored) -> None:
    with Workbench(workspace) as bench:
        asked = RunSettings(scoring=ScoringSettings(model=str(scored.model), max_length=128), calibration=None)
        trial = bench.try_out("chats", asked, TrialSettings(rows=12))
    app = open_app(workspace, "plan", dataset="chats", trial="nosuch")
    assert "names a trial that is not here; shown is" in texts(app)
    assert f"12 rows, trial {trial[:6]}" in texts(app)
    assert "not here" not in texts(open_app(workspace, "plan", dataset="chats", trial=trial))
