"""Does any criterion beat random? The papers' claims, and this project's own, with the embedded model.

    python benchmarks/claims.py --workspace DIR --data FOLDER [--only gsm8k] [--rows 2000] [--quick]

For each pool: a tenth is held out, the rest is scored and calibrated on; each criterion selects a tenth of the pool's
response tokens, and a proof fine-tunes on it and on five random subsets of equal tokens; when all criteria have been
compared so, on two random subsets with the lengths of each, and at last on everything. What is done is not done
again, on another machine either: the subsets and each fine-tune's losses are kept in `benchmarks/claims/`. Stop it and
start it as you like. What is known after each proof is written to `core/selection/claims.json` and into the README's
tables. With --quick a tiny random model on drawn rows, in a minute, and nothing is written.
"""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest, hypergeom

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from benchmarks.claims_kept import Chosen, Kept, judge, write_rows  # noqa: E402
from core.files import replacing  # noqa: E402
from core.insight.verdict import Verdict  # noqa: E402
from core.records import JobProgress  # noqa: E402
from core.reports import ProofPlan  # noqa: E402
from core.selection.claims import CLAIMS  # noqa: E402
from core.selection.registry import find_criterion  # noqa: E402
from core.settings import (  # noqa: E402
    CalibrationSettings,
    HeldOutSettings,
    IngestSettings,
    ProofSettings,
    RunSettings,
    ScoringSettings,
)
from core.workbench import Workbench  # noqa: E402

README, KEPT = ROOT / "README.md", ROOT / "benchmarks" / "claims"
POOLS = {
    "gsm8k": ("gsm8k_train.jsonl", "maths"),
    "alpaca": ("alpaca_random_9k.json", "general"),
    "code": ("gpteacher_codegen.json", "code"),
    "medical": ("chatdoctor5k_first2000.json", "medical"),
}
RIVALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "FisherSFT, by tokens": ("fisher", {}, "tokens"),
    "FisherSFT, plain": ("fisher", {}, "examples"),
    "I-optimal, λ 300": ("ioptimal", {"ridge": 300.0}, "tokens"),
    "InstructDiff": ("instructdiff", {}, "tokens"),
    "hybrid": ("hybrid", {}, "tokens"),
    "PPL low": ("ppl", {"take": "min"}, "tokens"),
    "PPL mid": ("ppl", {"take": "mid"}, "tokens"),
    "PPL high": ("ppl", {"take": "max"}, "tokens"),
    "entropy mid": ("entropy", {"take": "mid"}, "tokens"),
    "longest response": ("length", {"take": "max"}, "tokens"),
    "IFD": ("ifd", {}, "tokens"),
    "k-center": ("kcenter", {}, "tokens"),
    "facility location": ("facility", {}, "tokens"),
    "density": ("density", {}, "tokens"),
    "clustered": ("clustered", {}, "tokens"),
    "zip": ("zip", {}, "tokens"),
}
EVERYTHING = "everything"
LABEL = "alpagasus_claude_t45.json"


@dataclass(frozen=True)
class Claim:
    """What one proof found of one criterion: the held-out NLL of the subset and, in nats a token, its advantage with
    95 % bounds over random subsets and over those of its lengths; the share of labelled rows in it, where there are
    labels, with bounds (Wilson) and the chance of as many in a random subset."""

    rival: str
    criterion: str
    examples: int
    tokens: int
    nll: float
    over_random: tuple[float, float, float]
    over_matched: tuple[float, float, float] | None
    verdict: str
    label_share: tuple[float, float, float] | None = None
    label_chance: float | None = None


