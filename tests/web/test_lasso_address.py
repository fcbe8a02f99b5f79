"""A lasso that went through the address is short and means the same group again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web.lasso_address import LONGEST, MOST_CORNERS, read_lasso, simplify, write_lasso
from core.web.scatter import points_inside

place = st.floats(-50, 50, allow_nan=False)


@given(st.lists(st.tuples(place, place), min_size=3, max_size=120))
def test_what_is_written_is_read_back(polygon: list[tuple[float, float]]) -> None:
    simple = simplify(polygon)
    assert len(simple) <= MOST_CORNERS
    assert simplify(simple) == simple
    assert read_lasso(write_lasso(simple)) == simple
    assert len(write_lasso(simple)) <= LONGEST


@pytest.mark.parametrize("radius", [10.0, 0.002, 1e-5])
@pytest.mark.parametrize("middle", [(3.123, 1.0), (1000.0, -1000.0)])
def test_at_any_zoom_points_near_the_edge_of_a_drawn_circle_are_told_alike(
    middle: tuple[float, float], radius: float
) -> None:
    angles = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    drawn = [(middle[0] + radius * float(np.cos(a)), middle[1] + radius * float(np.sin(a))) for a in angles]
    generator = np.random.default_rng(0)
    around, far = generator.uniform(0, 2 * np.pi, 20_000), radius * np.sqrt(generator.uniform(0.81, 1.21, 20_000))
    x, y = middle[0] + far * np.cos(around), middle[1] + far * np.sin(around)
    text = write_lasso(simplify(drawn))
    before, after = points_inside(x, y, drawn), points_inside(x, y, read_lasso(text))
    assert 0.4 < len(before) / len(x) < 0.6
    assert len(np.setxor1d(before, after)) <= 0.01 * len(x)
    assert len(text) < 2_000


def test_a_short_lasso_stays_as_short_as_it_was_written() -> None:
    text = "-0.5_-1~8.5_-1~8.5_1~-0.5_1"
    lasso = read_lasso(text)
    assert lasso is not None
    assert write_lasso(lasso) == text


@given(st.text(max_size=60))
def test_any_address_is_a_lasso_or_none(text: str) -> None:
    polygon = read_lasso(text)
    assert polygon is None or len(polygon) >= 3
