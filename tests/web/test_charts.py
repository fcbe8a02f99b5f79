"""The figures show the numbers they are given, stay light, and say in words what they show."""

from dataclasses import replace

import numpy as np
import pytest

from core.choices import Ledger, Pick, SelectionRow
from core.web import charts, histograms
from core.web.compare import charts as compare_charts
from core.web.gains import charts as gain_charts
from core.web.gains.charts import GainLine
from core.workbench.comparing import Share
from core.workbench.coverage import Coverage, GroupCoverage


def picks_of(gains: list[float], tokens: int = 10) -> list[Pick]:
    sums = np.cumsum(gains)
    return [
        Pick(i + 1, 100 + i, gain, gain + 1, float(held), tokens, "largest information gain left")
        for i, (gain, held) in enumerate(zip(gains, sums, strict=True))
    ]


def selection_of(picks: list[Pick], **changes) -> SelectionRow:
    total, tokens = picks[-1].cumulative or 0.0, sum(pick.response_tokens for pick in picks)
    n = len(picks)
    curve = {
        "examples": [n // 2, n, 2 * n],
        "tokens": [tokens // 2, tokens, 2 * tokens],
        "information": [total / 2, total, 1.5 * total],
        "knee": 0,
        "reach": 2 * n,
    }
    envelope = {"tokens": [tokens / 2, tokens], "low": [1.0, 2.0], "high": [3.0, 4.0]}
    envelope |= {"gain_low": [0.2, 0.1], "gain_high": [0.9, 0.5]}
    row = SelectionRow("s", "r", "d", "fisher", str(n), 0, {}, n, tokens, total, envelope, curve=curve)
    return replace(row, **changes)


def line_of(gains: list[float], axis: gain_charts.Axis = "rank", tokens: int = 10) -> GainLine:
    picks = picks_of(gains, tokens)
    return GainLine(ledger(picks), selection_of(picks), axis, len(picks), tokens * len(picks))


def ledger(picks: list[Pick]) -> Ledger:
    names = ("row", "gain", "gain_alone", "cumulative", "response_tokens", "objective_gain")
    return Ledger(*(np.array([getattr(pick, name) for pick in picks], dtype=float) for name in names))


def clickable(figure):
    return next(trace for trace in figure.data if trace.mode == "lines+markers")


def test_every_figure_has_titles_with_units_and_a_description() -> None:
    picks = picks_of([5.0, 3.0, 2.0, 1.0])
    row, line = selection_of(picks), line_of([5.0, 3.0, 2.0, 1.0])
    shares, edges = [Share("a", 6, 2, 0.2, 0.6), Share("b", 4, 2, 0.0, 0.5)], np.array([0.0, 1.0, 2.0])
    counts = np.array([3, 1])
    curve = [{"step": 1, "loss": 2.0, "learning_rate": 1e-4}, {"step": 2, "loss": 1.0, "learning_rate": 1e-4}]
    found = Coverage([GroupCoverage("a", 30, 3, 0.4), GroupCoverage("b", 5, 1, 0.8)], 0.5, is_sampled=False)
    figures = {
        charts.describe_cumulative(ledger(picks), row): charts.draw_cumulative(ledger(picks), row),
        charts.describe_mixture(shares, 4): charts.draw_mixture(shares, 4),
        charts.describe_learning_curve(curve): charts.draw_learning_curve(curve),
        histograms.describe_histogram(edges, counts, counts, "NLL (nats)"): histograms.draw_histogram(
            edges, counts, counts, "NLL (nats)"
        ),
        gain_charts.describe_gains(line): gain_charts.draw_gains(line),
        gain_charts.describe_coverage(found, "topic"): gain_charts.draw_coverage(found, "topic"),
    }
    for told, figure in figures.items():
        assert figure.layout.title.text
        axes = [figure.layout[name] for name in figure.layout if name.startswith(("xaxis", "yaxis"))]
        assert any(axis.title.text for axis in axes)
        assert len(told) > 40
        assert "None" not in told
        assert "nan" not in told
    assert "11.0 nats" in charts.describe_cumulative(ledger(picks), row)
    assert "The tried budget is at 20 tokens." in charts.describe_cumulative(ledger(picks), row, 20)
    assert "a 60 % of the pool, 50 % of the selection" in charts.describe_mixture(shares, 4)


def test_the_band_of_a_mixture_does_not_depend_on_how_many_are_selected() -> None:
    shares = [Share("a", 6, 1, 0.2, 0.9), Share("b", 4, 0, 0.1, 0.8)]
    for examples in (1, 4):
        band = next(trace for trace in charts.draw_mixture(shares, examples).data if trace.name == charts.BAND_NAME)
        assert list(band.base) == pytest.approx([10, 20])
        assert [low + width for low, width in zip(band.base, band.x, strict=True)] == pytest.approx([80, 90])


def test_ten_thousand_picks_are_drawn_with_as_many_points_as_a_screen_shows_and_no_extreme_is_lost() -> None:
    generator = np.random.default_rng(0)
    gains = generator.exponential(1.0, 10_000)
    gains[7_777] = 99.0
    trace = clickable(gain_charts.draw_gains(line_of(gains.tolist())))
    assert len(trace.x) <= 2 * charts.COLUMNS + 2
    assert max(trace.y) == 99.0
    assert min(trace.y) == gains.min()
    for rank, x, y in zip(trace.customdata, trace.x, trace.y, strict=True):
        assert (x, y) == (rank, gains[rank - 1])
    assert {1, 10_000} <= set(trace.customdata)


def test_a_line_keeps_the_extremes_of_each_column() -> None:
    generator = np.random.default_rng(1)
    x, y = np.sort(generator.uniform(0, 1, 5_000)), generator.standard_normal(5_000)
    kept = charts.thin(x, y, columns=50)
    assert len(kept) <= 102
    assert {0, 4_999} <= set(kept.tolist())
    columns = np.minimum(((x - x[0]) / (x[-1] - x[0]) * 50).astype(int), 49)
    for column in range(50):
        inside = y[kept][columns[kept] == column]
        assert inside.min() == y[columns == column].min()
        assert inside.max() == y[columns == column].max()
    assert charts.thin(np.zeros(300), np.arange(300.0), columns=10).tolist() == [0, 299]
    assert charts.thin(x[:20], y[:20], columns=10).tolist() == list(range(20))


def test_by_rank_the_random_band_stands_where_as_many_tokens_are_spent() -> None:
    picks = [*picks_of([4.0], tokens=30), *picks_of([2.0], tokens=10)]
    row = selection_of([replace(picks[0], cumulative=4.0), replace(picks[1], cumulative=6.0)])
    line = GainLine(ledger(picks), row, "rank", 2, 40)
    x, tokens = line.band()
    assert tokens.tolist() == [0.0, 20.0, 40.0]
    assert x == pytest.approx([0.0, 20 / 30, 2.0])
    by_tokens = GainLine(ledger(picks), row, "tokens", 2, 40)
    assert by_tokens.band()[0].tolist() == [0.0, 20.0, 40.0]
    assert by_tokens.places.tolist() == [0, 30, 40]
    assert (line.cut, by_tokens.cut) == (2, 40)


def test_beyond_the_budget_the_order_goes_on_with_its_mean_gains() -> None:
    line = line_of([4.0, 3.0, 2.0, 1.0])
    places, held, gains = line.beyond()
    assert places.tolist() == [4.0, 8.0]
    assert held.tolist() == [10.0, 15.0]
    assert gains.tolist() == [1.25]
    assert line.knee == 2


def test_an_older_selection_without_a_curve_is_drawn() -> None:
    line = line_of([4.0, 3.0])
    older = GainLine(line.picks, replace(line.selection, curve=None), "tokens", 2, 20)
    assert older.knee is None
    assert len(gain_charts.draw_gains(older, log_axis=True).data) >= 4


def test_a_logarithmic_axis_has_a_band_that_ends_above_nothing() -> None:
    line = line_of([4.0, 3.0, 0.5])
    line.selection.envelope["gain_low"][:] = [0.0, 0.0]
    figure = gain_charts.draw_gains(line, log_axis=True)
    assert figure.layout.yaxis.type == "log"
    assert all(min(trace.y) > 0 for trace in figure.data if trace.yaxis == "y" and len(trace.y))


def test_group_names_are_shown_as_text() -> None:
    evil = '<a href="http://evil">x</a> <b>bold</b>'
    found = Coverage([GroupCoverage(evil, 3, 1, 0.4), GroupCoverage("b" * 99, 50, 1, 0.8)], 0.5, is_sampled=False)
    figure = gain_charts.draw_coverage(found, "topic")
    labels = list(figure.layout.yaxis.ticktext)
    assert not any("<" in label for label in labels)
    assert labels[0] == "b" * (charts.LONGEST_LABEL - 1) + "…"
    assert list(figure.data[0].marker.symbol) == ["circle", "circle-open"]
    assert list(figure.data[0].x) == [80.0, 40.0]
    shares = [Share("same beginning, " * 9 + "one", 5, 1, 0, 1), Share("same beginning, " * 9 + "two", 3, 1, 0, 1)]
    bars = charts.draw_mixture(shares, 2).data[0]
    assert len(set(bars.y)) == 2
    assert bars.x == (50.0, 50.0)


def test_dataset_text_is_no_markup_in_any_figure_and_like_beginnings_stay_apart() -> None:
    evil, alike = '<a href="http://evil">x</a>', ["same beginning, " * 9 + end for end in ("one", "two")]
    found = Coverage([GroupCoverage(evil, 3, 1, 0.4)], 0.5, is_sampled=False)
    mixtures = compare_charts.draw_two_mixtures({evil: 2, alike[0]: 1, alike[1]: 1}, {evil: 1, alike[0]: 3})
    for figure in (gain_charts.draw_coverage(found, evil), mixtures):
        assert "<a" not in figure.to_json().replace("\\u003c", "<")
        assert "&lt;a" in figure.to_json().replace("\\u0026", "&")
    of_b, of_a = mixtures.data
    assert (of_a.name, of_b.name) == ("A", "B")
    assert len(set(of_a.y)) == len(set(of_b.y)) == 3
    assert dict(zip(of_a.y, of_a.x, strict=True)) == {2: 25.0, 1: 50.0, 0: 25.0}
    assert dict(zip(of_b.y, of_b.x, strict=True)) == {2: 75.0, 1: 25.0, 0: 0.0}
    assert len(mixtures.layout.yaxis.ticktext) == 3


def test_groups_beside_random_subsets_carry_their_ranges() -> None:
    found = Coverage([GroupCoverage("a", 30, 3, 0.4, 0.3, 0.6)], 0.4, is_sampled=True)
    bars = next(trace for trace in gain_charts.draw_coverage(found, "topic").data if trace.type == "bar")
    assert (bars.base[0], bars.x[0]) == pytest.approx((30.0, 30.0))


def test_a_histogram_counts_every_finite_value_once() -> None:
    values = np.array([0.0, 0.5, 1.0, 2.0, np.nan, np.inf, 4.0])
    edges = histograms.histogram_edges(values, bins=4)
    assert edges.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert histograms.count_histogram(values, edges).tolist() == [2, 1, 1, 1]
    assert histograms.count_histogram(np.full(3, np.nan), histograms.histogram_edges(np.full(3, np.nan))).sum() == 0
    chosen, rest = np.array([0, 1, 0, 1]), np.array([2, 0, 1, 0])
    figure = histograms.draw_histogram(edges, chosen, rest, "NLL (nats)", cuts=(1.5, 2.5))
    left_out, selected = figure.data
    assert (left_out.name, list(left_out.customdata)) == ("Left out", [2, 0, 1, 0])
    assert list(left_out.y) == pytest.approx([200 / 3, 0, 100 / 3, 0])
    assert list(selected.x) == [0, 1, 1, 2, 2, 3, 3, 4]
    assert list(selected.y) == [0, 0, 50, 50, 0, 0, 50, 50]
    assert [shape.x0 for shape in figure.layout.shapes] == [1.5, 2.5]
    told = histograms.describe_histogram(edges, chosen, rest, "NLL (nats)")
    parts = ["2 selected, the middle one at 1.00 to 2.00", "3 left out, the middle one at 0 to 1.00"]
    assert told == f"NLL (nats), from 0 to 4.00: {'; '.join(parts)}."
    assert "5 examples" in histograms.draw_spread(values, "NLL (nats)")[1]
    nothing = histograms.draw_histogram(edges, 0 * chosen, rest, "NLL (nats)")
    assert [(trace.name, list(trace.y)) for trace in nothing.data] == [("Examples", [2, 0, 1, 0])]


def test_a_figure_is_saved_under_a_plain_name() -> None:
    options = charts.figure_config("gains a/b:c")["toImageButtonOptions"]
    assert options == {"format": "png", "filename": "gains-a-b-c", "scale": 2}
