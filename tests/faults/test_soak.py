"""A few people for a moment on one server; `make soak` has twenty for half an hour."""

from pathlib import Path

from tests.faults.soak import soak


def test_a_moment_of_many_sessions_brings_no_error_and_loses_no_decision(tmp_path: Path) -> None:
    soaked = soak(tmp_path, sessions=6, minutes=0.5, rows=200, background=0)
    assert soaked.errors == []
    assert soaked.decisions > 0
    assert (soaked.lost, soaked.doubled) == (0, 0)
