"""Opening a page of the app over a workspace, and reading what it shows."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.web.session import open_bench
from tests.conftest import ROOT

FRAME = ROOT / "core" / "web" / "frame.py"
Open = Callable[..., AppTest]


@pytest.fixture
def open_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens a page of the app over a workspace; the workspace is let go of at the end."""

    def open_page(workspace: Path, page: str = "dataset", **query: str) -> AppTest:
        monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))
        monkeypatch.setenv("GLEANER_ROOTS", str(workspace.parent))
        app = AppTest.from_file(str(FRAME), default_timeout=180)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "dataset":
            app.switch_page(f"../../pages/{page}.py").run()
        return app

    yield open_page
    open_bench().close()
    st.cache_resource.clear()  # what a server keeps is of its one workspace
    st.cache_data.clear()


def button(app: AppTest, label: str):
    """The first button of this label."""
    return next(b for b in app.button if b.label == label)


def texts(app: AppTest) -> str:
    """All words that the page shows outside of tables and figures."""
    shown = [*app.markdown, *app.caption, *app.text, *app.metric, *app.error, *app.warning, *app.success, *app.info]
    return "\n".join(str(element.value) for element in shown).replace("\\", "")


def links(app: AppTest) -> list[str]:
    """The labels of the page's links to other pages, in order."""
    return [element.proto.label for element in app.get("page_link")]
