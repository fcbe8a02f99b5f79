"""A workspace in which everything that a person or a file can name is an attack.

One dataset, of files with hostile names, whose rows, columns and quarantined lines hold the markup payloads; a run, a
map, selections, decisions and judgements of it, by people with hostile names.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from core.workbench import Workbench
from tests.attacks.markup import COLUMNS, FILES, PEOPLE, REASONS, TEXTS, fill, storable
from tests.conftest import core_json, map_and_select

TURNS = 6


@dataclass(frozen=True)
class World:
    """The workspace, what an address says to show it, how many rows it has, and which are of many turns."""

    workspace: Path
    address: dict[str, str]
    rows: int
    conversations: list[int]


def build_world(folder: Path, model: Path) -> World:
    """Build it, by the commands and the workbench."""
    source = write_source(folder / "hostile")
    workspace = folder / "workspace"
    loaded = core_json(workspace, "ingest", str(source), "--name", "hostile")
    scored = ("--model", str(model), "--calibrate", "0.5", "--set", "epochs=1", "--max-length", "512")
    run = core_json(workspace, "score", "hostile", *scored)["run"]
    with Workbench(workspace) as bench:
        selection = map_and_select(bench, "hostile", run, "50%")
        for row, (person, reason) in enumerate(zip(PEOPLE, REASONS, strict=True)):
            bench.decide("hostile", [row], ("pin", "ban", "note")[row % 3], fill(reason), who=fill(person))
            bench.judge("hostile", row, "random", ("keep", "drop")[row % 2], who=fill(person))
        examples = [example for block in bench.datasets.blocks("hostile", 1000) for example in block]
        conversations = [example.row for example in examples if len(example.messages) > 2]
    address = {"dataset": "hostile", "run": run, "selection": selection}
    return World(workspace, address, loaded["rows_loaded"], conversations)


def write_source(folder: Path) -> Path:
    """A folder of JSON lines: first rows of many turns, then one row a payload, then lines that are broken."""
    folder.mkdir(parents=True)
    numbers = storable()
    turns = [[fill(number) for number in numbers[at : at + TURNS]] for at in range(0, len(numbers), TURNS)]
    rows = [_conversation(texts, number) for number, texts in enumerate(turns)]
    rows += [_conversation([fill(number), fill(number)], number) for number in numbers if len(fill(number)) < 2000]
    lines = [json.dumps(row) for row in rows]
    broken = [f'{{"messages": "{fill(number)}' for number in range(len(TEXTS)) if "\ud800" not in fill(number)]
    for place, number in enumerate(FILES):
        part = lines[place :: len(FILES)] + broken[place :: len(FILES)]
        (folder / f"{place}{fill(number)}.jsonl").write_text("\n".join(part) + "\n", encoding="utf-8")
    return folder


def _conversation(texts: list[str], number: int) -> dict[str, object]:
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(texts)]
    if len(messages) % 2:
        messages.append({"role": "assistant", "content": "yes"})
    values = (fill(COLUMNS[(number + place) % len(COLUMNS)]) for place in range(len(COLUMNS)))
    return {"messages": messages} | {fill(name): value for name, value in zip(COLUMNS, values, strict=True)}
