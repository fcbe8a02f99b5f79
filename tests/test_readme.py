"""What the README says is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.__main__ import app
from core.workbench.options import describe_criteria, describe_options

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_options_are_those_that_are_declared() -> None:
    table = README.split("## Options\n")[1].split("keeps it true -->\n")[1].split("\n<!-- /options -->")[0]
    assert table == describe_options()


def test_the_criteria_are_those_that_are_declared() -> None:
    table = README.split("## Criteria\n")[1].split("keeps it true -->\n")[1].split("\n<!-- /criteria -->")[0]
    assert table == describe_criteria()


def test_every_command_stands_in_the_readme_and_the_other_way_round() -> None:
    commands = {command.callback.__name__ for command in app.registered_commands}
    table = README.split("| command | what it does |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)", table, re.MULTILINE)) == commands


@pytest.mark.parametrize("command", [command.callback.__name__ for command in app.registered_commands])
def test_every_option_that_the_readme_names_exists(command: str) -> None:
    row = re.search(rf"^\| `{command}[ `].*$", README, re.MULTILINE)
    assert row is not None
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    for option in re.findall(r"--[a-z-]+", row[0]):
        assert option in shown


def test_every_folder_of_the_architecture_exists() -> None:
    tree = README.split("## Architecture\n\n```\n")[1].split("```")[0]
    folder = ROOT
    for line in tree.splitlines():
        name = line.split()[0]
        folder = ROOT / "core" if line.startswith("  ") else ROOT
        assert (folder / name).exists(), name


def test_the_readme_s_make_targets_exist() -> None:
    for target in ("run", "test", "setup"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_table_is_printed_by_the_command_that_the_readme_names() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "core", "options"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert printed == f"{describe_criteria()}\n\n{describe_options()}\n"
