"""Where does the selection lie, and what lies beside it?"""

from core.web.map.job import offer_again, offer_map
from core.web.map.panel import map_panel
from core.web.notices import show_errors
from core.web.scores import map_of
from core.web.steps import require_finished_run

WHAT_IT_SHOWS = "Here every example is a point, beside those whose responses the model reads alike."

with show_errors():
    run = require_finished_run(WHAT_IT_SHOWS)
    if run:
        if len(map_of(run.run)["x"]):
            map_panel(run)
            offer_again(run)
        else:
            offer_map(run)
