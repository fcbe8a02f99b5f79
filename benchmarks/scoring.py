"""How near the machine's limit is the scoring pass, and how far ahead of the published way?

    python benchmarks/scoring.py --source gsm8k_train.jsonl --limit 300
    python benchmarks/scoring.py --source gsm8k_train.jsonl --limit 2000 --shape llama-1.5b      # on a GPU

One run, one model, one dtype for both ways. The published way takes one row at a time, all its logits,
and two softmaxes; it is timed on rows evenly spread over the same ones. Shares are of the machine's own
matrix product, measured in the same run, and count only what has to be computed: padding and the
prompt's logits are not work.
Prints a table and, as its last line, one JSON object.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from core.products import exact_products  # noqa: E402
from core.records import Rendered  # noqa: E402
from core.scoring.device import DTYPES, settle  # noqa: E402
from core.scoring.models import LoadedModel, load_model, load_tokenizer  # noqa: E402
from core.scoring.scorer import Scorer  # noqa: E402
from core.settings import IngestSettings, ScoringSettings  # noqa: E402
from core.workbench import Workbench  # noqa: E402

LLAMA_1_5B = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
}


@dataclass
class Clock:
    """Seconds spent inside wrapped functions, by name."""

    seconds: dict[str, float]
    device: torch.device

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed; on a GPU its kernels are waited for."""

        def timed(*arguments: Any, **named: Any) -> Any:
            start = self.now()
            result = function(*arguments, **named)
            self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - start
            return result

        return timed

    def now(self) -> float:
        """Seconds, once everything asked for is done."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def main(
    source: Annotated[str, typer.Option(help="Rows in any format; the demo if not given.")] = "",
    limit: Annotated[int, typer.Option(help="Rows to score.")] = 300,
    shape: Annotated[Literal["embedded", "llama-1.5b"], typer.Option(help="SmolLM2, or random weights.")] = "embedded",
    dtype: Annotated[str, typer.Option(help="bfloat16, float16 or float32.")] = "bfloat16",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    published_rows: Annotated[int, typer.Option(help="Rows for the published way; its rate is what counts.")] = 60,
    quick: Annotated[bool, typer.Option("--quick", help="A few rows, not compiled.")] = False,
) -> None:
    """Measure and print."""
    if quick:
        limit, published_rows = 24, 8
    settings = settle(ScoringSettings(dtype=dtype, device=device, compile="never" if quick else "always"))
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), source, limit, shape, settings, published_rows)
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps(figures))


def measure(
    folder: Path, source: str, limit: int, shape: str, settings: ScoringSettings, published_rows: int
) -> dict[str, Any]:
    """Both ways over the same rows, with the peak measured before and after."""
    rendered = render_rows(folder, source, limit, settings)
    if shape == "llama-1.5b":
        settings = settings.model_copy(update={"model": make_model(folder / "random", settings)})
    model = load_model(settings, folder / "workspace" / "models")
    before = peak_flops(model.device, DTYPES[settings.dtype])
    scorer = Scorer(model, settings, with_features=True)
    clock = Clock({}, model.device)
    start = clock.now()
    if settings.compile == "always":
        scorer.forward.compile()
    compile_seconds = clock.now() - start
    scorer.score(rendered[:8])
    seconds = best_of(2, clock, lambda: scorer.score(rendered))
    memory = peak_memory(model.device)
    shares = profile(scorer, rendered, clock)
    sample = rendered[:: max(1, len(rendered) // published_rows)][:published_rows]
    published = published_seconds(model, sample, clock)
    peak = max(before, peak_flops(model.device, DTYPES[settings.dtype]))
    tokens = sum(len(example.input_ids) for example in rendered)
    published_tokens = sum(len(example.input_ids) for example in sample)
    return {
        "rows": len(rendered),
        "tokens": tokens,
        "response_tokens": sum(sum(example.response_mask) for example in rendered),
        "seconds": seconds,
        "tokens_per_second": tokens / seconds,
        "peak_gflops": peak / 1e9,
        "share_of_peak": sum(needed_flops(model, example) for example in rendered) / seconds / peak,
        "ratio_to_published": (tokens / seconds) / (published_tokens / published),
        "published_tokens_per_second": published_tokens / published,
        "peak_memory_mb": memory,
        "compile_seconds": compile_seconds,
        "compiled": settings.compile == "always" and scorer.forward.not_compiled is None,
        **shares,
    }


def render_rows(folder: Path, source: str, limit: int, settings: ScoringSettings) -> list[Rendered]:
    """The first rows of a source as the embedded model's template shows them."""
    with Workbench(folder / "workspace") as bench:
        if source:
            bench.ingest(source, "demo", IngestSettings(limit=limit))
        else:
            bench.demo()
        count = min(limit, bench.datasets.get("demo").rows_loaded)
        rendered = [bench.render("demo", row, settings) for row in range(count)]
    return [example for example in rendered if example.unscorable_reason is None]


