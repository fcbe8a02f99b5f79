"""How far is each person with a queue, do they agree, and what follows from it?"""

import pandas as pd
import streamlit as st

from core.insight.agreement import agree_in_pairs, krippendorffs_alpha
from core.people import Role
from core.web.notices import say, show_errors
from core.web.review.queue import Queue
from core.web.session import allowed, current_person, open_bench
from core.web.theme import NO_NUMBER, format_count, format_percent, format_sig
from core.workbench.reviewing import KINDS

WORDS = {"drop": ("Ban", "banned", "dropped"), "keep": ("Pin", "pinned", "kept")}
AGREEMENT_HELP = (
    "The share of examples on which two persons said the same. κ (Cohen) takes off what they would agree on by "
    "chance: 1 is full agreement, 0 no more than chance. Counted over the examples that you have judged."
)
ALPHA_HELP = "κ for any number of persons who need not have judged the same examples (nominal α)."


def show_persons(queue: Queue) -> None:
    """How many examples of the queue each person judged; nothing of what they said."""
    st.markdown("**Who has judged how much**")
    if not queue.judged:
        st.caption("Nobody yet. Send the address of this page to others: they see the same examples in this order.")
        return
    lines = [
        {
            "Person": who,
            "Judged": f"{format_count(len(said))} of {format_count(len(queue.asked))}",
            "Share": len(said) / len(queue.asked),
            "Last": max(made.made_at for made in said.values()),
        }
        for who, said in sorted(queue.judged.items(), key=lambda item: -len(item[1]))
    ]
    config = {
        "Share": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1),
        "Last": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm", help="UTC"),
    }
    st.dataframe(pd.DataFrame(lines), hide_index=True, height="content", column_config=config)


def show_agreement(queue: Queue) -> None:
    """Over the examples that this person has judged: every two persons, and all together."""
    st.markdown("**Agreement**", help=AGREEMENT_HELP)
    mine = queue.said_by(current_person())
    judged = {
        who: {row: made.verdict for row, made in said.items() if row in mine} for who, said in queue.judged.items()
    }
    pairs = agree_in_pairs(judged)
    if not pairs:
        st.caption("It shows here once somebody else has judged an example that you have judged.")
        return
    lines = [
        {
            "Persons": " and ".join(pair.persons),
            "Both judged": format_count(pair.examples),
            "Said the same": format_percent(pair.share),
            "κ": NO_NUMBER if pair.kappa is None else format_sig(pair.kappa),
        }
        for pair in pairs
    ]
    st.dataframe(pd.DataFrame(lines), hide_index=True, height="content")
    alpha = krippendorffs_alpha(judged)
    if len(queue.judged) > 2 and alpha is not None:
        st.caption(f"All together: Krippendorff's α {format_sig(alpha)}.", help=ALPHA_HELP)


def offer_decisions(queue: Queue) -> None:
    """For the curator: make decisions of what all judges say alike."""
    with st.expander("Apply what the judges agree on"):
        st.caption("Judgements change no selection by themselves. Decisions do, once you select again.")
        most = max(1, len(queue.judged))
        least = st.number_input(
            "Judged by at least", min_value=1, max_value=most, value=min(2, most), step=1, width=180, key="review.least"
        )
        kind = queue.request.queue
        for verdict in ("drop", "keep"):
            verb, done, said = WORDS[verdict]
            rows = open_bench().agreed(queue.dataset, kind, verdict, queue.rows, int(least))
            label = f"{verb} the {format_count(len(rows))} that every judge {said}"
            how = {"disabled": not rows} | allowed(Role.CURATOR)
            if st.button(label, key=f"review.apply.{KINDS[verdict]}", **how):
                with show_errors():
                    made = open_bench().apply_judgements(
                        queue.dataset, kind, verdict, queue.rows, int(least), current_person()
                    )
                    say(f"{format_count(len(made))} examples {done}. They count when you select again.")
                    st.rerun()
