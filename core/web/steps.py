"""Which step comes before this one? A page that cannot work yet names it and leads there."""

from core.choices import SelectionRow
from core.records import RunRow
from core.web.notices import missing
from core.web.session import current_dataset, current_run, current_selection, open_bench


def require_finished_run() -> RunRow | None:
    """The chosen run if it is done; otherwise draws the way there."""
    run = current_run()
    if current_dataset() is None:
        missing("First load a dataset.", "Load a dataset", "../../pages/dataset.py")
    elif run is None:
        missing("This dataset has not been scored yet.", "Score it", "../../pages/scoring.py")
    elif open_bench().run_progress(run.run).state != "done":
        missing("This scoring run is not finished yet.", "See how far it is", "../../pages/scoring.py")
    else:
        return run
    return None


def require_selection() -> SelectionRow | None:
    """The chosen selection; otherwise draws the way there."""
    if require_finished_run() is None:
        return None
    selection = current_selection()
    if selection is None:
        missing("Nothing is selected from this run yet.", "Choose examples", "../../pages/select.py")
    return selection
