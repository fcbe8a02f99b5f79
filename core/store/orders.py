"""Which orders were computed, so that another budget need not search again? And which examples repeat others?"""

import numpy as np
import pyarrow as pa

from core.choices import StoredOrder
from core.store.database import Database


class Orders:
    """The orders and the groups of repeats of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, order: StoredOrder) -> None:
        """Keep an order; one of the same name is replaced."""
        with self._database.writing("Orders") as cursor:
            for table in ("order_rows", "order_refused", "orders"):
                cursor.execute(f"DELETE FROM {table} WHERE order_name = ?", [order.order])  # noqa: S608
            cursor.execute(
                "INSERT INTO orders (order_name, run, criterion, is_complete, evaluations, naive_evaluations) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [
                    order.order,
                    order.run,
                    order.criterion,
                    order.is_complete,
                    order.evaluations,
                    order.naive_evaluations,
                ],
            )
            for number, (rows, gains) in enumerate(order.rankings):
                table = pa.table({"place": np.arange(len(rows)), "row_number": rows, "gain": gains})
                cursor.register("incoming", table)
                cursor.execute(
                    "INSERT INTO order_rows SELECT ?, ?, place, row_number, gain FROM incoming", [order.order, number]
                )
                cursor.unregister("incoming")
            refused = pa.table(
                {
                    "row_number": pa.array(list(order.refused), pa.int64()),
                    "detail": pa.array(list(order.refused.values()), pa.string()),
                }
            )
            cursor.register("incoming", refused)
            cursor.execute("INSERT INTO order_refused SELECT ?, row_number, detail FROM incoming", [order.order])
            cursor.unregister("incoming")

    def find(self, name: str) -> StoredOrder | None:
        """The order of this name, if it was computed."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT order_name, run, criterion, is_complete, evaluations, naive_evaluations FROM orders "
                "WHERE order_name = ?",
                [name],
            ).fetchall()
            if not found:
                return None
            places = cursor.execute(
                "SELECT ranking, row_number, gain::DOUBLE AS gain FROM order_rows WHERE order_name = ? "
                "ORDER BY ranking, place",
                [name],
            ).fetchnumpy()
            refused = cursor.execute(
                "SELECT row_number, detail FROM order_refused WHERE order_name = ?", [name]
            ).fetchall()
        order, run, criterion, is_complete, evaluations, naive = found[0]
        rows, gains = np.asarray(places["row_number"]), np.ma.filled(places["gain"], np.nan)
        last = int(np.max(places["ranking"], initial=0))
        parts = [np.asarray(places["ranking"]) == number for number in range(last + 1)]
        rankings = [(rows[part], gains[part]) for part in parts]
        return StoredOrder(order, run, criterion, is_complete, rankings, dict(refused), evaluations, naive)

    def put_repeats(self, name: str, codes: np.ndarray) -> None:
        """Keep groups of repeats: `codes` [N], one for each row."""
        table = pa.table({"row_number": np.arange(len(codes)), "code": codes})
        with self._database.writing("Orders") as cursor:
            cursor.execute("DELETE FROM repeats WHERE repeats = ?", [name])
            cursor.register("incoming", table)
            cursor.execute("INSERT INTO repeats SELECT ?, row_number, code FROM incoming", [name])
            cursor.unregister("incoming")

    def find_repeats(self, name: str) -> np.ndarray | None:
        """The groups of this name, if they were found before."""
        with self._database.reading() as cursor:
            found = cursor.execute(
                "SELECT code FROM repeats WHERE repeats = ? ORDER BY row_number", [name]
            ).fetchnumpy()
        return np.asarray(found["code"]) if len(found["code"]) else None
