"""What can be set, and by which criteria can one choose? The README's tables, from the declarations."""

from core.selection.registry import CRITERIA
from core.settings import (
    CalibrationSettings,
    CheckSettings,
    HeldOutSettings,
    IngestSettings,
    ProjectionSettings,
    ProofSettings,
    RepeatSettings,
    ScoringSettings,
    Settings,
    TrialSettings,
)


def describe_criteria() -> str:
    """A table of the criteria."""
    lines = ["| name | goal | needs | source |", "| --- | --- | --- | --- |"]
    for rule in CRITERIA.values():
        lines.append(f"| `{rule.name}` | {rule.goal} | {', '.join(rule.needs)} | {rule.source} |")
    return "\n".join(lines)


def describe_options() -> str:
    """A table of every option."""
    lines = ["| option | default | of | what it does |", "| --- | --- | --- | --- |"]
    kinds: list[tuple[str, type[Settings]]] = [
        ("ingest", IngestSettings),
        ("plan", TrialSettings),
        ("score", ScoringSettings),
        ("score, calibration", CalibrationSettings),
        ("score, held out", HeldOutSettings),
        ("select", RepeatSettings),
        *((f"select, {name}", rule.settings) for name, rule in CRITERIA.items()),
        ("the Map page", ProjectionSettings),
        ("prove", ProofSettings),
        ("check", CheckSettings),
    ]
    for command, kind in kinds:
        for name, declared in kind.model_fields.items():
            default = declared.get_default(call_default_factory=True)
            shown = "" if default is None else f"`{default}`"
            lines.append(f"| `{name}` | {shown} | {command} | {declared.description} |")
    return "\n".join(lines)
