"""The card says in words how the subset was made, is what the hub reads, and takes nobody's words for Markdown."""

import pytest
import yaml
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from core.data.card import CardFacts, escape_markdown, make_card
from tests.data.test_lock import make_lock

FACTS = CardFacts(
    goal="Cover what the model can learn",
    source="FisherSFT, arXiv 2505.14826",
    options=[("ridge", "1.0", "λ of V = λI + Σ FᵀF.")],
    measures=[("information", 1.5, 0.5, 1.0), ("mix", 0.1, 0.0, 0.2)],
    is_distinguishable=True,
    at_least=0.987,
    quarantined=[("turn 1: unknown role 'a secret'", 1)],
    left_out=[("budget", 4), ("banned", 1)],
)
NASTY = "](x) <script>alert(1)</script> | `a` *b* _c_ # d ![e](http://f) \\\n# heading"


def words(card: str) -> str:
    """What a reader of the rendered card sees."""
    tokens = MarkdownIt("commonmark").enable("table").parse(card.split("---\n", 2)[2])
    return "\n".join("".join(child.content for child in token.children or []) for token in tokens if token.children)


def test_the_front_matter_is_what_the_hub_reads() -> None:
    card = DatasetCard(make_card(make_lock(), FACTS))
    assert card.data.size_categories == ["n<1K"]
    assert "license" not in card.data.to_dict()
    configs = yaml.safe_load(card.content.split("---\n")[1])["configs"]
    assert configs == [{"config_name": "default", "data_files": [{"split": "train", "path": "sel.jsonl"}]}]


@pytest.mark.parametrize(
    ("examples", "size"), [(999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (2_000_000, "1M<n<10M")]
)
def test_the_size_is_the_hubs_word_for_it(examples: int, size: str) -> None:
    assert f"- {size}\n" in make_card(make_lock(export__examples=examples), FACTS)


def test_the_card_says_how_the_subset_was_made() -> None:
    told = words(make_card(make_lock(), FACTS))
    for part in (
        "2 examples with 9 response tokens, chosen from the 2 of chats",
        "3 rows, of which 2 were loaded and 1 quarantined",
        "turn 1: unknown role …",
        "weights in float32 on cpu",
        "Criterion fisher: Cover what the model can learn (FisherSFT, arXiv 2505.14826). The budget was 2 examples",
        "Jaccard similarity of at least 0.8",
        "topic=0<=1",
        "at least 98.7 % of the best possible",
        "the selection can be told from them",
        "Pinned: 1. Banned: 0. Decided by ann",
        "over the budget",
        "sel.lock.json holds the hashes",
    ):
        assert part in told
    assert "\n    python -m core replay sel.lock.json -o again.jsonl\n" in make_card(make_lock(), FACTS)
    assert "secret" not in told
    assert "so" not in [line.strip() for line in told.splitlines()]  # why somebody decided stays in the lock


@pytest.mark.parametrize("budget", ["500", "12.5%", "20000tok"])
def test_a_budget_is_told_in_its_unit(budget: str) -> None:
    told = {"500": "500 examples", "12.5%": "12.5 % of the examples", "20000tok": "20,000 response tokens"}
    assert told[budget] in words(make_card(make_lock(selection__budget=budget), FACTS))


def test_what_users_named_is_no_markdown() -> None:
    lock = make_lock(
        dataset__name=NASTY,
        dataset__source=NASTY,
        scoring__settings={"scoring": {"model": f"/home/me/{NASTY}", "dtype": "float32"}, "calibration": None},
        selection__quotas=[NASTY],
        selection__decisions=[{"kind": "pin", "example_id": "x", "row": 0, "who": NASTY, "when": "", "why": NASTY}],
        versions={"gleaner": NASTY},
        target={"dataset": make_lock(dataset__name=NASTY).dataset, "scoring": make_lock().scoring},
    )
    card = make_card(lock, FACTS)
    body = card.split("---\n", 2)[2]
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(body)
    for mark in ("<script", "<img", "<em>", "<a "):
        assert mark not in html
    assert html.count("<h1>") == 1
    assert html.count("<h2>") == 7
    assert "/home/me" not in card
    assert " ".join(NASTY.split()) in words(card)
    assert yaml.safe_load(card.split("---\n")[1])["pretty_name"].startswith("](x) <script>")


def test_a_path_of_the_machine_is_named_without_its_folders() -> None:
    for source in ("/home/ann/secret/chats.jsonl", "~/secret/chats.jsonl", "C:\\secret\\chats.jsonl"):
        card = make_card(make_lock(dataset__source=source), FACTS)
        assert "secret" not in card
        assert "Read from chats.jsonl as" in words(card)
    assert "Read from owner/name as" in words(make_card(make_lock(dataset__source="owner/name"), FACTS))


def test_a_file_name_in_the_command_is_quoted_for_the_shell() -> None:
    files = [{"name": "a `b` $(c).jsonl", "role": "data", "sha256": "", "bytes": 0}]
    card = make_card(make_lock(export__files=files), FACTS)
    assert "\n    python -m core replay 'a `b` $(c).lock.json' -o again.jsonl\n" in card


def test_escaping_keeps_every_character_and_no_line_break() -> None:
    assert escape_markdown("a*b\n\n# c") == "a\\*b \\# c"
