"""Did anything change since somebody looked?"""

from core.store.database import Database
from core.store.kept import kept


class Pulse:
    """Counters that grow with what people and jobs enter into the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @kept
    def beat(self, dataset: str) -> tuple[int, ...]:
        """The counters of a dataset: decisions, judgements, repairs, runs, selections; and how many datasets there
        are."""
        with self._database.reading() as cursor:
            found: tuple[int, ...] = cursor.execute(
                """
                SELECT (SELECT coalesce(max(decision), 0) FROM decisions WHERE dataset = $1),
                    (SELECT coalesce(max(judgement), 0) FROM judgements WHERE dataset = $1),
                    (SELECT coalesce(max(repair), 0) FROM repairs WHERE dataset = $1),
                    (SELECT count(*) FROM runs WHERE dataset = $1),
                    (SELECT count(*) FROM selections WHERE dataset = $1),
                    (SELECT count(*) FROM datasets)
                """,
                [dataset],
            ).fetchall()[0]
        return found
