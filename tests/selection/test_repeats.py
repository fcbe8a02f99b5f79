"""Repeats are what comparing every pair finds: by text, by shingles, by whole determinants."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.selection import repeats
from core.selection.factors import Factors
from core.selection.repeats import exact_repeats, factor_repeats, near_repeats
from tests.oracles import copy_share, groups, log_det_information, shingle_similarity

VOCABULARY = [f"word{k}" for k in range(2_000)]
seeds = st.integers(0, 10_000)
ridges = st.sampled_from([1e-2, 1.0, 30.0])


def as_groups(codes: np.ndarray) -> list[int]:
    """Each row's group by its lowest row."""
    return [int(np.flatnonzero(codes == code)[0]) for code in codes]


def reordered(codes: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The codes of shuffled rows, back in their places."""
    back = np.empty_like(codes)
    back[order] = codes
    return back


def of(factors: list[np.ndarray], ridge: float, threshold: float, rows: np.ndarray | None = None) -> np.ndarray:
    """Codes of these factors; with at most eleven of them every pair is compared."""
    offsets = np.concatenate([[0], np.cumsum([len(F) for F in factors])])
    flat = np.concatenate(factors).astype(np.float32)
    features = np.stack([F.sum(axis=0) for F in factors]).astype(np.float32)
    rows = np.arange(len(factors)) if rows is None else rows
    return factor_repeats(Factors(flat, offsets), features, rows, ridge, threshold).codes


def draw_factors(seed: int, count: int, dimension: int = 5) -> list[np.ndarray]:
    """Factors of 0 to 4 rows, half of them a noisy copy of another's."""
    generator = np.random.default_rng(seed)
    factors = [generator.standard_normal((generator.integers(0, 5), dimension)) for _ in range(count)]
    for i in range(1, count, 2):
        F = factors[generator.integers(i)]
        factors[i] = F + 10.0 ** generator.uniform(-4, 0) * generator.standard_normal(F.shape)
    return [F.astype(np.float32) for F in factors]


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("Say  hello\n", " say hello", True),
        ("Ｆｕｌｌ　ｗｉｄｔｈ ﬁ", "full width fi", True),
        ("STRASSE", "Straße", True),
        ("", " \t", True),
        ("Say hello.", "Say hello", False),
        ("sayhello", "say hello", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_case_space_and_form_do_not_make_a_text_another(one: str, other: str, is_same: bool) -> None:
    codes = exact_repeats([one, "something else", other]).codes
    assert (codes[0] == codes[2]) == is_same
    assert codes[1] not in codes[[0, 2]]


@given(st.lists(st.text(alphabet="aA \n.", max_size=4), max_size=20))
def test_exact_groups_are_those_of_comparing_every_pair(texts: list[str]) -> None:
    plain = [text.lower().split() for text in texts]
    codes = exact_repeats(texts).codes
    assert codes.dtype == np.int64
    assert as_groups(codes) == groups(len(texts), lambda i, j: plain[i] == plain[j])


def test_near_groups_are_those_of_comparing_every_pair() -> None:
    generator = np.random.default_rng(0)
    texts = [generator.choice(VOCABULARY, 60).tolist() for _ in range(150)]
    for i in range(150):
        copy = list(texts[generator.integers(len(texts))])
        changed = [-1] if i % 3 else generator.integers(0, 60, 12)  # Jaccard 0.97, or below 0.7
        for place in changed:
            copy[place] = f"new{i}"
        texts.append(copy)
    similarity = np.array([[shingle_similarity(a, b, 3) for b in texts] for a in texts])
    assert not ((similarity > 0.7) & (similarity < 0.9)).any()
    found = near_repeats([" ".join(words) for words in texts], 0.8).codes
    assert as_groups(found) == groups(len(texts), lambda i, j: bool(similarity[i, j] >= 0.8))


@settings(max_examples=30)
@given(seeds, st.sampled_from([0.3, 0.6, 0.8, 1.0]))
def test_near_groups_are_never_invented_and_do_not_depend_on_the_order(seed: int, threshold: float) -> None:
    generator = np.random.default_rng(seed)
    words = [generator.choice(["a", "b", "c"], generator.integers(8, 14)).tolist() for _ in range(20)]
    texts, order = [" ".join(text) for text in words], generator.permutation(20)
    codes = near_repeats(texts, threshold).codes
    true = groups(20, lambda i, j: shingle_similarity(words[i], words[j], 3) >= threshold)
    assert all(true[row] == true[head] for row, head in enumerate(as_groups(codes)))
    shuffled = near_repeats([texts[row] for row in order], threshold).codes
    assert as_groups(reordered(shuffled, order)) == as_groups(codes)


def test_thousands_of_like_texts_are_one_group_after_few_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    count, compared, real = 3_000, list[int](), repeats._jaccard
    monkeypatch.setattr(repeats, "_jaccard", lambda table, pairs: (compared.append(len(pairs)), real(table, pairs))[1])
    words = VOCABULARY[:60]
    texts = [" ".join([*words[:30], f"name{i}", *words[30:]]) for i in range(count)]
    assert len(set(near_repeats(texts, 0.8).codes)) == 1
    assert sum(compared) < 10 * count


def test_chinese_is_compared_by_characters() -> None:
    generator = np.random.default_rng(0)
    one, other = ("".join(map(chr, generator.integers(0x4E00, 0x9000, 80))) for _ in range(2))
    near = one[:-2] + "我。"
    assert shingle_similarity(one, near, 5) > 0.9
    assert as_groups(near_repeats([one, other, near, one[:40]], 0.8).codes) == [0, 1, 0, 3]


def test_texts_shorter_than_a_shingle_are_near_to_their_equals_alone() -> None:
    assert as_groups(near_repeats(["", "yes", "no", " ", "Yes", "y"], 0.5).codes) == [0, 1, 2, 0, 1, 5]


@pytest.mark.parametrize("texts", [[], [""], ["one text"]])
def test_of_none_or_one_nothing_repeats(texts: list[str]) -> None:
    assert len(exact_repeats(texts).codes) == len(near_repeats(texts, 0.8).codes) == len(texts)


@settings(max_examples=60)
@given(seeds, ridges, st.sampled_from([0.3, 0.6, 0.9, 0.99]))
def test_factor_groups_are_those_of_whole_determinants_and_any_order(seed: int, ridge: float, threshold: float) -> None:
    factors = draw_factors(seed, 9)
    shares = np.array([[copy_share(factors, i, j, ridge) for j in range(9)] for i in range(9)])
    assume((np.abs(shares - threshold) > 1e-6).all())
    codes = of(factors, ridge, threshold)
    assert as_groups(codes) == groups(9, lambda i, j: bool(shares[i, j] >= threshold))
    order = np.random.default_rng(seed).permutation(9)
    shuffled = of([factors[row] for row in order], ridge, threshold)
    assert as_groups(reordered(shuffled, order)) == as_groups(codes)


@settings(max_examples=60)
@given(seeds, ridges)
def test_two_examples_part_at_their_share(seed: int, ridge: float) -> None:
    pair = draw_factors(seed, 2)
    share = copy_share(pair, 0, 1, ridge)
    assume(share > 0.01)
    assert as_groups(of(pair, ridge, share * (1 - 1e-6))) == [0, 0]
    assert as_groups(of(pair, ridge, share * (1 + 1e-6))) == [0, 1]


@given(seeds, ridges)
def test_shared_information_is_at_most_the_mean_of_what_copies_share(seed: int, ridge: float) -> None:
    pair = draw_factors(seed, 2)
    alone = [log_det_information(pair, [i], ridge) for i in (0, 1)]
    copies = [2 * alone[i] - log_det_information(pair, [i, i], ridge) for i in (0, 1)]
    assert sum(alone) - log_det_information(pair, [0, 1], ridge) <= sum(copies) / 2 + 1e-9


@settings(max_examples=60)
@given(seeds, st.sampled_from([1e-6, 1.0, 1e6]), st.sampled_from([1e-2, 1.0, 1e5]))
def test_a_copy_is_always_grouped_with_its_original(seed: int, ridge: float, scale: float) -> None:
    factors = [np.float32(scale) * F for F in draw_factors(seed, 5, dimension=40) if len(F)]
    assume(factors)
    codes = of([*factors, *factors], ridge, 1 - 1e-6)
    assert (codes[: len(factors)] == codes[len(factors) :]).all()


def test_a_longer_a_scaled_and_another_example_are_no_copies() -> None:
    generator = np.random.default_rng(0)
    F, G = generator.standard_normal((2, 4, 30))
    assert as_groups(of([F, np.concatenate([F, G]), 3 * F, G, F[::-1].copy()], 1.0, 0.8)) == [0, 1, 2, 3, 0]


def test_what_was_not_scored_or_tells_nothing_repeats_nothing() -> None:
    F = np.random.default_rng(0).standard_normal((3, 6))
    empty, zero = np.zeros((0, 6)), np.zeros((1, 6))
    factors = [F, empty, F, empty, zero, zero, F]
    assert as_groups(of(factors, 1.0, 0.9, np.array([0, 1, 3, 4, 5, 6]))) == [0, 1, 2, 3, 4, 5, 0]
    for rows in (np.zeros(0, dtype=np.int64), np.array([2])):
        assert as_groups(of(factors, 1.0, 0.9, rows)) == list(range(7))


def test_copies_are_found_among_many_of_equal_features() -> None:
    factors = [F for F in np.random.default_rng(0).standard_normal((100, 3, 30)) for _ in range(2)]
    flat, offsets = np.concatenate(factors).astype(np.float32), np.arange(0, 601, 3)
    codes = factor_repeats(Factors(flat, offsets), np.ones((200, 30)), np.arange(200), 1.0, 0.99).codes
    assert as_groups(codes) == [row - row % 2 for row in range(200)]


@pytest.mark.parametrize("most_by_brute_force", [0, 5_000])
def test_copies_are_found_in_larger_pools_too(monkeypatch: pytest.MonkeyPatch, most_by_brute_force: int) -> None:
    monkeypatch.setattr(repeats, "MOST_BY_BRUTE_FORCE", most_by_brute_force)
    generator = np.random.default_rng(0)
    factors = [generator.standard_normal((generator.integers(2, 6), 30)) for _ in range(200)]
    nudged = [F + 1e-4 * generator.standard_normal(F.shape) for F in factors]
    assert as_groups(of([*factors, *nudged, *[factors[0]] * 30], 1.0, 0.99)) == [*range(200), *range(200), *[0] * 30]
