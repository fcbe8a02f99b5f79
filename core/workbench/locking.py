"""What has to be said of a selection so that it can be made again? Its dataset, run, request and picks, by hash."""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

from core.choices import Decision, SelectionRow
from core.data.card import CardFacts
from core.data.digests import ROW_BYTES, digest_example, digest_table, pack
from core.data.lock import (
    LockedDataset,
    LockedDecision,
    LockedPicks,
    LockedRepair,
    LockedRun,
    LockedSelection,
    LockedTarget,
)
from core.data.sidecar import tell_time
from core.errors import BadInput
from core.records import RunRow
from core.scoring.tokenizers import tokenizer_identity
from core.selection.registry import find_criterion
from core.settings import IngestSettings, RunSettings, ScoringSettings
from core.store.shipping import standing_by_row
from core.workbench.previewing import Previewing
from core.workbench.requests import Request
from core.workbench.scoring import SCORE_COLUMNS, versions

ROWS_AT_A_TIME = 1000
PACKAGES = ("tokenizers", "pyarrow", "orjson", "safetensors", "pydantic")


class Locking(Previewing):
    """What a lock says, read from the workspace."""

    _kept_digests: tuple[str, str, bytes] = ("", "", b"")

    def lock_dataset(self, name: str) -> LockedDataset:
        """A dataset, with a digest of each row."""
        loaded = self.datasets.get(name)
        read = {known: value for known, value in loaded.settings.items() if known in IngestSettings.model_fields}
        return LockedDataset(
            name=name,
            source=loaded.source,
            sources=list(loaded.sources),
            ingest=IngestSettings.checked(**read | {"format": loaded.format, "mapping": loaded.mapping}),
            format=loaded.format,
            content_hash=self._digest(name)[0],
            rows_read=loaded.rows_read,
            rows_loaded=loaded.rows_loaded,
            rows_quarantined=loaded.rows_quarantined,
            row_digests=pack(self.row_digests(name)),
            repairs=self._lock_repairs(name),
        )

    def _lock_repairs(self, name: str) -> list[LockedRepair]:
        """The rows that were admitted by hand, in the order of the rows that they became."""
        entries = [entry for entry in self.repairs.entries(name) if entry.admitted_row is not None]
        return [
            LockedRepair(
                entry=entry.entry, raw=entry.raw, text=entry.text, is_kept=entry.state == "kept", who=entry.who or ""
            )
            for entry in sorted(entries, key=lambda entry: entry.admitted_row or 0)
        ]

    def row_digests(self, name: str) -> bytes:
        """A few bytes of every row, in order."""
        return self._digest(name)[1]

    def _digest(self, name: str) -> tuple[str, bytes]:
        """The hash of all rows, and a few bytes of each; those of the dataset last asked about are kept."""
        content = f"{name} {self.datasets.get(name).content_hash}"
        if self._kept_digests[0] != content:
            whole, parts = hashlib.sha256(), list[bytes]()
            for block in self.datasets.blocks(name, ROWS_AT_A_TIME):
                for example in block:
                    digest = digest_example(example)
                    whole.update(digest)
                    parts.append(digest[:ROW_BYTES])
            self._kept_digests = content, whole.hexdigest(), b"".join(parts)
        return self._kept_digests[1:]

    def lock_run(self, run: RunRow) -> LockedRun:
        """A scoring run, with a digest of each row's scores."""
        described, settings = self.described_run(run.run), RunSettings(**run.settings)
        scores_sha256, digests = self.digest_scores(run.run)
        ids = self.datasets.example_ids(run.dataset) if settings.held_out else []
        return LockedRun(
            run=run.run,
            model_identity=run.model_identity,
            template=described.get("template", "unknown"),
            tokenizer=described.get("tokenizer") or self._tokenizer_of(settings.scoring),
            settings=settings,
            scoring_version=described.get("scoring_version", 0),
            versions=described.get("versions", {}),
            scores_sha256=scores_sha256,
            score_digests=pack(digests),
            earlier=self._lock_earlier(described.get("scores_taken_from")),
            held_out=[ids[row] for row in self.held_out(run.run)[0]],
        )

    def _lock_earlier(self, run: str | None) -> LockedTarget | None:
        if run is None:
            return None
        before = self.runs.get(run)
        return LockedTarget(dataset=self.lock_dataset(before.dataset), scoring=self.lock_run(before))

    def digest_scores(self, run: str) -> tuple[str, bytes]:
        """The hash of a run's scores, and a few bytes of each row's."""
        return digest_table(self.runs.scores(run).select(SCORE_COLUMNS))

    def described_run(self, run: str) -> dict[str, Any]:
        """What a run recorded of itself when it was made."""
        described: dict[str, Any] = json.loads(self.folder.run(run).settings.read_text(encoding="utf-8"))
        return described

    def _tokenizer_of(self, settings: ScoringSettings) -> str | None:
        """None where the model is no longer where it was; its identity covers the tokenizer too."""
        try:
            return tokenizer_identity(self._load_renderer(settings).tokenizer)
        except BadInput:
            return None

    def lock_target(self, request: Request) -> LockedTarget | None:
        """The other dataset that a request serves, if it does."""
        if request.target_run is None:
            return None
        run = self.runs.get(request.target_run)
        return LockedTarget(dataset=self.lock_dataset(run.dataset), scoring=self.lock_run(run))

    def lock_selection(self, chosen: SelectionRow, request: Request, ids: Sequence[str]) -> LockedSelection:
        """What was asked for, by example id."""
        given = chosen.settings.get("given", {})

        def named(rows: Sequence[int]) -> list[str]:
            return [ids[row] for row in rows]

        return LockedSelection(
            selection=chosen.selection,
            criterion=chosen.criterion,
            budget=chosen.budget,
            seed=chosen.seed,
            settings=request.settings,
            pinned=named(request.pinned),
            banned=named(request.banned),
            given_pinned=named(given.get("pinned", ())),
            given_banned=named(given.get("banned", ())),
            quotas=list(request.quotas),
            repeats=request.repeats,
            target=named(request.target_rows),
            decisions=list(self._decisions(chosen.dataset, request, ids)),
            decisions_since=self.newer_decisions(chosen),
            examples=chosen.examples,
            tokens=chosen.tokens,
            log_det_nats=chosen.log_det,
            upper_bound_nats=chosen.upper_bound,
            random_log_det_nats=[chosen.envelope["low"][-1], chosen.envelope["high"][-1]],
        )

    def _decisions(self, dataset: str, request: Request, ids: Sequence[str]) -> Iterator[LockedDecision]:
        """Who pinned and banned what the selection kept to: what stands; where that was taken back since, the last."""
        history = self.decisions.of_dataset(dataset)
        last: dict[tuple[int, str], Decision] = {(made.row, made.kind): made for made in history}
        for row, standing in standing_by_row(history).items():
            last |= {(row, made.kind): made for made in standing}
        for kind, rows in (("pin", request.pinned), ("ban", request.banned)):
            for row in rows:
                if made := last.get((row, kind)):
                    yield LockedDecision(
                        kind=kind, example_id=ids[row], row=row, who=made.who, when=tell_time(made), why=made.why
                    )

    def lock_picks(self, chosen: SelectionRow, ids: Sequence[str]) -> LockedPicks:
        """What was chosen, in order."""
        rows = [pick.row for pick in self.selections.picks(chosen.selection)]
        return LockedPicks(example_ids=[ids[row] for row in rows], rows=rows)

    def card_facts(self, chosen: SelectionRow, request: Request) -> CardFacts:
        """What a reader of the card wants to know beside the lock."""
        rule, compared = find_criterion(chosen.criterion), chosen.comparison or {}
        fields = rule.settings.model_fields
        options = [(name, str(value), fields[name].description or "") for name, value in request.settings.items()]
        bands = compared.get("bands", {})
        return CardFacts(
            goal=rule.goal,
            source=rule.source,
            options=options,
            measures=[(name, band["value"], band["low"], band["high"]) for name, band in bands.items()],
            is_distinguishable=compared.get("is_distinguishable"),
            at_least=chosen.at_least,
            quarantined=self.datasets.quarantine_reasons(chosen.dataset),
            left_out=self.selections.gates(chosen.selection),
        )


def environment() -> dict[str, str]:
    """What this process runs on, all that may decide a file's bytes."""
    system = {"platform": f"{platform.system()} {platform.machine()}"}
    return versions() | {name: version(name) for name in PACKAGES} | system
