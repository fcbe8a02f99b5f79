"""Choose: a criterion and a budget become an ordered selection with its ledger and envelope."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from core.errors import BadInput
from core.records import RunRow, SelectionReport, SelectionRow
from core.selection.envelope import random_envelope
from core.selection.ledger import build_ledger
from core.selection.pool import Pool
from core.selection.registry import choose, find_criterion
from core.settings import Budget, FisherSettings, Settings
from core.workbench.base import check_target
from core.workbench.scoring import Scoring
from core.workbench.tables import write_table


@dataclass(frozen=True, slots=True)
class Request:
    """What a selection was asked to be; its hash is the selection's name."""

    run: str
    criterion: str
    budget: str
    seed: int
    settings: dict[str, object]
    pinned: tuple[int, ...]
    banned: tuple[int, ...]

    def name(self) -> str:
        """The same request has the same name."""
        content = json.dumps([getattr(self, field) for field in self.__slots__], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


class Choosing(Scoring):
    """Selections."""

    def select(
        self,
        dataset: str,
        criterion: str,
        budget: str,
        *,
        run: str | None = None,
        seed: int = 0,
        settings: Settings | None = None,
        pinned: Sequence[str] = (),
        banned: Sequence[str] = (),
    ) -> SelectionReport:
        """Select from a dataset's newest finished run, or the one named; pins and bans are example ids.

        Raises BadInput for an unknown criterion, a budget of nothing or of more than there is,
        and for a criterion whose passes this run lacks.
        """
        rule, amount = find_criterion(criterion), Budget.parse(budget)
        if not 0 <= seed < 2**63:
            raise BadInput(f"Seed {seed} is not a whole number from 0 to 9,223,372,036,854,775,807.")
        chosen_run = self.finished_run(dataset, run)
        options = settings or rule.settings()
        rows = self._rows_of_ids(dataset, [*pinned, *banned])
        request = Request(
            chosen_run.run,
            criterion,
            str(amount),
            seed,
            options.model_dump(mode="json"),
            tuple(rows[id_] for id_ in dict.fromkeys(pinned)),
            tuple(sorted(rows[id_] for id_ in set(banned))),
        )
        name = request.name()
        known = {selection.selection: selection for selection in self.selections.of_run(chosen_run.run)}
        if name not in known:
            pool = self.pool(chosen_run, request.pinned, request.banned)
            selected = choose(pool, rule, amount, options, seed)
            self._store(name, request, dataset, pool, selected, rule.reason)
        return _report(self.selections.get(name))

    def pool(self, run: RunRow, pinned: tuple[int, ...] = (), banned: tuple[int, ...] = ()) -> Pool:
        """A finished run's numbers, as the criteria read them."""
        scores, arrays = self.runs.scores(run.run), self.arrays(run.run)
        if scores.num_rows != len(arrays.offsets) - 1:
            raise BadInput(
                f"Scoring run {run.run!r} has {len(arrays.offsets) - 1:,} rows on disk but {scores.num_rows:,} in the "
                "database; a shard of it cannot be read. Score again under another setting."
            )

        def column(name: str) -> np.ndarray:
            return scores[name].to_numpy().astype(np.float64)

        return Pool(
            response_tokens=scores["response_tokens"].to_numpy().astype(np.int64),
            nll=column("nll"),
            entropy=column("entropy"),
            delta_nll=column("delta_nll"),
            delta_entropy=column("delta_entropy"),
            factors=arrays.factors,
            offsets=arrays.offsets,
            pinned=pinned,
            banned=frozenset(banned),
        )

    def ledger(self, selection: str, path: Path | str) -> Path:
        """Write what each pick brought: Parquet, JSONL or CSV by suffix."""
        target = check_target(path, ".parquet", ".jsonl", ".csv")
        ids = self.datasets.example_ids(self.selections.get(selection).dataset)
        columns = ["rank", "gain", "gain_alone", "cumulative", "response_tokens", "reason"]
        rows = [
            {"rank": pick.rank, "example_id": ids[pick.row], **{name: getattr(pick, name) for name in columns[1:]}}
            for pick in self.selections.picks(selection)
        ]
        return write_table(pa.Table.from_pylist(rows), target)

    def _store(self, name: str, request: Request, dataset: str, pool: Pool, selected: np.ndarray, reason: str) -> None:
        ridge = float(str(request.settings.get("ridge", FisherSettings().ridge)))
        tokens = int(pool.response_tokens[selected].sum())
        picks = build_ledger(pool, selected, ridge, reason)
        envelope = random_envelope(pool, tokens, ridge, request.seed)
        total = picks[-1].cumulative
        assert total is not None
        row = SelectionRow(
            selection=name,
            run=request.run,
            dataset=dataset,
            criterion=request.criterion,
            budget=request.budget,
            seed=request.seed,
            settings=request.settings | {"pinned": list(request.pinned), "banned": list(request.banned)},
            examples=len(selected),
            tokens=tokens,
            log_det=total,
            envelope=envelope.bands(),
        )
        self.selections.add(row, picks)

    def _rows_of_ids(self, dataset: str, example_ids: Sequence[str]) -> dict[str, int]:
        if not example_ids:
            return {}
        rows = {id_: row for row, id_ in enumerate(self.datasets.example_ids(dataset))}
        for id_ in example_ids:
            if id_ not in rows:
                raise BadInput(f"Dataset {dataset!r} has no example {id_!r}.")
        return rows


def _report(row: SelectionRow) -> SelectionReport:
    band = row.envelope
    return SelectionReport(row.selection, row.examples, row.tokens, row.log_det, (band["low"][-1], band["high"][-1]))
