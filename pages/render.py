"""What exactly is the model shown, and which of its tokens are scored?"""

from typing import Literal

import pandas as pd
import streamlit as st

from core.records import RunRow, Shown
from core.settings import ScoringSettings
from core.web.deciding import decide_on
from core.web.forms import settings_form
from core.web.notices import show_errors
from core.web.rows import ask_row
from core.web.session import current_run, open_bench
from core.web.slots import slot_key
from core.web.steps import require_dataset
from core.web.theme import format_count

KINDS: dict[str, tuple[str, Literal["gray", "blue", "orange"], str]] = {
    "prompt": ("Read", "gray", "The model reads this; it is not scored."),
    "response": ("Scored", "blue", "The response: every token of it is scored."),
    "cut": ("Cut", "orange", "Beyond max_length: the model never sees this."),
}


def ask_settings(run: RunRow | None) -> ScoringSettings:
    """Model, template and length; those of the chosen run to begin with."""
    start = ScoringSettings.checked(**run.settings["scoring"]) if run else ScoringSettings()
    asked = ("model", "template", "max_length")
    key = f"render.{run.run if run else 'none'}"
    values = {}
    for column, name in zip(st.columns([2, 1, 1]), asked, strict=True):
        with column:
            values[name] = getattr(settings_form(ScoringSettings, key, (name,), start), name)
    return start.model_copy(update=values)


def show_parts(shown: Shown) -> None:
    """The text in parts, as text that nothing interprets."""
    for kind, text in shown.parts:
        if kind == "prompt" and not text.strip():
            continue
        label, colour, meaning = KINDS[kind]
        with st.container(border=True):
            st.badge(label, color=colour, help=meaning)
            st.text(text)


def _visible(text: str) -> str:
    """White space as signs that can be seen."""
    return text.replace("\n", "↵").replace(" ", "·").replace("\t", "→")


def show_figures(shown: Shown) -> None:
    """Counts, and the tokens one by one."""
    rendered = shown.rendered
    scored = sum(rendered.response_mask)
    first, second = st.columns(2)
    first.metric("Tokens read", format_count(len(rendered.input_ids) - scored))
    second.metric("Tokens scored", format_count(scored))
    if rendered.truncated:
        st.caption("The response is cut at the greatest length and scored as far as it goes.")
    table = pd.DataFrame(
        {
            "Position": range(len(rendered.input_ids)),
            "Token": [_visible(token) for token in shown.tokens],
            "Id": rendered.input_ids,
            "Scored": ["scored" if mask else "" for mask in rendered.response_mask],
        }
    )
    st.dataframe(table, hide_index=True, height=420)


with show_errors():
    chosen = require_dataset("What exactly the model is shown of an example, and which of its tokens are scored.")
    if chosen:
        chosen_row = ask_row(chosen)
        settings = ask_settings(current_run())
        with st.spinner("Loading the tokenizer"):
            example = open_bench().show(chosen.name, chosen_row, settings)
        if example.rendered.unscorable_reason:
            st.warning("Not scored")
            st.text(example.rendered.unscorable_reason)
        left, right = st.columns([2, 1], gap="large")
        with left:
            show_parts(example)
        with right:
            show_figures(example)
            decide_on(chosen.name, [chosen_row], slot_key("render.one", f"{chosen.name}.{chosen_row}"))
