"""The command line keeps its contract, and agrees with Python and with the mathematics."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from core.commands import print_progress, selecting
from core.records import JobProgress, Rendered
from core.workbench import Workbench
from tests import oracles
from tests.conftest import ROOT, Scored, core_json, run_core, run_core_apart, write_chats
from tests.proving import write_pool

SCORES = [
    "example_id",
    "row",
    "prompt_tokens",
    "response_tokens",
    "nll",
    "ppl",
    "entropy",
    "nll_calibrated",
    "entropy_calibrated",
    "delta_nll",
    "delta_entropy",
    "unscorable_reason",
    "gini",
    "truncated",
    "nll_alone",
    "ifd_loss_ratio",
    "ifd_perplexity_ratio",
]


def test_demo_loads_and_loading_again_changes_nothing(tmp_path: Path) -> None:
    expected = {"dataset": "demo", "format": "messages", "rows_read": 2026, "rows_loaded": 2026, "rows_quarantined": 0}
    for _ in range(2):
        assert core_json(tmp_path, "demo") == expected


def test_score_reports_what_it_did(scored: Scored) -> None:
    report = scored.report
    assert list(report) == ["run", "scored", "unscorable", "held_out", "tokens", "seconds", "tokens_per_second"]
    assert (report["scored"], report["unscorable"]) == (23, 1)
    assert report["tokens_per_second"] == pytest.approx(report["tokens"] / report["seconds"])


def test_a_run_with_the_same_identity_is_not_computed_again(scored: Scored, workspace: Path) -> None:
    files = {path: path.stat().st_mtime_ns for path in workspace.rglob("*.safetensors")}
    again = core_json(
        workspace,
        *("score", "chats", "--model", str(scored.model), "--calibrate", "0.3", "--max-length", "128"),
        *("--set", "epochs=1", "--set", "shard_rows=8"),
    )
    assert again == scored.report
    assert {path: path.stat().st_mtime_ns for path in workspace.rglob("*.safetensors")} == files


def test_scores_have_the_contracts_columns_and_the_models_numbers(
    scored: Scored, workspace: Path, tmp_path: Path
) -> None:
    run_core(workspace, "scores", scored.report["run"], "-o", str(tmp_path / "scores.parquet"))
    run_core(workspace, "scores", scored.report["run"], "-o", str(tmp_path / "scores.jsonl"))
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    lines = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [list(row) for row in rows] == [SCORES] * 24
    assert lines == rows
    failed = rows[23]
    assert failed["unscorable_reason"] == "the prompt alone fills max_length (128 tokens)"
    assert failed["nll"] is None
    for row in rows[:23]:
        assert row["ppl"] == pytest.approx(np.exp(row["nll"]))
        assert row["delta_nll"] == pytest.approx(row["nll_calibrated"] - row["nll"])
        assert row["delta_entropy"] == pytest.approx(row["entropy"] - row["entropy_calibrated"])
    assert any(abs(row["delta_nll"]) > 1e-6 for row in rows[:23])


def test_a_stored_nll_is_the_models_on_what_render_shows(scored: Scored, workspace: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(scored.model, dtype="float32")
    run_core(workspace, "scores", scored.report["run"], "-o", str(tmp_path / "scores.parquet"))
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    for row in (0, 7):
        shown = core_json(workspace, "render", "chats", "--row", str(row), "--model", str(scored.model))
        assert set(shown) == set(Rendered.__dataclass_fields__)
        truth = oracles.score_one(model, shown["input_ids"], shown["response_mask"])
        assert rows[row]["nll"] == pytest.approx(truth["nll"], abs=1e-5)
        assert rows[row]["entropy"] == pytest.approx(truth["entropy"], abs=1e-5)
        assert rows[row]["response_tokens"] == len(truth["features"])


def test_fisher_picks_what_naive_greedy_picks_from_the_written_factors(
    scored: Scored, workspace: Path, tmp_path: Path
) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "8")
    assert list(chosen)[:5] == ["selection", "examples", "tokens", "log_det", "random_log_det"]
    run_core(workspace, "factors", scored.report["run"], "-o", str(tmp_path / "factors.npz"))
    run_core(workspace, "ledger", chosen["selection"], "-o", str(tmp_path / "ledger.jsonl"))
    with np.load(tmp_path / "factors.npz", allow_pickle=False) as stored:
        ids, offsets, values = stored["example_id"], stored["offsets"], stored["values"]
    assert (offsets.dtype, values.dtype) == (np.int64, np.float32)
    factors = [values[a:b] for a, b in itertools.pairwise(offsets)]
    ledger = [json.loads(line) for line in (tmp_path / "ledger.jsonl").read_text().splitlines()]
    order = oracles.naive_greedy(factors, 8, 1.0)
    assert [line["example_id"] for line in ledger] == [str(ids[row]) for row in order]
    first = ["rank", "example_id", "gain", "gain_alone", "cumulative", "response_tokens", "reason"]
    assert list(ledger[0]) == [*first, "objective_gain", "covered_by", "covered_share"]
    assert chosen["log_det"] == pytest.approx(oracles.log_det_information(factors, order, 1.0))
    assert chosen["tokens"] == sum(line["response_tokens"] for line in ledger)


def test_a_command_takes_in_what_a_job_finished_while_nobody_looked(
    scored: Scored, workspace: Path, tmp_path: Path
) -> None:
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        cursor.execute("DELETE FROM scores WHERE row_number < 16")
        cursor.execute("DELETE FROM shards WHERE shard < '000000016'")
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "100%")
    assert chosen["examples"] == 23
    run_core(workspace, "scores", scored.report["run"], "-o", str(tmp_path / "scores.jsonl"))
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 24


def test_a_relative_model_path_is_of_the_folder_that_the_command_runs_in(scored: Scored, tmp_path: Path) -> None:
    shutil.copytree(scored.model, tmp_path / "model")
    write_pool(tmp_path / "pool.jsonl", "clean", 60)

    def run_there(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "core", *words, "--workspace", "workspace"],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run_there("ingest", "pool.jsonl", "--name", "pool")
    run_there("score", "pool", "--model", "model", "--no-calibration", "--max-length", "128", "--hold-out", "0.3")
    chosen = json.loads(run_there("select", "pool", "--criterion", "random", "--budget", "200tok", "--json"))
    settings = [f"--set={name}" for name in ("seeds=1", "points=1", "epochs=1", "random=3")]
    assert "6 of 6" in run_there("prove", chosen["selection"], "--model", "model", *settings)


def test_pins_are_in_and_bans_are_out(scored: Scored, workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
    (tmp_path / "pin").write_text(f"{ids[4]}\n")
    (tmp_path / "ban").write_text(f"{ids[5]}\n{ids[6]}\n")
    words = ("--pin", str(tmp_path / "pin"), "--ban", str(tmp_path / "ban"))
    chosen = core_json(workspace, "select", "chats", "--criterion", "random", "--budget", "20", *words)
    with Workbench(workspace) as bench:
        rows = [pick.row for pick in bench.selections.picks(chosen["selection"])]
    assert rows[0] == 4
    assert not {5, 6} & set(rows)


@pytest.mark.parametrize("criterion", ["fisher", "instructdiff", "random"])
def test_python_and_the_command_select_the_same(criterion: str, workspace: Path) -> None:
    by_command = core_json(workspace, "select", "chats", "--criterion", criterion, "--budget", "25%", "--seed", "3")
    with Workbench(workspace) as bench:
        by_python = bench.select("chats", criterion, "25%", seed=3)
    assert by_python.selection == by_command["selection"]
    assert list(by_python.random_log_det) == by_command["random_log_det"]


@pytest.mark.parametrize("shape", ["original", "messages"])
def test_an_export_is_the_selection_in_its_order(shape: str, workspace: Path, tmp_path: Path) -> None:
    chosen = core_json(workspace, "select", "chats", "--criterion", "fisher", "--budget", "5")
    target = tmp_path / "chosen.jsonl"
    report = core_json(workspace, "export", chosen["selection"], "--format", shape, "-o", str(target))
    rows = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    lock = json.loads(Path(report["lock"]).read_text(encoding="utf-8"))
    assert report["examples"] == len(rows) == 5
    source = (
        [json.loads(line) for line in (workspace.parent / "chats.jsonl").read_text().splitlines()]
        if (workspace.parent / "chats.jsonl").exists()
        else None
    )
    with Workbench(workspace) as bench:
        picks = bench.selections.picks(chosen["selection"])
        examples = bench.datasets.examples("chats", [pick.row for pick in picks])
    expected = [json.loads(e.original) if shape == "original" else {"messages": e.messages} for e in examples]
    assert rows == expected
    assert source is None or shape == "messages" or rows == [source[pick.row] for pick in picks]
    assert lock["selection"]["criterion"] == "fisher"
    assert lock["scoring"]["settings"]["scoring"]["max_length"] == 128
    assert lock["picks"]["rows"] == [pick.row for pick in picks]


def test_a_workspace_that_is_open_elsewhere_is_left_alone(workspace: Path) -> None:
    with Workbench(workspace):
        done = run_core_apart(workspace, "demo", code=2)
    assert "is open in a Python program (process" in done.stderr


BAD_COMMANDS = {
    "missing file": (("ingest", "nowhere.jsonl", "--name", "x"), "There is no file 'nowhere.jsonl'"),
    "name": (("ingest", "nowhere.jsonl", "--name", "../x"), "cannot be a dataset's name"),
    "format": (("ingest", "nowhere.jsonl", "--name", "x", "--format", "xml"), "Option 'format' was given as 'xml'"),
    "mapping": (("ingest", "nowhere.jsonl", "--name", "x", "--map", "prompt"), "is not NAME=VALUE"),
    "dataset": (("score", "none"), "There is no dataset 'none'; loaded are: chats."),
    "model": (("score", "chats", "--model", "./no-such-model"), "no-such-model"),
    "device": (("score", "chats", "--device", "toaster"), "Option 'device' was given as 'toaster'"),
    "option": (("score", "chats", "--set", "speed=9"), "There is no option 'speed' here"),
    "together": (
        ("score", "chats", "--set", "prompt_features=true", "--set", "uncertainty_weight=true"),
        "Option 'prompt_features' was given as 'true': it cannot go with uncertainty_weight",
    ),
    "share": (("score", "chats", "--calibrate", "2"), "Option 'share' was given as 2.0"),
    "both": (("score", "chats", "--calibrate", "0.1", "--no-calibration"), "Give one of"),
    "criterion": (("select", "chats", "--criterion", "best", "--budget", "5"), "There is no criterion 'best'"),
    "nothing": (("select", "chats", "--criterion", "fisher", "--budget", "0"), "selects nothing"),
    "too many": (("select", "chats", "--criterion", "fisher", "--budget", "24"), "more than there is"),
    "too much": (("select", "chats", "--criterion", "instructdiff", "--budget", "100%"), "leaves"),
    "run": (("select", "chats", "--criterion", "fisher", "--budget", "5", "--run", "none"), "There is no scoring run"),
    "selection": (("export", "none", "-o", "out.jsonl"), "There is no selection 'none'"),
    "suffix": (("scores", "none", "-o", "out.xlsx"), "must end in .parquet or .jsonl"),
    "folder": (("ledger", "none", "-o", "nowhere/out.csv"), "does not exist"),
    "seed": (("select", "chats", "--criterion", "random", "--budget", "5", "--seed", "-1"), "Seed -1 is not"),
    "ridge": (("select", "chats", "--criterion", "fisher", "--budget", "5", "--set", "ridge=inf"), "Option 'ridge'"),
    "directory": (("scores", "none", "-o", "core"), "must end in"),
    "home": (("ingest", "~nobody-here/x.jsonl", "--name", "x"), "is no path"),
    "long": (("ingest", "x" * 300 + ".jsonl", "--name", "x"), "is no path"),
    "no option": (("select", "chats", "--budget", "5"), "Missing option '--criterion'"),
    "no command": (("conjure",), "No such command 'conjure'"),
    "row": (("render", "chats", "--row", "24"), "has no row 24"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_input_is_one_line_and_exit_code_2(case: str, scored: Scored) -> None:
    words, message = BAD_COMMANDS[case]
    done = run_core(scored.workspace, *words, code=2)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert message in lines[0]
    assert done.stdout == ""


def test_other_content_under_a_name_is_its_next_version(workspace: Path, tmp_path: Path) -> None:
    same = write_chats(tmp_path / "same.jsonl", 24)
    assert core_json(workspace, "ingest", str(same), "--name", "chats")["rows_loaded"] == 24
    other = write_chats(tmp_path / "other.jsonl", 7)
    report = core_json(workspace, "ingest", str(other), "--name", "chats")
    assert (report["dataset"], report["rows_loaded"]) == ("chats@2", 7)
    with Workbench(workspace) as bench:
        assert bench.datasets.get("chats").rows_loaded == 24


def test_a_job_that_fails_says_why_in_one_line(scored: Scored, workspace: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(scored.model, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes(b"no weights")
    done = run_core(workspace, "score", "chats", "--model", str(broken), code=2)
    assert done.stderr.strip().splitlines()[-1].startswith("Error: Scoring failed: Model ")


def test_a_model_that_cannot_be_read_is_refused_before_a_job_starts(workspace: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    without = run_core(workspace, "score", "chats", "--model", str(broken), code=2)
    assert "has no config.json" in without.stderr
    (broken / "config.json").write_text('{"model_type": "no-such-architecture"}')
    done = run_core(workspace, "score", "chats", "--model", str(broken), code=2)
    assert "has no tokenizer; save the model's tokenizer into it" in done.stderr
    (broken / "tokenizer.json").write_text("{")
    done = run_core(workspace, "score", "chats", "--model", str(broken), code=2)
    assert done.stderr.strip().splitlines()[-1].startswith("Error: Model ")


def test_a_dataset_of_which_nothing_can_be_scored_says_why(scored: Scored, tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text(json.dumps({"prompt": "x" * 200, "completion": "y"}) + "\n")
    core_json(tmp_path / "workspace", "ingest", str(tmp_path / "long.jsonl"), "--name", "long")
    done = run_core(tmp_path / "workspace", "score", "long", "--model", str(scored.model), "--max-length", "64", code=2)
    assert done.stderr.strip().splitlines()[-1] == (
        "Error: Scoring failed: None of the 1 examples could be scored: the prompt alone fills max_length (64 tokens)."
    )


def test_the_whole_command_line_works_from_another_folder(workspace: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert "ingest" in done.stdout


def test_a_choice_says_on_stderr_how_far_it_is_where_it_takes_long(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("select", "chats", "--criterion", "fisher", "--budget", "6", "--json")
    quick = run_core(workspace, *words)
    monkeypatch.setattr(selecting, "TELL_SECONDS", 0.0)
    slow = run_core(workspace, *words, "--set", "search=naive")
    assert "Ordering" not in quick.stderr and "Ordering the pool: 3 of 23\n" in slow.stderr
    assert json.loads(slow.stdout)["examples"] == json.loads(quick.stdout)["examples"] == 6


def test_who_waits_is_told_that_nothing_was_heard_for_long(capsys: pytest.CaptureFixture[str]) -> None:
    follow = print_progress()
    for minutes in (0, 9, 12):
        heard = time.monotonic() - 60 * minutes - 1
        follow(JobProgress("running", "Scoring", 5, 24, "examples", ticked=heard))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Scoring 5 of 24 examples", "Scoring 5 of 24 examples, nothing heard of it for 12 minutes"]
