"""What shall a scoring run compute?"""

import streamlit as st

from core.settings import CalibrationSettings, RunSettings, ScoringSettings
from core.web.forms import settings_form
from core.web.proof.asking import ask_held_out

HELD_OUT = (
    "They are drawn before scoring, with all rows of the same text, and can never be selected, tuned on or exported. "
    "Models fine-tuned on the selection and on random subsets are later compared on them."
)
CALIBRATE, OWN_MODEL, NONE = "Calibrate on a random share", "Use a fine-tuned model", "Base model only"


def ask_settings(dataset: str, key: str = "score", *, can_hold_out: bool = True) -> RunSettings:
    """The form of a scoring run, its plain questions first; `key` begins the names of its widgets."""
    scoring_first = ("model", "max_length")
    columns = st.columns([2, 1])
    with columns[0]:
        model = settings_form(ScoringSettings, key, ("model",))
    with columns[1]:
        length = settings_form(ScoringSettings, key, ("max_length",))
    choices = [CALIBRATE, OWN_MODEL, NONE]
    second = st.radio("Second pass", choices, horizontal=True, key=f"{key}.second")
    calibration: CalibrationSettings | None = None
    calibrated_model: str | None = None
    plain = ("domain", "share", "method")
    if second == CALIBRATE:
        calibration = settings_form(CalibrationSettings, f"{key}.calibrate", plain, columns=3)
    elif second == OWN_MODEL:
        calibrated_model = st.text_input(
            "Fine-tuned model", help="A local folder or a hub id.", key=f"{key}.own"
        ).strip()
        if not calibrated_model:
            st.caption("Name the fine-tuned model before you start.")
    held_out = None
    if can_hold_out and st.checkbox("Hold examples out for a proof", help=HELD_OUT, key=f"{key}.holds"):
        held_out = ask_held_out(dataset, f"{key}.hold")
    with st.expander("More settings"):
        rest = tuple(name for name in ScoringSettings.model_fields if name not in scoring_first)
        scoring = settings_form(ScoringSettings, key, rest, columns=3)
        if calibration:
            st.caption("Calibration")
            others = tuple(name for name in CalibrationSettings.model_fields if name not in plain)
            more = settings_form(CalibrationSettings, f"{key}.calibrate", others, columns=3)
            calibration = calibration.model_copy(update={name: getattr(more, name) for name in others})
    chosen = scoring.model_copy(update={"model": model.model, "max_length": length.max_length})
    return RunSettings.checked(
        scoring=chosen, calibration=calibration, calibrated_model=calibrated_model, held_out=held_out
    )
