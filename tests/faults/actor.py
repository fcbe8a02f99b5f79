"""`python -m tests.faults.actor WORKSPACE SOURCE MODEL EXPORT`: what a server's process does, which tests kill.

It loads, scores, decides, selects and exports, and goes on from wherever an earlier one was killed. Each line on stdout
says that something was acknowledged: from then on it must never be lost.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from core.records import JobProgress
from core.settings import RunSettings, ScoringSettings
from core.workbench import Workbench

DATASET, DECISIONS, BUDGET = "chats", 60, "10%"


def main(workspace: str, source: str, model: str, export: str) -> None:
    """The whole way, each step once."""
    with Workbench(workspace, supervise=True) as bench:
        load = bench.start_loading(source, DATASET)
        wait(lambda: bench.load_progress(load), lambda: bench.resume_load(load))
        bench.take_in()
        say("loaded", bench.datasets.get(DATASET).rows_loaded)
        scoring = ScoringSettings(model=model, shard_rows=16, batch_tokens=512, max_length=128)
        run = bench.start_scoring(DATASET, RunSettings(scoring=scoring, calibration=None))
        say("started", run)
        wait(lambda: bench.run_progress(run), lambda: bench.resume_run(run))
        bench.take_in()
        say("scored", run)
        decide(bench)
        report = bench.select(DATASET, "fisher", BUDGET, run=run)
        say("selected", report.selection)
        bench.export(report.selection, "messages", export)
        say("exported", export)


def decide(bench: Workbench) -> None:
    """Ban an example for each number that the history does not have yet."""
    made = {decision.why for decision in bench.history(DATASET)}
    for number in range(DECISIONS):
        if str(number) not in made:
            say("decided", bench.decide(DATASET, [number], "ban", str(number))[0])


def wait(progress: Callable[[], JobProgress], resume: Callable[[], None]) -> None:
    """Until a job is done, resuming it as a person would who sees that it ended."""
    while (found := progress()).state != "done":
        if found.has_ended:
            resume()
        time.sleep(0.05)


def say(what: str, of: object) -> None:
    print(json.dumps([what, of]), flush=True)


if __name__ == "__main__":
    Path(sys.argv[4]).parent.mkdir(parents=True, exist_ok=True)
    main(*sys.argv[1:])
