"""Does a model reach the right final answer? For rows whose response ends in `#### value`, as GSM8K's do.

The model continues the prompt greedily. Its answer is right where the value behind its first `####` is the row's own,
but for blanks, thousands separators, a currency sign and a full stop (GSM8K's exact match, Cobbe et al., arXiv
2110.14168).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from core.records import Example, Rendered
from core.scoring.models import LoadedModel

FINAL = re.compile(r"####[ \t]*([^\n#]+)")
LONGEST_ANSWER = 60
"""Characters; a longer one is no short final answer."""
AT_ONCE = {"cpu": 16, "cuda": 64}


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out example, by its `position` among them: the prompt's tokens and the final answer. The model may write
    at least `room` tokens, twice those of the row's own response; others in its batch may have more."""

    position: int
    prompt: list[int]
    answer: str
    room: int


def find_questions(examples: Sequence[Example], rendered: Sequence[Rendered]) -> list[Question]:
    """Of the examples those whose last turn ends in a short final answer."""
    found = []
    for position, (example, shown) in enumerate(zip(examples, rendered, strict=True)):
        answer = _own_answer(example)
        if answer is None or shown.unscorable_reason or shown.truncated:
            continue
        start = len(shown.response_mask) - shown.response_mask[::-1].index(0, shown.response_mask[::-1].index(1))
        found.append(Question(position, shown.input_ids[:start], answer, 2 * (len(shown.input_ids) - start)))
    return found


def _own_answer(example: Example) -> str | None:
    """The value that an example's last turn ends in; None where it ends otherwise, as a heading does."""
    last = str(example.messages[-1].get("content") or "").rstrip() if example.messages else ""
    return final_answer(last.rpartition("\n")[2])


def final_answer(text: str) -> str | None:
    """The value behind the first `####`, in its plain form; None where there is none."""
    found = FINAL.search(text)
    if found is None or len(found[1]) > LONGEST_ANSWER:
        return None
    return re.sub(r"[\s,$]", "", found[1]).rstrip(".").casefold() or None


@torch.inference_mode()
def answer_questions(
    model: LoadedModel, tokenizer: Any, questions: Sequence[Question], check: Callable[[], None]
) -> list[bool]:
    """Whether the model answers each question right. `check` is called before each batch and may raise to cancel."""
    at_once = AT_ONCE.get(model.device.type, AT_ONCE["cuda"])
    right = [False] * len(questions)
    by_length = sorted(range(len(questions)), key=lambda i: len(questions[i].prompt))
    for start in range(0, len(by_length), at_once):
        check()
        batch = by_length[start : start + at_once]
        written = _continue(model, tokenizer, [questions[i] for i in batch])
        for i, text in zip(batch, written, strict=True):
            right[i] = final_answer(text) == questions[i].answer
    return right


def _continue(model: LoadedModel, tokenizer: Any, questions: Sequence[Question]) -> list[str]:
    """What the model writes after each prompt; the padding stands left, where the prompts begin."""
    longest = max(len(question.prompt) for question in questions)
    pad = next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None)
    ids = torch.full((len(questions), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, question in enumerate(questions):
        ids[row, longest - len(question.prompt) :] = torch.tensor(question.prompt)
        mask[row, longest - len(question.prompt) :] = 1
    written = model.model.generate(
        input_ids=ids.to(model.device),
        attention_mask=mask.to(model.device),
        max_new_tokens=max(question.room for question in questions),
        do_sample=False,
        pad_token_id=pad,
    )
    return [tokenizer.decode(row, skip_special_tokens=True) for row in written[:, longest:]]
