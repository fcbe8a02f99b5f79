"""Review shows one example at a time, keeps each person's verdict, and others' only after one's own."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.web.review.queue import NOTHING
from core.web.session import current_person, open_bench
from core.workbench import Workbench
from core.workbench.reviewing import QueueRequest
from tests.pages.conftest import Open, button, links, texts


@pytest.fixture
def chosen(workspace: Path) -> str:
    with Workbench(workspace) as bench:
        return bench.select("chats", "fisher", "6").selection


def queue_of(workspace: Path, selection: str, queue: str = "border") -> list[int]:
    with Workbench(workspace) as bench:
        return [one.row for one in bench.review_queue(QueueRequest(selection, queue, 50))]


def judge(workspace: Path, row: int, verdict: str, who: str, why: str = "") -> None:
    with Workbench(workspace) as bench:
        bench.judge("chats", row, "border", verdict, why, who)


def press(app: AppTest, label: str) -> None:
    button(app, label).click().run()
    assert not app.exception
    assert not app.error


def test_a_verdict_is_kept_and_the_next_example_comes(open_app: Open, workspace: Path, chosen: str) -> None:
    rows = queue_of(workspace, chosen)
    app = open_app(workspace, "review")
    assert f"Row {rows[0]}" in texts(app)
    app.text_input(key=f"review.note.chats.{current_person()}.0").set_value("dull").run()
    press(app, "Drop")
    assert f"Row {rows[1]}" in texts(app)
    assert f"Row {rows[0]}: drop; nobody else has judged it yet." in texts(app)
    assert app.number_input(key="at").value == 2
    press(app, "Previous")
    assert "You said drop" in texts(app)
    press(app, "Keep")
    bench = open_bench()
    (made,) = bench.judgements.standing("chats")
    assert (made.row, made.verdict, made.queue) == (rows[0], "keep", "border")
    assert [one.why for one in bench.judgements.of_dataset("chats")] == ["dull", "dull"]


def test_what_others_said_shows_after_one_s_own_verdict(open_app: Open, workspace: Path, chosen: str) -> None:
    rows = queue_of(workspace, chosen)
    judge(workspace, rows[0], "drop", "eve", "a joke")
    judge(workspace, rows[1], "keep", "eve")
    app = open_app(workspace, "review")
    before = texts(app) + "".join(str(frame.value) for frame in app.dataframe)
    assert "eve said" not in before
    assert "a joke" not in before
    assert "drop" not in before.replace("drop or leave", "").replace("D drops", "")
    press(app, "Keep")
    assert "others said: eve drop" in texts(app)
    press(app, "Previous")
    assert "eve said drop: a joke" in texts(app)
    pairs = app.dataframe[-1].value
    assert pairs["Both judged"].tolist() == ["1"]
    assert pairs["Said the same"].tolist() == ["0 %"]


def test_the_curator_applies_what_every_judge_said(open_app: Open, workspace: Path, chosen: str) -> None:
    rows = queue_of(workspace, chosen)
    for who in ("eve", "adam"):
        for row in rows[:3]:
            judge(workspace, row, "drop", who)
        judge(workspace, rows[3], "keep", who)
    judge(workspace, rows[2], "keep", "cy")
    app = open_app(workspace, "review")
    press(app, "Ban the 2 that every judge dropped")
    press(app, "Pin the 1 that every judge kept")
    standing = open_bench().decisions.standing("chats")
    assert (set(standing.banned), set(standing.pinned)) == ({*rows[:2]}, {rows[3]})


def test_an_address_opens_its_queue_at_its_example(open_app: Open, workspace: Path, chosen: str) -> None:
    rows = queue_of(workspace, chosen, "random")
    app = open_app(workspace, "review", queue="random", at="3", length="5")
    assert not app.exception
    assert f"Row {rows[2]}" in texts(app)
    assert "0 of 5 judged by you" in str(app.get("progress")[0].proto)


def test_an_empty_queue_says_so(open_app: Open, workspace: Path, chosen: str) -> None:
    app = open_app(workspace, "review", queue="truncated")
    assert not app.exception
    assert NOTHING["truncated"] in texts(app)


def test_without_another_selection_the_way_to_one_is_shown(open_app: Open, workspace: Path, chosen: str) -> None:
    app = open_app(workspace, "review", queue="disagree")
    assert not app.exception
    assert "Choose by another goal" in links(app)


def test_a_note_that_one_person_types_is_not_shown_to_the_next(open_app: Open, workspace: Path, chosen: str) -> None:
    app = open_app(workspace, "review")
    app.sidebar.text_input(key="person").set_value("Ada").run()
    note = next(field for field in app.main.text_input if field.label == "Note")
    note.set_value("a secret").run()
    press(app, "Drop")
    press(app, "Previous")
    assert "nobody else has judged it yet" in texts(app)
    app.sidebar.text_input(key="person").set_value("bob").run()
    assert next(field for field in app.main.text_input if field.label == "Note").value == ""
    assert "nobody else has judged it yet" not in texts(app)
    app.sidebar.text_input(key="person").set_value("Ada").run()
    assert next(field for field in app.main.text_input if field.label == "Note").value == "a secret"


def test_another_queue_begins_with_its_first_example(open_app: Open, workspace: Path, chosen: str) -> None:
    app = open_app(workspace, "review", queue="border", at="3")
    assert app.number_input(key="at").value == 3
    app.segmented_control(key="queue").set_value("random").run()
    assert not app.exception
    assert app.number_input(key="at").value == 1
