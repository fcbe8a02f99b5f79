"""Which model and which device does a job have, and are they still the run's?"""

import json
import os
from pathlib import Path

from core.errors import BadInput
from core.scoring.identity import run_identity
from core.scoring.models import is_adapter, load_tokenizer
from core.settings import RunSettings, ScoringSettings
from core.workspace import RunFolder


def pin_models(settings: RunSettings, files: RunFolder) -> RunSettings:
    """The settings with a hub model's commit put in. Raises BadInput when a model is no longer what
    it was when the run was made: its shards and new ones would be of two models."""
    return pin_model(settings, recorded_identity(files), "run was made")


def recorded_identity(files: RunFolder) -> str:
    """Which models a run was made with."""
    recorded: str = json.loads(files.settings.read_text(encoding="utf-8"))["model_identity"]
    return recorded


def pin_model(settings: RunSettings, recorded: str, when: str) -> RunSettings:
    """The same by the identity that was recorded `when` something was made."""
    if (found := run_identity(settings)) != recorded:
        raise BadInput(
            f"The model was {recorded} when this {when} and is {found} now; score again, which makes a new run."
        )
    base = recorded.split(" → ")[0]
    commit = base.rpartition("@")[2] if base.startswith("hub:") else settings.scoring.revision
    return settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"revision": commit})})


def claim_device(settings: RunSettings) -> RunSettings:
    """Let this process see one GPU only, as the trainer would else use all of them; all where the model is laid over
    them."""
    kind, _, number = settings.scoring.device.partition(":")
    if kind == "cuda" and not settings.scoring.spread:
        visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
        wanted = int(number or 0)
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[wanted] if wanted < len(visible) else str(wanted)
    return settings.model_copy(update={"scoring": settings.scoring.model_copy(update={"device": kind})})


def check_pair(base: ScoringSettings, calibrated: ScoringSettings, models_folder: Path) -> None:
    """Raise BadInput when two models do not read the same tokens, so that ΔNLL would compare nothing.

    An adapter has the base model's own."""
    if is_adapter(Path(calibrated.model)):
        return
    ours, theirs = (load_tokenizer(settings, models_folder).get_vocab() for settings in (base, calibrated))
    if ours != theirs:
        raise BadInput(
            f"Models {base.model!r} and {calibrated.model!r} have different vocabularies ({len(ours):,} and "
            f"{len(theirs):,} tokens); a pair must be of one family."
        )
