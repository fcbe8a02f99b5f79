"""What to choose by, how much, and what has to be kept: the controls of the Desk.

They begin with what the shown selection was asked to be; as soon as they ask for something else, Select computes it.
"""

from dataclasses import dataclass, field

import streamlit as st

from core.choices import SelectionRow
from core.errors import BadInput
from core.records import RunRow
from core.selection.claims import tell_claims
from core.selection.registry import CRITERIA
from core.settings import Quota, RepeatSettings, Settings
from core.web.forms import settings_form
from core.web.linked import read_number
from core.web.session import open_bench
from core.web.theme import format_count

BASELINE, POOL, ROWS = "baseline", "the pool as a whole", "examples of this pool"
NEEDS = {"calibration": "calibration (a warm-up and a second pass)", "ifd": "the IFD pass", "texts": "texts"}
MAIN = ("fisher", "instructdiff", "hybrid", "ioptimal", "random")
QUOTA_HELP = (
    "About one column of the rows as they came. One a line: topic=food<=20 is at most so much of the budget's unit, "
    "topic=food>=5% at least that share of the budget, topic alone gives every value its share of the pool."
)
SERVE_HELP = (
    "Whose answers to serve. Examples of the task that you care about can be loaded and scored as a dataset of their "
    "own, with the same model and settings: it is offered here then. Or name examples of this pool."
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the controls say, but for the budget."""

    criterion: str
    settings: Settings
    seed: int
    quotas: tuple[str, ...] = ()
    target_run: str | None = None
    target_rows: tuple[int, ...] = ()
    repeats: RepeatSettings = field(default_factory=RepeatSettings)

    @classmethod
    def of(cls, selection: SelectionRow) -> "Asked":
        """What a stored selection was asked to be."""
        request = open_bench().request_of(selection)
        return cls(
            request.criterion,
            CRITERIA[request.criterion].settings.checked(**request.settings),
            request.seed,
            request.quotas,
            request.target_run,
            request.target_rows,
            request.read_repeats(),
        )


def ask_goal(run: RunRow, shown: SelectionRow | None) -> str:
    """The criterion, by a goal in a curator's words; all others behind the last of them."""
    possible = [name for name, rule in CRITERIA.items() if all(open_bench().has(run, need) for need in rule.needs)]
    main = [name for name in MAIN if name in possible]
    others = [name for name in possible if name not in main]
    begin = shown.criterion if shown and shown.criterion in possible else None
    options = [*main, BASELINE]
    name = st.radio(
        "Goal",
        options,
        index=0 if begin is None else options.index(begin if begin in main else BASELINE),
        format_func=lambda option: "Another rule to compare with" if option == BASELINE else CRITERIA[option].goal,
        key=f"{_key(run, shown)}.goal",
        help=_tell_goals(main),
    )
    if name == BASELINE:
        name = st.selectbox(
            "Criterion",
            others,
            index=others.index(begin) if begin in others else 0,
            format_func=lambda option: f"{option}: {CRITERIA[option].goal}",
            key=f"{_key(run, shown)}.baseline",
        )
    if measured := tell_claims(str(name)):
        st.caption(measured)
    if lacking := [other for other in CRITERIA if other not in possible]:
        needs = sorted({need for other in lacking for need in CRITERIA[other].needs if not open_bench().has(run, need)})
        missing = " and ".join(NEEDS[need] for need in needs)
        st.caption(f"Not offered: {', '.join(lacking)}. This run was scored without {missing}; score again with it.")
    return str(name)


def ask_rest(run: RunRow, shown: SelectionRow | None, name: str) -> Asked:
    """What else a criterion wants to know, beginning with the shown selection's. Raises BadInput for what cannot be."""
    start, key, rule = Asked.of(shown) if shown else None, _key(run, shown), CRITERIA[name]
    target_run, target_rows = _ask_target(run, start, key) if rule.takes_target else (None, ())
    settings: Settings = rule.settings()
    with st.expander("Settings", key=f"{key}.settings"):
        st.caption(f"{rule.explanation} ({rule.source})")
        if rule.settings.model_fields:
            begin = start.settings if start and start.criterion == name else None
            settings = settings_form(rule.settings, f"{key}.{name}", start=begin)
        seed = st.number_input(
            "Seed", 0, value=start.seed if start else 0, step=1, key=f"{key}.seed", help="Of random draws and bands."
        )
    held = start.quotas if start else ()
    with st.expander(f"Quotas ({len(held)})" if held else "Quotas", key=f"{key}.held"):
        lines = st.text_area(
            "Quotas, one a line", "\n".join(held), key=f"{key}.quotas", help=QUOTA_HELP, placeholder="topic=food<=20%"
        )
    with st.expander("Near-duplicates", key=f"{key}.near"):
        repeats = settings_form(RepeatSettings, f"{key}.repeats", start=start.repeats if start else None)
    quotas = sorted({str(Quota.parse(line)) for line in lines.splitlines() if line.strip()})
    return Asked(name, settings, int(seed), tuple(quotas), target_run, target_rows, repeats)


def _key(run: RunRow, shown: SelectionRow | None) -> str:
    """The controls of another selection are others, so that they begin with its own values."""
    return f"desk.{run.run}.{shown.selection if shown else 'new'}"


def _tell_goals(names: list[str]) -> str:
    return "\n\n".join(f"**{CRITERIA[name].goal}** ({name}, {CRITERIA[name].source})" for name in names)


def _ask_target(run: RunRow, start: Asked | None, key: str) -> tuple[str | None, tuple[int, ...]]:
    """Whose answers to serve: the pool's own, those of another dataset scored in the same way, or of some rows."""
    others = {other.run: other.dataset for other in open_bench().possible_targets(run)}
    options = [POOL, ROWS, *others]
    begin = POOL if start is None else ROWS if start.target_rows else start.target_run or POOL
    chosen: str = st.selectbox(
        "Serve",
        options,
        index=options.index(begin) if begin in options else 0,
        format_func=lambda name: f"dataset {others[name]}" if name in others else name,
        key=f"{key}.target",
        help=SERVE_HELP,
    )
    if chosen != ROWS:
        return (chosen if chosen in others else None), ()
    held = ", ".join(str(row) for row in start.target_rows) if start else ""
    text = st.text_area("Row numbers of the task's examples", held, key=f"{key}.rows", placeholder="12, 40, 41")
    return None, read_rows(text, open_bench().datasets.get(run.dataset).rows_loaded)


def read_rows(text: str, count: int) -> tuple[int, ...]:
    """Row numbers apart by blanks or commas. Raises BadInput for none, and for what is no row of `count`."""
    rows = set[int]()
    for word in text.replace(",", " ").split():
        row = read_number(word)
        if row is None or row >= count:
            raise BadInput(f"{word[:40]!r} is not one of the rows 0 to {format_count(count - 1)}.")
        rows.add(row)
    if not rows:
        raise BadInput("Name the rows of some examples of the task, as the tables show them.")
    return tuple(sorted(rows))
