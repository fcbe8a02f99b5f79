"""What all sessions share is no single browser's to throw away."""

import streamlit as st
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession

import core.web.session  # noqa: F401


def test_no_browser_clears_what_all_share() -> None:
    asked = list[int]()

    @st.cache_data
    def double(number: int) -> int:
        asked.append(number)
        return 2 * number

    @st.cache_resource
    def keep() -> list[int]:
        asked.append(0)
        return []

    def ask() -> None:
        double(1)
        keep()

    ask()
    AppSession.handle_backmsg(AppSession.__new__(AppSession), BackMsg(clear_cache=True))
    ask()
    assert asked == [1, 0]
