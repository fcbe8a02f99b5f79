"""What is an example's story, in sentences? Why it was picked, or why it was left out."""

from dataclasses import dataclass, field

from core.web.theme import format_count, format_percent, format_sig
from core.workbench.explaining import tell_outcome
from core.workbench.lensing import Facts


@dataclass(frozen=True, slots=True)
class Mentioned:
    """An example that the story names, so that a page can lead to it."""

    row: int
    rank: int | None = None

    @property
    def name(self) -> str:
        """Its rank where it has one, and its row."""
        return f"#{self.rank:,}, row {self.row:,}" if self.rank else f"Row {self.row:,}"


@dataclass(frozen=True, slots=True)
class Story:
    """The first sentence, those after it, and the examples named in them. Plain text, not markdown."""

    headline: str
    sentences: list[str] = field(default_factory=list)
    mentioned: list[Mentioned] = field(default_factory=list)


def tell_story(facts: Facts) -> Story:
    """Whether and why the selection holds an example, or what keeps it out and which picks tell it already."""
    told = [_tell_budget(facts), *(_tell_pick(facts) if facts.pick else _tell_left_out(facts))]
    told += [_tell_covers(facts), _tell_decision(facts)]
    mentioned = [Mentioned(cover.row, rank) for rank, cover in facts.covers]
    if facts.outcome and facts.outcome.other is not None:
        mentioned.append(Mentioned(facts.outcome.other))
    return Story(_tell_headline(facts), [sentence for sentence in told if sentence], mentioned)


def ordinal(number: int) -> str:
    """1 → "1st", 112 → "112th"."""
    teens = 10 <= number % 100 <= 20
    return f"{number:,}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def _tell_headline(facts: Facts) -> str:
    if facts.pick:
        if facts.pick.reason == "pinned":
            return f"Pinned, so it is in: {ordinal(facts.pick.rank)} of {_size(facts.selection.examples)}."
        return f"Picked {ordinal(facts.pick.rank)} of {_size(facts.selection.examples)}: {facts.pick.reason}."
    if facts.outcome is None:
        return "Left out; this selection was made by an older version, which did not keep why."
    return f"Left out: {tell_outcome(facts.outcome, facts.selection).removeprefix('over budget: ')}."


def _tell_budget(facts: Facts) -> str:
    """Where another budget is tried: in or out of it, which may differ from the selection as it is stored."""
    if not facts.is_tried:
        return ""
    tried = f"With the budget that is tried, {_size(facts.examples)}, it is"
    return f"{tried} in: {ordinal(facts.shown)}." if facts.shown else f"{tried} out."


def _tell_pick(facts: Facts) -> list[str]:
    pick = facts.pick
    if pick is None or pick.gain is None:
        return []
    told = [f"Gained {format_sig(pick.gain)} nats, {format_sig(pick.gain / max(pick.response_tokens, 1))} a token."]
    if pick.gain_alone:
        held = max(0.0, 1 - pick.gain / pick.gain_alone)
        alone = f"Alone it would bring {format_sig(pick.gain_alone)} nats"
        before = "the picks before it" if pick.rank > 1 else ""
        told.append(f"{alone}; {before} already held {format_percent(held)} of that." if before else f"{alone}.")
    return told


def _tell_left_out(facts: Facts) -> list[str]:
    left = facts.left
    if left is None:
        return []
    return [
        f"It would add {format_sig(left.gain)} nats now, alone {format_sig(left.gain_alone)}: the selection already "
        f"holds {format_percent(left.covered)} of it."
    ]


def _tell_covers(facts: Facts) -> str:
    """The picks that tell most of it: the first alone, then together with each further one."""
    if not facts.covers:
        return ""
    (rank, first), *others = facts.covers
    told = f"#{rank:,} alone covers {format_percent(first.share)} of it"
    together = [f"with #{rank:,} {format_percent(cover.share)}" for rank, cover in others]
    return f"{', '.join([told, *together])}."


def _tell_decision(facts: Facts) -> str:
    """A decision that the selection does not keep to yet."""
    if facts.standing == "pinned" and not facts.pick:
        return "It was pinned since: select again, and it is in."
    if facts.standing == "banned" and facts.pick:
        return "It was banned since: select again, and it is out."
    return ""


def _size(examples: int) -> str:
    return f"{format_count(examples)} example{'' if examples == 1 else 's'}"
