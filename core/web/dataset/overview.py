"""A dataset at a glance: its figures, lengths, columns and repeats, and twenty examples to read."""

import html
import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.records import DatasetRow, Example
from core.reports import ColumnFacts, Glance, Lengths, TokenCount
from core.web.drawn import draw_once
from core.web.notices import lead_to
from core.web.reading import show_turns
from core.web.session import open_bench
from core.web.theme import CATEGORIES, LEFT_OUT, figure_layout, format_count, format_percent, format_sig

EXAMPLES, MOST_BARS, LABEL, READING_PIXELS = 20, 10, 36, 640
PROMPTS, RESPONSES = CATEGORIES[4], CATEGORIES[6]
TOKENS_HELP = "Of prompts and responses together, without what a chat template adds."
PLAIN: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "width": "content"}
SAID_AGAIN_HELP = "Examples whose conversation an earlier example has already, whatever their other columns hold."


def show_overview(dataset: DatasetRow) -> None:
    """The whole of it. What takes longest, the tokens, is filled in last."""
    st.header("At a glance")
    with st.spinner("Looking through the examples"):
        glance = open_bench().glance(dataset.name)
    token_place = _show_figures(glance)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown("**Lengths** in characters")
        lengths = glance.prompts, glance.responses
        st.plotly_chart(draw_once(lambda: draw_lengths(*lengths), "lengths", *lengths), key="glance.lengths")
        st.markdown(_lengths_table(glance))
    with right:
        st.markdown("**Said again, or hardly said**")
        st.markdown(_repeats_table(glance))
        st.markdown(f"**Scripts of the responses**{_of_sample(glance, dataset)}")
        st.markdown(tell_scripts(glance))
    _show_columns(glance, dataset)
    show_examples_to_read(dataset)
    with token_place, st.spinner("Counting tokens"):
        _show_tokens(open_bench().token_count(dataset.name))


def draw_lengths(prompts: Lengths, responses: Lengths) -> go.Figure:
    """How many prompts and responses have how many characters, on a logarithmic axis."""
    figure = go.Figure(layout=figure_layout(None, "Characters", "Examples"))
    for name, lengths, colour, dash in (
        ("Prompts", prompts, PROMPTS, "dot"),
        ("Responses", responses, RESPONSES, "solid"),
    ):
        longest = [edge - 1 for edge in lengths.edges[1:]]
        figure.add_scatter(
            x=lengths.edges,
            y=[*lengths.counts, 0],
            customdata=[*longest, lengths.edges[-1]],
            mode="lines",
            line={"shape": "hv", "color": colour, "width": 2, "dash": dash},
            fill="tozeroy",
            fillcolor=f"rgba{(*(int(colour[i : i + 2], 16) for i in (1, 3, 5)), 0.18)}",
            name=name,
            hovertemplate="%{x:,} to %{customdata:,} characters: %{y:,}<extra></extra>",
        )
    filled = [i for i, counts in enumerate(zip(prompts.counts, responses.counts, strict=True)) if any(counts)] or [0]
    ends = math.log10(prompts.edges[filled[0]]), math.log10(prompts.edges[filled[-1] + 1])
    figure.update_xaxes(type="log", dtick=1 if ends[1] - ends[0] > 1.5 else "D2", tickformat=",d", range=ends)
    figure.update_layout(height=250)
    return figure


