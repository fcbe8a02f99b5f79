"""Each option of a scoring run does what its help says, and every number can be had another way."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.errors import BadInput, JobFailed
from core.scoring.identity import run_identity
from core.scoring.shards import list_shards, read_scores
from core.settings import CalibrationSettings, IngestSettings, RunSettings, ScoringSettings
from core.tasks.models import pin_models
from core.workbench import Workbench
from core.workbench.scoring import _without_device_number
from core.workspace import RunFolder
from tests import oracles
from tests.conftest import Scored, core_json, run_core_apart, write_chats


def make_settings(model: Path, calibration: CalibrationSettings | None = None, **scoring: object) -> RunSettings:
    chosen = ScoringSettings(model=str(model), max_length=128, **scoring)
    return RunSettings(scoring=chosen, calibration=calibration)


@pytest.fixture
def bench(tmp_path: Path):
    write_chats(tmp_path / "chats.jsonl", 24)
    with Workbench(tmp_path / "workspace") as opened:
        opened.ingest(tmp_path / "chats.jsonl", "chats")
        yield opened


def test_ifd_compares_with_the_same_tokens_after_nothing(bench: Workbench, tiny_model: Path) -> None:
    settings = make_settings(tiny_model, ifd=True)
    run = bench.score("chats", settings).run
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_model), AutoTokenizer.from_pretrained(tiny_model)
    rows = bench.runs.scores(run).to_pylist()
    assert rows[23]["nll_alone"] is None
    for row in (0, 9):
        shown = bench.render("chats", row, settings.scoring)
        response = [t for t, scored in zip(shown.input_ids, shown.response_mask, strict=True) if scored]
        ids = [tokenizer.bos_token_id, *response]
        truth = oracles.score_one(model, ids, [0] + [1] * len(response))["nll"]
        assert rows[row]["nll_alone"] == pytest.approx(truth, abs=1e-5)
        assert rows[row]["ifd_loss_ratio"] == pytest.approx(rows[row]["nll"] / truth)
        assert rows[row]["ifd_perplexity_ratio"] == pytest.approx(np.exp(rows[row]["nll"]) / np.exp(truth), rel=1e-5)


def test_without_ifd_its_columns_are_empty(scored: Scored, workspace: Path) -> None:
    with Workbench(workspace) as bench:
        assert all(row["ifd_loss_ratio"] is None for row in bench.runs.scores(scored.report["run"]).to_pylist())


def test_the_tokens_of_a_row_are_those_that_were_scored(scored: Scored, workspace: Path) -> None:
    with Workbench(workspace) as bench:
        run = scored.report["run"]
        rows = bench.runs.scores(run).to_pylist()
        for row in (0, 8, 22):
            tokens = bench.token_scores(run, row)
            assert len(tokens.nll) == rows[row]["response_tokens"]
            assert np.mean(tokens.nll) == pytest.approx(rows[row]["nll"], rel=1e-3)
            assert np.mean(tokens.gini) == pytest.approx(rows[row]["gini"], rel=1e-3)
            assert tokens.calibrated is not None
            assert np.mean(tokens.calibrated["entropy"]) == pytest.approx(rows[row]["entropy_calibrated"], rel=1e-3)
        for missing in (23, 24):
            with pytest.raises(BadInput, match=f"Row {missing} has no scores"):
                bench.token_scores(run, missing)


def test_an_adapter_scores_as_the_model_it_would_be_merged_into(bench: Workbench, tiny_model: Path) -> None:
    from peft import PeftModel

    calibration = CalibrationSettings(method="lora", epochs=2, learning_rate=0.05, share=0.5)
    settings = make_settings(tiny_model, calibration)
    run = bench.score("chats", settings).run
    folder = bench.folder.run(run).calibrated_model
    assert not (folder / "model.safetensors").exists()
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    merged = PeftModel.from_pretrained(base, folder).merge_and_unload().eval()
    rows = bench.runs.scores(run).to_pylist()
    assert max(abs(row["delta_nll"]) for row in rows[:23]) > 1e-2
    for row in (0, 9):
        shown = bench.render("chats", row, settings.scoring)
        truth = oracles.score_one(merged, shown.input_ids, shown.response_mask)
        assert rows[row]["nll_calibrated"] == pytest.approx(truth["nll"], abs=1e-4)
        assert rows[row]["entropy_calibrated"] == pytest.approx(truth["entropy"], abs=1e-4)


def test_a_later_round_tunes_on_what_the_papers_rule_selects_by_the_round_before(
    bench: Workbench, tiny_model: Path
) -> None:
    calibration = CalibrationSettings(iterations=2, share=0.5, keep=0.25, gamma=0.1, epochs=1, learning_rate=0.02)
    run = bench.score("chats", make_settings(tiny_model, calibration)).run
    files: RunFolder = bench.folder.run(run)
    first, second = (read_columns(folder) for folder in (files.base, files.round(1, 2).shards))
    scored = np.flatnonzero(~np.isnan(first["nll"]))
    delta_nll = (second["nll"] - first["nll"])[scored]
    delta_entropy = (first["entropy"] - second["entropy"])[scored]
    count = round(0.25 * len(scored))
    expected = oracles.instructdiff_paper_rule(delta_nll.tolist(), delta_entropy.tolist(), 0.1, count)
    chosen = json.loads(files.round(2, 2).rows.read_text())
    assert chosen == sorted(int(scored[i]) for i in expected)
    assert len(json.loads(files.round(1, 2).rows.read_text())) == 12
    last = read_columns(files.calibrated)
    assert np.nanmax(np.abs(last["nll"] - second["nll"])) > 1e-4
    assert not files.round(1, 2).model.exists()
    assert len(bench.learning_curve(run)) == 1


def read_columns(folder: Path) -> dict[str, np.ndarray]:
    shards = [read_scores(path) for path in list_shards(folder)]
    return {name: np.concatenate([getattr(shard, name) for shard in shards]) for name in ("nll", "entropy")}


def test_a_round_that_may_keep_more_than_the_filter_leaves_keeps_what_is_left(
    bench: Workbench, tiny_model: Path
) -> None:
    calibration = CalibrationSettings(iterations=2, share=0.5, keep=1.0, gamma=0.25, epochs=1)
    bench.ingest(write_chats(bench.folder.path.parent / "few.jsonl", 8), "few")
    run = bench.score("few", make_settings(tiny_model, calibration)).run
    assert [(of.number, of.examples) for of in bench.rounds(run)] == [(1, 4), (2, 4)]


def test_a_round_that_selects_nothing_says_so(bench: Workbench, tiny_model: Path) -> None:
    calibration = CalibrationSettings(iterations=2, share=0.5, gamma=0.499, epochs=1)
    settings = make_settings(tiny_model, calibration)
    bench.ingest(write_chats(bench.folder.path.parent / "few.jsonl", 4), "few")
    with pytest.raises(JobFailed, match=r"instructdiff leaves 0 examples to choose from"):
        bench.score("few", settings)


def test_an_adapter_made_by_one_run_can_be_named_for_another(bench: Workbench, tiny_model: Path) -> None:
    calibration = CalibrationSettings(method="lora", epochs=1, learning_rate=0.05)
    first = bench.score("chats", make_settings(tiny_model, calibration)).run
    adapter = str(bench.folder.run(first).calibrated_model)
    second = bench.score("chats", make_settings(tiny_model).model_copy(update={"calibrated_model": adapter})).run
    rows = [bench.runs.scores(run).to_pylist() for run in (first, second)]
    assert [row["delta_nll"] for row in rows[0]] == [row["delta_nll"] for row in rows[1]]
    assert rows[0][0]["delta_nll"] != 0


def test_no_example_is_longer_than_either_model_of_a_pair_has_positions(
    bench: Workbench, tiny_model: Path, tmp_path: Path
) -> None:
    short = Path(shutil.copytree(tiny_model, tmp_path / "short"))
    config = json.loads((short / "config.json").read_text())
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 24}))
    settings = make_settings(tiny_model).model_copy(update={"calibrated_model": str(short)})
    rows = bench.runs.scores(bench.score("chats", settings).run).to_pylist()
    assert max(row["prompt_tokens"] + row["response_tokens"] for row in rows if row["nll"]) == 24
    assert any(row["truncated"] for row in rows)


def test_two_models_of_different_vocabularies_are_no_pair(bench: Workbench, tiny_model: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(tiny_model, tmp_path / "other"))
    tokenizer = AutoTokenizer.from_pretrained(other)
    tokenizer.add_tokens(["owl"])
    tokenizer.save_pretrained(other)
    settings = make_settings(tiny_model).model_copy(update={"calibrated_model": str(other)})
    with pytest.raises(JobFailed, match=r"different vocabularies \(260 and 261 tokens\); a pair must be of one family"):
        bench.score("chats", settings)


def test_a_pair_of_models_is_compared_without_calibrating(bench: Workbench, tiny_model: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        model.get_output_embeddings().weight.add_(torch.randn(300, 32) * 0.05)
    model.save_pretrained(tmp_path / "tuned")
    AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "tuned")
    settings = make_settings(tiny_model).model_copy(update={"calibrated_model": str(tmp_path / "tuned")})
    rows = bench.runs.scores(bench.score("chats", settings).run).to_pylist()
    shown = bench.render("chats", 0, settings.scoring)
    truth = oracles.score_one(model, shown.input_ids, shown.response_mask)["nll"]
    assert rows[0]["nll_calibrated"] == pytest.approx(truth, abs=1e-5)


def test_without_a_compiler_a_run_says_so_and_goes_on(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    write_chats(tmp_path / "chats.jsonl", 6)
    core_json(tmp_path / "workspace", "ingest", str(tmp_path / "chats.jsonl"), "--name", "chats")
    words = ("score", "chats", "--model", str(tiny_model), "--no-calibration", "--set", "compile=always", "--json")
    done = run_core_apart(tmp_path / "workspace", *words)
    assert json.loads(done.stdout)["scored"] == 6
    assert "Not compiled, so slower: " in done.stderr


def test_alpacas_input_has_its_own_heading_in_alpacas_template_only(tmp_path: Path, tiny_model: Path) -> None:
    row = {"instruction": "Add.", "input": "2 and 2", "output": "4"}
    (tmp_path / "sums.jsonl").write_text(json.dumps(row) + "\n")
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(tmp_path / "sums.jsonl", "sums", IngestSettings())
        alpaca = RunSettings(scoring=ScoringSettings(model=str(tiny_model), template="alpaca"), calibration=None)
        assert "### Input:\n2 and 2\n\n### Response:4" in bench.render("sums", 0, alpaca.scoring).text
        assert "Input" not in bench.render("sums", 0, make_settings(tiny_model).scoring).text
        run = bench.score("sums", alpaca).run
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        shown = bench.render("sums", 0, alpaca.scoring)
        truth = oracles.score_one(model, shown.input_ids, shown.response_mask)["nll"]
        assert bench.runs.scores(run).to_pylist()[0]["nll"] == pytest.approx(truth, abs=1e-5)


def test_what_a_run_is_named_by_leaves_nothing_to_the_device(bench: Workbench, tiny_model: Path) -> None:
    automatic = bench.score("chats", make_settings(tiny_model)).run
    spelled = make_settings(
        tiny_model, dtype="float32", device="cpu", template="chat", batch_tokens=4096, shard_rows=64
    )
    assert bench.score("chats", spelled).run == automatic
    assert bench.score("chats", make_settings(tiny_model, dtype="bfloat16")).run != automatic
    assert bench.score("chats", make_settings(tiny_model, template="plain")).run != automatic
    recorded = json.loads(bench.folder.run(automatic).settings.read_text())
    assert (recorded["settings"]["scoring"]["device"], recorded["settings"]["scoring"]["dtype"]) == ("cpu", "float32")
    assert recorded["template"].startswith("chat:")


def test_any_gpu_of_a_machine_makes_the_same_run(tiny_model: Path) -> None:
    first, second = (make_settings(tiny_model, device=f"cuda:{number}") for number in (0, 1))
    assert first != second
    assert _without_device_number(first) == _without_device_number(second)


def test_features_are_kept_once(scored: Scored) -> None:
    folder = RunFolder(scored.workspace / "runs" / scored.report["run"])
    assert folder.arrays.is_dir()
    assert not folder.features.exists()


def test_a_model_that_changed_since_its_run_was_made_is_refused(scored: Scored, tmp_path: Path) -> None:
    model = Path(shutil.copytree(scored.model, tmp_path / "model"))
    settings = RunSettings(scoring=ScoringSettings(model=str(model)), calibration=None)
    files = RunFolder(tmp_path / "run")
    files.path.mkdir()
    files.settings.write_text(json.dumps({"model_identity": run_identity(settings)}))
    assert pin_models(settings, files) == settings
    (model / "model.bin").write_bytes(b"other weights")
    with pytest.raises(BadInput, match="score again, which makes a new run"):
        pin_models(settings, files)
