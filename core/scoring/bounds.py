"""How is a chat template kept from using up the machine?

It is a program that came with a model. Jinja's sandbox keeps it from files and from Python's inner parts, but not from
looping for ever, nor from writing one letter ten billion times. Within this block its lines are watched against the
time that its thread computes (a machine that is put to sleep, or busy, must not make an example unscorable), and the
process may take only so much more memory; either ends in an exception that can be caught. Products and powers are
looked at before they are computed, since no clock can stop one that takes hours.
"""

import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

SECONDS = 5.0
BYTES = 2 << 30
TEMPLATES = ("<template>", "<unknown>")
"""Jinja's names for what it compiles."""

LARGEST_BITS = 4096

_one_at_a_time = threading.Lock()


class TooSlow(Exception):
    """A template that did not come to its end."""


def _multiply(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > LARGEST_BITS:
        raise SecurityError("it multiplies numbers too large")
    return left * right


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > LARGEST_BITS:
        raise SecurityError("it takes a power too large")
    return left**right


# transformers makes the environment itself, so Jinja's hooks for its operators are set where it takes them from.
ImmutableSandboxedEnvironment.intercepted_binops = frozenset({"*", "**"})
ImmutableSandboxedEnvironment.default_binop_table = ImmutableSandboxedEnvironment.default_binop_table | {
    "*": _multiply,
    "**": _power,
}


@contextmanager
def bounded(seconds: float = SECONDS, more_bytes: int = BYTES) -> Iterator[None]:
    """Raises TooSlow or MemoryError where the template in the block goes beyond."""
    tracer = sys.gettrace()
    with _one_at_a_time, _memory(more_bytes):
        sys.settrace(_clock(time.thread_time() + seconds, seconds))
        try:
            yield
        finally:
            sys.settrace(tracer)


def _clock(end: float, seconds: float) -> Callable[[FrameType, str, Any], Any]:
    def look(frame: FrameType, _event: str, _value: object) -> Any:
        if frame.f_code.co_filename not in TEMPLATES:
            return None
        if time.thread_time() > end:
            raise TooSlow(f"it did not end within {seconds:g} s of computing")
        return look

    return look


@contextmanager
def _memory(more: int) -> Iterator[None]:
    """Linux says how much address space a process has; elsewhere there is no bound."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(OSError, ValueError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        wanted = pages * resource.getpagesize() + more
        if before[0] == resource.RLIM_INFINITY or wanted < before[0]:
            resource.setrlimit(resource.RLIMIT_AS, (wanted, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