def draw_values(column: ColumnFacts) -> go.Figure:
    """The most frequent values of a column, the rest as one bar."""
    figure = go.Figure(layout=figure_layout(None, "Share of the examples (%)", None))
    shown, rest = column.values[:MOST_BARS], column.values[MOST_BARS:]
    bars = [(_label(value), count, CATEGORIES[4]) for value, count in shown]
    if rest:
        bars.append((f"{len(rest)} more values", sum(count for _, count in rest), LEFT_OUT))
    bars.reverse()
    total = max(1, column.filled + column.missing + column.null + column.empty)
    figure.add_bar(
        x=[100 * count / total for _, count, _ in bars],
        y=list(range(len(bars))),
        orientation="h",
        marker={"color": [colour for *_, colour in bars]},
        customdata=[count for _, count, _ in bars],
        hovertemplate="%{x:.1f} %, %{customdata:,} examples<extra></extra>",
    )
    figure.update_yaxes(tickvals=list(range(len(bars))), ticktext=[label for label, *_ in bars], showgrid=False)
    figure.update_layout(height=64 + 26 * len(bars), margin={"t": 8})
    return figure


@st.fragment
def show_examples_to_read(dataset: DatasetRow) -> None:
    """Examples drawn evenly at random, as conversations; the same ones until others are asked for."""
    key = f"glance.seed.{dataset.name}"
    seed = st.session_state.setdefault(key, 0)
    examples = _drawn(dataset.name, dataset.content_hash, seed)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{len(examples)} examples**, drawn at random", width="content")
        if dataset.rows_loaded > EXAMPLES:
            st.button("Show others", key="glance.others", on_click=_draw_others, args=[key], icon=":material/casino:")
    with st.container(height=READING_PIXELS):
        for place, column in enumerate(st.columns(2, gap="medium")):
            with column:
                for example in examples[place::2]:
                    with st.container(border=True, gap="xsmall"):
                        show_turns(example)
                        lead_to("example", f"Row {format_count(example.row)}", row=str(example.row))


@st.cache_data(show_spinner=False, max_entries=32)
def _drawn(name: str, content_hash: str, seed: int) -> list[Example]:
    del content_hash  # only tells a dataset's earlier content from its present one
    return open_bench().draw_examples(name, EXAMPLES, seed)


def _draw_others(key: str) -> None:
    st.session_state[key] += 1


def _show_figures(glance: Glance) -> "st.delta_generator.DeltaGenerator":
    """Four figures; the place for the tokens comes back empty."""
    whole, all_ = glance.conversations, max(1, glance.conversations.examples)
    again = glance.duplicates.conversations
    row = st.container(horizontal=True, gap="medium")
    tokens = row.container(width="content")
    row.metric(
        "Characters",
        _about(glance.prompts.total + glance.responses.total),
        f"{format_percent(_response_share(glance))} in responses",
        **PLAIN,
    )
    row.metric(
        "Several user turns",
        format_percent(whole.several_turns / all_),
        f"system message {format_percent(whole.with_system / all_)}, tools {format_percent(whole.with_tools / all_)}",
        **PLAIN,
        help=f"The longest conversation has {format_count(whole.most_turns)} turns.",
    )
    row.metric(
        "Said again",
        format_percent(again / all_),
        f"{format_count(again)} examples",
        **PLAIN,
        help=SAID_AGAIN_HELP,
    )
    return tokens


def _about(count: int) -> str:
    return format_count(count) if count < 1_000 else format_sig(count)


def _response_share(glance: Glance) -> float:
    return glance.responses.total / max(1, glance.prompts.total + glance.responses.total)


def _show_tokens(tokens: TokenCount | None) -> None:
    if tokens is None:
        st.metric("Tokens", format_sig(None), help="The embedded model, whose tokenizer would count them, is missing.")
        return
    write = format_count if tokens.is_exact else _about
    how = (
        f"Counted by {tokens.counted_by}." if tokens.is_exact else f"Estimated from a sample with {tokens.counted_by}."
    )
    st.metric(
        "Tokens" if tokens.is_exact else "Tokens, about",
        write(tokens.prompt + tokens.response),
        f"{write(tokens.response)} in responses",
        **PLAIN,
        help=how if tokens.is_exact else f"{how} {TOKENS_HELP}",
    )


