"""Every method of the workbench either reads, or asks for a role before it does anything; nobody goes around it."""

import ast
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import BadInput, Forbidden
from core.people import Person, Role
from core.settings import ScoringSettings
from core.workbench import Workbench
from core.workbench.rights import TAKES
from tests.conftest import ROOT, Scored, write_chats

READING = """
    agreed all_jobs allowed_roots arrays can_keep card_facts check_progress check_result checked_file comparable compare
    coverage coverage_beside_random covers dataset_of described_run digest_scores disk_use draw_examples earlier_run
    export_rows finished_run foretell foretell_proof glance group_columns grouping grouping_of groups has
    has_coverage_beside_random health heavy_jobs held_out history in_force is_by_proxy job_log judged last_backup
    learning_curve leverage load_progress load_report loads_under_way lock_dataset lock_picks lock_run lock_selection
    lock_target made_since made_together main_covers main_covers_seconds map_log map_places map_progress map_seconds
    map_settings middle mixture nearest newer_decisions other_selection outcomes owned_since pattern plan_proof planned
    pool pool_of possible_targets prepared_example price proof proof_dataset proof_progress proofs pulse
    quarantine_groups render renderer repeats request_of review_queue rounds row_digests rows_of_ids run_notes
    run_progress schema_step score_report settings_of show side sign special standing_in start_hash story_facts
    target_of_rows target_of_run token_count token_features token_lens token_scores trial_dataset trial_progress
    trial_rows trial_settings trials tuned wait_for what_if working_jobs worth worth_seconds
"""
"""What they compute on the way, and keep so as not to compute it again, is the same for everybody."""

HOUSEKEEPING = {
    "answer_requests",
    "beat",
    "close",
    "forget_requests",
    "log_jobs",
    "sweep_loads",
    "take_in",
    "take_loads",
}
"""What takes in the results of jobs that somebody with the right to it began; no session is behind the thread."""

BY_ANNOTATORS = {"decide", "judge", "undo", "undo_many", "undo_together"}

STORES = {
    "datasets",
    "runs",
    "selections",
    "orders",
    "decisions",
    "judgements",
    "loads",
    "repairs",
    "database",
    "launcher",
    "queue",
}
STORES_READ = """
    all get examples blocks example_ids grouped full_texts group_columns rows_containing texts quarantine
    made_on quarantine_reasons of_dataset of_row open_of open_of_rows count made_together made_since newest rows_since
    standing taken find find_repeats groups entries entry taken_shards count_shards counts scores unscorable_reasons
    map_points has of_run picks ledger left_out outcomes places gains gates is_stalled
"""

Method = Callable[..., object]


def methods() -> dict[str, Method]:
    found = inspect.getmembers(Workbench, inspect.isroutine)
    return {name: method for name, method in found if not name.startswith("_")}


GUARDED = {name: method for name, method in methods().items() if hasattr(method, TAKES)}


def test_every_method_reads_or_asks_for_a_role() -> None:
    declared = {*READING.split(), *HOUSEKEEPING}
    assert set(methods()) - set(GUARDED) - declared == set(), "say here that it reads, or give it @needs"
    assert declared & set(GUARDED) == set()


@pytest.mark.parametrize("role", [None, *Role])
@pytest.mark.parametrize("name", sorted(GUARDED))
def test_a_role_is_asked_for_before_anything_is_done(name: str, role: Role | None) -> None:
    """A method that is let through gets an argument that it does not have, and so does nothing."""
    bench, takes = Workbench.__new__(Workbench), Role.ANNOTATOR if name in BY_ANNOTATORS else Role.CURATOR
    bench.who = lambda: Person("ada@example.org", role, is_account=True)
    if role is not None and role >= takes:
        with pytest.raises(TypeError, match="there_is_none"):
            GUARDED[name](bench, there_is_none=None)
    else:
        with pytest.raises(Forbidden, match=rf"^ada@example.org .* takes {takes.called}\.$"):
            GUARDED[name](bench, there_is_none=None)


def attributes() -> Iterator[tuple[Path, ast.Attribute]]:
    for folder in (ROOT / "core" / "web", ROOT / "pages"):
        for path in sorted(folder.rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute):
                    yield path, node


