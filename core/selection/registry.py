"""Which criteria are there? Every family's, in the order in which they are offered.

Pages, command line and README read this table; a new criterion is one entry in its family's file.
"""

from core.errors import BadInput
from core.selection.criteria import chance, compression, designs, diversity, hybrid, instructdiff, scores
from core.selection.criterion import Criterion

FAMILIES = (designs, instructdiff, hybrid, chance, scores, diversity, compression)
CRITERIA: dict[str, Criterion] = {criterion.name: criterion for family in FAMILIES for criterion in family.CRITERIA}


def find_criterion(name: str) -> Criterion:
    """Raises BadInput naming the criteria there are."""
    if name not in CRITERIA:
        raise BadInput(f"There is no criterion {name!r}; the criteria are: {', '.join(CRITERIA)}.")
    return CRITERIA[name]
