"""How was this subset made? A dataset card in words, as the hub wants it: YAML for programs, then Markdown for people.

No text of the dataset stands in it. What users named (datasets, files, columns) is escaped, and a file elsewhere on
the machine is named without its folders.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

import yaml

from core.data.lock import SUFFIX, Lock
from core.files import replacing

PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#+\-.!$:<>|~&^=\"'@/])")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "1M<n<10M"
REPEATS = {
    "keep": "Near-duplicates were kept.",
    "exact": "Of examples with the same text, but for case and spaces, one was kept.",
    "near": "Of examples with like texts (Jaccard similarity of at least {}) one was kept.",
    "factor": "Of examples whose features cover at least {} of each other's one was kept.",
}
MEASURES = {
    "information": "Information (nats)",
    "coverage": "Coverage (mean cosine of the pool to the nearest chosen)",
    "length": "Mean response (tokens)",
    "nll": "Mean NLL (nats)",
    "entropy": "Mean entropy (nats)",
    "mix": "Mixture, distance to the pool (0 to 1)",
}
GATES = {
    "budget": "over the budget",
    "filter": "dropped by the criterion's filter",
    "quota": "a quota was full",
    "repeat": "near-duplicate of another",
    "banned": "banned",
    "unscorable": "could not be scored",
    "held out": "held out for a proof",
}


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a lock does not hold, but a reader wants: the criterion's goal and source; name, value and meaning of its
    options; each measure with its random band; why rows were quarantined or left out, with counts."""

    goal: str
    source: str
    options: Sequence[tuple[str, str, str]]
    measures: Sequence[tuple[str, float, float, float]]
    is_distinguishable: bool | None
    at_least: float | None
    quarantined: Sequence[tuple[str, int]]
    left_out: Sequence[tuple[str, int]]


def write_card(lock: Lock, facts: CardFacts, path: Path) -> None:
    """Write the card of an export, complete or not at all."""
    with replacing(path) as partial:
        partial.write_text(make_card(lock, facts), encoding="utf-8")


def make_card(lock: Lock, facts: CardFacts) -> str:
    """The card's text."""
    parts = [
        _opening(lock),
        _source(lock, facts),
        _scoring(lock),
        _selection(lock, facts),
        _compared(facts),
        _decided(lock),
        _left_out(facts),
        _again(lock),
    ]
    return _front_matter(lock) + "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown leaves as it is, on one line."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def _front_matter(lock: Lock) -> str:
    count = lock.export.examples
    described = {
        "pretty_name": " ".join(f"{lock.dataset.name}, selected by {lock.selection.criterion}".split()),
        "size_categories": [next((name for most, name in SIZES if count < most), LARGEST)],
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "sft", "data-selection", "gleaner"],
        "configs": [
            {"config_name": "default", "data_files": [{"split": "train", "path": lock.export.data.name}]},
        ],
    }
    return f"---\n{yaml.safe_dump(described, sort_keys=False, allow_unicode=True)}---\n\n"


def _opening(lock: Lock) -> list[str]:
    picked, of = lock.selection, lock.dataset
    return [
        f"# {escape_markdown(of.name)}: a selection",
        "",
        f"{picked.examples:,} examples with {picked.tokens:,} response tokens, chosen from the {of.rows_loaded:,} of "
        f"{escape_markdown(of.name)} by Gleaner. The file is {escape_markdown(lock.export.data.name)}, in the format "
        f"{lock.export.format}; its order is the order in which the examples were chosen. Scores, reasons and "
        "decisions stand in a table beside it, row for row; no score stands in the file itself.",
    ]


def _source(lock: Lock, facts: CardFacts) -> list[str]:
    of = lock.dataset
    lines = [
        "## Source",
        "",
        f"Read from {_place(of.source)} as {escape_markdown(of.format)}: {of.rows_read:,} rows, of which "
        f"{of.rows_loaded:,} were loaded and {of.rows_quarantined:,} quarantined. The hash of the loaded rows is "
        f"{of.content_hash}.",
    ]
    if facts.quarantined:
        rows = ((_reason(why), f"{count:,}") for why, count in facts.quarantined)
        lines += ["", *_table(("Quarantined because", "Rows"), rows)]
    return lines