def test_no_page_changes_anything_around_the_workbench() -> None:
    seen = set()
    for path, node in attributes():
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else None
        if owner in STORES:
            seen.add(node.attr)
            assert node.attr in STORES_READ.split(), f"{path.name}: .{owner}.{node.attr} may change something"
    assert {"texts", "standing", "picks"} <= seen


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    with Workbench(tmp_path / "workspace") as bench:
        bench.ingest(write_chats(tmp_path / "chats.jsonl", 6), "chats")
    return tmp_path / "workspace"


def test_what_is_refused_leaves_no_trace(chats: Path) -> None:
    with Workbench(chats, who=lambda: Person("eve@example.net", Role.VIEWER, is_account=True)) as bench:
        with pytest.raises(Forbidden, match=r"eve@example\.net is a viewer here; to pin, ban or note .* an annotator"):
            bench.decide("chats", [1], "ban")
        with pytest.raises(Forbidden):
            bench.judge("chats", 1, "random", "keep")
        with pytest.raises(Forbidden):
            bench.start_loading(chats.parent / "chats.jsonl", "again")
        assert bench.history("chats") == []
        assert bench.judgements.of_dataset("chats") == []
        assert [dataset.name for dataset in bench.datasets.all()] == ["chats"]
        assert bench.loads.all() == []


def test_an_account_signs_by_its_own_name_alone(chats: Path) -> None:
    with Workbench(chats, who=lambda: Person("ada@example.org", Role.ANNOTATOR, is_account=True)) as bench:
        (first,) = bench.decide("chats", [1], "ban", who="Ben")
        bench.undo(first, who="Ben")
        bench.judge("chats", 2, "random", "drop", who="Ben")
        made = [*bench.history("chats"), *bench.judgements.of_dataset("chats")]
    assert [one.who for one in made] == ["ada@example.org"] * 3


def test_without_an_account_the_name_is_what_one_says(chats: Path) -> None:
    with Workbench(chats) as bench:
        bench.decide("chats", [1], "ban", who=" Ben ")
        bench.decide("chats", [2], "ban", who=" ")
        assert [one.who for one in bench.history("chats")] == ["Ben", bench.who().name]
        with pytest.raises(BadInput, match="name has 201 characters"):
            bench.decide("chats", [3], "ban", who="x" * 201)


def test_an_annotator_undoes_what_another_decided_and_both_stand_in_the_history(chats: Path) -> None:
    people = iter([Person("ada@example.org", Role.CURATOR, True), Person("bea@example.org", Role.ANNOTATOR, True)])
    now = next(people)
    with Workbench(chats, who=lambda: now) as bench:
        (banned,) = bench.decide("chats", [1], "ban")
        now = next(people)
        bench.undo(banned)
        assert [(one.kind, one.who) for one in bench.history("chats")] == [
            ("ban", "ada@example.org"),
            ("undo", "bea@example.org"),
        ]
        assert bench.decisions.standing("chats").banned == ()


def test_each_thread_works_for_its_own_person(chats: Path) -> None:
    here = threading.local()
    here.person = Person("ada@example.org", Role.ANNOTATOR, is_account=True)
    refused = []
    with Workbench(chats, who=lambda: here.person) as bench:

        def as_eve() -> None:
            here.person = Person("eve@example.net", Role.VIEWER, is_account=True)
            try:
                bench.decide("chats", [1], "ban")
            except Forbidden as error:
                refused.append(str(error))

        other = threading.Thread(target=as_eve)
        other.start()
        other.join()
        bench.decide("chats", [2], "ban")
        assert [(one.row, one.who) for one in bench.history("chats")] == [(2, "ada@example.org")]
    assert len(refused) == 1


def test_only_a_curator_has_another_model_read(scored: Scored, workspace: Path, tmp_path: Path) -> None:
    role = Role.VIEWER
    with Workbench(workspace, who=lambda: Person("eve@example.net", role, is_account=True)) as bench:
        assert bench.show("chats", 0, ScoringSettings.checked(model=str(scored.model))).parts
        with pytest.raises(Forbidden, match="to look at another model takes a curator"):
            bench.show("chats", 0, ScoringSettings.checked(model=str(tmp_path)))
        role = Role.CURATOR
        with pytest.raises(BadInput):
            bench.show("chats", 0, ScoringSettings.checked(model=str(tmp_path)))
