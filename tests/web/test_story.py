"""An example's story says in plain sentences what the ledger holds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.choices import Cover, LeftOut, Outcome, Pick, SelectionRow
from core.web.cut import Cut
from core.web.example.ranked import rank_scores
from core.web.example.story import ordinal, tell_story
from core.web.example.walking import ALL, LEFT, ORDER, Walk, walk_rows
from core.web.scores import SCORES
from core.workbench.lensing import Facts

SELECTION = SelectionRow(
    "s", "r", "d", "fisher", "747", 0, {"quotas": []}, 747, 98_400, 812.0, {}, curve={"reach": 1494, "unit": "examples"}
)
PICK = Pick(41, 1204, 3.2, 8.9, 101.0, 152, "largest information gain left")
COVERS = [(17, Cover(88, 0.4)), (112, Cover(9, 0.58))]
PICKED = Facts(1204, SELECTION, PICK, None, None, COVERS, 41, 747, is_tried=False, standing="")
OVER = Outcome(1204, "budget", enters=812)
LEFT_OUT = replace(PICKED, pick=None, outcome=OVER, left=LeftOut(1204, 0.3, 3.0), shown=None)


def test_a_picks_story_tells_gain_price_a_token_and_who_covers_it() -> None:
    story = tell_story(PICKED)
    assert story.headline == "Picked 41st of 747 examples: largest information gain left."
    assert story.sentences == [
        "Gained 3.20 nats, 0.0211 a token.",
        "Alone it would bring 8.90 nats; the picks before it already held 64 % of that.",
        "#17 alone covers 40 % of it, with #112 58 %.",
    ]
    assert [(other.row, other.name) for other in story.mentioned] == [(88, "#17, row 88"), (9, "#112, row 9")]


def test_the_story_of_one_left_out_tells_when_it_would_enter() -> None:
    story = tell_story(LEFT_OUT)
    assert story.headline == "Left out: would enter at 812 examples."
    assert story.sentences[0] == "It would add 0.300 nats now, alone 3.00: the selection already holds 90 % of it."


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome(3, "banned"), "Left out: banned."),
        (Outcome(3, "unscorable", "the response has no tokens"), "could not be scored: the response has no tokens."),
        (Outcome(3, "repeat", "near", other=1500), "near-duplicate of row 1,500: near."),
        (Outcome(3, "quota", "topic=food"), "the quota of topic=food is full"),
        (Outcome(3, "filter", "ΔNLL is outside the band"), "Left out: ΔNLL is outside the band."),
        (Outcome(3, "budget"), "would enter beyond 1,494 examples"),
        (None, "made by an older version"),
    ],
)
def test_every_gate_has_its_words(outcome: Outcome | None, words: str) -> None:
    story = tell_story(replace(LEFT_OUT, outcome=outcome, left=None, covers=[]))
    assert words in story.headline
    assert story.sentences == []
    assert [other.row for other in story.mentioned] == ([1500] if outcome and outcome.other else [])


def test_a_pin_says_that_nobody_searched_for_it() -> None:
    first = replace(PICK, rank=1, gain=8.9, reason="pinned")
    story = tell_story(replace(PICKED, pick=first, covers=[], shown=1))
    assert story.headline == "Pinned, so it is in: 1st of 747 examples."
    assert story.sentences[1] == "Alone it would bring 8.90 nats."


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            replace(PICKED, is_tried=True, shown=None, examples=20),
            "With the budget that is tried, 20 examples, it is out.",
        ),
        (
            replace(LEFT_OUT, is_tried=True, shown=812, examples=900),
            "With the budget that is tried, 900 examples, it is in: 812th.",
        ),
        (replace(LEFT_OUT, standing="pinned"), "It was pinned since: select again, and it is in."),
        (replace(PICKED, standing="banned"), "It was banned since: select again, and it is out."),
    ],
)
def test_a_tried_budget_and_later_decisions_are_told(facts: Facts, words: str) -> None:
    assert words in " ".join(tell_story(facts).sentences)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (112, "112th"), (1_021, "1,021st")],
)
def test_ordinals_are_english(number: int, text: str) -> None:
    assert ordinal(number) == text


def test_a_walk_goes_on_from_where_it_stands_and_ends_at_its_ends() -> None:
    rows = np.array([7, 3, 9])
    assert [Walk.at(rows, row).step(1) for row in (7, 3, 9, 5)] == [3, 9, None, 7]
    assert [Walk.at(rows, row).step(-1) for row in (7, 3, 9, 5)] == [None, 7, 3, None]
    assert Walk.at(rows, 3).tell() == "2 of 3"
    assert Walk.at(rows, 5).tell() == "Not among these 3"


def test_what_is_left_out_is_walked_by_entry_also_under_another_budget() -> None:
    entering = np.array([4, 0, 2])  # of five rows; 1 and 3 are selected
    stored = Cut(SELECTION, np.array([3, 1]), 9, 1.0, is_exact=True, is_tried=False)
    smaller, larger = replace(stored, rows=np.array([3])), replace(stored, rows=np.array([3, 1, 4]))
    assert walk_rows(ORDER, 5, stored, None).tolist() == [3, 1]
    assert walk_rows(LEFT, 5, stored, entering).tolist() == [4, 0, 2]
    assert walk_rows(LEFT, 5, smaller, entering).tolist() == [1, 4, 0, 2]
    assert walk_rows(LEFT, 5, larger, entering).tolist() == [0, 2]
    assert walk_rows(ALL, 5, stored, None).tolist() == walk_rows(ORDER, 5, None, None).tolist() == [0, 1, 2, 3, 4]


def test_places_among_all_are_counted_one_by_one() -> None:
    generator = np.random.default_rng(1)
    frame = pd.DataFrame({name: generator.integers(0, 9, 50).astype(float) for name in SCORES})
    frame.loc[[3, 8], "nll"] = np.nan
    frame["delta_nll"] = np.nan
    ordered = {name: np.sort(frame[name].dropna().to_numpy()) for name in SCORES}
    for row in range(50):
        lines = {line.title: line for line in rank_scores(frame, ordered, row)}
        assert ("NLL" in lines) == (row not in (3, 8))
        assert "ΔNLL" not in lines
        value, others = frame["entropy"][row], frame["entropy"].tolist()
        line = lines["Entropy H"]
        assert line.below == pytest.approx(sum(other < value for other in others) / 50)
        assert (line.words == "the highest") == (value == max(others))
        assert (line.words == "the lowest") == (value == min(others))
