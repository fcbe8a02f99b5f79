"""What has been tried against Gleaner? The table of attacks, one case a line: `python -m tests.attacks.corpus`.

A case has an id, a class, where its payload goes in, the payload, and what must hold. Every case is tried, by the
`test_attack_...` of its class, against a server that runs as a user's does: markup in Chromium, routes by HTTP, paths,
files and inputs by the websocket as a client that is no browser, models by that and by what loads them, options and
tables by commands. The roles' own cases are tried by the tests of signing in, and are named here by them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tests.attacks import files, inputs, markup, models, places, routes, tables

SIGNING_IN, RIGHTS = "tests/web/test_signing_in.py", "tests/workbench/test_rights.py"
ROLES = (
    f"{SIGNING_IN}::test_a_forged_or_an_old_cookie_is_nobodys",
    f"{SIGNING_IN}::test_headers_that_anybody_could_write_say_nothing_about_a_person",
    f"{SIGNING_IN}::test_what_holds_something_of_the_workspace_takes_a_role",
    f"{SIGNING_IN}::test_only_a_curator_uploads",
    f"{SIGNING_IN}::test_who_is_taken_off_the_list_is_out_at_once",
    f"{SIGNING_IN}::test_secrets_that_are_taken_away_open_no_door",
    f"{SIGNING_IN}::test_the_one_way_to_the_workbench_is_closed_to_a_thread_without_a_person",
    f"{RIGHTS}::test_a_role_is_asked_for_before_anything_is_done",
    f"{RIGHTS}::test_an_account_signs_by_its_own_name_alone",
    f"{RIGHTS}::test_each_thread_works_for_its_own_person",
)
"""Forged roles, each by the test that tries it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One attack."""

    id: str
    kind: str
    place: str
    payload: str
    holds: str


def all_cases() -> Iterator[Case]:
    """Every one, class by class."""
    classes: tuple[tuple[str, Iterable[tuple[str, str, str]]], ...] = (
        ("markup", markup.CASES),
        ("path", places.CASES),
        ("route", routes.CASES),
        ("input", inputs.CASES),
        ("file", files.CASES),
        ("model", models.CASES),
        ("table", tables.CASES),
        ("role", [("a cookie, a header or a thread", name, "nobody has a role that was not given") for name in ROLES]),
    )
    for kind, cases in classes:
        for number, (place, payload, holds) in enumerate(cases, 1):
            yield Case(f"{kind}-{number:03d}", kind, place, payload, holds)


if __name__ == "__main__":
    for case in all_cases():
        print("\t".join((case.id, case.place, repr(case.payload)[:120], case.holds)))
