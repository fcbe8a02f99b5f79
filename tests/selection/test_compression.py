"""ZIP takes what compressing every set from its beginning takes."""

import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.selection.criteria.compression import CRITERIA, Compressed
from core.selection.ranking import Ordered
from core.selection.room import Groups, Room
from tests import oracles
from tests.selection.pools import make_pool

ZIP = CRITERIA[0]
sentences = st.lists(st.sampled_from(["ab", "abab ", "the cat ", "é", "xyz", "0123456789"]), max_size=8).map("".join)


def order(texts: Sequence[str], count: int, pinned: tuple[int, ...] = (), room: Room | None = None, **k) -> Ordered:
    pool = make_pool(np.random.default_rng(0), len(texts), 2, pinned=pinned, read_texts=lambda: texts)
    room = room or Room(np.ones(len(pool.candidates), np.int64), count)
    return ZIP.rank(pool, room, ZIP.settings(**k), 0)


def rows(texts: Sequence[str], count: int, pinned: tuple[int, ...] = (), **k) -> list[int]:
    return order(texts, count, pinned, **k).rankings[0].rows.tolist()


def random_texts(count: int, length: int = 60) -> list[str]:
    generator = np.random.default_rng(3)
    words = ["".join(generator.choice(list("abcdefghij"), 5)) for _ in range(80)]
    return [" ".join(generator.choice(words, generator.integers(1, length))) for _ in range(count)]


@given(
    st.lists(sentences, min_size=1, max_size=14),
    st.integers(1, 20),
    st.integers(1, 6),
    st.integers(1, 4),
    st.booleans(),
)
def test_zip_takes_what_compression_from_scratch_takes(texts, k1: int, k2: int, k3: int, has_pin: bool) -> None:
    pinned = (0,) if has_pin else ()
    count = len(texts) - len(pinned)
    assert rows(texts, count, pinned, k1=k1, k2=k2, k3=k3) == oracles.zip_order(texts, pinned, (k1, k2, k3), count)


def test_zip_takes_what_compression_from_scratch_takes_of_longer_texts() -> None:
    texts = random_texts(60)
    assert rows(texts, 25, k1=40, k2=12, k3=5) == oracles.zip_order(texts, (), (40, 12, 5), 25)


def test_a_text_compressed_piece_by_piece_is_as_long_as_at_once_beyond_zlibs_window() -> None:
    texts = [*random_texts(200, 300), "", "ü" * 70_000, np.random.default_rng(0).bytes(60_000).hex(), *random_texts(9)]
    so_far, joined = Compressed(), ""
    for i, text in enumerate(texts):
        whole = joined + "\n" + text if i else text
        if i % 30 == 0 or i >= 200:
            assert so_far.ratio_with(text.encode()) == len(whole.encode()) / len(zlib.compress(whole.encode()))
        so_far.append(text.encode())
        joined = whole
    assert len(joined.encode()) > 10 * 2**15


def test_smaller_budgets_are_prefixes_and_the_order_ends_where_the_room_is_paid() -> None:
    texts = random_texts(40)
    whole = order(texts, 40, k1=30, k2=10, k3=4)
    assert whole.is_complete and sorted(whole.rankings[0].rows.tolist()) == list(range(40))
    for count in (1, 6, 20):
        shorter = order(texts, count, k1=30, k2=10, k3=4)
        assert shorter.rankings[0].rows.tolist() == whole.rankings[0].rows[:count].tolist()
        assert not shorter.is_complete


def test_what_repeats_a_pin_comes_last() -> None:
    said = "The quick brown fox jumps over the lazy dog, and nobody minds."
    other = "Seventeen violins were packed by hand; five of them had no strings."
    assert rows([said, said, other], 2, pinned=(0,), k2=1) == [2, 1]


def test_of_equal_and_of_empty_texts_the_lowest_rows_come_first() -> None:
    assert rows(["same words"] * 5, 5) == [0, 1, 2, 3, 4]
    assert rows([""] * 5, 5) == [0, 1, 2, 3, 4]
    assert rows([""], 1) == [0]


def test_a_text_that_is_no_valid_unicode_is_compressed_too() -> None:
    assert sorted(rows(["a\ud800b", "plain"], 2)) == [0, 1]


def test_quotas_are_kept_while_searching() -> None:
    codes = np.arange(30) % 3
    room = Room(np.ones(30, np.int64), 12, Groups(codes, np.array([0, 0, 6]), np.array([2, 30, 30])))
    found = order(random_texts(30), 12, room=room, k1=20, k2=8, k3=4).rankings[0].rows
    counts = np.bincount(codes[found], minlength=3)
    assert len(found) == 12 and counts[0] <= 2 and counts[2] >= 6


def test_without_texts_it_says_what_it_needs() -> None:
    with pytest.raises(BadInput, match="texts"):
        ZIP.check_needs(make_pool(np.random.default_rng(0), 3, 2))
