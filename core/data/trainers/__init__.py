"""Trainers: what each would do with a file, and what each needs beside it."""

from core.data.trainers.beside import side_files
from core.data.trainers.check import check_file, count_reasons, find_trainer, say_verdict

__all__ = ["check_file", "count_reasons", "find_trainer", "say_verdict", "side_files"]
