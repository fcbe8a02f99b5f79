"""What a page shows, and lets happen, to a curator, an annotator, a viewer, and nobody."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.web import signing_in
from core.web.session import PERSON, open_workspace
from core.workbench import Workbench
from tests.pages.conftest import FRAME, button, texts
from tests.proving import score_pool, write_pool
from tests.signing import AUTH, NO_ROLE, ROLES, claims_of, secrets

Visit = Callable[..., AppTest]
PAGES = (
    "dataset",
    "plan",
    "scoring",
    "select",
    "map",
    "gains",
    "compare",
    "example",
    "review",
    "render",
    "proof",
    "export",
)


@pytest.fixture
def visit(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visit]:
    """Opens a page as somebody, by email, on a server that asks people to sign in."""
    monkeypatch.setenv("GLEANER_WORKSPACE", str(workspace))
    monkeypatch.setattr(signing_in, "home_elsewhere", lambda: None)

    def visit_page(email: str | None, page: str = "dataset", **query: str) -> AppTest:
        app = AppTest.from_file(str(FRAME), default_timeout=180)
        app.user = {"is_logged_in": True, **claims_of(email)} if email else {"is_logged_in": False}
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        return app if page == "dataset" else app.switch_page(f"../../pages/{page}.py").run()

    with secrets(auth=AUTH, roles=ROLES):
        yield visit_page
    open_workspace().close()
    st.cache_resource.clear()
    st.cache_data.clear()


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_anything(visit: Visit, page: str) -> None:
    app = visit(None, page)
    assert [title.value for title in app.title] == ["Sign in"]
    assert [each.label for each in app.button] == ["Sign in"]
    assert not app.sidebar.selectbox
    assert "chats" not in texts(app)


def test_somebody_without_a_role_is_told_who_they_are_and_whom_to_ask(visit: Visit) -> None:
    app = visit(NO_ROLE)
    assert texts(app) == f"You are signed in as {NO_ROLE}. Ask the data team for a role."
    assert [each.label for each in app.button] == ["Sign out"]


def test_a_sign_in_that_has_ended_leads_back_to_the_door(visit: Visit) -> None:
    app = visit("ada@example.org")
    assert [title.value for title in app.title] == ["Dataset"]
    app.user["iat"] = 0
    app.run()
    assert [title.value for title in app.title] == ["Sign in"]
    assert "This sign-in has ended" in texts(app)


def test_the_sidebar_says_who_one_is(visit: Visit) -> None:
    app = visit("bea@example.org")
    assert "bea@example.org, annotator" in [each.value for each in app.sidebar.text]
    assert [each.label for each in app.sidebar.button] == ["Sign out"]
    assert not app.sidebar.text_input


def test_signing_out_leads_to_the_door_and_keeps_the_sign_in_ended(visit: Visit) -> None:
    app = visit("ada@example.org")
    claims = dict(app.user)
    button(app, "Sign out").click().run()
    assert [title.value for title in app.title] == ["Sign in"]
    app.user = claims
    app.run()
    assert [title.value for title in app.title] == ["Sign in"]
    signing_in._ended.clear()


def buttons_of(app: AppTest) -> dict[str, bool]:
    """Which of the page's buttons work."""
    return {each.label: not each.disabled for each in app.main.button}


@pytest.mark.parametrize(
    ("email", "decides", "rules"),
    [("ada@example.org", True, True), ("bea@example.org", True, False), ("eve@example.net", False, False)],
)
def test_buttons_work_for_those_who_may(visit: Visit, email: str, decides: bool, rules: bool) -> None:
    render, select = buttons_of(visit(email, "render", row="3")), buttons_of(visit(email, "select"))
    assert [render[label] for label in ("Pin", "Ban", "Note")] == [decides] * 3
    assert select["Select"] is rules
    assert buttons_of(visit(email, "scoring"))["Start scoring"] is rules
    assert ("Loading takes a curator." in texts(visit(email))) is not rules


def test_a_disabled_button_says_which_role_it_takes(visit: Visit) -> None:
    pressed = button(visit("eve@example.net", "render", row="3"), "Ban")
    assert pressed.disabled
    assert pressed.help == "This takes an annotator."


def test_a_button_that_is_pressed_all_the_same_does_nothing(visit: Visit) -> None:
    """A browser sends what it likes: this one presses a button that it was shown as disabled."""
    app = visit("eve@example.net", "render", row="3")
    pressed = button(app, "Ban")
    pressed.proto.disabled = False
    pressed.click().run()
    assert not app.exception
    assert open_workspace().history("chats") == []


def test_what_a_page_forgets_to_disable_is_refused_with_a_word(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.web.deciding.allowed", lambda role, help=None: {"help": help})
    app = visit("eve@example.net", "render", row="3")
    button(app, "Ban").click().run()
    assert "eve@example.net is a viewer here; to pin, ban or note examples takes an annotator." in texts(app)
    assert open_workspace().history("chats") == []


def test_decisions_carry_the_account_whatever_the_browser_says(visit: Visit) -> None:
    app = visit("bea@example.org", "render", row="3")
    app.session_state[PERSON] = "Ada"
    button(app, "Ban").click().run()
    assert [one.who for one in open_workspace().history("chats")] == ["bea@example.org"]


def test_who_decides_after_another_is_told_and_both_stand(visit: Visit) -> None:
    button(visit("ada@example.org", "render", row="3"), "Ban").click().run()
    app = visit("bea@example.org", "render", row="3")
    button(app, "Pin").click().run()
    made = open_workspace().history("chats")
    assert [(one.who, one.kind) for one in made] == [("ada@example.org", "ban"), ("bea@example.org", "pin")]
    assert f"ada@example.org banned it {made[0].made_at:%d %b %Y %H:%M}; both stand, the last one counts." in texts(app)
    assert open_workspace().decisions.standing("chats").pinned == (3,)
    button(app, "Pin").click().run()
    assert "ada@example.org banned it" in texts(app)
    assert "bea@example.org pinned it" not in texts(app)


def test_a_viewer_reads_what_a_proof_would_take_and_starts_none(
    visit: Visit, workspace: Path, tiny_model: Path, tmp_path: Path
) -> None:
    with Workbench(workspace) as bench:
        run = score_pool(bench, write_pool(tmp_path / "pool.jsonl", "clean", 100), tiny_model)
        chosen = bench.select("pool", "random", "400tok", run=run).selection
        other = bench.select("chats", "fisher", "6").selection
    for email, may in (("eve@example.net", False), ("ada@example.org", True)):
        app = visit(email, "proof", dataset="pool", selection=chosen)
        assert {metric.label for metric in app.metric} >= {"Fine-tunes", "Foretold time"}
        assert button(app, "Start the proof").disabled is not may
        unheld = visit(email, "proof", dataset="chats", selection=other)
        assert button(unheld, "Score again with these held out").disabled is not may
