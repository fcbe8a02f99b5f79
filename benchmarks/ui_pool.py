"""What stands in for a real pool of many examples, without running a model?

Texts are a real corpus's own sentences put together anew, as many a response as instruction data has; a topic's
texts keep to its sentences. Scores and factors are drawn at random; map points lie in a cloud a topic.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.desk import add_run  # noqa: E402
from core.data.demo import write_demo  # noqa: E402
from core.workbench import Workbench  # noqa: E402

CHARACTERS_A_TOKEN = 4
MEDIAN_CHARACTERS, SPREAD = 190, 1.2
"""Median of Alpaca's responses, and the standard deviation of the logarithm of their lengths."""
LEVELS = {0: "short", 120: "middle", 600: "long"}
PINNED, BANNED = range(3, 43, 8), range(5, 85, 8)


@dataclass(frozen=True)
class PoolShape:
    """How large a pool is, and what is to be selected from it."""

    rows: int
    rank: int = 16
    d: int = 64
    criteria: tuple[str, ...] = ("fisher", "instructdiff")


def build_pool(folder: Path, shape: PoolShape, source: str = "") -> list[str]:
    """A workspace with the dataset `pool`, a finished run with a map, selections, and decisions; returns
    the selections."""
    generator = np.random.default_rng(0)
    corpus = read_corpus(folder, source)
    lengths, topics = write_texts(folder / "pool.jsonl", corpus, shape.rows, generator)
    with Workbench(folder) as bench:
        bench.ingest(folder / "pool.jsonl", "pool")
        tokens = np.maximum(1, lengths // CHARACTERS_A_TOKEN)
        run = add_run(bench, generator, tokens, shape.rank, shape.d)
        bench.runs.store_map(run, "points.npz", np.arange(shape.rows), draw_clouds(topics, generator))
        budget = str(max(50, min(shape.rows // 20, 2_000)))
        chosen = [bench.select("pool", name, budget, run=run).selection for name in shape.criteria]
        bench.decide("pool", list(PINNED), "pin", "a good example of its kind")
        bench.decide("pool", list(BANNED), "ban", "says nothing")
    return chosen


def read_corpus(folder: Path, source: str) -> dict[str, list[tuple[str, str]]]:
    """Prompts and responses by topic, of a dataset or else the demo."""
    path = Path(source) if source else write_demo(folder / "demo.jsonl")
    with Workbench(folder / "corpus") as bench:
        name = bench.ingest(path, "corpus").dataset
        examples = bench.datasets.examples(name, list(range(bench.datasets.get(name).rows_loaded)))
    corpus: dict[str, list[tuple[str, str]]] = {}
    for example in examples:
        said = [str(message["content"]) for message in example.messages if message.get("content")]
        topic = json.loads(example.original).get("topic", f"part {example.row % 20}")
        if len(said) > 1:
            corpus.setdefault(str(topic), []).append((said[-2], said[-1]))
    return corpus


def write_texts(
    path: Path, corpus: dict[str, list[tuple[str, str]]], rows: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Write so many conversations; returns each response's characters [n] and topic's number [n]."""
    names = sorted(corpus)
    topics = generator.integers(len(names), size=rows)
    wanted = np.exp(generator.normal(np.log(MEDIAN_CHARACTERS), SPREAD, rows)).clip(1, 20_000)
    lengths = np.empty(rows, dtype=np.int64)
    with path.open("w", encoding="utf-8") as stream:
        for row in range(rows):
            told = corpus[names[topics[row]]]
            asked, answer = told[generator.integers(len(told))]
            while len(answer) < wanted[row]:
                answer += " " + told[generator.integers(len(told))][1]
            messages = [{"role": "user", "content": f"{asked} ({row})"}, {"role": "assistant", "content": answer}]
            lengths[row] = len(answer)
            level = next(LEVELS[least] for least in reversed(LEVELS) if len(answer) >= least)
            line = {"messages": messages, "topic": names[topics[row]], "level": level}
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
    return lengths, topics


def draw_clouds(topics: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A place on the map for each of these topics' rows: a cloud a topic, some long, some round, [n, 2] float32."""
    count = int(topics.max()) + 1
    centres = generator.uniform(-10, 10, (count, 2))
    widths = generator.uniform(0.3, 2.0, (count, 2))
    turns = generator.uniform(0, np.pi, count)
    points = generator.standard_normal((len(topics), 2)) * widths[topics]
    sines, cosines = np.sin(turns[topics]), np.cos(turns[topics])
    turned = np.stack([cosines * points[:, 0] - sines * points[:, 1], sines * points[:, 0] + cosines * points[:, 1]], 1)
    return (centres[topics] + turned).astype(np.float32)
