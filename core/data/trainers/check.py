"""What will a trainer do with a file? The dry run: every row goes through the target's rules, with the real tokenizer.

TRL is asked itself (`trl.py`); Axolotl, LLaMA-Factory and OpenAI by rules after their code and documentation.
Whatever is wrong with a file is a finding, never an error.
"""

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from core.data.trainers import axolotl, llama_factory, openai, trl
from core.data.trainers.faults import Fault, RowCheck
from core.data.trainers.llama_factory import QUOTED
from core.data.trainers.loading import load_file, load_rows
from core.data.trainers.reading import CheckedFile, Line, open_file
from core.errors import BadInput
from core.reports import DryRun, Finding
from core.settings import CheckSettings, Trainer

READS: dict[Trainer, tuple[str, ...]] = {
    "trl": trl.FORMATS,
    "axolotl": axolotl.FORMATS,
    "llama-factory": llama_factory.FORMATS,
    "openai": openai.FORMATS,
}
NAMES: dict[Trainer, str] = {
    "trl": "TRL",
    "axolotl": "Axolotl",
    "llama-factory": "LLaMA-Factory",
    "openai": "OpenAI",
}
SHOWN = 5


class Rules(Protocol):
    """What a trainer asks of one row."""

    def check(self, fields: dict[str, Any]) -> RowCheck: ...


def check_file(path: Path, trainer: Trainer, tokenizer: Any, settings: CheckSettings | None = None) -> DryRun:
    """The dry run of a trainer over a file: JSON lines, a JSON array or Parquet, in any of the formats.

    Raises BadInput for a file that is missing, binary, empty, or in no format at all.
    """
    file, chosen = open_file(path), settings or CheckSettings()
    tally = _Tally()
    for fault in _faults_of_file(file, trainer, tokenizer):
        tally.add(0, RowCheck([fault]))
    if tally.refuses_file:
        rows = sum(1 for _ in file.lines())
        return tally.dry_run(trainer, file.shape, rows, [])
    with tempfile.TemporaryDirectory() as scratch:
        _check_rows(file, trainer, tokenizer, chosen, tally, Path(scratch))
    rows = len(tally.lines)
    return tally.dry_run(trainer, file.shape, rows, list(_notes(trainer, tally, rows, file)))


def count_reasons(dry_run: DryRun) -> list[tuple[str, str, int, list[int]]]:
    """Severity, reason, how many lines, the first of them; the refused first, the most frequent first."""
    lines: dict[tuple[str, str], list[int]] = defaultdict(list)
    for finding in dry_run.findings:
        lines[finding.severity, finding.reason].append(finding.line)
    order = sorted(lines.items(), key=lambda item: (item[0][0] != "refused", -len(item[1]), item[0][1]))
    return [(severity, reason, len(found), sorted(found)[:SHOWN]) for (severity, reason), found in order]


def say_verdict(dry_run: DryRun) -> str:
    """In a sentence or two: how many rows train, and what keeps all of them from it where one does."""
    rows = f"{dry_run.rows:,} {'row' if dry_run.rows == 1 else 'rows'}"
    if any(finding.stops and not finding.line for finding in dry_run.findings):
        return f"None of {rows} will train: the trainer does not take the file."
    if dry_run.stops:
        stopped, them = ("1 row stops", "it") if dry_run.stops == 1 else (f"{dry_run.stops:,} rows stop", "them")
        would = f"{dry_run.would_train:,}" if dry_run.would_train else "none"
        return f"None of {rows} will train: {stopped} the trainer. Without {them} {would} will."
    if not dry_run.will_train:
        return f"None of {rows} will train."
    return f"{dry_run.will_train:,} of {rows} will train, on {dry_run.tokens:,} tokens."


def find_trainer(trainer: str) -> Trainer:
    """The trainer of this name. Raises BadInput."""
    known = next((name for name in NAMES if name == trainer), None)
    if known is None:
        raise BadInput(f"There is no trainer {trainer!r} here; the trainers are: {', '.join(NAMES)}.")
    return known


