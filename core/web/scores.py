"""A run's scores and map, and a selection's picks, read once and shared by all sessions.

They are shared, not copied: nobody changes what is handed out here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import Cover, Ledger, Pick
from core.web.session import open_bench

BINS, NOWHERE = 40, 255
SCORES = {
    "nll": ("NLL", "nats", "Mean negative log-likelihood of the response tokens: how surprising the response is."),
    "entropy": ("Entropy H", "nats", "Mean entropy of the model's next-token distribution: how undecided it is."),
    "delta_nll": ("ΔNLL", "nats", "NLL after calibration − before: below 0, light tuning made the response likelier."),
    "delta_entropy": ("ΔH", "nats", "Entropy before calibration − after: above 0, light tuning made the model surer."),
    "ppl": ("Perplexity", "", "exp(NLL): the number of equally likely words that would surprise as much."),
    "response_tokens": ("Response tokens", "", "Tokens of the response that were scored."),
}


def scores_of(run: str) -> pd.DataFrame:
    """One row per example in row order, as far as the run has got."""
    return _read_scores(run, _version(run))


def reason_of(run: str, row: int) -> str | None:
    """What kept a row from being scored, if the run says so."""
    reason = scores_of(run)["unscorable_reason"].iloc[row]
    return reason if isinstance(reason, str) and reason else None


def counts_of(run: str) -> dict[str, int]:
    """How many examples were scored, unscorable and truncated, and the response tokens."""
    return _count(run, _version(run))


@dataclass(frozen=True, slots=True)
class Binned:
    """A score in bins: their `edges` [41], the bin of every row (`NOWHERE` without a score), and how many rows lie in
    each. What lies beyond the outermost ten-thousandths is in the first and the last bin."""

    edges: np.ndarray
    bins: np.ndarray
    totals: np.ndarray

    def count(self, rows: np.ndarray) -> np.ndarray:
        """How many of these rows lie in each bin, [40]."""
        counted: np.ndarray = np.bincount(self.bins[rows], minlength=NOWHERE + 1)[:BINS]
        return counted


def binned(run: str, score: str) -> Binned:
    """A score of a run, put into bins once."""
    return _bin(run, score, _version(run))


def find_rows(dataset: str, text: str) -> np.ndarray:
    """The rows whose prompt or response contains a text, ascending."""
    return _find_rows(dataset, open_bench().datasets.get(dataset).rows_loaded, text)


def map_of(run: str) -> dict[str, Any]:
    """A run's map, as arrays row_number, x, y; empty until it is drawn."""
    return _read_map(run, _version(run))


def _version(run: str) -> int:
    """Changes whenever a run's results in the database do."""
    return open_bench().runs.count_shards(run)


@st.cache_resource(show_spinner=False, max_entries=8)
def _read_scores(run: str, version: int) -> pd.DataFrame:
    del version
    frame: pd.DataFrame = open_bench().runs.scores(run).to_pandas()
    return frame


@st.cache_resource(show_spinner=False, max_entries=16)
def _count(run: str, version: int) -> dict[str, int]:
    del version
    return open_bench().runs.counts(run)


@st.cache_resource(show_spinner=False, max_entries=32)
def _bin(run: str, score: str, version: int) -> Binned:
    values = _read_scores(run, version)[score].to_numpy(dtype=float)
    finite = np.isfinite(values)
    low, high = (float(v) for v in np.percentile(values[finite], [0.01, 99.99])) if finite.any() else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    places = (np.nan_to_num(values) - edges[0]) / (edges[1] - edges[0])
    bins = np.where(finite, np.clip(places, 0, BINS - 1), NOWHERE).astype(np.uint8)
    return Binned(edges, bins, np.bincount(bins, minlength=NOWHERE + 1)[:BINS])


@st.cache_resource(show_spinner=False, max_entries=32)
def _find_rows(dataset: str, count: int, text: str) -> np.ndarray:
    del count
    return open_bench().datasets.rows_containing(dataset, text)


@st.cache_resource(show_spinner=False, max_entries=4)
def _read_map(run: str, version: int) -> dict[str, Any]:
    del version
    table = open_bench().runs.map_points(run)
    return {name: table[name].to_numpy() for name in ("row_number", "x", "y")}


@st.cache_resource(show_spinner=False, max_entries=16)
def read_picks(selection: str) -> list[Pick]:
    """A selection's ledger."""
    return open_bench().selections.picks(selection)


@st.cache_resource(show_spinner=False, max_entries=8)
def ledger_of(selection: str) -> Ledger:
    """The same as arrays: what pages draw from, however many picks there are."""
    return open_bench().selections.ledger(selection)


@st.cache_data(show_spinner=False, max_entries=256)
def read_covers(selection: str, rows: tuple[int, ...]) -> dict[int, list[Cover]]:
    """The picks that cover most of each of these rows' information; for a pick, earlier ones."""
    return open_bench().covers(selection, rows)


def describe_covers(covers: list[Cover], ranks: dict[int, int]) -> str:
    """Picks by rank, each with the share that it and those before it cover, such as `#17 58 %, #112 71 %`."""
    return ", ".join(f"#{ranks[cover.row]:,} {100 * cover.share:.0f} %" for cover in covers)


def shorten(text: str, length: int = 240) -> str:
    """The beginning of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
