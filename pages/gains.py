"""What did each pick bring, and where does it stop paying?"""

import pandas as pd
import streamlit as st

from core.choices import Pick, SelectionRow
from core.web.charts import draw_gains
from core.web.deciding import decide_in_table
from core.web.notices import show_errors
from core.web.scores import describe_covers, read_covers, read_picks, shorten
from core.web.session import open_bench
from core.web.steps import require_selection
from core.web.theme import format_count, format_sig

PAGE_ROWS = 50
GAIN_HELP = (
    "log det(I + F V⁻¹ Fᵀ): how much this example adds to what the earlier picks already tell about the "
    "model's last layer. A nat is 1.44 bits."
)

COVERS_HELP = (
    "The earlier picks that already tell most of what this example would tell alone, each with the share that it and "
    "those named before it cover together."
)


def show_figures(picks: list[Pick]) -> None:
    """The first and the last gain, and what half of the picks hold."""
    half = picks[(len(picks) - 1) // 2]
    total = picks[-1].cumulative or 0.0
    figures = st.columns(4)
    figures[0].metric("Information", f"{format_sig(total)} nats", help=GAIN_HELP)
    figures[1].metric("First pick", f"{format_sig(picks[0].gain)} nats")
    figures[2].metric("Last pick", f"{format_sig(picks[-1].gain)} nats")
    share = (half.cumulative or 0.0) / total if total else 0.0
    figures[3].metric(f"First {format_count(half.rank)} picks hold", f"{100 * share:.0f} %")


def show_ledger(selection: SelectionRow, picks: list[Pick]) -> None:
    """The ledger, a page at a time."""
    st.subheader("Ledger")
    pages = -(-len(picks) // PAGE_ROWS)
    page = st.pagination(pages, key=f"gains.page.{selection.selection}") if pages > 1 else 1
    shown = picks[(page - 1) * PAGE_ROWS : page * PAGE_ROWS]
    texts = {text.row: text for text in open_bench().datasets.texts(selection.dataset, [pick.row for pick in shown])}
    covers = read_covers(selection.selection, tuple(pick.row for pick in shown))
    ranks = {pick.row: pick.rank for pick in picks}
    number = st.column_config.NumberColumn
    table = pd.DataFrame(
        [
            {
                "#": pick.rank,
                "Row": pick.row,
                "Prompt": shorten(texts[pick.row].prompt, 120),
                "Gain": pick.gain,
                "Alone": pick.gain_alone,
                "Cumulative": pick.cumulative,
                "Covered by": describe_covers(covers[pick.row], ranks),
                "Tokens": pick.response_tokens,
            }
            for pick in shown
        ]
    )
    config = {
        "#": number(width=40),
        "Row": number(width=60),
        "Gain": number("Gain (nats)", format="%.3g", help=GAIN_HELP),
        "Alone": number("Alone (nats)", format="%.3g", help="What it would gain on the empty set."),
        "Cumulative": number("Cumulative (nats)", format="%.1f"),
        "Covered by": st.column_config.TextColumn(help=COVERS_HELP, width=230),
        "Prompt": st.column_config.TextColumn(width=200),
        "Tokens": number("Tokens", format="localized"),
    }
    decide_in_table(selection.dataset, table, f"gains.table.{selection.selection}.{page}", config)


def show_gains(selection: SelectionRow) -> None:
    """Gains and their sum by tokens spent, with the random band; then the ledger."""
    picks = read_picks(selection.selection)
    show_figures(picks)
    title, toggle = st.columns([3, 1], vertical_alignment="center")
    title.markdown("**Marginal gain of each pick, and the information they hold together**", help=GAIN_HELP)
    with toggle:
        log_axis = st.toggle("Logarithmic gains", key="gains.log")
    st.plotly_chart(draw_gains(picks, selection, log_axis=log_axis), key="gains.plot")
    show_ledger(selection, picks)


with show_errors():
    chosen = require_selection()
    if chosen:
        show_gains(chosen)
