"""What every part of the workbench may use."""

from pathlib import Path

from core.errors import BadInput
from core.jobs.launcher import Launcher
from core.store import Database, Datasets, Runs, Selections
from core.workspace import WorkspaceFolder


class Bench:
    """The parts that `Workbench` assembles."""

    folder: WorkspaceFolder
    database: Database
    datasets: Datasets
    runs: Runs
    selections: Selections
    launcher: Launcher


def check_target(path: Path | str, *suffixes: str) -> Path:
    """A path to write to. Raises BadInput for another suffix or a folder that is not there."""
    target = Path(path).expanduser()
    if target.suffix.lower() not in suffixes:
        raise BadInput(f"{str(path)!r} must end in {' or '.join(suffixes)}.")
    if not target.parent.is_dir():
        raise BadInput(f"{str(path)!r}: the folder {str(target.parent)!r} does not exist; make it first.")
    return target
