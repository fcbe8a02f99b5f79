"""What is set aside for a proof is drawn by content, in each stratum, with all that repeats it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.heldout import draw_held_out
from core.settings import HeldOutSettings


def ids(count: int) -> list[str]:
    return [f"id{i}" for i in range(count)]


@given(st.lists(st.integers(0, 12), min_size=4, max_size=80), st.integers(0, 5), st.sampled_from([0.1, 0.25, 0.5]))
def test_repeats_go_together_and_one_of_each_group_is_measured(texts: list[int], seed: int, share: float) -> None:
    codes, settings = np.array(texts), HeldOutSettings(share=share, seed=seed)
    distinct = len(set(texts))
    if not 0 < round(share * distinct) < distinct:
        with pytest.raises(BadInput, match="distinct examples"):
            draw_held_out(ids(len(texts)), codes, np.zeros(len(texts), int), settings)
        return
    found = draw_held_out(ids(len(texts)), codes, np.zeros(len(texts), int), settings)
    out = set(codes[found.rows].tolist())
    assert set(codes[np.setdiff1d(np.arange(len(texts)), found.rows)].tolist()).isdisjoint(out)
    assert sorted(codes[found.measured].tolist()) == sorted(out)
    assert len(out) == round(share * distinct)


@given(st.lists(st.integers(0, 4), min_size=20, max_size=200), st.integers(0, 3))
def test_each_stratum_gives_its_share_to_within_one(strata: list[int], seed: int) -> None:
    codes, count = np.array(strata), len(strata)
    found = draw_held_out(ids(count), np.arange(count), codes, HeldOutSettings(share=0.2, seed=seed))
    for stratum in set(strata):
        exact = 0.2 * (codes == stratum).sum()
        assert abs((codes[found.rows] == stratum).sum() - exact) <= 1


def test_the_draw_is_the_same_whatever_else_the_dataset_is_sorted_by() -> None:
    settings, names = HeldOutSettings(share=0.3, seed=7), ids(50)
    flat = np.zeros(50, int)
    there = {names[row] for row in draw_held_out(names, np.arange(50), flat, settings).rows}
    turned = names[::-1]
    assert {turned[row] for row in draw_held_out(turned, np.arange(50), flat, settings).rows} == there
    others = draw_held_out(names, np.arange(50), flat, settings.model_copy(update={"seed": 8})).rows
    assert {names[row] for row in others} != there


def test_the_first_of_what_is_measured_are_spread_over_the_rows() -> None:
    found = draw_held_out(ids(2000), np.arange(2000), np.zeros(2000, int), HeldOutSettings(share=0.2))
    assert abs(found.measured[:100].mean() - 1000) < 231  # four standard errors of a uniform draw
