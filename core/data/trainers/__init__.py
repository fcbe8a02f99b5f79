"""Trainers: what each would do with a file, and what each needs beside it."""

from core.data.trainers.beside import TAKES, check_format, side_files
from core.data.trainers.check import check_file, count_reasons, find_trainer, say_verdict

__all__ = ["TAKES", "check_file", "check_format", "count_reasons", "find_trainer", "say_verdict", "side_files"]
