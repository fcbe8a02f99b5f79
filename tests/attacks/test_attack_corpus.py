"""The table of attacks is whole: enough of them, each told apart, each tried by a test."""

import ast
from collections import Counter

import pytest

from tests.attacks.corpus import ROLES, all_cases
from tests.conftest import ROOT

CASES = list(all_cases())


def test_there_are_enough_cases_of_every_class() -> None:
    assert len(CASES) > 500
    assert len({case.id for case in CASES}) == len(CASES)
    assert len({(case.kind, case.place, case.payload) for case in CASES}) == len(CASES)
    assert all(case.place and case.holds for case in CASES)
    assert min(Counter(case.kind for case in CASES).values()) >= 10


@pytest.mark.parametrize("name", ROLES)
def test_a_role_that_is_forged_is_tried(name: str) -> None:
    """By the tests of signing in, which have a provider of their own."""
    file, _, test = name.partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
