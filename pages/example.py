"""Why this one, or why not?"""

from dataclasses import replace

import streamlit as st

from core.choices import SelectionRow
from core.records import DatasetRow, RunRow
from core.web.cut import Cut, current_cut
from core.web.deciding import show_history, standing_of, tell_prices
from core.web.example.near import link_to, show_neighbours
from core.web.example.ranked import show_ranked, why_not_scored
from core.web.example.spoken import show_conversation
from core.web.example.story import tell_story
from core.web.example.walking import show_decisions, show_walk
from core.web.notices import escape_markdown, lead_to, show_errors
from core.web.session import current_run, open_bench
from core.web.steps import require_dataset

FIRST = "One example: what was said, token by token, and why the selection holds it or leaves it out."


def show_story(cut: Cut, row: int, unscorable: str | None) -> None:
    """Whether and why the selection holds it, in sentences, with the examples named in them."""
    facts = open_bench().story_facts(cut.selection.selection, row, cut.rows, is_tried=cut.is_tried)
    if facts.outcome and unscorable:
        facts = replace(facts, outcome=replace(facts.outcome, detail=unscorable))
    story = tell_story(facts)
    st.markdown(f"**{escape_markdown(story.headline)}**")
    st.markdown(escape_markdown(" ".join(story.sentences)))
    if story.mentioned:
        with st.container(horizontal=True, gap="small"):
            for other in story.mentioned:
                link_to(other)


def lead_on(is_scored: bool) -> None:
    """What is missing to a story, and the way there."""
    if is_scored:
        st.markdown("Nothing is selected from this run yet, so there is no story to tell.")
        lead_to("select", "Choose examples")
    else:
        st.markdown("This dataset has not been scored yet: there are no scores and there is no story to tell.")
        lead_to("scoring", "Score it")


def show_scores(run: RunRow, row: int, unscorable: str | None) -> None:
    """Its scores with their places among all examples, or why there are none."""
    if unscorable:
        st.markdown("**Not scored**")
        st.text(unscorable)
    else:
        show_ranked(run, row)


def show_standing(dataset: str, row: int) -> None:
    """What was decided about it, and the buttons to decide."""
    word = standing_of(open_bench().decisions.standing(dataset), row)
    st.markdown(f"**Your decision**{f': it is {word}' if word else ''}")
    show_decisions(dataset, row)


@st.fragment
def offer_prices(selection: SelectionRow, row: int) -> None:
    """What deciding on it would change, worked out once somebody wants to know."""
    cost = st.expander("What would it cost?", key="example.prices", on_change="rerun")
    if cost.open:
        with cost:
            tell_prices(selection, row, open_bench().decisions.standing(selection.dataset))


def show_example(dataset: DatasetRow) -> None:
    """The conversation beside its story; what may take a moment is drawn after what does not."""
    run, cut = current_run(), current_cut()
    row = show_walk(dataset, cut)
    unscorable = why_not_scored(run, row) if run else None
    left, right = st.columns([2, 1], gap="large")
    story, decision = right.container(border=True, gap="small"), right.container(border=True, gap="small")
    scores, near = right.container(gap="small"), right.container()
    with decision, show_errors():
        show_standing(dataset.name, row)
        if cut:
            offer_prices(cut.selection, row)
        show_history(dataset.name, row)
    with story, show_errors():
        if cut:
            show_story(cut, row, unscorable)
        else:
            lead_on(is_scored=run is not None)
    with scores:
        if run:
            show_scores(run, row, unscorable)
    with left, show_errors():
        show_conversation(dataset, row, None if unscorable else run, cut)
    with near, show_errors():
        if run and not unscorable:
            show_neighbours(dataset, run, row, cut)


with show_errors():
    chosen = require_dataset(FIRST)
    if chosen:
        show_example(chosen)
