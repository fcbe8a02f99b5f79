"""Every option once: its type, default, bounds and help.

The form in a page, the command line's `--set`, the README's table and the manifest all read
these declarations.
"""

from core.settings.base import Settings, parse_assignments
from core.settings.crew import CrewSettings
from core.settings.files import CheckSettings, ExportFormat, IngestFormat, IngestSettings, Trainer
from core.settings.mapping import ProjectionSettings
from core.settings.proving import HeldOutSettings, ProofSettings
from core.settings.scoring import (
    EMBEDDED_MODEL,
    CalibrationSettings,
    InstructDiffRule,
    RunSettings,
    ScoringSettings,
)
from core.settings.selecting import Budget, Quota, RepeatSettings
from core.settings.trial import TrialSettings

__all__ = [
    "EMBEDDED_MODEL",
    "Budget",
    "CalibrationSettings",
    "CheckSettings",
    "CrewSettings",
    "ExportFormat",
    "HeldOutSettings",
    "IngestFormat",
    "IngestSettings",
    "InstructDiffRule",
    "ProjectionSettings",
    "ProofSettings",
    "Quota",
    "RepeatSettings",
    "RunSettings",
    "ScoringSettings",
    "Settings",
    "Trainer",
    "TrialSettings",
    "parse_assignments",
]
