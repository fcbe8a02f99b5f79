"""The page Status says how the workspace and the machine are, with or without data."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.jobs.folder import JobFolder
from core.records import JobProgress
from core.web.session import open_bench
from core.web.status.tables import format_bytes
from core.workbench import machine
from core.workbench.keeping import back_up
from tests.pages.conftest import Open, button, texts


def metrics(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_an_empty_workspace_has_a_status(open_app: Open, tmp_path: Path) -> None:
    app = open_app(tmp_path / "workspace", "status")
    assert not app.exception
    assert not app.error
    assert metrics(app)["Database"] == "Answers"
    assert metrics(app)["Last backup"] == "None yet"
    assert "No job has been started" in texts(app)


def test_it_lists_jobs_devices_versions_and_folders(open_app: Open, workspace: Path, tmp_path: Path) -> None:
    back_up(workspace, tmp_path / "backup", "a test")
    app = open_app(workspace, "status")
    assert not app.exception
    assert metrics(app)["Last backup"].endswith(" ago")
    assert metrics(app)["Jobs at work"] == "0"
    jobs, devices, versions, disk = (table.value for table in app.dataframe)
    assert jobs[["Job", "Dataset", "State"]].to_numpy().tolist() == [["Scoring", "chats", "Done"]]
    assert devices["Device"][0].startswith("CPU, ")
    assert set(versions["What"]) >= {"Gleaner", "Python", "Streamlit", "Torch", "Transformers", "DuckDB"}
    assert set(disk["What"]) >= {"Database", "Scoring runs"}
    assert str(workspace) not in texts(app) + disk.to_string() + jobs.to_string()


def test_a_dry_run_is_told_by_its_file_as_soon_as_that_can_be_read(open_app: Open, workspace: Path) -> None:
    job = JobFolder(workspace / "checks" / "one")
    job.create("core.tasks:check", {"file": "/data/chosen.jsonl"})
    job.write(JobProgress("done"))
    request = (job.path / "job.json").read_bytes()
    (job.path / "job.json").write_text("{")
    app = open_app(workspace, "status")
    assert not app.exception
    assert ["Dry run", "–"] in owners(app)
    (job.path / "job.json").write_bytes(request)
    assert ["Dry run", "chosen.jsonl"] in owners(app.run())


def owners(app: AppTest) -> list[list[str]]:
    return [list(row) for table in app.dataframe for row in table.value.iloc[:, :2].to_numpy()]


def test_folders_are_measured_once_a_minute_at_most(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "status")
    before = open_bench().disk_use().folders["runs"]
    (next((workspace / "runs").iterdir()) / "large.bin").write_bytes(b"0" * 1_000_000)
    button(app, "Look again").click().run()
    assert open_bench().disk_use().folders["runs"] == before
    open_bench()._sizes = (float("-inf"), {})
    assert open_bench().disk_use().folders["runs"] == before + 1_000_000


def test_a_gpu_is_told_as_its_own_tool_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200, 1024, 143771, 37'\n")
    tool.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(tool))
    assert machine._ask_gpus() == [machine.Device("NVIDIA H200", 1024 << 20, 143_771 << 20, 0.37)]
    tool.write_text("#!/bin/sh\necho 'Failed to initialize NVML'; exit 9\n")
    assert machine._ask_gpus() == []


def test_sizes_have_three_digits_in_their_unit() -> None:
    assert [format_bytes(size) for size in (0, 999, 6_517_428, 1.2e12)] == ["0 B", "999 B", "6.52 MB", "1.20 TB"]
