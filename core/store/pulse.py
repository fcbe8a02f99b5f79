"""Did anything change since somebody looked?"""

from core.store.database import Database
from core.store.kept import kept


class Pulse:
    """Counters that grow with what people decide, again and again."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @kept
    def beat(self, dataset: str) -> tuple[int, ...]:
        """The numbers of a dataset's last decision, judgement and repair."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                """
                SELECT 1, coalesce(max(decision), 0) FROM decisions WHERE dataset = $1
                UNION ALL SELECT 2, coalesce(max(judgement), 0) FROM judgements WHERE dataset = $1
                UNION ALL SELECT 3, coalesce(max(repair), 0) FROM repairs WHERE dataset = $1
                """,
                [dataset],
            ).fetchall()
        return tuple(number for _, number in sorted(found))