def make_model(folder: Path, settings: ScoringSettings) -> str:
    """A random Llama of 1.5 billion parameters with the embedded tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = load_tokenizer(settings, folder)
    config = LlamaConfig(vocab_size=len(tokenizer), tie_word_embeddings=False, **LLAMA_1_5B)
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the machine's own square matrix product, the best of ten."""
    size = 8192 if device.type == "cuda" else 4096 if dtype != torch.float32 else 2048
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    clock = Clock({}, device)
    with exact_products(dtype):  # on some processors the faster way for float32
        ours = best_of(10, clock, lambda: a @ b)
    return 2 * size**3 / min(ours, best_of(10, clock, lambda: a @ b))


def best_of(times: int, clock: Clock, work: Callable[[], Any]) -> float:
    """The least of so many seconds."""
    seconds = []
    for _ in range(times):
        start = clock.now()
        work()
        seconds.append(clock.now() - start)
    return min(seconds)


def needed_flops(model: LoadedModel, example: Rendered) -> float:
    """What one example has to cost: decoder, causal attention, and the head on response positions."""
    config = model.model.config
    tokens, responses = len(example.input_ids), sum(example.response_mask)
    embedding = model.model.get_input_embeddings().weight.numel()
    parameters = sum(p.numel() for p in model.decoder.parameters()) - embedding
    attention = 2 * tokens * tokens * config.num_attention_heads * config.head_dim * config.num_hidden_layers
    return 2 * parameters * tokens + attention + 2 * model.head.weight.numel() * responses


def published_seconds(model: LoadedModel, rendered: Sequence[Rendered], clock: Clock) -> float:
    """One row at a time: all logits, a log-softmax for the loss and a softmax for the entropy."""

    @torch.inference_mode()
    def score(example: Rendered) -> tuple[float, float]:
        ids = torch.tensor([example.input_ids], device=model.device)
        mask = torch.tensor(example.response_mask[1:], device=model.device).bool()
        logits = model.model(input_ids=ids, use_cache=False).logits[0, :-1].float()
        losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        p = logits.softmax(dim=-1)
        entropy = -(p * (p + 1e-12).log()).sum(dim=-1)
        return float(losses[mask].mean()), float(entropy[mask].mean())

    eager = [module for module in model.decoder.modules() if module._compiled_call_impl is not None]
    for module in eager:
        module._compiled_call_impl = None
    score(rendered[0])
    return best_of(2, clock, lambda: [score(example) for example in rendered])


def profile(scorer: Scorer, rendered: Sequence[Rendered], clock: Clock) -> dict[str, float]:
    """Shares of one more pass: decoder, reduction (products and sweep) and factors."""
    import core.scoring.scorer as scoring

    forward, factor_features = scorer.forward, scoring.factor_features
    decode, reduction = forward._decode, forward.reduction
    scoring.factor_features = clock.wrap("factors", factor_features)
    forward._decode = clock.wrap("decoder", decode)
    forward.reduction = clock.wrap("reduction", reduction)
    start = clock.now()
    scorer.score(rendered)
    whole = clock.now() - start
    scoring.factor_features, forward._decode, forward.reduction = factor_features, decode, reduction
    shares = {f"{name}_share": seconds / whole for name, seconds in clock.seconds.items()}
    return shares | {"factors_to_pass": clock.seconds["factors"] / (whole - clock.seconds["factors"])}


def peak_memory(device: torch.device) -> float:
    """Megabytes: of the process, or of the GPU's memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    typer.run(main)
