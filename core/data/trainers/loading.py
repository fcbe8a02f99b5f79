"""Can `datasets` read the file? TRL, Axolotl and LLaMA-Factory all read through it, so its word comes first."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.data.trainers.faults import Fault
from core.data.trainers.reading import CheckedFile

UNREADABLE = "`datasets` cannot read the file"
TIMES = ("timestamp", "date", "time")


def load_rows(file: CheckedFile, scratch: Path) -> tuple[Any, list[Fault]]:
    """The file as trainers load it, or None; and what is wrong with the file as a whole.

    What `datasets` keeps goes into `scratch`, with the file under a name that holds no pattern.
    """
    suffix = "parquet" if file.kind == "parquet" else "jsonl"
    alias = scratch / f"rows.{suffix}"
    alias.symlink_to(file.path.resolve())
    return load_file(alias, scratch)


def load_file(path: Path, scratch: Path) -> tuple[Any, list[Fault]]:
    """The same for a path of our own."""
    from datasets import load_dataset

    builder = "parquet" if path.suffix == ".parquet" else "json"
    with quiet_datasets():
        try:
            rows = load_dataset(builder, data_files=str(path), split="train", cache_dir=str(scratch / "cache"))
        except Exception as error:  # datasets raises many kinds, its own around pyarrow's
            cause = error.__cause__ or error
            words = " ".join(str(cause).split())[:300] or type(cause).__name__
            return None, [Fault(UNREADABLE, words, stops=True)]
    faults = [
        Fault("`datasets` reads texts that look like dates as times", f"`{name}` becomes {kind}", stops=True)
        for name, kind in _find_times(rows.features, "")
    ]
    return rows, faults


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """No progress bars inside the block, and no words but those of an error that is raised."""
    from datasets import logging
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    was_quiet, verbosity = are_progress_bars_disabled(), logging.get_verbosity()
    disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if not was_quiet:
            enable_progress_bars()


def _find_times(feature: Any, name: str) -> Iterator[tuple[str, str]]:
    """The places in a file's schema that became times, which no text field should."""
    kind = str(getattr(feature, "dtype", ""))
    if isinstance(feature, dict):
        for key, inner in feature.items():
            yield from _find_times(inner, f"{name}.{key}" if name else key)
    elif kind.startswith(TIMES):
        yield name, kind
    elif hasattr(feature, "feature"):
        yield from _find_times(feature.feature, name)
