"""How are runs and selections called where one chooses among them?"""

from pathlib import Path

from core.choices import SelectionRow
from core.records import RunRow


def describe_run(row: RunRow) -> str:
    """`SmolLM2-135M-Instruct (25261e)`."""
    model = Path(str(row.settings["scoring"]["model"])).name
    calibrated = "" if row.settings["calibration"] or row.settings["calibrated_model"] else ", not calibrated"
    return f"{model}{calibrated} ({row.run[:6]})"


def describe_selection(row: SelectionRow) -> str:
    """`fisher 10% (de3b5d)`."""
    return f"{row.criterion} {row.budget} ({row.selection[:6]})"
