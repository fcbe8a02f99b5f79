"""What to choose by, how much, and what has to be kept: the controls of the Desk."""

from dataclasses import dataclass, field

import streamlit as st

from core.records import RunRow
from core.selection.registry import CRITERIA
from core.settings import Quota, RepeatSettings, Settings
from core.web.forms import settings_form
from core.web.session import open_bench

UNITS = {"percent": "%", "examples": "", "tokens": "tok"}
BASELINE = "baseline"
UNIT_LABELS = {"percent": "%", "examples": "examples", "tokens": "tokens"}
QUOTA_HELP = (
    "About one column of the rows as they came. One a line: topic=food<=20 is at most so much of the budget's unit, "
    "topic=food>=5% at least that share of the budget, topic alone gives every value its share of the pool."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controls say."""

    criterion: str
    settings: Settings
    budget: str
    seed: int
    quotas: list[Quota] = field(default_factory=list)
    target_run: str | None = None
    repeats: RepeatSettings = field(default_factory=RepeatSettings)


def ask_selection(run: RunRow) -> Asked | None:
    """Draw the controls; what they say, once Select is pressed."""
    name, settings = _ask_criterion(run)
    target_run = _ask_target(run) if CRITERIA[name].takes_target else None
    budget = _ask_budget()
    with st.expander("Quotas"):
        lines = st.text_area("Quotas, one a line", key="desk.quotas", help=QUOTA_HELP, placeholder="topic=food<=20%")
    with st.expander("Near-duplicates"):
        repeats = settings_form(RepeatSettings, "desk.repeats")
    seed = int(st.number_input("Seed", min_value=0, value=0, step=1, help="Of random draws and of the random band."))
    if not st.button("Select", type="primary", width="stretch"):
        return None
    quotas = [Quota.parse(line) for line in lines.splitlines() if line.strip()]
    return Asked(name, settings, budget, seed, quotas, target_run, repeats)


def _ask_criterion(run: RunRow) -> tuple[str, Settings]:
    """The goal in a curator's words, and the criterion's own settings."""
    possible = [name for name, rule in CRITERIA.items() if all(open_bench().has(run, need) for need in rule.needs)]
    main = [name for name in possible if not CRITERIA[name].is_baseline]
    name = st.radio(
        "Goal",
        [*main, BASELINE],
        format_func=lambda option: "Another baseline to compare with" if option == BASELINE else CRITERIA[option].goal,
        captions=[
            *(f"{option}: {CRITERIA[option].source}" for option in main),
            "sorted scores, diversity, compression",
        ],
        key="desk.criterion",
    )
    if name == BASELINE:
        others = [name for name in possible if CRITERIA[name].is_baseline]
        name = st.selectbox("Baseline", others, key="desk.baseline")
    rule = CRITERIA[name]
    st.caption(f"{rule.goal}. {rule.explanation}" if rule.is_baseline else rule.explanation)
    if missing := [
        f"{other} needs {' and '.join(CRITERIA[other].needs)}" for other in CRITERIA if other not in possible
    ]:
        st.caption(f"Not with this run: {'; '.join(missing)}.")
    if not rule.settings.model_fields:
        return name, rule.settings()
    with st.expander("Settings"):
        return name, settings_form(rule.settings, f"desk.{name}")


def _ask_target(run: RunRow) -> str | None:
    """Whose answers to serve: the pool's own, or those of another dataset scored in the same way."""
    others = {other.run: other for other in open_bench().possible_targets(run)}
    chosen: str = st.selectbox(
        "Serve",
        ["", *others],
        format_func=lambda name: others[name].dataset if name else "the pool itself",
        key=f"desk.target.{run.run}",
        help="Load some examples of the task you care about as a dataset of its own, and score it with the same "
        "model and settings: it is offered here then.",
    )
    return chosen or None


def _ask_budget() -> str:
    """The budget, in one of its three units."""
    unit: str = st.segmented_control(
        "Budget in",
        list(UNITS),
        default="percent",
        required=True,
        format_func=lambda option: UNIT_LABELS[option],
        key="desk.unit",
    )
    amount = st.number_input(
        f"Budget ({UNIT_LABELS[unit]})",
        min_value=0.0,
        value={"percent": 10.0, "examples": 100.0, "tokens": 20000.0}[unit],
        step=1.0 if unit != "tokens" else 1000.0,
        format="%g",
        key=f"desk.budget.{unit}",
    )
    return f"{amount:g}{UNITS[unit]}" if unit == "percent" else f"{amount:.0f}{UNITS[unit]}"