class _Tally:
    """What is known of each line so far."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.findings: list[Finding] = []
        self.tokens: Counter[int] = Counter()
        self.cut: Counter[int] = Counter()
        self.refused: set[int] = set()

    @property
    def refuses_file(self) -> bool:
        return 0 in self.refused

    def add(self, line: int, check: RowCheck) -> None:
        for fault in check.faults:
            self.findings.append(Finding(line, fault.severity, fault.reason, fault.detail, fault.stops))
            if fault.severity == "refused":
                self.refused.add(line)
        self.tokens[line] += check.tokens
        self.cut[line] += check.tokens_cut

    def dry_run(self, trainer: Trainer, shape: str, rows: int, notes: list[str]) -> DryRun:
        refused = rows if self.refuses_file else len(self.refused)
        warned = {finding.line for finding in self.findings} - self.refused - {0}
        good = [line for line in self.lines if line not in self.refused] if not self.refuses_file else []
        too_few = trainer == "openai" and len(good) < openai.LEAST
        would_train = 0 if too_few else len(good)
        stops = len({finding.line for finding in self.findings if finding.stops})
        return DryRun(
            trainer=trainer,
            format=shape,
            rows=rows,
            will_train=0 if stops else would_train,
            refused=refused,
            warned=len(warned),
            stops=stops,
            findings=sorted(self.findings, key=lambda finding: (finding.line, finding.severity, finding.reason)),
            notes=notes,
            tokens=sum(self.tokens[line] for line in good),
            tokens_cut=sum(self.cut.values()),
            would_train=would_train,
        )


def _faults_of_file(file: CheckedFile, trainer: Trainer, tokenizer: Any) -> Iterator[Fault]:
    """What keeps a trainer from every row of a file."""
    name = NAMES[trainer]
    if file.shape not in READS[trainer]:
        detail = f"it reads {', '.join(READS[trainer])}"
        yield Fault(f"{name} does not read the format {file.shape}", detail, stops=True)
    if trainer == "openai" and file.kind != "jsonl":
        kind = {"array": "one JSON array", "parquet": "Parquet"}[file.kind]
        yield Fault("OpenAI takes JSON lines alone", f"the file is {kind}", stops=True)
    if trainer == "openai" and file.has_mark:
        yield Fault("a byte order mark stands before the first line", "save the file as UTF-8 without it", stops=True)
    needs_template = trainer in ("trl", "axolotl") and file.shape in ("messages", "sharegpt")
    if needs_template and not getattr(tokenizer, "chat_template", None):
        yield Fault("the tokenizer has no chat template", "take the model's instruct version", stops=True)


def _check_rows(
    file: CheckedFile, trainer: Trainer, tokenizer: Any, settings: CheckSettings, tally: _Tally, scratch: Path
) -> None:
    rules = _rules(trainer, file.shape, tokenizer, settings)
    loaded, faults = (None, []) if trainer == "openai" else load_rows(file, scratch)
    for line in file.lines():
        tally.lines.append(line.number)
        check = RowCheck(line.faults)
        tally.add(line.number, check)
        if line.number not in tally.refused and line.fields is not None:
            tally.add(line.number, rules.check(line.fields))
    good = [line for line in tally.lines if line not in tally.refused]
    kept = set(good)
    if faults and len(good) < len(tally.lines):  # with the refused lines out, the file may well load
        loaded, faults = load_file(_copied(file, kept, scratch), scratch) if good else (None, [])
    elif loaded is not None and len(good) < len(loaded):
        places = [index for index, line in enumerate(tally.lines) if line in kept]
        loaded = loaded.select(places) if len(loaded) == len(tally.lines) else None
    for fault in faults:
        tally.add(0, RowCheck([fault]))
    if trainer == "trl" and good and not tally.refuses_file:
        if loaded is None or len(loaded) != len(good):
            loaded, _ = load_file(_copied(file, kept, scratch), scratch)
        for number, found in trl.run_preparation(loaded, good, tokenizer, settings, scratch):
            tally.add(number, found)


def _rules(trainer: Trainer, shape: str, tokenizer: Any, settings: CheckSettings) -> Rules:
    if trainer == "trl":
        return trl.TrlRules(shape, tokenizer)
    if trainer == "axolotl":
        return axolotl.AxolotlRules(shape, tokenizer, settings)
    if trainer == "llama-factory":
        return llama_factory.LlamaFactoryRules(shape, tokenizer, settings)
    return openai.OpenAiRules(tokenizer, settings)


def _copied(file: CheckedFile, lines: set[int], scratch: Path) -> Path:
    """The good lines alone, as a file of their own."""
    path = scratch / f"good-{len(list(scratch.iterdir()))}.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(line.raw + "\n" for line in _good(file, lines))
    return path


def _good(file: CheckedFile, lines: set[int]) -> Iterator[Line]:
    return (line for line in file.lines() if line.number in lines)


def _notes(trainer: Trainer, tally: _Tally, rows: int, file: CheckedFile) -> Iterator[str]:
    name, good = NAMES[trainer], rows - len(tally.refused - {0})
    stops = len({finding.line for finding in tally.findings if finding.stops and finding.line})
    if stops and not tally.refuses_file:
        lines = "line" if stops == 1 else "lines"
        yield f"{name} stops at {stops:,} {lines} and trains nothing until they are out of the file."
    if trainer == "openai" and good < openai.LEAST:
        yield f"OpenAI needs at least {openai.LEAST} examples; this file has {good:,}."
    if file.has_mark and trainer != "openai":
        yield "A byte order mark stands before the first line; save the file as UTF-8 without it."
    if trainer == "openai":
        yield "Tokens are counted with the tokenizer at hand; OpenAI's own are others."
    if any(finding.reason == QUOTED for finding in tally.findings):
        yield "For tool calls in messages its openai converter writes 'detailed thinking off' into system turns."
    if trainer == "llama-factory":
        yield "Tokens are counted by the tokenizer's chat template; LLaMA-Factory lays out by the one you configure."
