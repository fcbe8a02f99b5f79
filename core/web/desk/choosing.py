"""How much, and the button that selects: the one place where the Desk makes a selection."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import streamlit as st

from core.errors import BadInput, GleanerError
from core.people import Role
from core.records import RunRow
from core.settings import Budget, Quota
from core.web.budget import UNITS, amount_of, ask_unit, pool_size_of, scale_of_order
from core.web.cut import Cut, cut_order, tried_budget, try_budget
from core.web.desk.controls import Asked
from core.web.notices import escape_markdown
from core.web.session import allowed, go_on_with, open_bench
from core.web.theme import format_count, format_seconds, format_sig

WANTED, REDRAWN_SECONDS = "wanted", 0.25
FIRST = {"examples": 100.0, "percent": 10.0, "tokens": 20_000.0}
SUFFIX = {"examples": "", "percent": "%", "tokens": "tok"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A budget that somebody typed and that only Select can make: no order is shown, it ends before, or it was made
    for the other unit. `note` says which. It holds as long as what is `shown` is what was shown then."""

    amount: float
    unit: str
    shown: tuple[str | None, ...]
    note: str = ""

    @property
    def text(self) -> str:
        """In the words of the command line."""
        return f"{self.amount:.10g}{SUFFIX[self.unit]}"


def ask_budget(run: RunRow, cut: Cut | None) -> tuple[str, str]:
    """The budget as a number, and its unit; one within the shown order is tried at once."""
    unit = ask_unit("percent" if cut is None else Budget.parse(cut.selection.budget).kind)
    wanted, most = _wanted(run, cut), {"examples": float(pool_size_of(run.run)), "percent": 100.0}.get(unit)
    if wanted and wanted.unit == unit:
        amount = wanted.amount
    else:
        amount = amount_of(cut, unit) if cut else min(FIRST[unit], most or FIRST[unit])
    key = f"desk.amount.{run.run}.{unit}"
    st.session_state[key] = float(f"{amount:.4g}") if unit == "percent" else float(round(amount))
    st.number_input(
        f"Budget ({UNITS[unit].lower()})",
        min_value=0.0,
        max_value=most,
        step=1_000.0 if unit == "tokens" else 1.0,
        format="%g" if unit == "percent" else "%.0f",
        key=key,
        on_change=lambda: _want(run, cut, st.session_state[key], unit),
    )
    if wanted and wanted.note:
        st.caption(escape_markdown(wanted.note))
    if wanted or cut is None:
        return (wanted or Wanted(amount, unit, ())).text, unit
    return tried_budget(cut.selection) or cut.selection.budget, unit


def offer_to_select(run: RunRow, cut: Cut | None, asked: Asked | None, budget: str) -> None:
    """The button, and above it what it would do; nothing to do where what is asked for is shown."""
    shown, wanted = cut.selection if cut else None, _wanted(run, cut)
    is_same = shown is not None and asked == Asked.of(shown)
    if shown and cut and is_same and not cut.is_tried and not wanted:
        if not open_bench().newer_decisions(shown):
            st.button("Selected", disabled=True, width="stretch", key="desk.select", help="This is what is shown.")
            return
        label, word = "Select again", "Decisions were made since: selecting again keeps to them."
    elif is_same and not wanted:
        label, word = "Save this budget", "Shown is a cut from the order. Saving proves it and keeps it as a selection."
    else:
        label = "Select"
        word = "" if shown is None or is_same else "Not computed yet. Shown is the selection that the sidebar names."
    if word:
        st.caption(word)
    how = {"disabled": asked is None} | allowed(Role.CURATOR)
    if st.button(label, type="primary", width="stretch", key="desk.select", **how) and asked:
        select(run, asked, budget)


def select(run: RunRow, asked: Asked, budget: str) -> None:
    """Make the selection, and go on with it."""
    bench = open_bench()
    texts = bench.datasets.texts(run.dataset, list(asked.target_rows))
    with follow_in_bar() as follow:
        report = bench.select(
            run.dataset,
            asked.criterion,
            budget,
            run=run.run,
            seed=asked.seed,
            settings=asked.settings,
            quotas=[Quota.parse(quota) for quota in asked.quotas],
            target=[text.example_id for text in texts],
            target_run=asked.target_run,
            repeats=asked.repeats,
            follow=follow,
        )
    st.session_state.pop(WANTED, None)
    made = bench.selections.get(report.selection)
    try_budget(made, None)
    go_on_with(selection=report.selection)


@contextmanager
def follow_in_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar with the time left, drawn again at most four times a second."""
    bar, drawn, begun = st.progress(0.0, "Selecting"), [0.0], dict[str, float]()

    def follow(phase: str, done: int, total: int) -> None:
        now = time.monotonic()
        since = begun.setdefault(phase, now)
        if now - drawn[0] < REDRAWN_SECONDS:
            return
        drawn[0] = now
        left = (now - since) / done * (total - done)
        told = f"{phase}: {format_count(done)} of {format_count(total)}"
        bar.progress(done / max(total, 1), f"{told}, about {format_seconds(left)} left" if left > 1 else told)

    yield follow
    bar.empty()


def _want(run: RunRow, cut: Cut | None, amount: float, unit: str) -> None:
    """Show a budget as a cut of the shown order; what that cannot tell is kept for Select, with a word why."""
    st.session_state.pop(WANTED, None)
    wanted, note = Wanted(amount, unit, ()), ""
    try:
        Budget.parse(wanted.text)
        if cut is not None:
            scale = scale_of_order(cut.selection, unit)
            if amount > scale.high:
                end = f"{format_sig(scale.high)} %" if unit == "percent" else format_count(scale.high)
                raise BadInput(f"The shown order ends at {end}; Select goes on beyond it.")
            budget = scale.budget(amount)
            cut_order(cut.selection, budget)
            try_budget(cut.selection, budget)
            if (unit == "tokens") == (cut.selection.unit == "tokens"):
                return
            made_for, asked = cut.selection.unit, "tokens" if unit == "tokens" else "examples"
            note = f"Shown is a cut of an order made for {made_for}. Select orders for {asked}."
    except GleanerError as error:
        note = str(error)
    st.session_state[WANTED] = replace(wanted, shown=_shown(run, cut), note=note)


def _wanted(run: RunRow, cut: Cut | None) -> Wanted | None:
    """What was typed, until another run, selection or budget is shown."""
    found: Wanted | None = st.session_state.get(WANTED)
    return found if found and found.shown == _shown(run, cut) else None


def _shown(run: RunRow, cut: Cut | None) -> tuple[str | None, ...]:
    return (run.run,) if cut is None else (run.run, cut.selection.selection, tried_budget(cut.selection))
