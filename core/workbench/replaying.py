"""Replay: from a lock the same file again, byte for byte; or the first row or stage that differs.

The stages are those that made it: dataset, model, scores, selection, export. Scores may differ in their last bits on
another machine; that is said, and the replay goes on, since the selection may still be the same. Any other difference
ends it, and no file is written.
"""

from itertools import zip_longest
from pathlib import Path

from core.choices import Standing
from core.data.digests import VALUE_BYTES, digest_file, first_difference, split
from core.data.export import export_examples
from core.data.lock import Lock, LockedRun, read_lock
from core.errors import BadInput
from core.files import user_path
from core.people import Role
from core.reports import ReplayReport
from core.workbench.base import check_target
from core.workbench.loading import Sources
from core.workbench.locking import environment
from core.workbench.reloading import Reloading
from core.workbench.requests import Request
from core.workbench.rescoring import Rescoring
from core.workbench.rights import needs
from core.workbench.shipping import Shipping, shaped_by, working_folder
from core.workbench.trail import Elsewhere, Follow, Trail


class Replaying(Reloading, Rescoring, Shipping):
    """Replays."""

    @needs(Role.CURATOR, "replay a lock")
    def replay(
        self,
        lock: Path | str,
        output: Path | str,
        *,
        source: Sources | None = None,
        model: str | None = None,
        calibrated_model: str | None = None,
        target_source: Sources | None = None,
        earlier_source: Sources | None = None,
        device: str | None = None,
        trust_picks: bool = False,
        follow: Follow = lambda _: None,
    ) -> ReplayReport:
        """Make the file of a lock again, from the dataset on; with `trust_picks` from the lock's picks alone.

        What lies elsewhere than the lock says can be named: the source, the models, the sources of the dataset that
        is served and of the earlier version that scores were taken over from. Raises BadInput naming the first stage
        that differs, and in it the first row, rank or line.
        """
        path = user_path(lock)
        locked, trail = read_lock(path), Trail()
        target = check_target(output, Path(locked.export.data.name).suffix.lower())
        where = Elsewhere(source, model, calibrated_model, target_source, device, earlier_source)
        trail.notes += _other_versions(locked.versions)
        if trust_picks:
            dataset = self.find_dataset(locked.dataset, source, path.parent, trail)
            rows = self._rows_of_picks(locked, dataset, trail)
        else:
            before = self._score_earlier(locked.scoring, path.parent, where, trail, follow)
            dataset = self.find_dataset(locked.dataset, source, path.parent, trail, before)
            rows = self._choose_again(locked, dataset, path.parent, where, trail, follow)
        self._export_again(locked, dataset, rows, target, trail)
        return ReplayReport(str(target), locked.export.data.sha256, True, trail.stages, trail.notes)

    def _score_earlier(
        self, locked: LockedRun, beside: Path, where: Elsewhere, trail: Trail, follow: Follow
    ) -> str | None:
        """The earlier version of the dataset, scored, whose scores the lock's run took over, if it took any."""
        if locked.earlier is None:
            return None
        before = self._score_earlier(locked.earlier.scoring, beside, where, trail, follow)
        trail.of = "earlier "
        of = locked.earlier
        dataset = self.find_dataset(of.dataset, where.earlier_source, beside, trail, before)
        self.find_run(dataset, of.scoring, of.dataset, where, trail, follow)
        trail.of = ""
        return dataset

    def _choose_again(
        self, locked: Lock, dataset: str, beside: Path, where: Elsewhere, trail: Trail, follow: Follow
    ) -> list[int]:
        """The rows that the lock's request leads to, once they are the lock's picks."""
        run = self.find_run(dataset, locked.scoring, locked.dataset, where, trail, follow)
        target_run = None
        if locked.target:
            trail.of = "target "
            of = locked.target
            served = self.find_dataset(of.dataset, where.target_source, beside, trail)
            target_run = self.find_run(served, of.scoring, of.dataset, where, trail, follow)
            trail.of = ""
        try:
            request, given = self._request(locked, dataset, run, target_run)
            selection = self.select_request(request, given, where.device or "auto").selection
        except BadInput as error:
            raise trail.failed("selection", str(error)) from None
        rows = [pick.row for pick in self.selections.picks(selection)]
        self._compare_picks(locked, dataset, rows, trail)
        trail.passed("selection", f"The same {len(rows):,} examples in the same order; kept as selection {selection}.")
        return rows

    def _request(self, locked: Lock, dataset: str, run: str, target_run: str | None) -> tuple[Request, Standing]:
        """What the lock asked for, on this workspace's rows. What was decided here has no part in it."""
        asked = locked.selection
        named = [*asked.pinned, *asked.banned, *asked.given_pinned, *asked.given_banned, *asked.target]
        rows = self.rows_of_ids(dataset, named)
        request = Request(
            run,
            asked.criterion,
            asked.budget,
            asked.seed,
            asked.settings,
            pinned=tuple(dict.fromkeys(rows[id_] for id_ in asked.pinned)),
            banned=tuple(sorted({rows[id_] for id_ in asked.banned})),
            quotas=tuple(asked.quotas),
            target_rows=tuple(sorted(rows[id_] for id_ in asked.target)),
            target_run=target_run,
            repeats=asked.repeats,
        )
        given_pinned = tuple(rows[id_] for id_ in asked.given_pinned)
        return request, Standing(given_pinned, tuple(sorted(rows[id_] for id_ in asked.given_banned)))

    def _compare_picks(self, locked: Lock, dataset: str, rows: list[int], trail: Trail) -> None:
        names = self.datasets.example_ids(dataset)
        here = [names[row] for row in rows]
        if here == locked.picks.example_ids:
            return
        pairs = enumerate(zip_longest(here, locked.picks.example_ids))
        rank, (ours, theirs) = next((rank, pair) for rank, pair in pairs if pair[0] != pair[1])
        told = [f"example {one}" if one else "none" for one in (ours, theirs)]
        raise trail.failed("selection", f"Rank {rank + 1:,} is {told[0]} here and {told[1]} in the lock.")

    def _rows_of_picks(self, locked: Lock, dataset: str, trail: Trail) -> list[int]:
        try:
            rows = self.rows_of_ids(dataset, locked.picks.example_ids)
        except BadInput as error:
            raise trail.failed("selection", str(error)) from None
        trail.passed("selection", "The examples are the lock's picks; nothing was scored or chosen again.")
        return [rows[id_] for id_ in locked.picks.example_ids]

    def _export_again(self, locked: Lock, dataset: str, rows: list[int], target: Path, trail: Trail) -> None:
        """Write the file, and give it its name once its bytes are the lock's."""
        with working_folder(target) as folder:
            again = folder / target.name
            try:
                of, trainer = locked.export.format, shaped_by(locked.export.trainers)
                made = export_examples(lambda: self.export_rows(dataset, rows), of, again, trainer)
            except BadInput as error:
                raise trail.failed("export", str(error)) from None
            if made.sha256 != locked.export.data.sha256:
                raise trail.failed("export", self._tell_line(locked, again))
            again.replace(target)
        trail.passed("export", f"The same {locked.export.data.bytes:,} bytes.")

    def _tell_line(self, locked: Lock, again: Path) -> str:
        found = first_difference(locked.export.digests(), split(digest_file(again), VALUE_BYTES))
        if found is None:
            return "Every line says the same, but the file's bytes differ; look at the versions that wrote it."
        ids = locked.picks.example_ids
        which = f" (example {ids[found.row]})" if found.row < len(ids) else ""
        return f"Line {found.row + 1:,}{which} differs from the lock's."


def _other_versions(locked: dict[str, str]) -> list[str]:
    here = environment()
    return [
        f"{name} is {here.get(name, 'not there')} here; the lock was written with {locked[name]}."
        for name in sorted(locked)
        if here.get(name) != locked[name]
    ]
