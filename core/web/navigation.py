"""Which pages are there? Five groups, in the order of the work; each page is a file of `pages/` with its title."""

from typing import Final

PAGES: Final = {
    "Data": [("dataset", "Dataset"), ("plan", "Plan"), ("scoring", "Scoring")],
    "Choose": [("select", "Desk"), ("map", "Map"), ("gains", "Gains"), ("compare", "Compare")],
    "Read": [("example", "Example"), ("review", "Review"), ("render", "Rendering")],
    "Ship": [("proof", "Proof"), ("export", "Export")],
    "Keep": [("status", "Status")],
}
