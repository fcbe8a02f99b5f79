"""Tell sessions apart from one another what the others did, without asking the database for each of them."""

import time
from collections.abc import Sequence

from core.choices import Made
from core.store.pulse import Pulse
from core.workbench.watching import Watching, WorkingJob

KEPT_SECONDS = 1.0
COUNTED = ("decisions", "judgements", "repairs", "runs", "selections", "datasets")


def changed(before: str, now: str) -> set[str]:
    """What differs between two pulses: what is counted, by name, and `jobs`."""
    then, since = before.split("."), now.split(".")
    different = {name for name, a, b in zip(COUNTED, then, since, strict=False) if a != b}
    return different | ({"jobs"} if then[len(COUNTED) :] != since[len(COUNTED) :] else set())


def decisions_of(pulse: str) -> int:
    """The number of the last decision that a pulse knows."""
    return int(pulse.partition(".")[0])


class Pulsing(Watching):
    """The pulse of a dataset: a word that changes whenever a page about it would."""

    _pulses: dict[str, tuple[float, str]]

    def pulse(self, dataset: str, jobs: Sequence[WorkingJob] | None = None) -> str:
        """The word, at most a second old; as of now where `jobs`, those that work now, are given."""
        found = self._pulses.get(dataset)
        if jobs is not None or found is None or time.monotonic() - found[0] > KEPT_SECONDS:
            working = self.working_jobs() if jobs is None else jobs
            counters = map(str, (*Pulse(self.database).beat(dataset), *self.datasets.counts(dataset)))
            found = time.monotonic(), ".".join([*counters, *sorted(f"{job.kind}-{job.of}" for job in working)])
            self._pulses[dataset] = found
        return found[1]

    def made_since(self, dataset: str, decision: int) -> list[Made]:
        """Who decided how much on a dataset after the decision of this number."""
        return self.decisions.made_since(dataset, decision)
