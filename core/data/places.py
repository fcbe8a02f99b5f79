"""Where may rows come from, and what is there? Allowed roots, folders of files, datasets and the hub."""

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.data.kinds import FILE_SUFFIXES, suffix_of
from core.data.rows import one_line
from core.errors import BadInput
from core.settings import IngestSettings

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
PLAIN_NAME = re.compile(r"[\w-][\w.-]*")
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
NO_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}


def check_roots(source: str, paths: Iterable[Path], roots: Sequence[Path] | None) -> list[Path]:
    """The paths to open, their links followed where there are roots: a link that is changed later leads nowhere else.

    Raises BadInput for one that is under none of the roots.
    """
    if roots is None:
        return list(paths)
    allowed, opened = [root.resolve() for root in roots], []
    for path in paths:
        try:
            real = path.resolve()
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
            raise BadInput(f"{source!r} cannot be read: {one_line(error)}.") from None
        opened.append(real)
        if not any(real.is_relative_to(root) for root in allowed):
            named = ", ".join(str(root) for root in allowed) or "none"
            raise BadInput(
                f"{source!r} is outside the folders that data may come from: {named}. "
                f"The environment variable GLEANER_ROOTS names others in their place, separated by {os.pathsep!r}."
            )
    return opened


def is_saved_dataset(folder: Path) -> bool:
    """Whether a folder was saved by `datasets`."""
    there = {name for name in NO_DATA if (folder / name).is_file()}
    return "dataset_dict.json" in there or {"dataset_info.json", "state.json"} <= there


def load_saved_dataset(folder: Path, split: str | None) -> Any:
    """A dataset saved by `datasets`, the split of it that was asked for, or train. Raises BadInput."""
    from datasets import DatasetDict, load_from_disk

    try:
        _check_lists(folder)
        loaded = load_from_disk(str(folder))
    except Exception as error:  # datasets raises many kinds
        raise BadInput(f"Folder {str(folder)!r} cannot be read by datasets: {one_line(error)}") from None
    if not isinstance(loaded, DatasetDict):
        return loaded
    name = split or ("train" if "train" in loaded or len(loaded) != 1 else next(iter(loaded)))
    if name not in loaded:
        raise BadInput(f"Folder {str(folder)!r} has no split {name!r}; its splits are: {', '.join(loaded) or 'none'}.")
    return loaded[name]


def _check_lists(folder: Path) -> None:
    """Raise ValueError where a saved dataset's lists name what is not plainly in its folders: they could lead out."""
    named = folder / "dataset_dict.json"
    splits = json.loads(named.read_bytes())["splits"] if named.is_file() else ["."]
    files = [
        file["filename"]
        for split in splits
        if (folder / str(split) / "state.json").is_file()
        for file in json.loads((folder / str(split) / "state.json").read_bytes())["_data_files"]
    ]
    odd = next((name for name in [*files, *splits] if name != "." and not PLAIN_NAME.fullmatch(str(name))), None)
    if odd is not None:
        raise ValueError(f"it names {str(odd)[:80]!r}, which is no file of its folder")


def find_data_files(folder: Path, split: str | None) -> list[Path]:
    """The data files below a folder, in the order of their names; of those named by splits, one split's.

    Plain text counts only where there is nothing else. Raises BadInput where there is no file to read.
    """
    files = [path for path in sorted(folder.rglob("*")) if _is_data(path.relative_to(folder)) and path.is_file()]
    files = [path for path in files if suffix_of(path) != ".txt"] or files
    if not files:
        raise BadInput(f"Folder {str(folder)!r} has no data files; give JSONL, JSON, CSV, TSV, Parquet or Arrow.")
    named = {path: _split_of(path.relative_to(folder), split) for path in files}
    found = sorted({name for name in named.values() if name})
    if not found and split in (None, "train"):
        return files
    wanted = next((name for name, words in SPLITS.items() if split in words), split)
    wanted = wanted or ("train" if "train" in found or len(found) > 1 else found[0])
    if wanted not in found:
        raise BadInput(
            f"Folder {str(folder)!r} has no files of split {split or wanted!r}; its splits are: "
            f"{', '.join(found) or 'none'}."
        )
    return [path for path in files if named[path] == wanted]


def _is_data(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    return (
        not is_hidden
        and suffix_of(path) in FILE_SUFFIXES
        and path.name not in NO_DATA
        and not path.name.endswith(".manifest.json")
    )


def _split_of(path: Path, asked: str | None) -> str | None:
    """The split that a path names, in its file's name or else in a folder's."""
    for part in reversed(path.parts):
        words = set(re.split(r"[\W_]+", part.lower()))
        if asked and asked.lower() in words and not any(asked in known for known in SPLITS.values()):
            return asked
        for name, known in SPLITS.items():
            if words & set(known):
                return name
    return None


def load_hub(source: str, settings: IngestSettings) -> Any:
    """A dataset of the hub. Raises BadInput with what the hub says."""
    from datasets import load_dataset
    from huggingface_hub import constants, dataset_info

    try:
        if not constants.HF_HUB_OFFLINE:
            # says no at once, where load_dataset tries again and again
            dataset_info(source, revision=settings.revision, timeout=10)
        return load_dataset(source, name=settings.config, split=settings.split or "train", revision=settings.revision)
    except Exception as error:  # datasets and the hub's client raise many kinds
        raise BadInput(
            f"{source!r} is neither a file or folder here nor a dataset that the hub gives: {one_line(error)}"
        ) from None
