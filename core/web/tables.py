"""How does a table of examples show its numbers? Three digits of the typical one, the same in the whole column."""

import math
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.web.scores import SCORES

MOST_DECIMALS = 6
NATS = {
    "Gain": "Information that this pick added to the earlier picks. A nat is 1.44 bits.",
    "Alone": "Information that it would bring to an empty selection, in nats.",
    "Cumulative": "Information that the picks up to this one hold together, in nats.",
    "NLL": SCORES["nll"][2],
    "H": SCORES["entropy"][2],
    "ΔNLL": SCORES["delta_nll"][2],
    "ΔH": SCORES["delta_entropy"][2],
}
WIDTHS = {"#": 56, "Row": 72, "Tokens": 76, "Prompt": 320, "Response": 380}


def turn_pages(total: int, size: int, key: str) -> slice:
    """The lines of `total` that the chosen page of `size` has; the chooser is there where there is more than one."""
    pages = -(-total // size)
    page = min(st.pagination(pages, key=key), pages) if pages > 1 else 1
    return slice((page - 1) * size, min(page * size, total))


def example_columns(table: pd.DataFrame) -> dict[str, Any]:
    """The configuration of every column that the pages' tables have in common."""
    config = dict[str, Any]()
    for name in table.columns:
        if name in NATS:
            config[name] = st.column_config.NumberColumn(
                f"{name} (nats)", format=f"%.{decimals_of(table[name].to_numpy(dtype=float))}f", help=NATS[name]
            )
        elif name in ("#", "Row", "Tokens"):
            config[name] = st.column_config.NumberColumn(format="localized", width=WIDTHS[name])
        elif name in WIDTHS:
            config[name] = st.column_config.TextColumn(width=WIDTHS[name])
    return config


def decimals_of(values: np.ndarray) -> int:
    """So many decimals that the middle of the values' sizes has three digits."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes):
        return 2
    return int(np.clip(2 - math.floor(math.log10(float(np.median(sizes)))), 0, MOST_DECIMALS))
