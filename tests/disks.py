"""A small disk of a test's own, where this account may mount one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run_on_small_disk(program: str, folder: Path, megabytes: int) -> list[str]:
    """The lines that a program prints that has `folder` as a disk of its own; skips where nothing may be mounted."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs a privilege that this account has not")
    mount = f'mount -t tmpfs -o size={megabytes}m tmpfs "{folder}"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} && exec "{sys.executable}" -c "$PROGRAM" "{folder}"'],
        cwd=ROOT,
        env=os.environ | {"PROGRAM": program},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
