"""The commands, in files by what they are about; what all of them share.

With `--json`, one JSON object on stdout; progress and messages go to stderr. Bad input: one line that says what came
and what to do, exit code 2.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from core.errors import BadInput, GleanerError, faults_in_words
from core.jobs.launcher import stall_seconds
from core.records import JobProgress
from core.workbench import Workbench

MEGABYTE = 1_000_000
app = typer.Typer(
    help="Gleaner: find the few examples of an instruction-tuning dataset worth training on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Workspace = Annotated[
    Path | None, typer.Option(help="Folder of the workspace; GLEANER_WORKSPACE, or ./workspace, if not given.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="File to write; its suffix names the format.")]
Workers = Annotated[int | None, typer.Option(help="Processes that work at once; one for each GPU if not given.")]
Runner = Annotated[
    Literal["local", "ray"], typer.Option(help="Where the work runs: on this machine, or on a Ray cluster.")
]
Address = Annotated[str | None, typer.Option(help="The Ray cluster's, such as host:6379.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="OPTION=VALUE, for any option of the method.")]


def run(workspace: Path | None, as_json: bool, use: Callable[[Workbench], Any]) -> None:
    """Do something with a workspace, and print what comes of it."""

    def with_workbench() -> Any:
        with Workbench(workspace, owner=f"the command `{sys.argv[1]}`") as bench:
            return use(bench)

    answer(as_json, with_workbench)


def answer(as_json: bool, make: Callable[[], Any]) -> None:
    """Do something, and print what comes of it."""
    with _errors_in_one_line():
        result = make()
        values = asdict(result) if is_dataclass(result) and not isinstance(result, type) else result
        if as_json:
            print(json.dumps(values, ensure_ascii=False, default=str))
        else:
            for name, value in ((name, value) for name, value in values.items() if value is not None):
                print(f"{name}: {_readable(value)}")


def _readable(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(of)}" for name, of in value.items() if of is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_readable(of) for of in value)
    return str(value)


def read_ids(path: Path | None) -> list[str]:
    """The example ids in a file, each once."""
    if path is None:
        return []
    try:
        return list(dict.fromkeys(path.read_text(encoding="utf-8").split()))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadInput(f"{str(path)!r} cannot be read as a list of example ids: {why}.") from None


def print_progress() -> Callable[[JobProgress], None]:
    """Say on stderr, when something changed, how far and how long."""
    last, stalled = "", stall_seconds()

    def follow(progress: JobProgress) -> None:
        nonlocal last
        done, total, unit = progress.done, progress.total, progress.unit
        if unit == "bytes":
            done, total, unit = done // MEGABYTE, total // MEGABYTE, "MB"
        counted = f" {done:,} of {total:,} {unit}" if progress.total else ""
        left = f", {progress.seconds_left:,.0f} s left" if progress.seconds_left else ""
        minutes = progress.silent_seconds / 60
        silent = f", nothing heard of it for {int(minutes):,} minutes" if 60 * minutes >= stalled else ""
        line = f"{progress.phase or progress.state}{counted}{left}{silent}"
        if line != last:
            print(line, file=sys.stderr, flush=True)
        last = line

    return follow


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    try:
        with faults_in_words():
            yield
    except GleanerError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        told = "Stopped. A scoring job goes on in the background, or stays in the queue; the same command follows it."
        print(told, file=sys.stderr)
        raise typer.Exit(130) from None