def main(
    workspace: Annotated[Path | None, typer.Option(help="Where everything is kept between runs.")] = None,
    data: Annotated[Path, typer.Option(help="Folder of the datasets.")] = ROOT.parent / "shared" / "data",
    only: Annotated[str, typer.Option(help=f"One of {', '.join(POOLS)}; all if not given.")] = "",
    rows: Annotated[int, typer.Option(help="Rows of each pool; 0 for all of them.")] = 2000,
    seeds: Annotated[int, typer.Option(help="Training seeds.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    quick: Annotated[bool, typer.Option("--quick", help="A tiny random model, under a minute.")] = False,
) -> None:
    """Run what is missing, and print what is known."""
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(try_quickly(Path(folder))))
        return
    if workspace is None:
        raise typer.BadParameter("Name a --workspace to keep the work in, or take --quick.")
    found: dict[str, Any] = json.loads(CLAIMS.read_text()) if CLAIMS.exists() else {}
    with Workbench(workspace) as bench:
        for name in [only] if only else POOLS:
            file, domain = POOLS[name]
            settings = RunSettings(
                scoring=ScoringSettings(ifd=True, max_length=1024, device=device),
                calibration=CalibrationSettings.checked(domain=domain),
                held_out=HeldOutSettings(share=0.1),
            )
            load(bench, name, data / file, rows)
            kept = Kept(KEPT / f"{name}-{rows}-rows-{seeds}-seeds")
            chosen = kept.read()
            if chosen and (was := chosen.plans[EVERYTHING].content_hash) != bench.datasets.get(name).content_hash:
                raise typer.BadParameter(f"{data / file} is not what {kept.folder} was made from ({was[:12]}).")
            if chosen is None:
                run = score(bench, name, settings)
                chosen = choose_all(bench, name, run, ProofSettings(seeds=seeds, random=5, points=1, epochs=1))
                kept.write(chosen)
            labels = labelled(bench, name, data / LABEL) if name == "alpaca" else None
            for claims in prove_all(bench, name, chosen, labels, kept):
                if tells_less(claims, found.get(name)):
                    continue
                found[name] = claims
                with replacing(CLAIMS) as partial:
                    partial.write_text(json.dumps(found, indent=1) + "\n")
                write_readme(found)
    show(found)
    print(json.dumps(found))


def load(bench: Workbench, name: str, source: Path, rows: int) -> None:
    """Load a pool."""
    if name not in {dataset.name for dataset in bench.datasets.all()}:
        bench.ingest(source, name, IngestSettings(limit=rows or None))


def score(bench: Workbench, name: str, settings: RunSettings) -> str:
    """Score a pool; the run."""
    return bench.score(name, settings, say).run


def say(progress: JobProgress) -> None:
    """Where a job is, on stderr."""
    print(progress.phase, progress.done, file=sys.stderr)


def choose_all(
    bench: Workbench, name: str, run: str, settings: ProofSettings, rivals: Sequence[str] = tuple(RIVALS)
) -> Chosen:
    """What each criterion chooses, beside the random subsets; and everything."""
    pool = bench.pool(bench.runs.get(run))
    tokens = int(pool.response_tokens[pool.scored].sum()) // 10
    asked = settings.model_copy(update={"tokens": tokens})
    plans = {rival: bench.plan_proof(choose(bench, name, run, rival, tokens), asked) for rival in rivals}
    first = next(iter(plans.values())).selection
    whole = bench.plan_proof(first, asked.model_copy(update={"everything": True}))
    return Chosen(len(pool.nll), tokens, pool.scored.tolist(), with_common_steps(plans) | {EVERYTHING: whole})


def prove_all(
    bench: Workbench, name: str, chosen: Chosen, labels: set[int] | None, kept: Kept
) -> Iterator[dict[str, Any]]:
    """A proof for each criterion, and after each all that is known of the pool: first against random subsets, then
    against random subsets of like lengths, which are the most to tune on, then what everything gives: the longest of
    all fine-tunes, and one that is stopped begins anew."""
    kept.give(bench)
    scored, run = set(chosen.scored), write_rows(bench, name)
    plans = {rival: replace(plan, run=run) for rival, plan in chosen.plans.items()}
    whole = plans.pop(EVERYTHING)
    shared = None if labels is None else len(labels & scored) / len(scored)
    known: dict[str, Any] = {"rows": chosen.rows, "tokens": chosen.tokens, "label_share": shared}
    claims = dict[str, Claim]()

    def compare(rival: str, plan: ProofPlan) -> dict[str, Any]:
        print(f"{name}: {rival}", file=sys.stderr)
        verdict = prove(bench, plan, kept)
        claims[rival] = claim(rival, RIVALS[rival][0], verdict, plan.arms[0].rows, labels, scored)
        random = [arm.loss for arm in verdict.arms() if arm.kind == "random"]
        known.update(held_out=verdict.held_out, base=verdict.base_loss, random=random)
        return told()

    def told() -> dict[str, Any]:
        return known | {"claims": [asdict(one) for one in claims.values()]}

    for rival, plan in plans.items():
        yield compare(rival, replace(plan, arms=[arm for arm in plan.arms if arm.kind != "matched"]))
    for rival, plan in plans.items():
        yield compare(rival, plan)
    alone = replace(whole, arms=[arm for arm in whole.arms if arm.kind == EVERYTHING])
    known["everything"] = prove(bench, alone, kept).arms()[0].loss
    yield told()


def with_common_steps(plans: dict[str, ProofPlan]) -> dict[str, ProofPlan]:
    """All subsets of the pool with the same steps, so that all criteria stand beside the same random fine-tunes."""
    steps = min(arm.steps for plan in plans.values() for arm in plan.arms)
    return {
        rival: replace(plan, arms=[replace(arm, steps=steps) for arm in plan.arms]) for rival, plan in plans.items()
    }


def choose(bench: Workbench, name: str, run: str, rival: str, tokens: int) -> str:
    """The selection of a rival, a little larger than what of it is tuned on."""
    criterion, options, unit = RIVALS[rival]
    budget = f"{round(1.15 * tokens)}tok" if unit == "tokens" else "15%"
    settings = find_criterion(criterion).settings(**options)
    return bench.select(name, criterion, budget, run=run, settings=settings).selection


def prove(bench: Workbench, plan: ProofPlan, kept: Kept) -> Verdict:
    """Do what is missing of a proof, keeping each fine-tune as it is done; what it found."""
    phase = ""

    def follow(progress: JobProgress) -> None:
        nonlocal phase
        say(progress)
        if progress.phase != phase:
            phase = progress.phase
            kept.take(bench, plan)

    bench.prove(plan, follow)
    kept.take(bench, plan)
    return judge(bench, plan)


def tells_less(claims: dict[str, Any], known: dict[str, Any] | None) -> bool:
    """Whether an earlier run came further with this pool, or had more rows of it."""

    def told(of: dict[str, Any]) -> tuple[int, int, int, bool]:
        matched = sum(one["over_matched"] is not None for one in of["claims"])
        return of["rows"], len(of["claims"]), matched, "everything" in of

    return known is not None and told(claims) < told(known)


def claim(
    rival: str, criterion: str, verdict: Verdict, rows: list[int], labels: set[int] | None, scored: set[int]
) -> Claim:
    """One line of the table."""
    over = {of.against: of for of in verdict.compared()}
    random, matched = over["random"], over.get("random of like lengths")
    own = verdict.arms()[0]
    share, chance = None, None
    if labels is not None:
        hits, among = len(labels & set(rows)), len(labels & scored)
        bounds = binomtest(hits, len(rows)).proportion_ci(method="wilson")
        share = (hits / len(rows), float(bounds.low), float(bounds.high))
        chance = float(hypergeom.sf(hits - 1, len(scored), among, len(rows)))
    return Claim(
        rival=rival,
        criterion=criterion,
        examples=own.examples,
        tokens=own.tokens,
        nll=own.loss,
        over_random=(random.advantage, random.low, random.high),
        over_matched=None if matched is None else (matched.advantage, matched.low, matched.high),
        verdict=random.verdict,
        label_share=share,
        label_chance=chance,
    )


def labelled(bench: Workbench, name: str, path: Path) -> set[int]:
    """The rows of the pool that AlpaGasus's authors rated 4.5 or better."""
    fields = ("instruction", "input", "output")
    rated = {tuple(row[field] for field in fields) for row in json.loads(path.read_text(encoding="utf-8"))}
    found = set()
    for block in bench.datasets.blocks(name, 1000):
        for example in block:
            row = json.loads(example.original)
            if tuple(row.get(field) for field in fields) in rated:
                found.add(example.row)
    return found


def show(found: dict[str, Any]) -> None:
    """The tables, for a terminal."""
    for name, pool in found.items():
        table = Table("criterion", "examples", "NLL", "over random", "over like lengths", title=name)
        for one in pool["claims"]:
            cells = [_bounds(one["over_random"]), _bounds(one["over_matched"])]
            table.add_row(one["rival"], str(one["examples"]), f"{one['nll']:.4f}", *cells)
        Console(stderr=True, width=120).print(table)


def describe(name: str, pool: dict[str, Any]) -> str:
    """A pool's table, as Markdown."""
    has_labels = pool.get("label_share") is not None
    low, high = min(pool["random"]), max(pool["random"])
    lines = [
        f"**{name}**: {pool['rows']:,} rows, subsets of {pool['tokens']:,} response tokens, {pool['held_out']} "
        f"held-out examples; NLL {pool['base']:.4f} before tuning, {low:.4f} to {high:.4f} on five random subsets"
        + (f", {pool['everything']:.4f} on everything" if "everything" in pool else "")
        + (f"; {100 * pool['label_share']:.1f} % of the pool are rated 4.5 or better" if has_labels else "")
        + (f". So far {len(pool['claims'])} of {len(RIVALS)} criteria." if len(pool["claims"]) < len(RIVALS) else "."),
        "",
        "| criterion | examples | NLL | over random | over random of like lengths |"
        + (" rated ≥ 4.5 |" if has_labels else ""),
        "| --- | --- | --- | --- | --- |" + (" --- |" if has_labels else ""),
    ]
    for one in sorted(pool["claims"], key=lambda of: of["nll"]):
        cells = [
            one["rival"],
            f"{one['examples']:,}",
            f"{one['nll']:.4f}",
            *map(_bounds, (one["over_random"], one["over_matched"])),
        ]
        if has_labels:
            share, least, most = one["label_share"]
            chance = f"p {one['label_chance']:.2g}"
            cells.append(f"{100 * share:.0f} % [{100 * least:.0f}, {100 * most:.0f}], {chance}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def write_readme(found: dict[str, Any]) -> None:
    """Put the tables between the README's marks."""
    tables = "\n\n".join(describe(name, pool) for name, pool in found.items())
    text = README.read_text(encoding="utf-8")
    marked = re.sub(
        r"(<!-- claims -->\n).*?(<!-- /claims -->)", lambda of: f"{of[1]}{tables}\n{of[2]}", text, flags=re.DOTALL
    )
    README.write_text(marked, encoding="utf-8")


def try_quickly(folder: Path) -> dict[str, Any]:
    """The whole way on drawn rows with a tiny random model, for two criteria."""
    from tests.conftest import make_tiny_model
    from tests.proving import write_pool

    model = str(make_tiny_model(folder / "model"))
    settings = RunSettings(
        scoring=ScoringSettings(model=model, max_length=128), calibration=None, held_out=HeldOutSettings(share=0.2)
    )
    with Workbench(folder / "workspace") as bench:
        load(bench, "quick", write_pool(folder / "pool.jsonl", "clean"), 0)
        quick = ProofSettings(seeds=1, points=1, epochs=1, batch_tokens=60, learning_rate=1e-2, dtype="float32")
        kept, two = Kept(folder / "kept"), ("FisherSFT, by tokens", "longest response")
        kept.write(choose_all(bench, "quick", score(bench, "quick", settings), quick, two))
        first = list(prove_all(bench, "quick", kept.read(), None, kept))[-1]
    with Workbench(folder / "another") as bench:  # as on another machine
        load(bench, "quick", folder / "pool.jsonl", 0)
        kept.give(bench)
        tunes = len(list(bench.folder.tunes.iterdir()))
        again = list(prove_all(bench, "quick", kept.read(), None, kept))[-1]
        assert (again, len(list(bench.folder.tunes.iterdir()))) == (first, tunes), "what was kept was not gone on with"
    return first


def _bounds(of: tuple[float, float, float] | None) -> str:
    return "" if of is None else f"{of[0]:+.4f} [{of[1]:+.4f}, {of[2]:+.4f}]".replace("-", "−")


if __name__ == "__main__":
    typer.run(main)
