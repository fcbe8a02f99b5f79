"""The budget slider: how many, in examples, percent or tokens, along an order that exists."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.choices import SelectionRow
from core.settings import Budget
from core.web.cut import Cut, tried_budget, try_budget
from core.web.scores import counts_of
from core.web.theme import format_count, format_percent

UNITS = {"examples": "Examples", "percent": "%", "tokens": "Tokens"}
STEPS = 500
HELP = (
    "Cut from the order that was computed: nothing is searched again, every view follows at once. Pins and bans made "
    "since then count."
)


@dataclass(frozen=True, slots=True)
class Scale:
    """From where to where a budget can go along a selection's order, in one unit, and in which steps."""

    selection: SelectionRow
    unit: str
    low: float
    high: float
    step: float

    def budget(self, amount: float) -> str:
        """The budget that cuts the shown order there, in the selection's own unit and the command line's words: in
        another unit another order might be cut."""
        if self.unit == "percent":
            amount = max(1, round(amount / 100 * pool_size_of(self.selection.run)))
        examples, tokens = self._curve()
        if self.selection.unit == "tokens":
            return f"{round(amount if self.unit == 'tokens' else float(np.interp(amount, examples, tokens)))}tok"
        return str(max(1, int(np.interp(amount, tokens, examples)) if self.unit == "tokens" else round(amount)))

    def place(self, amount: float) -> float | int:
        """The nearest amount that the slider can show."""
        held = min(max(amount, self.low), self.high)
        return float(f"{round(held / self.step) * self.step:.6g}") if self.unit == "percent" else round(held)

    def _curve(self) -> tuple[list[int], list[int]]:
        curve = self.selection.curve or {"examples": [], "tokens": []}
        return [0, *curve["examples"]], [0, *curve["tokens"]]


def show_budget(cut: Cut, unit: str | None = None) -> None:
    """The slider of the shown selection, its unit beside it unless the page asks for that elsewhere."""
    selection = cut.selection
    if not selection.curve or selection.curve["examples"][-1] < 2:
        return
    if unit:
        slide(cut, scale_of_order(selection, unit))
        return
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        place = st.container()
        unit_here = ask_unit(Budget.parse(selection.budget).kind)
    with place:
        slide(cut, scale_of_order(selection, unit_here))
        st.caption(describe_budget(cut))


def ask_unit(first: str = "examples") -> str:
    """In what a budget is counted; kept from page to page."""
    chosen = st.segmented_control(
        "Budget in",
        list(UNITS),
        default=None if "unit" in st.session_state else first,
        required=True,
        format_func=UNITS.__getitem__,
        key="unit",
        persist_state="session",
        label_visibility="collapsed",
    )
    return chosen or "examples"


def slide(cut: Cut, scale: Scale) -> None:
    """The slider itself; what it says is tried at once."""
    selection, key = cut.selection, f"budget.{cut.selection.selection}.{scale.unit}"
    st.session_state[key] = scale.place(amount_of(cut, scale.unit))
    whole = scale.unit != "percent"
    st.slider(
        "Budget",
        min_value=round(scale.low) if whole else float(scale.low),
        max_value=round(scale.high) if whole else float(scale.high),
        step=round(scale.step) if whole else float(scale.step),
        format="localized" if whole else "%.4g %%",
        key=key,
        help=HELP,
        on_change=lambda: try_budget(selection, scale.budget(st.session_state[key])),
    )


def scale_of_order(selection: SelectionRow, unit: str) -> Scale:
    """From the order's first example to its last."""
    curve = selection.curve or {"examples": [1], "tokens": [1]}
    if unit == "tokens":
        low, high = curve["tokens"][0], max(curve["tokens"][-1], selection.tokens)
        return Scale(selection, unit, low, high, max(1, 10 ** int(np.log10(max(high - low, 1) / STEPS + 1))))
    most = max(curve["examples"][-1], selection.examples)
    if unit == "examples":
        return Scale(selection, unit, 1, most, 1)
    share = 100 / pool_size_of(selection.run)
    step = _round_up(max(share, share * most / STEPS))
    return Scale(selection, unit, step, max(np.floor(share * most / step) * step, step), step)


def _round_up(step: float) -> float:
    """The next of … 0.1, 0.2, 0.5, 1, 2, 5 …, so that one step is at least one example."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(f"{next(power * times for times in (1, 2, 5, 10) if power * times >= step * (1 - 1e-9)):.6g}")


def amount_of(cut: Cut, unit: str) -> float:
    """A cut's size in a unit; in tokens as it was asked for, where it was asked in tokens."""
    asked = Budget.parse(tried_budget(cut.selection) or cut.selection.budget)
    if asked.kind == unit == "tokens":
        return asked.amount
    sizes = {"examples": float(len(cut.rows)), "tokens": float(cut.tokens)}
    return sizes.get(unit, 100 * len(cut.rows) / pool_size_of(cut.selection.run))


def pool_size_of(run: str) -> int:
    """How many examples of a run were scored."""
    return max(1, counts_of(run)["scored"])


def describe_budget(cut: Cut) -> str:
    """`812 examples (10 %), 98,400 tokens`."""
    share = format_percent(len(cut.rows) / pool_size_of(cut.selection.run))
    return f"{format_count(len(cut.rows))} examples ({share}), {format_count(cut.tokens)} tokens"
