"""The theme: numbers as the pages promise them, and colours that both grounds show."""

import math

import numpy as np

from core.web import theme


def test_numbers_read_as_the_pages_promise():
    assert [theme.format_count(n) for n in (7473, 0, -1200, None)] == ["7,473", "0", "−1,200", "–"]
    significant = {8.9: "8.90", 0.02134: "0.0213", 98_432: "98,400", 9.996: "10.0", -0.5: "−0.500", 1.2e-7: "1.20e−7"}
    assert {value: theme.format_sig(value) for value in significant} == significant
    assert [theme.format_sig(value) for value in (0, math.nan, math.inf, None)] == ["0", "–", "∞", "–"]
    shares = {0.814: "81 %", 0.094: "9.4 %", 0.0042: "0.42 %", 0.0999: "10 %", 1: "100 %", 0: "0 %", 12.34: "1,234 %"}
    assert {share: theme.format_percent(share) for share in shares} == shares
    spans = {0.034: "34 ms", 0.9996: "1.0 s", 45: "45 s", 59.6: "1 min", 125: "2 min 5 s", 3720: "1 h 2 min", 0: "0 s"}
    assert {seconds: theme.format_seconds(seconds) for seconds in spans} == spans


def luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_ramps_have_256_colours_that_rise_and_that_both_grounds_show():
    assert len(theme.CIVIDIS) == len(theme.DIVERGING) == 256
    assert np.all(np.diff([luminance(colour) for colour in theme.CIVIDIS]) > -0.002)
    for ground in ("#FFFFFF", "#0F1216"):
        for colour in (*theme.DIVERGING, theme.SELECTED, theme.LEFT_OUT, theme.PINNED, theme.BANNED):
            low, high = sorted((luminance(colour), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) > 2


def test_figures_share_one_layout_that_plotly_accepts():
    import plotly.graph_objects as go

    layout = go.Figure(layout=theme.figure_layout("Gains", "Rank", "Gain (nats)")).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("Rank", "Gain (nats)")
