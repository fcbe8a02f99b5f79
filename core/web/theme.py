"""How things look and how numbers are written, the same on every page and in every chart.

Colours carry one meaning each. The six are Okabe and Ito's, which colour-blind readers tell
apart; a shape or a word always stands beside them.
"""

import math
from typing import Any, Final

SELECTED: Final = "#0072B2"
LEFT_OUT: Final = "#9AA3AE"
PINNED: Final = "#009E73"
BANNED: Final = "#D55E00"
KNEE: Final = "#E69F00"
RANDOM_BAND: Final = "rgba(128, 134, 144, 0.2)"
GRID: Final = "rgba(128, 134, 144, 0.18)"

CATEGORIES: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#9AA3AE")
"""Colours of classes without a meaning of their own, such as topics; the last is for the rest."""

NO_NUMBER: Final = "–"

_CIVIDIS_STOPS: Final = [
    "#00224E",
    "#123570",
    "#3B496C",
    "#575D6D",
    "#707173",
    "#8A8678",
    "#A59C74",
    "#C3B369",
    "#E1CC55",
    "#FEE838",
]
_DIVERGING_STOPS: Final = ["#0B5FA5", "#4389C4", "#7BA6C9", "#A3A8AE", "#D29A6B", "#CF7332", "#B34A00"]


def _ramp(stops: list[str], length: int = 256) -> list[str]:
    """Colours at even steps between `stops`, mixed in sRGB."""
    channels = [[int(stop[place : place + 2], 16) for place in (1, 3, 5)] for stop in stops]
    colours = []
    for index in range(length):
        place = index / (length - 1) * (len(stops) - 1)
        left = min(int(place), len(stops) - 2)
        share = place - left
        mixed = [round(a + share * (b - a)) for a, b in zip(channels[left], channels[left + 1], strict=True)]
        colours.append("#{:02X}{:02X}{:02X}".format(*mixed))
    return colours


CIVIDIS: Final = _ramp(_CIVIDIS_STOPS)
"""Sequential, low to high (Nuñez, Anderton and Renslow 2018)."""

DIVERGING: Final = _ramp(_DIVERGING_STOPS)
"""Blue below 0, a neutral middle that both grounds show, orange above."""


def figure_layout(title: str | None = None, x_title: str | None = None, y_title: str | None = None) -> dict[str, Any]:
    """The layout every plotly figure starts from; titles carry the unit, as in "Gain (nats)".

    Fonts and text colours are left to Streamlit's theme, grounds are transparent; the
    legend has its own line between title and plot.
    """
    axis = {"automargin": True, "separatethousands": True, "gridcolor": GRID, "zerolinecolor": GRID, "ticks": ""}
    return {
        "title": {
            "text": title or "",
            "font": {"size": 15},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            "pad": {"t": 8},
        },
        "xaxis": {**axis, "title": {"text": x_title or "", "standoff": 8}, "showgrid": False},
        "yaxis": {**axis, "title": {"text": y_title or "", "standoff": 8}},
        "margin": {"l": 8, "r": 16, "t": 72 if title else 40, "b": 8},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "separators": ".,",
        "hovermode": "closest",
        "hoverlabel": {"align": "left", "namelength": -1},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "title": {"text": ""},
        },
        "modebar": {"bgcolor": "rgba(0, 0, 0, 0)"},
        "colorway": list(CATEGORIES),
    }


def format_count(count: float | None) -> str:
    """A whole number with thousands separators: 7473 → "7,473"."""
    if count is None or not math.isfinite(count):
        return _no_number(count)
    return _minus(f"{round(count):,}")


def format_sig(value: float | None) -> str:
    """Three significant digits: 8.9 → "8.90", 0.02134 → "0.0213", 98432 → "98,400", 1.2e-7 → "1.20e−7"."""
    if value is None or not math.isfinite(value):
        return _no_number(value)
    if value == 0:
        return "0"
    mantissa, power = f"{value:.2e}".split("e")
    exponent = int(power)
    if not -4 <= exponent < 15:
        return _minus(f"{mantissa}e{exponent}")
    return _minus(f"{float(f'{value:.2e}'):,.{max(2 - exponent, 0)}f}")


def format_percent(share: float | None) -> str:
    """A share as a percentage, without decimals from 10 % on: 0.814 → "81 %", 0.094 → "9.4 %", 0.0042 → "0.42 %"."""
    if share is None or not math.isfinite(share):
        return _no_number(share)
    if share == 0:
        return "0 %"
    percent = float(f"{100 * share:.1e}") if abs(share) < 0.1 else 100 * share
    exponent = math.floor(math.log10(abs(percent)))
    return _minus(f"{percent:,.{max(1 - exponent, 0)}f} %")


def format_seconds(seconds: float | None) -> str:
    """A duration in its two largest units: 125 → "2 min 5 s", 3720 → "1 h 2 min", 0.034 → "34 ms"."""
    if seconds is None or not math.isfinite(seconds):
        return _no_number(seconds)
    if seconds < 0.9995:
        return f"{round(1000 * seconds)} ms" if seconds > 0 else "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for large, small, size, unit in (("d", "h", 86_400, 3_600), ("h", "min", 3_600, 60), ("min", "s", 60, 1)):
        if whole >= size:
            rest = whole % size // unit
            return f"{whole // size:,} {large}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _no_number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return NO_NUMBER
    return "∞" if value > 0 else "−∞"