def _lengths_table(glance: Glance) -> str:
    lines = ["| Texts | 5\u00a0% | Median | 95\u00a0% | Max |", "|:--|--:|--:|--:|--:|"]
    for name, of in (("Prompts", glance.prompts), ("Responses", glance.responses)):
        figures = (format_count(value) for value in (of.low, of.median, of.high, of.longest))
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _repeats_table(glance: Glance) -> str:
    same = glance.duplicates
    groups = f", in {format_count(same.groups)} groups of up to {format_count(same.largest)}" if same.exact else ""
    rows = [
        (f"Whole row again{groups}", same.exact),
        ("Conversation again", same.conversations),
        (f"One prompt, different responses{_groups(same.prompts)}", same.prompt_examples),
        (f"One response, different prompts{_groups(same.responses)}", same.response_examples),
        ("Empty prompt", glance.empty_prompts),
        ("Response below 3 characters", glance.short_responses),
    ]
    lines = [f"| {what} | {format_count(count)} |" for what, count in rows]
    return "\n".join(["| What | Examples |", "|:--|--:|", *lines])


def _groups(count: int) -> str:
    return f", {format_count(count)} time{'s' if count > 1 else ''}" if count else ""


def tell_scripts(glance: Glance) -> str:
    """The writing systems with their shares, the most frequent first."""
    shares = [(name, count / max(1, glance.sampled)) for name, count in glance.scripts]
    return ", ".join(f"{name} {'over 99 %' if 0.995 <= of < 1 else format_percent(of)}" for name, of in shares)


def _show_columns(glance: Glance, dataset: DatasetRow) -> None:
    """What the rows hold as they came: how far each column is filled, and the values of those with few."""
    if not glance.columns:
        return
    few = {column.name: column for column in glance.columns if column.values}
    left, right = st.columns([3, 2], gap="large") if few else (st.container(), st.container())
    with left:
        more = f" {len(glance.columns)} of {format_count(glance.column_count)} are shown."
        st.markdown(
            f"**Columns** of the rows as they came{_of_sample(glance, dataset)}."
            + (more if glance.column_count > len(glance.columns) else "")
        )
        st.dataframe(
            _columns_table(glance.columns),
            hide_index=True,
            height="content" if len(glance.columns) <= MOST_BARS else 460,
            column_config={
                "Filled": st.column_config.ProgressColumn(format="percent", width=90),
                "Column": st.column_config.TextColumn(pinned=True),
                "Distinct": st.column_config.NumberColumn(
                    format="localized", help="Different values among the rows read."
                ),
                'Empty ""': st.column_config.NumberColumn(format="localized", help='"", [] or {}'),
                "Missing": st.column_config.NumberColumn(format="localized"),
                "null": st.column_config.NumberColumn(format="localized"),
            },
        )
    if few:
        with right:
            name = st.selectbox("Values of", list(few), key=f"glance.values.{dataset.name}")
            st.plotly_chart(draw_once(lambda: draw_values(few[name]), "values", few[name]), key="glance.values")


def _columns_table(columns: Sequence[ColumnFacts]) -> pd.DataFrame:
    total = [max(1, of.filled + of.missing + of.null + of.empty) for of in columns]
    return pd.DataFrame(
        {
            "Column": [of.name for of in columns],
            "Type": [" or ".join(of.types) for of in columns],
            "Filled": [of.filled / all_ for of, all_ in zip(columns, total, strict=True)],
            "Missing": [of.missing for of in columns],
            "null": [of.null for of in columns],
            'Empty ""': [of.empty for of in columns],
            "Distinct": [of.distinct for of in columns],
        }
    )


def _of_sample(glance: Glance, dataset: DatasetRow) -> str:
    return f", in a sample of {format_count(glance.sampled)}" if glance.sampled < dataset.rows_loaded else ""


def _label(value: str) -> str:
    """A value as an axis writes it: short, on one line, with no tags that plotly would read."""
    flat = " ".join(value.split())
    return html.escape(flat if len(flat) <= LABEL else flat[: LABEL - 1] + "…")
