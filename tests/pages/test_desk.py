"""The Desk: a goal and a budget become a selection, and every view follows the budget."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from core.choices import SelectionReport, Standing
from core.errors import BadInput
from core.selection.criteria.designs import FisherSettings
from core.selection.criteria.scores import LengthSettings
from core.settings import Quota
from core.web.desk.controls import read_rows
from core.web.session import open_bench
from core.web.tables import decimals_of
from core.workbench import Workbench
from tests.pages.conftest import Open, button, texts


def select(workspace: Path, criterion: str, budget: str, **asked: Any) -> SelectionReport:
    with Workbench(workspace) as bench:
        return bench.select("chats", criterion, budget, **asked)


def choose_goal(app: AppTest, name: str) -> None:
    app.radio[0].set_value(name).run()


def ask_for(app: AppTest, amount: float, unit: str = "examples") -> None:
    """Type a budget."""
    app.segmented_control(key="unit").set_value(unit).run()
    next(number for number in app.number_input if number.label.startswith("Budget")).set_value(amount).run()


def figure(app: AppTest, label: str) -> str:
    return next(metric.value for metric in app.metric if metric.label == label)


def shown_selection(app: AppTest) -> str:
    return str(app.sidebar.selectbox(key="selection").value)


@pytest.mark.parametrize("criterion", ["instructdiff", "fisher", "random"])
def test_the_desk_selects_what_the_workbench_selects(criterion: str, open_app: Open, workspace: Path) -> None:
    by_python = select(workspace, criterion, "6")
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        cursor.execute("DELETE FROM selections")
    app = open_app(workspace, "select")
    choose_goal(app, criterion)
    ask_for(app, 6)
    button(app, "Select").click().run()
    assert not app.exception
    assert shown_selection(app) == by_python.selection
    assert figure(app, "Examples") == "6"


@pytest.mark.parametrize(("budget", "may_have_more"), [("4", True), ("80tok", False)])
def test_random_examples_that_hold_more_are_told_with_what_they_may_have_more_of(
    budget: str, may_have_more: bool, open_app: Open, workspace: Path
) -> None:
    made = select(workspace, "length", budget, settings=LengthSettings(take="max"))
    with Workbench(workspace) as bench:
        assert made.log_det < bench.selections.get(made.selection).envelope["low"][-1]
    app = open_app(workspace, "select", selection=made.selection)
    assert "random examples of as many tokens hold more" in texts(app)
    assert ("may be more examples than the budget allows" in texts(app)) is may_have_more


def test_the_desk_keeps_quotas_and_says_how_near_the_best_it_is(open_app: Open, workspace: Path) -> None:
    by_python = select(workspace, "ioptimal", "6", quotas=[Quota.parse("topic=1<=2")])
    select(workspace, "random", "3")
    app = open_app(workspace, "select")
    choose_goal(app, "ioptimal")
    next(area for area in app.text_area if area.label.startswith("Quotas")).set_value("topic=1<=2\n\n").run()
    ask_for(app, 6)
    button(app, "Select").click().run()
    assert not app.exception
    assert shown_selection(app) == by_python.selection
    share = float(figure(app, "Of the best possible").strip("≥ %"))
    assert share == pytest.approx(100 * by_python.at_least - 0.05, abs=0.051)
    assert "of the mean predictive variance; random subsets" in texts(app)


@pytest.mark.parametrize(
    ("quota", "words"), [("topic=1", "is not one of"), ("colour", "has a column 'colour'"), ("topic=7<=1", "there are")]
)
def test_an_impossible_quota_is_refused(quota: str, words: str, open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "select")
    next(area for area in app.text_area if area.label.startswith("Quotas")).set_value(quota).run()
    select = button(app, "Select")
    if not select.disabled:
        select.click().run()
    assert not app.exception
    assert words in texts(app)


@pytest.mark.parametrize("made", [False, True])
@pytest.mark.parametrize(
    ("amount", "unit", "words"),
    [(0, "examples", "selects nothing"), (1, "tokens", "buys nothing"), (1e9, "tokens", "more")],
)
def test_an_impossible_budget_is_refused(
    amount: float, unit: str, words: str, made: bool, open_app: Open, workspace: Path
) -> None:
    if made:
        select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    ask_for(app, amount, unit)
    button(app, "Select").click().run()
    assert not app.exception
    assert words in texts(app)


def test_a_budget_beyond_the_order_is_selected_anew(open_app: Open, workspace: Path) -> None:
    made = select(workspace, "fisher", "6").selection
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        cursor.execute("UPDATE orders SET is_complete = false")
        cursor.execute("DELETE FROM order_rows WHERE place >= 12")
    app = open_app(workspace, "select")
    ask_for(app, 15)
    assert "select again with it" in texts(app)
    assert figure(app, "Examples") == "6"
    button(app, "Select").click().run()
    assert not app.exception
    assert figure(app, "Examples") == "15"
    assert shown_selection(app) != made


def test_a_typed_budget_is_forgotten_when_another_is_shown(open_app: Open, workspace: Path) -> None:
    select(workspace, "random", "3")
    with Workbench(workspace) as bench, bench.database.writing() as cursor:
        cursor.execute("UPDATE orders SET is_complete = false")
        cursor.execute("DELETE FROM order_rows WHERE place >= 12")
    select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    ask_for(app, 15, "tokens")
    assert "Select orders for tokens" in texts(app)
    app.slider[0].set_value(app.slider[0].max).run()
    assert "Select orders for tokens" not in texts(app)
    tried = next(number.value for number in app.number_input if number.label.startswith("Budget"))
    assert tried == app.slider[0].max
    ask_for(app, 15, "tokens")
    made = open_bench().selections
    other = next(one for one in made.of_run(open_bench().runs.of_dataset("chats")[0].run) if one.criterion == "random")
    app.sidebar.selectbox(key="selection").set_value(other.selection).run()
    assert "Select orders for tokens" not in texts(app)
    assert not app.exception


def test_the_form_begins_with_what_the_shown_selection_was_asked_to_be(open_app: Open, workspace: Path) -> None:
    select(workspace, "random", "3", seed=4)
    kept = select(workspace, "fisher", "5", settings=FisherSettings(ridge=2), quotas=[Quota.parse("topic")])
    app = open_app(workspace, "select", selection=kept.selection)
    assert app.radio[0].value == "fisher"
    assert next(number.value for number in app.number_input if number.label == "Ridge") == 2
    assert app.text_area[0].value == "topic"
    assert button(app, "Selected").disabled
    other = next(name for name in app.sidebar.selectbox(key="selection").options if "random" in name)
    made = open_bench().selections
    names = {one.criterion: one.selection for one in made.of_run(made.get(kept.selection).run)}
    app.sidebar.selectbox(key="selection").set_value(names["random"]).run()
    assert "random" in other
    assert app.radio[0].value == "random"
    assert next(number.value for number in app.number_input if number.label == "Seed") == 4
    assert button(app, "Selected").disabled


def test_the_slider_moves_every_figure_and_selects_nothing(open_app: Open, workspace: Path) -> None:
    chosen = select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    held = figure(app, "Information held")
    app.slider[0].set_value(9).run()
    assert not app.exception
    assert figure(app, "Examples") == "9"
    assert figure(app, "Of the best possible") == "–"
    assert figure(app, "Information held") > held
    assert app.query_params["budget"] == "9"
    assert list(app.dataframe[-1].value["#"]) == list(range(1, 10))
    selections = open_bench().selections
    made = selections.of_run(selections.get(chosen.selection).run)
    assert [one.selection for one in made] == [chosen.selection]
    app.slider[0].set_value(6).run()
    assert "budget" not in app.query_params
    assert button(app, "Selected").disabled


def test_a_tried_budget_stands_in_the_address_and_on_every_page(open_app: Open, workspace: Path) -> None:
    chosen = select(workspace, "fisher", "6")
    app = open_app(workspace, "select", selection=chosen.selection, budget="9")
    assert figure(app, "Examples") == "9"
    app.switch_page("../../pages/gains.py").run()
    assert app.query_params["budget"] == "9"
    app.switch_page("../../pages/select.py").run()
    assert app.slider[0].value == 9


@pytest.mark.parametrize("budget", ["nonsense", "100000", "0", "-3"])
def test_a_budget_in_the_address_that_cannot_be_is_left_aside(budget: str, open_app: Open, workspace: Path) -> None:
    select(workspace, "fisher", "6")
    app = open_app(workspace, "select", budget=budget)
    assert not app.exception
    assert figure(app, "Examples") == "6"
    assert "budget" not in app.query_params


def test_a_tried_budget_is_saved_as_a_selection(open_app: Open, workspace: Path) -> None:
    select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    app.slider[0].set_value(9).run()
    button(app, "Save this budget").click().run()
    assert not app.exception
    assert open_bench().selections.get(shown_selection(app)).budget == "9"
    assert figure(app, "Of the best possible").startswith("≥")
    assert "budget" not in app.query_params


@pytest.mark.parametrize(("unit", "amount"), [("percent", 52.0), ("tokens", 100.0)])
def test_the_budget_can_be_tried_in_another_unit(unit: str, amount: float, open_app: Open, workspace: Path) -> None:
    chosen = select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    ask_for(app, amount, unit)
    assert not app.exception
    tokens = [pick.response_tokens for pick in open_bench().selections.picks(chosen.selection)]
    count = 12 if unit == "percent" else int(np.searchsorted(np.cumsum(tokens), amount, side="right"))
    assert app.query_params["budget"] == str(count)
    assert figure(app, "Examples") == str(count)
    assert ("made for examples" in texts(app)) == (unit == "tokens")


def test_every_part_of_the_desk_can_be_looked_at(open_app: Open, workspace: Path) -> None:
    select(workspace, "instructdiff", "6")
    app = open_app(workspace, "select")
    assert "ΔH is negative for" in texts(app)
    for part, words in {"Against random": "Coverage", "Left out": "core reasons", "Stability": "Scores depend"}.items():
        app.segmented_control(key="desk.part").set_value(part).run()
        assert not app.exception
        assert not app.error
        assert words in texts(app) + "".join(str(code.value) for code in app.code)
    button(app, "Compare with the other runs").click().run()
    assert "no other finished scoring run" in texts(app)


def test_another_rule_is_chosen_among_all(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "select")
    choose_goal(app, "baseline")
    next(box for box in app.selectbox if box.label == "Criterion").set_value("kcenter").run()
    button(app, "Select").click().run()
    assert not app.exception
    assert not app.error
    assert "kcenter" in str(app.sidebar.selectbox(key="selection").options[0])
    assert "Not offered: ifd. This run was scored without the IFD pass" in texts(app)


def test_a_task_is_served_by_rows_of_the_pool(open_app: Open, workspace: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
        by_python = bench.select("chats", "ioptimal", "5", target=[ids[2], ids[7]])
        with bench.database.writing() as cursor:
            cursor.execute("DELETE FROM selections")
    app = open_app(workspace, "select")
    choose_goal(app, "ioptimal")
    next(box for box in app.selectbox if box.label == "Serve").set_value("examples of this pool").run()
    assert "Name the rows" in texts(app)
    next(area for area in app.text_area if area.label.startswith("Row numbers")).set_value("7, 2").run()
    ask_for(app, 5)
    button(app, "Select").click().run()
    assert not app.exception
    assert shown_selection(app) == by_python.selection


def test_decisions_made_at_once_are_undone_at_once(open_app: Open, workspace: Path) -> None:
    select(workspace, "fisher", "6")
    with Workbench(workspace) as bench:
        bench.decide("chats", [1, 2, 3], "ban", "spam", "ada")
        bench.decide("chats", [4], "pin", "", "ada")
    app = open_app(workspace, "select")
    assert "ban 3 examples, ada" in texts(app)
    undo = [button for button in app.button if button.label == "Undo"][-1]
    undo.click().run()
    assert not app.exception
    standing = open_bench().decisions.standing("chats")
    assert (standing.pinned, standing.banned) == ((4,), ())


def test_more_decisions_at_once_than_lines_are_shown_are_undone_whole(open_app: Open, workspace: Path) -> None:
    select(workspace, "fisher", "6")
    with Workbench(workspace) as bench:
        for kind, who in (("ban", "ada"), ("note", "ada"), ("note", "bob")):
            bench.decide("chats", range(24), kind, "spam", who)
    app = open_app(workspace, "select")
    assert "ban 24 examples, ada" in texts(app)
    [button for button in app.button if button.label == "Undo"][-1].click().run()
    assert not app.exception
    assert open_bench().decisions.standing("chats") == Standing()
    assert [made.kind for made in open_bench().history("chats")[72:]] == ["undo"] * 24
    assert "Undid 24 decisions" in texts(app)


def test_the_chosen_can_be_searched(open_app: Open, workspace: Path) -> None:
    chosen = select(workspace, "random", "20")
    with Workbench(workspace) as bench:
        rows = [pick.row for pick in bench.selections.picks(chosen.selection)]
        texts_of = {text.row: f"{text.prompt}\n{text.response}".lower() for text in bench.datasets.texts("chats", rows)}
    app = open_app(workspace, "select", sought="tin 1")
    expected = [row for row in rows if "tin 1" in texts_of[row]]
    assert 0 < len(expected) < len(rows)
    assert list(app.dataframe[-1].value["Row"]) == expected


def test_names_of_people_stand_beside_their_decisions(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "example", row="3")
    app.sidebar.text_input(key="person").set_value("Grace").run()
    button(app, "Pin").click().run()
    assert not app.exception
    assert open_bench().history("chats")[-1].who == "Grace"


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "Name the rows"), ("1, x", "'x' is not one of"), ("24", "0 to 23"), ("1 " + "9" * 4_400, "0 to 23")],
)
def test_rows_that_are_none_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        read_rows(text, 24)


def test_rows_are_read_however_they_are_parted() -> None:
    assert read_rows("7,2 \n 7", 24) == (2, 7)


@pytest.mark.parametrize(("values", "decimals"), [([8.9, 3.2], 2), ([0.0213], 4), ([812.0], 0), ([1e-9], 6), ([], 2)])
def test_a_column_has_three_digits_in_the_middle(values: list[float], decimals: int) -> None:
    assert decimals_of(np.array([*values, np.nan, 0.0])) == decimals


def test_examples_of_an_order_made_for_tokens_are_cut_from_that_order(open_app: Open, workspace: Path) -> None:
    made = select(workspace, "fisher", "120tok")
    app = open_app(workspace, "select")
    app.segmented_control(key="unit").set_value("examples").run()
    held = made.examples
    app.slider[0].set_value(held - 1).run()
    assert not app.exception
    rows = list(app.dataframe[-1].value["Row"])
    stored = [pick.row for pick in open_bench().selections.picks(made.selection)]
    assert rows == stored[: len(rows)]
    assert abs(len(rows) - (held - 1)) <= 1
    assert app.query_params["budget"].endswith("tok")


def test_a_step_in_percent_is_at_least_one_example(open_app: Open, workspace: Path) -> None:
    select(workspace, "fisher", "6")
    app = open_app(workspace, "select")
    app.segmented_control(key="unit").set_value("percent").run()
    before = int(figure(app, "Examples"))
    slider = app.slider[0]
    assert slider.step == 5.0
    slider.set_value(slider.value + slider.step).run()
    assert int(figure(app, "Examples")) == before + 1
    assert app.slider[0].value == pytest.approx(100 * (before + 1) / 23, abs=2.5)


def test_two_bans_of_one_example_both_stand_and_are_told(open_app: Open, workspace: Path) -> None:
    app = open_app(workspace, "example", row="3")
    button(app, "Ban").click().run()
    button(app, "Ban").click().run()
    assert not app.exception
    assert "It was that already" in texts(app)
    assert [made.kind for made in open_bench().history("chats")] == ["ban", "ban"]
    next(each for each in app.button if each.label == "Undo").click().run()
    assert "row 3 stays banned" in texts(app)
    assert open_bench().decisions.standing("chats").banned == (3,)
