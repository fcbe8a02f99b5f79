"""What does Gleaner run on, and how much of it is in use?"""

import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version

import psutil

from core import __version__

PACKAGES = ("streamlit", "torch", "transformers", "duckdb")
GPU_QUERY = ("--query-gpu=name,memory.used,memory.total,utilization.gpu", "--format=csv,noheader,nounits")
GPU_SECONDS, GPU_KEPT_SECONDS, LOOK_SECONDS = 5.0, 5.0, 0.1
MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Device:
    """What computes: memory in bytes, `busy` as a share. A CPU's memory is the machine's."""

    name: str
    memory_used: int
    memory_total: int
    busy: float


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process takes: memory in bytes; processors' time as a share of one."""

    memory: int
    busy: float


def versions() -> dict[str, str]:
    """What this process is made of."""
    return {
        "Gleaner": __version__,
        "Python": platform.python_version(),
        **{{"duckdb": "DuckDB"}.get(name, name.capitalize()): version(name) for name in PACKAGES},
    }


def devices() -> list[Device]:
    """The machine's processor, and its NVIDIA GPUs. They are asked without torch, which would take some of a GPU's
    memory for itself."""
    memory = psutil.virtual_memory()
    processor = Device(
        f"CPU, {psutil.cpu_count()} cores",
        memory.total - memory.available,
        memory.total,
        psutil.cpu_percent(LOOK_SECONDS) / 100,
    )
    return [processor, *_gpus(int(time.monotonic() / GPU_KEPT_SECONDS))]


def usage() -> Usage:
    """What this process takes now."""
    process = psutil.Process()
    return Usage(process.memory_info().rss, process.cpu_percent(LOOK_SECONDS) / 100)


_asked: dict[int, list[Device]] = {}


def _gpus(moment: int) -> list[Device]:
    """Asked once in a moment: it takes up to a second."""
    if moment not in _asked:
        found = _ask_gpus()
        _asked.clear()
        _asked[moment] = found
    return _asked.get(moment, [])


def _ask_gpus() -> list[Device]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        told = subprocess.run(  # noqa: S603
            [program, *GPU_QUERY], capture_output=True, text=True, timeout=GPU_SECONDS, check=True
        ).stdout
        rows = [line.rsplit(", ", 3) for line in told.splitlines()]
        return [
            Device(name, int(used) * MEBIBYTE, int(total) * MEBIBYTE, float(busy) / 100)
            for name, used, total, busy in rows
        ]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []
