"""Which step comes before this one? A page that cannot work yet says what it will show, and leads to that step."""

from core.choices import SelectionRow
from core.records import DatasetRow, RunRow
from core.web.notices import missing
from core.web.session import current_dataset, current_run, current_selection, open_bench


def require_dataset(first: str = "") -> DatasetRow | None:
    """The chosen dataset; otherwise draws the way to load one. `first` says what the page will show."""
    dataset = current_dataset()
    if dataset is None:
        missing("It needs a dataset: your own file, or the demo.", "Load a dataset", "dataset", first)
    return dataset


def require_finished_run(first: str = "") -> RunRow | None:
    """The chosen run if it is done; otherwise draws the way there."""
    if require_dataset(first) is None:
        return None
    run = current_run()
    if run is None:
        missing("This dataset has not been scored yet.", "Score it", "scoring", first)
    elif open_bench().run_progress(run.run).state != "done":
        missing("This scoring run is not finished yet.", "See how far it is", "scoring", first)
    else:
        return run
    return None


def require_selection(first: str = "") -> SelectionRow | None:
    """The chosen selection; otherwise draws the way there."""
    if require_finished_run(first) is None:
        return None
    selection = current_selection()
    if selection is None:
        missing("Nothing is selected from this run yet.", "Choose examples", "select", first)
    return selection
