"""The store: one DuckDB file, opened by one process, with one method per question."""

from core.store.database import Database
from core.store.datasets import Datasets
from core.store.decisions import Decisions
from core.store.judgements import Judgements
from core.store.loads import Loads
from core.store.orders import Orders
from core.store.repairs import Repairs
from core.store.runs import Runs
from core.store.selections import Selections

__all__ = ["Database", "Datasets", "Decisions", "Judgements", "Loads", "Orders", "Repairs", "Runs", "Selections"]
