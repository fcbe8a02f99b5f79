"""A proof's fine-tune takes the steps that were planned, and they are those of a plain training loop."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM
from trl.trainer import utils

from core.records import Example, Rendered
from core.scoring import training, tuning
from core.scoring.answers import answer_questions, final_answer, find_questions
from core.scoring.models import LoadedModel, load_model, load_tokenizer
from core.scoring.rendering import Renderer
from core.scoring.scorer import Scorer
from core.scoring.tuning import curve_points, fine_tune, plan_steps, split_by_tokens, split_to_fit
from core.settings import ProofSettings, ScoringSettings
from tests.oracles.proving import tune_by_hand


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60), st.integers(1, 60))
def test_parts_are_consecutive_full_and_about_equal(tokens: list[int], parts: int) -> None:
    parts = min(parts, len(tokens))
    found = split_by_tokens(np.array(tokens), parts)
    assert np.concatenate(found).tolist() == list(range(len(tokens)))
    assert len(found) == parts
    assert all(len(part) for part in found)


@given(st.integers(2, 30), st.integers(0, 5))
def test_parts_of_like_examples_differ_by_one_example(parts: int, seed: int) -> None:
    tokens = np.random.default_rng(seed).integers(20, 30, 10 * parts)
    sums = [int(tokens[part].sum()) for part in split_by_tokens(tokens, parts)]
    assert max(abs(total - tokens.sum() / parts) for total in sums) <= 30


def test_every_epoch_trains_on_every_example_once_in_an_order_of_its_own() -> None:
    steps = plan_steps(np.full(12, 10), 4, 3, seed=1)
    assert len(steps) == 12
    epochs = [np.concatenate(steps[i : i + 4]) for i in (0, 4, 8)]
    assert all(sorted(epoch.tolist()) == list(range(12)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_curve_is_measured_evenly_and_at_the_end() -> None:
    assert curve_points(12, 4) == [3, 6, 9, 12]
    assert curve_points(2, 5) == [1, 2]
    assert curve_points(7, 1) == [7]


def make_batches(tiny_model: Path, count: int) -> list[list[Rendered]]:
    settings = ScoringSettings(model=str(tiny_model))
    renderer = Renderer(load_tokenizer(settings, tiny_model), settings)
    chats = [
        [{"role": "user", "content": f"say {i}"}, {"role": "assistant", "content": f"{'owl ' * (1 + i % 3)}{i}"}]
        for i in range(3 * count)
    ]
    return [[renderer.render(chat) for chat in chats[3 * i : 3 * i + 3]] for i in range(count)]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(1, 200))
def test_a_steps_parts_hold_every_example_and_fit(lengths: list[int], positions: int) -> None:
    batch = [Rendered(str(i), [1] * length, [1] * length, False) for i, length in enumerate(lengths)]
    parts = split_to_fit(batch, positions)
    assert sorted(id(example) for part in parts for example in part) == sorted(map(id, batch))
    for part in parts:
        assert len(part) == 1 or len(part) * max(len(example.input_ids) for example in part) <= positions
    if len(batch) * max(lengths) <= positions:
        assert len(parts) == 1


@pytest.mark.parametrize("positions", [8192, 60, 1])
def test_the_steps_are_those_of_a_plain_loop_in_as_many_parts_as_fit(
    positions: int, tiny_model: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tuning.POSITIONS_AT_ONCE, "cpu", positions)
    batches = [batch[: 3 - (i == 2)] for i, batch in enumerate(make_batches(tiny_model, 6))]
    assert len(split_to_fit(batches[0], positions)) == {8192: 1, 60: 2, 1: 3}[positions]
    settings = ProofSettings(dtype="float32", learning_rate=3e-3, points=2)
    measured: list[tuple[int, float]] = []

    def measure(step: int, model: LoadedModel) -> None:
        scored = Scorer(model, scoring, with_features=False).score(batches[0])
        measured.append((step, float(np.mean([scores.nll for scores, _ in scored]))))

    scoring = ScoringSettings(model=str(tiny_model), device="cpu")
    reported: list[tuple[int, int]] = []
    report = lambda step, steps: reported.append((step, steps))  # noqa: E731
    losses = fine_tune(batches, scoring, settings, 0, models_folder, measure, report)

    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32)
    by_hand = tune_by_hand(model, [[(e.input_ids, e.response_mask) for e in batch] for batch in batches], 3e-3)
    np.testing.assert_allclose(losses, by_hand, atol=2e-4)
    assert losses[-1] < losses[0]
    assert reported == [(step, 6) for step in range(1, 7)]
    assert [step for step, _ in measured] == [3, 6]
    after = Scorer(LoadedModel.of(model.eval(), torch.device("cpu")), scoring, with_features=False).score(batches[0])
    assert measured[-1][1] == pytest.approx(float(np.mean([scores.nll for scores, _ in after])), abs=1e-3)


@pytest.mark.parametrize(("method", "dtype"), [("lora", "bfloat16"), ("full", "bfloat16"), ("lora", "float32")])
def test_each_method_learns_and_leaves_the_model_on_disk_alone(
    method: str, dtype: str, tiny_model: Path, models_folder: Path
) -> None:
    batches = make_batches(tiny_model, 4) * 3
    scoring = ScoringSettings(model=str(tiny_model), device="cpu")
    settings = ProofSettings.checked(method=method, dtype=dtype, learning_rate=1e-2, points=1)
    found: list[float] = []

    def measure(_: int, model: LoadedModel) -> None:
        scored = Scorer(model, scoring, with_features=False).score(batches[1])
        found.append(float(np.mean([scores.nll for scores, _ in scored])))

    measure(0, load_model(scoring, models_folder))
    fine_tune(batches, scoring, settings, 1, models_folder, measure, lambda *_: None)
    measure(0, load_model(scoring, models_folder))
    assert found[1] < found[0] - 0.05
    assert found[2] == found[0]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_head_works_on_what_the_loss_counts_alone(
    tiny_model: Path, models_folder: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, head = list[int](), utils._ChunkedLogProbFunction

    class Head:
        @staticmethod
        def apply(hidden: torch.Tensor, *rest: object) -> object:
            seen.append(len(hidden))
            return head.apply(hidden, *rest)

    def tune() -> list[float]:
        scoring = ScoringSettings(model=str(tiny_model))
        settings = ProofSettings(dtype="float32", method=method)
        return fine_tune(batches, scoring, settings, 1, models_folder, lambda *_: None, lambda *_: None)

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", Head)
    batches = make_batches(tiny_model, 2)
    losses = tune()
    assert seen == [sum(sum(example.response_mask) for example in batch) for batch in batches]
    monkeypatch.setattr(training, "head_on_responses", contextlib.nullcontext)
    assert tune() == pytest.approx(losses, rel=1e-5)
    assert sum(seen[2:]) > 1.5 * sum(seen[:2])


def test_another_seed_is_another_fine_tune_and_the_same_seed_the_same(tiny_model: Path, models_folder: Path) -> None:
    scoring = ScoringSettings(model=str(tiny_model), device="cpu")
    settings = ProofSettings(method="lora", learning_rate=1e-2, points=1, dtype="float32")
    batches = make_batches(tiny_model, 3)
    losses = [
        fine_tune(batches, scoring, settings, s, models_folder, lambda *_: None, lambda *_: None) for s in (0, 0, 1)
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_final_answers_are_read_as_gsm8k_reads_them() -> None:
    assert final_answer("so 72\n#### 1,072") == "1072"
    assert final_answer("it is #### $4.50.\nand on, #### 3") == "4.50"
    assert final_answer("72") is None
    assert final_answer("#### " + "9" * 100) is None


class Parrot:
    """Writes the tokens that it is told to, whatever the prompt."""

    def __init__(self, answers: list[list[int]]) -> None:
        self.answers = answers

    def generate(self, input_ids: torch.Tensor, **_: object) -> torch.Tensor:
        longest = max(map(len, self.answers))
        written = [answer + [1] * (longest - len(answer)) for answer in self.answers[: len(input_ids)]]
        self.answers = self.answers[len(input_ids) :]
        return torch.cat([input_ids, torch.tensor(written)], dim=1)


def test_right_answers_are_counted(tiny_model: Path) -> None:
    settings = ScoringSettings(model=str(tiny_model))
    tokenizer = load_tokenizer(settings, tiny_model)
    renderer = Renderer(tokenizer, settings)
    chats = [
        [{"role": "user", "content": "a" * n}, {"role": "assistant", "content": f"it is {n}\n#### {n}"}] for n in (4, 9)
    ]
    for said in ("no final answer", "#### Step 1\nDo this.\n\n#### Step 2\nThen that.", "#### 5\nor so"):
        chats.append([{"role": "user", "content": "hi"}, {"role": "assistant", "content": said}])
    examples = [Example(str(i), i, "", 0, chat, "") for i, chat in enumerate(chats)]
    rendered = [renderer.render(chat) for chat in chats]
    questions = find_questions(examples, rendered)
    assert [(question.position, question.answer) for question in questions] == [(0, "4"), (1, "9")]
    assert tokenizer.decode(questions[0].prompt) == "<bos><user>aaaa<assistant>"
    parrot = Parrot([tokenizer("so\n#### 4.")["input_ids"], tokenizer("#### 8")["input_ids"]])
    model = LoadedModel(parrot, None, None, torch.device("cpu"))  # type: ignore[arg-type]
    assert answer_questions(model, tokenizer, questions, lambda: None) == [True, False]
