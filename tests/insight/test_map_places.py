"""The places of a map are named by what their texts share, in any language, and by nothing that all texts share."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.insight.places import class_weights, count_terms, find_cells, find_copies, name_cells, name_places
from core.insight.terms import drop_overlapping, terms_of
from tests.oracles import class_tfidf

TOPICS = {
    "cooking": ["butter", "flour", "oven"],
    "sailing": ["rudder", "harbour", "keel"],
    "physics": ["quark", "photon", "spin"],
    "gardens": ["tulip", "compost", "hedge"],
}


def country(count: int = 320, seed: int = 0) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Positions around four corners, texts that share their words of filling and have topics of their own."""
    generator = np.random.default_rng(seed)
    topics = generator.integers(0, len(TOPICS), count)
    corners = np.array([[0, 0], [9, 0], [0, 9], [9, 9]])[topics]
    texts = []
    for topic in topics:
        own = generator.choice(list(TOPICS.values())[topic], 2, replace=False)
        texts.append(f"What is the {own[0]} and how does the {own[1]} do it {generator.integers(10**6)}?")
    return (corners + 0.3 * generator.standard_normal((count, 2))).astype(np.float32), texts, topics


def read(texts: Sequence[str]):
    return lambda rows: [texts[row] for row in rows]


def test_every_place_is_named_by_its_own_words_and_lies_on_one_of_its_examples() -> None:
    positions, texts, topics = country()
    places = name_places(positions, read(texts))
    assert sum(place.count for place in places) == len(texts)
    assert [place.count for place in places] == sorted((place.count for place in places), reverse=True)
    for place in places:
        at = np.flatnonzero((positions == np.array([place.x, place.y], dtype=np.float32)).all(axis=1))
        assert set(place.terms) <= set(list(TOPICS.values())[topics[at[0]]])
    assert {term for place in places for term in place.terms} == {term for own in TOPICS.values() for term in own}


def test_the_same_seed_names_the_same_places() -> None:
    positions, texts, _ = country()
    assert name_places(positions, read(texts), seed=3) == name_places(positions, read(texts), seed=3)


def test_what_all_texts_share_names_nothing() -> None:
    positions, _, _ = country()
    assert name_places(positions, read(["what is the matter with it"] * len(positions))) == []
    assert name_places(positions, read([f"{i}" for i in range(len(positions))])) == []


def test_a_text_copied_a_hundred_times_is_named_and_makes_no_common_word_rare() -> None:
    positions, texts, _ = country()
    far = np.full((150, 2), 40, dtype=np.float32) + np.random.default_rng(0).normal(0, 0.01, (150, 2))
    copies = ["restart your router"] * 150
    places = name_places(np.concatenate([positions, far]).astype(np.float32), read([*texts, *copies]))
    terms = {term for place in places for term in place.terms}
    assert {"restart", "router"} <= terms
    assert not terms & {"what", "is", "the", "and", "how", "does", "do", "it"}


@pytest.mark.parametrize("count", [0, 1, 23])
def test_a_handful_of_examples_has_no_places(count: int) -> None:
    positions, texts, _ = country()
    assert name_places(positions[:count], read(texts[:count])) == []


def test_class_weights_are_the_papers() -> None:
    generator = np.random.default_rng(1)
    texts = [" ".join(generator.choice(["red", "blue", "dark green", "grey"], 5)) for _ in range(40)]
    cells = generator.integers(0, 3, 40)
    counts, vocabulary = count_terms(texts)
    expected = class_tfidf([[t.split() for t, of in zip(texts, cells, strict=True) if of == c] for c in range(3)])
    for cell, weights in enumerate(class_weights(counts, cells)):
        for term, weight in zip(vocabulary, weights, strict=True):
            assert weight == pytest.approx(expected[cell][term])


def test_cells_are_as_many_as_the_map_has_room_for() -> None:
    generator = np.random.default_rng(0)
    for count, cells in ((24, 2), (400, 10), (9_000, 24)):
        found = find_cells(generator.standard_normal((count, 2)), seed=0)
        assert len(set(found.tolist())) == cells


def test_a_cell_without_words_of_its_own_has_no_name() -> None:
    texts = ["tulip bed"] * 5 + ["plain words here"] * 5 + ["plain words there"] * 5
    counts, vocabulary = count_terms(texts)
    named = name_cells(counts, np.repeat([0, 1, 2], 5), vocabulary, np.zeros(15, dtype=bool))
    assert named == {0: ("bed", "tulip"), 1: ("here",), 2: ("there",)}


def test_copies_are_those_that_came_before() -> None:
    assert find_copies(["a", "b", "a", "a"]).tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("What's the C++ code of X1?", ["what's", "the", "code", "of", "x1"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("Straße, naïve", ["straße", "naïve"]),
        ("人工知能", ["人工", "工知", "知能", "人工知", "工知能"]),
        ("Pythonで", ["python"]),
        ("", []),
    ],
)
def test_terms_are_words_or_where_there_are_none_groups_of_characters(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


@given(st.text(max_size=200))
def test_any_text_has_terms_that_lie_in_it(text: str) -> None:
    for term in terms_of(text):
        assert term in text.lower()
        assert len(term) >= 2


def test_of_overlapping_terms_the_first_is_taken() -> None:
    assert drop_overlapping(["cats", "cat", "dog", "hotdog", "bird", "fish"], 3) == ["cats", "dog", "bird"]
