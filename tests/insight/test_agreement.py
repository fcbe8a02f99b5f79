"""Agreement is what scikit-learn, a published table and plain loops say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from core.insight.agreement import agree_in_pairs, cohens_kappa, krippendorffs_alpha
from tests import oracles

verdict = st.sampled_from(["keep", "drop", "unsure"])
PUBLISHED = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
"""Four observers of twelve units, with gaps: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), C."""


@given(st.lists(st.tuples(verdict, verdict), min_size=1, max_size=30))
def test_kappa_is_scikit_learn_s(said: list[tuple[str, str]]) -> None:
    found = cohens_kappa(said)
    if len({name for pair in said for name in pair}) == 1:
        assert found is None
    else:
        assert found == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)), abs=1e-9)


def test_alpha_of_the_published_table_is_the_published_one() -> None:
    judged = {
        name: {unit: value for unit, value in enumerate(line) if value != "."}
        for name, line in zip("ABCD", PUBLISHED, strict=True)
    }
    assert krippendorffs_alpha(judged) == pytest.approx(0.743, abs=5e-4)


@given(st.lists(st.dictionaries(st.integers(0, 6), verdict, max_size=7), min_size=2, max_size=4))
def test_alpha_is_what_loops_over_pairs_of_values_find(judged: list[dict[int, str]]) -> None:
    found = krippendorffs_alpha({str(i): of for i, of in enumerate(judged)})
    shared = [row for row in range(7) if sum(row in of for of in judged) > 1]
    if len({of[row] for of in judged for row in shared if row in of}) < 2:
        assert found is None
    else:
        assert found == pytest.approx(oracles.nominal_alpha(judged), abs=1e-9)


def test_pairs_are_compared_on_what_both_judged() -> None:
    judged = {"ann": {1: "keep", 2: "drop", 3: "keep"}, "bob": {2: "drop", 3: "unsure", 4: "keep"}, "cy": {9: "keep"}}
    (pair,) = agree_in_pairs(judged)
    assert (pair.persons, pair.examples, pair.same, pair.share) == (("ann", "bob"), 2, 1, 0.5)
