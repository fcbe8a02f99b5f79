"""What deserves a person's eye?"""

import streamlit as st

from core.web.notices import show_errors
from core.web.review.people import offer_decisions, show_agreement, show_persons
from core.web.review.queue import FIRST, Queue, ask_position, ask_queue, ask_verdict, show_asked, show_said
from core.web.steps import require_selection


def show_queue(queue: Queue) -> None:
    """One example with its keys; below, who has judged how much, and whether they agree."""
    at = ask_position(queue)
    ask_verdict(queue, at)
    show_asked(queue, at)
    show_said(queue, at)
    left, right = st.columns(2, gap="large")
    with left:
        show_persons(queue)
    with right:
        show_agreement(queue)
    offer_decisions(queue)


with show_errors():
    chosen = require_selection(FIRST)
    if chosen and (found := ask_queue(chosen)):
        show_queue(found)
