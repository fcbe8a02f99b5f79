"""Decisions are appended and undone, price what they cost, and leave the first selection as it was."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest

from core.choices import Standing
from core.errors import BadInput
from core.settings import Quota, RepeatSettings
from core.workbench import Workbench
from core.workbench.explaining import tell_outcome
from tests import oracles
from tests.conftest import core_json, run_core


def factors_of(bench: Workbench, run: str) -> list[np.ndarray]:
    arrays = bench.arrays(run)
    return [np.asarray(arrays.factors[a:b]) for a, b in zip(arrays.offsets[:-1], arrays.offsets[1:], strict=True)]


def test_decisions_are_appended_with_who_and_why_and_undone_by_new_ones(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        first = bench.decide("chats", [3, 5], "pin", "good", "ada")
        (ban,) = bench.decide("chats", [3], "ban", "no", "bob")
        assert bench.decisions.standing("chats") == Standing((5,), (3,))
        taken_back = bench.undo(ban, "sorry", "bob")
        assert bench.decisions.standing("chats") == Standing((3, 5), ())
        with pytest.raises(BadInput, match="undone already"):
            bench.undo(ban)
        bench.undo(taken_back, "yes, no", "bob")
        assert bench.decisions.standing("chats") == Standing((5,), (3,))
        bench.decide("chats", [3], "note", "look again", "ada")
        made = bench.history("chats")
        assert [one.kind for one in made] == ["pin", "pin", "ban", "undo", "undo", "note"]
        assert [one.decision for one in made] == sorted(one.decision for one in made)
        assert (made[0].who, made[0].why, made[0].decision) == ("ada", "good", first[0])
        assert [one.kind for one in bench.history("chats", 5)] == ["pin"]


@pytest.mark.parametrize(
    ("rows", "kind", "why", "words"),
    [
        ([1], "love", "", "no decision 'love'"),
        ([99], "pin", "", "no row 99"),
        ([-1], "ban", "", "no row -1"),
        ([], "pin", "", "No example"),
        ([1], "note", "  ", "needs words"),
        ([1], "note", "x" * 10_001, "10,001 characters"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_and_nothing_is_kept(
    rows: list[int], kind: str, why: str, words: str, workspace: Path
) -> None:
    with Workbench(workspace) as bench:
        with pytest.raises(BadInput, match=words):
            bench.decide("chats", rows, kind, why)
        assert bench.history("chats") == []


def test_what_stands_is_kept_to_and_taking_it_back_returns_the_first_selection(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        first = bench.select("chats", "fisher", "6").selection
        before = bench.selections.picks(first)
        (pin,) = bench.decide("chats", [20], "pin")
        (ban,) = bench.decide("chats", [before[0].row], "ban")
        second = bench.select("chats", "fisher", "6").selection
        rows = [pick.row for pick in bench.selections.picks(second)]
        assert rows[0] == 20
        assert before[0].row not in rows
        assert bench.newer_decisions(bench.selections.get(first)) == 2
        assert bench.newer_decisions(bench.selections.get(second)) == 0
        bench.undo(pin)
        bench.undo(ban)
        assert bench.select("chats", "fisher", "6").selection == first
        assert bench.selections.picks(first) == before


def test_the_price_of_a_decision_is_the_change_of_the_whole_determinant(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6")
        row = bench.selections.get(chosen.selection)
        factors, rows = factors_of(bench, row.run), [pick.row for pick in bench.selections.picks(chosen.selection)]
        left = next(outcome.row for outcome in bench.outcomes(chosen.selection) if outcome.gate == "budget")
        for kind, about in (("ban", rows[2]), ("pin", left), ("ban", left), ("pin", rows[1])):
            price = bench.price(chosen.selection, kind, about)
            truth = oracles.log_det_information(factors, price.rows, 1.0)
            assert price.is_exact
            assert price.information == pytest.approx(truth, rel=1e-9)
            assert sorted({*rows, *price.entered} - set(price.displaced)) == sorted(price.rows)
        banned = bench.price(chosen.selection, "ban", rows[2])
        assert banned.displaced == [rows[2]]
        assert len(banned.entered) == 1
        assert bench.price(chosen.selection, "ban", left).rows == rows
        pinned = bench.price(chosen.selection, "pin", left)
        assert (pinned.entered, pinned.displaced) == ([left], [rows[-1]])


def test_taking_back_is_priced_by_the_order_made_without_it_or_not_at_all(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        first = bench.select("chats", "fisher", "6").selection
        best = bench.selections.picks(first)[0].row
        bench.decide("chats", [best], "ban")
        second = bench.select("chats", "fisher", "6").selection
        seen = bench.price(second, "unban", best)
        assert seen.rows == [pick.row for pick in bench.selections.picks(first)]
        assert seen.information == pytest.approx(bench.selections.get(first).log_det, rel=1e-9)
        bench.decide("chats", [7], "ban")
        third = bench.select("chats", "fisher", "6").selection
        with pytest.raises(BadInput, match="only selecting again tells"):
            bench.price(third, "unban", best)


def test_a_selection_keeps_the_pins_it_was_given_itself(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
        chosen = bench.select("chats", "fisher", "6", pinned=[ids[5]], banned=[ids[6]])
        row = bench.selections.get(chosen.selection)
        rows = [pick.row for pick in bench.selections.picks(chosen.selection)]
        assert bench.newer_decisions(row) == 0
        assert bench.what_if(chosen.selection).rows == rows
        left = next(outcome.row for outcome in bench.outcomes(chosen.selection) if outcome.gate == "budget")
        assert bench.price(chosen.selection, "pin", left).displaced == [rows[-1]]


def test_banning_most_of_a_selection_is_priced_exactly(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "8")
        row = bench.selections.get(chosen.selection)
        rows = [pick.row for pick in bench.selections.picks(chosen.selection)]
        bench.decide("chats", rows[:7], "ban", "all of them")
        seen = bench.what_if(chosen.selection)
        assert seen.is_exact
        assert seen.information == pytest.approx(
            oracles.log_det_information(factors_of(bench, row.run), seen.rows, 1.0), rel=1e-9
        )
        assert seen.information < chosen.log_det


def test_the_twin_of_a_banned_representative_takes_its_place(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        run = bench.finished_run("chats")
        codes = np.arange(24)
        codes[[2, 9, 14]] = 2
        bench.orders.put_repeats(f"{bench.datasets.get('chats').content_hash} exact 1", codes)
        exact = RepeatSettings(repeats="exact")
        chosen = bench.select("chats", "random", "20", repeats=exact).selection
        outcomes = {outcome.row: outcome for outcome in bench.outcomes(chosen)}
        assert (outcomes[9].other, outcomes[14].other) == (2, 2)
        seen = bench.price(chosen, "ban", 2)
        assert (seen.entered, seen.displaced) == ([9], [2])
        assert seen.information == pytest.approx(
            oracles.log_det_information(factors_of(bench, run.run), seen.rows, 1.0), rel=1e-9
        )


def test_within_quotas_only_selecting_again_tells(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        chosen = bench.select("chats", "fisher", "6", quotas=[Quota.parse("topic=1<=2")]).selection
        assert len(bench.what_if(chosen).rows) == 6
        with pytest.raises(BadInput, match="only selecting again tells"):
            bench.price(chosen, "ban", bench.selections.picks(chosen)[0].row)
        told = [tell_outcome(o, bench.selections.get(chosen)) for o in bench.outcomes(chosen)]
        assert not any("would enter" in words for words in told)


@pytest.mark.parametrize("words", [["--why", "bad\udcff"], ["--who", "x" * 300]])
def test_words_that_cannot_be_kept_are_one_line(words: list[str], workspace: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
    told = run_core(workspace, "decide", "chats", "--kind", "ban", "--id", ids[4], *words, code=2).stderr
    assert "is not UTF-8" in told or "200 are kept at most" in told


def test_a_smaller_budget_is_cut_from_the_stored_order_without_searching(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Workbench(workspace) as bench:
        large = bench.select("chats", "fisher", "8").selection
        rows = [pick.row for pick in bench.selections.picks(large)]

        def no_search(*_: object) -> None:
            raise AssertionError("searched")

        monkeypatch.setattr("core.selection.criteria.designs.search_greedy", no_search)
        for budget, count in (("3", 3), ("25%", 6), ("12", 12)):
            seen = bench.what_if(large, budget)
            assert seen.rows[:8] == rows[:count]
            assert len(seen.rows) == count
            information = bench.selections.get(bench.select("chats", "fisher", budget).selection).log_det
            assert seen.information == pytest.approx(information, rel=1e-6)


def test_ordering_further_tells_every_entry(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.workbench.choosing.ORDERED_WHOLE", 0)
    with Workbench(workspace) as bench:
        small = bench.select("chats", "fisher", "3").selection
        with pytest.raises(BadInput, match="less than the budget"):
            bench.select("chats", "fisher", "3", order_to="2")
        with pytest.raises(BadInput, match="goes on for 6 examples"):
            bench.what_if(small, "7")
        told = [tell_outcome(o, bench.selections.get(small)) for o in bench.outcomes(small)]
        assert sum("would enter beyond 6 examples" in words for words in told) == 17
        assert sum("would enter at 5 examples" in words for words in told) == 1
        assert bench.select("chats", "fisher", "3", order_to="100%").selection == small
        entries = {o.row: o.enters for o in bench.outcomes(small) if o.gate == "budget"}
        assert sorted(entries.values()) == list(range(4, 24))
        for row, enters in list(entries.items())[::4]:
            found = bench.select("chats", "fisher", str(enters)).selection
            assert bench.selections.picks(found)[-1].row == row


def test_decisions_and_reasons_by_the_command_line(workspace: Path, tmp_path: Path) -> None:
    with Workbench(workspace) as bench:
        ids = bench.datasets.example_ids("chats")
    made = core_json(workspace, "decide", "chats", "--kind", "ban", "--id", ids[4], "--why", "spam", "--who", "eve")
    chosen = core_json(workspace, "select", "chats", "--criterion", "instructdiff", "--budget", "5")
    out = tmp_path / "reasons.jsonl"
    run_core(workspace, "reasons", chosen["selection"], "-o", str(out))
    import json

    lines = {line["row"]: line for line in map(json.loads, out.read_text().splitlines())}
    assert len(lines) == 24
    assert sorted(line["rank"] for line in lines.values() if line["state"] == "selected") == [1, 2, 3, 4, 5]
    assert lines[4]["state"] == "banned"
    assert lines[23]["state"] == "unscorable"
    assert "prompt" in lines[23]["reason"]
    assert any("ΔNLL too" in line["reason"] for line in lines.values() if line["state"] == "filter")
    listed = core_json(workspace, "decisions", "chats")
    assert listed["banned"] == 1
    assert (listed["decisions"][0]["who"], listed["decisions"][0]["example_id"]) == ("eve", ids[4])
    core_json(workspace, "undo", str(made["decisions"][0]), "--who", "eve")
    assert core_json(workspace, "decisions", "chats")["banned"] == 0
    assert "There is no decision 99" in run_core(workspace, "undo", "99", code=2).stderr
    assert (
        "There is no dataset 'nope'"
        in run_core(workspace, "decide", "nope", "--kind", "pin", "--id", "a", code=2).stderr
    )
    assert "Name an example" in run_core(workspace, "decide", "chats", "--kind", "pin", code=2).stderr


def test_decisions_made_at_once_are_undone_all_or_none(workspace: Path) -> None:
    with Workbench(workspace) as bench:
        banned = bench.decide("chats", [1, 2, 3], "ban", "spam", "ada")
        (pin,) = bench.decide("chats", [2], "pin", "", "ada")
        taken = bench.undo(banned[1], who="bob")
        before = len(bench.history("chats"))
        for numbers, words in ((banned, "undone already"), ([pin, 99], "no decision 99"), ([], "nothing to undo")):
            with pytest.raises(BadInput, match=words):
                bench.undo_many(numbers)
        assert len(bench.history("chats")) == before
        (_, pinned, banned_once), count = bench.made_together("chats", 50)
        assert count == 3
        assert (pinned.kind, pinned.decisions) == ("pin", 1)
        assert (banned_once.decisions, banned_once.open, banned_once.first) == (3, 2, banned[0])
        undone = bench.undo_together(banned_once, "bob")
        assert [(made.undoes, made.who) for made in bench.history("chats")[-2:]] == [
            (banned[0], "bob"),
            (banned[2], "bob"),
        ]
        assert bench.decisions.standing("chats") == Standing((2,), ())
        with pytest.raises(BadInput, match="nothing to undo"):
            bench.undo_together(banned_once, "bob")
        assert bench.made_together("chats", 50)[0][0].decisions == len(undone) == 2
        bench.undo_many([*undone, taken])
        assert bench.decisions.standing("chats") == Standing((2,), (1, 3))
        assert [made.kind for made in bench.made_together("chats", 50, 2)[0]] == ["undo", "undo", "pin", "ban"]
        assert len(bench.made_together("chats", 2)[0]) == 2
        (undo, _, on_two, ban), all_on_two = bench.made_together("chats", 4, 2)
        assert (undo.undoes, undo.open, undo.row, all_on_two) == (taken, 1, 2, 4)
        assert [(made.first, made.decisions, made.open) for made in (on_two, ban)] == [(pin, 1, 1), (banned[1], 1, 0)]
        assert bench.made_together("chats", 1, 2) == ([undo], 4)


def test_what_stands_is_what_all_decisions_in_order_say_however_often_it_is_asked(workspace: Path) -> None:
    generator = np.random.default_rng(0)
    with Workbench(workspace) as bench:
        for _ in range(40):
            rows = [int(row) for row in generator.choice(5, int(generator.integers(1, 4)), replace=False)]
            made = bench.history("chats")
            if made and generator.random() < 0.5:
                with contextlib.suppress(BadInput):
                    bench.undo(int(generator.choice([one.decision for one in made])))
            else:
                bench.decide("chats", rows, str(generator.choice(["pin", "ban", "note"])), "why")
            assert bench.decisions.standing("chats") == oracles.standing(bench.history("chats"))
            assert bench.decisions.count("chats") == len(bench.history("chats"))


def test_asking_what_stands_reads_the_decisions_once(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workbench(workspace) as bench:
        selection = bench.selections.get(bench.select("chats", "fisher", "6").selection)
        bench.decide("chats", [1, 2, 3], "ban")
        assert bench.newer_decisions(selection) == 3
        monkeypatch.setattr(bench.decisions, "of_dataset", lambda dataset: pytest.fail("read again"))
        assert bench.newer_decisions(selection) == 3
        assert bench.in_force(selection).banned == (1, 2, 3)
        assert bench.made_together("chats", 50)[1] == bench.decisions.count("chats") - 2 == 1


def test_twenty_thousand_decisions_are_made_and_undone_in_seconds(tmp_path: Path) -> None:
    source = tmp_path / "many.jsonl"
    source.write_text("".join(f'{{"prompt": "p{i}", "completion": "c"}}\n' for i in range(20_000)))
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(source, "many")
        bench.decide("many", range(20_000), "ban", "spam")
        began = time.monotonic()
        (made,), count = bench.made_together("many", 50)
        assert (made.decisions, made.open, count) == (20_000, 20_000, 1)
        assert len(bench.undo_together(made)) == 20_000
        assert time.monotonic() - began < 10
        assert bench.decisions.standing("many") == Standing()
