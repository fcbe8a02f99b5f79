"""What shall a proof compare, what does it take, and what has to be there before?"""

import streamlit as st

from core.choices import SelectionRow
from core.people import Role
from core.records import RunRow
from core.reports import ProofCost
from core.settings import HeldOutSettings, ProofSettings, RunSettings, Settings
from core.web.forms import settings_form
from core.web.naming import describe_selection
from core.web.notices import escape_markdown, say, show_errors
from core.web.session import allowed, go_on_with, open_bench
from core.web.theme import format_count, format_percent, format_seconds
from core.workbench.planning import FEWEST_HELD_OUT
from core.workbench.proven import PROXY

PLAIN = ("seeds", "random", "matched")
WHAT = (
    "Models are fine-tuned on the selection, on random subsets of the same number of response tokens, and on random "
    "subsets with the selection's own lengths: the same steps, the same seeds. What they then make of examples that "
    "nobody could select says whether the selection helps. What is held out stands for what the model shall be good "
    "at: ban what is noise among it, which costs no fine-tune."
)

ENOUGH = 3 * FEWEST_HELD_OUT
"""Held-out examples that a small dataset is offered to set aside."""
NONE_ASIDE = "This run set none aside, so that any of its examples may be in the selection."


def offer_to_hold_out(run: RunRow) -> None:
    """This run has nothing, or too little, to measure on: say so, and offer the run that has."""
    measured = len(open_bench().held_out(run.run)[1])
    has = f"This run set {format_count(measured)} aside, too few for an answer." if measured else NONE_ASIDE
    with st.container(border=True, key="next_step"):
        st.write(WHAT)
        st.write(
            f"A proof is measured on examples that are set aside before scoring. {has} Score again with a held-out "
            "split: its examples, and their exact repeats, can then never be selected, tuned on or exported."
        )
        with show_errors():
            rows = open_bench().datasets.get(run.dataset).rows_loaded
            asked = ask_held_out(run.dataset, "proof.hold", round(min(ENOUGH / max(rows, 1), 0.5), 2))
            examples = round(asked.share * rows)
            st.caption(f"About {format_count(examples)} examples, {format_percent(asked.share)} of the dataset.")
            if examples < FEWEST_HELD_OUT:
                st.warning(f"A proof says nothing below {FEWEST_HELD_OUT} examples. Hold out a larger share.")
            elif st.button("Score again with these held out", type="primary", **allowed(Role.CURATOR)):
                settings = RunSettings(**run.settings).model_copy(update={"held_out": asked})
                with st.spinner("Drawing the held-out examples"):
                    started = open_bench().start_scoring(run.dataset, settings)
                say("Scoring again; select and prove when it is done. The Scoring page shows how far it is.")
                go_on_with(run=started, selection=None)


def ask_held_out(dataset: str, key: str, least: float = 0.0) -> HeldOutSettings:
    """How much is set aside, `least` if the default is less, and of which groups each gives its share."""
    usual = HeldOutSettings()
    start = usual.model_copy(update={"share": max(usual.share, least)})
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        asked = settings_form(HeldOutSettings, key, ("share",), start=start)
    with right:
        column = _ask_column("Share of each group of", dataset, HeldOutSettings, f"{key}.column")
    return asked.model_copy(update={"column": column})


def _ask_column(label: str, dataset: str, settings: type[Settings], key: str) -> str | None:
    return st.selectbox(
        label,
        open_bench().group_columns(dataset),
        index=None,
        placeholder="None",
        help=settings.model_fields["column"].description,
        key=key,
    )


def ask_proof(selection: SelectionRow, *, is_first: bool) -> None:
    """The form of a proof, what it will take, and the button that starts it."""
    bench = open_bench()
    with st.expander("New proof", expanded=is_first, icon=":material/science:"), show_errors():
        st.write(WHAT)
        settings = _ask_settings(selection.dataset)
        others = bench.comparable(selection)
        names = {other.selection: _name_beside(other, selection) for other in others}
        against = st.multiselect(
            "Compare with other selections",
            list(names),
            format_func=lambda name: names[name],
            help="Cut to the same tokens; one with fewer tokens cannot be compared.",
            key="proof.against",
            disabled=not others,
            placeholder="None" if others else "There is no other selection with these held out",
        )
        plan = bench.plan_proof(selection.selection, settings, against)
        if bench.is_by_proxy(plan):
            st.info(escape_markdown(PROXY.format(model=plan.scoring["model"])), icon=":material/info:")
        _tell_cost(bench.foretell_proof(plan))
        if st.button("Start the proof", type="primary", **allowed(Role.CURATOR)):
            go_on_with(proof=bench.start_proof(plan))


def _name_beside(other: SelectionRow, selection: SelectionRow) -> str:
    """Another run is named where it is not the selection's own."""
    of = "" if other.run == selection.run else f", scored by {other.run[:6]}"
    return describe_selection(other) + of


def _ask_settings(dataset: str) -> ProofSettings:
    plain = settings_form(ProofSettings, "proof", PLAIN, columns=3)
    with st.expander("More settings"):
        rest = tuple(name for name in ProofSettings.model_fields if name not in (*PLAIN, "column"))
        more = settings_form(ProofSettings, "proof", rest, columns=3)
        column = _ask_column("Groups of", dataset, ProofSettings, "proof.column")
    return more.model_copy(update={"column": column} | {name: getattr(plain, name) for name in PLAIN})


def _tell_cost(cost: ProofCost) -> None:
    with st.container(horizontal=True, gap="medium"):
        st.metric("Fine-tunes", format_count(cost.fine_tunes), width="content")
        st.metric("Tokens to train on, prompts too", format_count(cost.tokens), width="content")
        st.metric("Optimiser steps in each", format_count(cost.steps), width="content")
        st.metric("Held-out examples", format_count(cost.held_out), width="content")
        st.metric("Foretold time", format_seconds(cost.seconds), width="content")
    by = f"Foretold by {cost.by}. " if cost.by else ""
    st.caption(escape_markdown(f"{by}It goes on if you leave this page, and what is done is kept if it is stopped."))
