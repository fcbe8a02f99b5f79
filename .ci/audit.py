"""Does anything that is pinned here have a known hole?

pip-audit asks the database of holes for every pin. A known hole is a failure; that the database could not be asked is
said, and is none.
"""

import importlib.util
import json
import subprocess
import sys
from typing import Any

PINS = ("requirements.txt", "requirements-cluster.txt", "tests/requirements.txt")


def ask() -> dict[str, Any] | None:
    """What the database knows of the pins; None where it could not be asked."""
    command = [sys.executable, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    named = [word for file in PINS for word in ("--requirement", file)]
    done = subprocess.run(  # noqa: S603
        [*command, "--format", "json", *named], capture_output=True, text=True, check=False
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:] or ["no word"]
        print(f"The database of known holes could not be asked: {last[0]}")
        return None
    return found


def judge(found: dict[str, Any]) -> int:
    """Say what was found; 1 where there is a hole, 0 where there is none or none could be looked for."""
    pins = found["dependencies"]
    unknown = [pin["name"] for pin in pins if "skip_reason" in pin]
    holes = [(pin, hole) for pin in pins for hole in pin.get("vulns", ())]
    for pin, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "no version yet"
        print(f"{pin['name']} {pin['version']} has the hole {hole['id']}, mended in {mended}.")
    if unknown:
        print(f"The database of known holes said nothing of {len(unknown)} of {len(pins)} pins.")
    if not holes and len(unknown) < len(pins):
        print(f"No known hole in {len(pins) - len(unknown)} pins.")
    return 1 if holes else 0


if __name__ == "__main__":
    if not importlib.util.find_spec("pip_audit"):
        sys.exit("pip-audit is not installed; run this by: make audit")
    report = ask()
    sys.exit(0 if report is None else judge(report))
