"""A run's scores and map, and a selection's picks, read once and shared by all sessions."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.choices import Cover, LeftOut, Pick
from core.web.session import open_bench

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


def map_of(run: str) -> dict[str, Any]:
    """A run's map, as arrays row_number, x, y; empty until it is drawn."""
    return _read_map(run, _version(run))


def _version(run: str) -> int:
    """Changes whenever a run's results in the database do."""
    return len(open_bench().runs.taken_shards(run))


@st.cache_data(show_spinner=False, max_entries=8)
def _read_scores(run: str, version: int) -> pd.DataFrame:
    del version
    frame: pd.DataFrame = open_bench().runs.scores(run).to_pandas()
    return frame


@st.cache_data(show_spinner=False, max_entries=4)
def _read_map(run: str, version: int) -> dict[str, Any]:
    del version
    table = open_bench().runs.map_points(run)
    return {name: table[name].to_numpy() for name in ("row_number", "x", "y")}


@st.cache_data(show_spinner=False, max_entries=16)
def read_picks(selection: str) -> list[Pick]:
    """A selection's ledger."""
    return open_bench().selections.picks(selection)


@st.cache_data(show_spinner=False, max_entries=256)
def read_covers(selection: str, rows: tuple[int, ...]) -> dict[int, list[Cover]]:
    """The picks that cover most of each of these rows' information; for a pick, earlier ones."""
    return open_bench().covers(selection, rows)


@st.cache_data(show_spinner=False, max_entries=256)
def read_left_out(selection: str, row: int) -> LeftOut | None:
    """What an example outside a selection would bring; nothing for one that is in it, or was not scored."""
    return next(iter(open_bench().selections.left_out(selection, [row])), None)


def describe_covers(covers: list[Cover], ranks: dict[int, int]) -> str:
    """Picks by rank, each with the share that it and those before it cover, such as `#17 58 %, #112 71 %`."""
    return ", ".join(f"#{ranks[cover.row]:,} {100 * cover.share:.0f} %" for cover in covers)


def tell_covers(covers: list[Cover], ranks: dict[int, int]) -> str:
    """The same as a sentence."""
    if not covers:
        return ""
    parts = [f"#{ranks[cover.row]:,} {100 * cover.share:.0f} %" for cover in covers[1:]]
    first = f"#{ranks[covers[0].row]:,} alone covers {100 * covers[0].share:.0f} % of it"
    return ", together with ".join([first, *parts]) + "."


def selected_mask(picks: list[Pick], count: int) -> np.ndarray:
    """True at the rows that a selection holds, [count]."""
    mask = np.zeros(count, dtype=bool)
    mask[[pick.row for pick in picks]] = True
    return mask


def ledger_table(dataset: str, picks: list[Pick], scores: pd.DataFrame) -> pd.DataFrame:
    """A page of the ledger with texts and scores, as a table shows it."""
    rows = [pick.row for pick in picks]
    texts = {text.row: text for text in open_bench().datasets.texts(dataset, rows)}
    chosen = scores.iloc[rows]
    return pd.DataFrame(
        {
            "#": [pick.rank for pick in picks],
            "Row": rows,
            "Gain": [pick.gain for pick in picks],
            "NLL": chosen["nll"].to_numpy(),
            "ΔH": chosen["delta_entropy"].to_numpy(),
            "Tokens": [pick.response_tokens for pick in picks],
            "Prompt": [shorten(texts[row].prompt) for row in rows],
            "Response": [shorten(texts[row].response) for row in rows],
        }
    )


def shorten(text: str, length: int = 240) -> str:
    """The beginning of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1] + "…"