def _scoring(lock: Lock) -> list[str]:
    run, settings = lock.scoring, lock.scoring.settings
    how, tuned = settings.scoring, settings.calibration
    lines = [
        "## Scoring",
        "",
        f"Scored by the language model {_place(how.model)} ({escape_markdown(run.model_identity)}), template "
        f"{escape_markdown(run.template)}, at most {how.max_length:,} tokens an example, weights in {how.dtype} on "
        f"{escape_markdown(how.device)}, with Gleaner {escape_markdown(run.versions.get('gleaner', 'of some version'))}"
        f" and torch {escape_markdown(run.versions.get('torch', 'of some version'))}.",
    ]
    if tuned:
        kind = "all weights" if tuned.method == "full" else "a LoRA adapter"
        lines += [
            "",
            f"A second model was made by a warm-up fine-tune of {kind} on a random {tuned.share:.4g} of the examples "
            f"(epochs {tuned.epochs:g}, learning rate {tuned.learning_rate}, seed {tuned.seed}, rounds "
            f"{tuned.iterations}) and scored them too.",
        ]
    elif settings.calibrated_model:
        lines += ["", f"A second, fine-tuned model scored them too: {_place(settings.calibrated_model)}."]
    return lines


def _selection(lock: Lock, facts: CardFacts) -> list[str]:
    asked = lock.selection
    how, _, threshold = asked.repeats.partition(" ")
    lines = [
        "## Selection",
        "",
        f"Criterion {asked.criterion}: {escape_markdown(facts.goal)} ({escape_markdown(facts.source)}). The budget was "
        f"{_budget(asked.budget)}, the seed {asked.seed}. {REPEATS[how].format(threshold)}",
    ]
    if facts.options:
        rows = ((name, escape_markdown(value), escape_markdown(meaning)) for name, value, meaning in facts.options)
        lines += ["", *_table(("Option", "Value", "What it does"), rows)]
    if asked.quotas:
        lines += ["", "Quotas, in the budget's unit: " + "; ".join(map(escape_markdown, asked.quotas)) + "."]
    if asked.target:
        lines += ["", f"It serves {len(asked.target):,} examples of the same dataset, named in the lock."]
    if lock.target:
        named = escape_markdown(lock.target.dataset.name)
        lines += ["", f"It serves another dataset, {named} ({lock.target.dataset.rows_loaded:,} examples)."]
    if facts.at_least is not None:
        lines += ["", f"It reaches at least {100 * facts.at_least:.1f} % of the best possible within its budget."]
    return lines


def _compared(facts: CardFacts) -> list[str]:
    if not facts.measures:
        return []
    rows = ((MEASURES.get(name, name), f"{v:.4g}", f"{low:.4g} to {high:.4g}") for name, v, low, high in facts.measures)
    can = "can" if facts.is_distinguishable else "cannot"
    return [
        "## Beside random subsets",
        "",
        f"What 20 random subsets of as many tokens reach. By these measures the selection {can} be told from them; "
        "what a model learns from either, they do not say.",
        "",
        *_table(("Measure", "This selection", "Random subsets"), rows),
    ]


def _decided(lock: Lock) -> list[str]:
    asked = lock.selection
    if not (asked.pinned or asked.banned):
        return []
    who = sorted({made.who for made in asked.decisions})
    by = f" Decided by {', '.join(map(escape_markdown, who))}; the lock says who, when and why." if who else ""
    return ["## Decisions", "", f"Pinned: {len(asked.pinned):,}. Banned: {len(asked.banned):,}.{by}"]


def _left_out(facts: CardFacts) -> list[str]:
    if not facts.left_out:
        return []
    rows = ((GATES.get(gate, gate), f"{n:,}") for gate, n in facts.left_out)
    return ["## Left out", "", *_table(("Because", "Examples"), rows)]


def _again(lock: Lock) -> list[str]:
    data = PurePath(lock.export.data.name)
    name = data.stem + SUFFIX
    # an indented block shows any file name as it is
    command = " ".join(f"python -m core replay {shlex.quote(name)} -o {shlex.quote('again' + data.suffix)}".split())
    rows = ((escape_markdown(part), escape_markdown(version)) for part, version in lock.versions.items())
    return [
        "## Making it again",
        "",
        f"{escape_markdown(name)} holds the hashes of the dataset, the model, the scores and every file. With Gleaner "
        "and the source at hand this makes the same file byte for byte, or names the first row or stage that differs:",
        "",
        f"    {command}",
        "",
        "Where the source or the model lies elsewhere, add `--source` or `--model`. With `--picks-from-lock` no model "
        "is needed.",
        "",
        *_table(("Written with", "Version"), rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _place(source: str) -> str:
    """A file, folder or hub id, without the folders that only its machine has."""
    is_path = source.startswith(("/", "~", ".")) or "\\" in source
    return escape_markdown(re.split(r"[/\\]", source.rstrip("/\\"))[-1] if is_path else source)


def _reason(why: str) -> str:
    """A reason may quote the row."""
    return escape_markdown(QUOTED.sub("…", why))


def _budget(budget: str) -> str:
    if budget.endswith("tok"):
        return f"{int(budget[:-3]):,} response tokens"
    return f"{budget[:-1]} % of the examples" if budget.endswith("%") else f"{int(budget):,} examples"
