"""What is logged is one JSON object a line, and never a word of the datasets or a secret."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import logs
from core.logs import JsonLines, log, log_into, start_logging
from tests.conftest import ROOT

ROW = 'Say tin. It costs $5, it\'s "cheap" and the owner is ada@example.org'


@pytest.fixture(autouse=True)
def kept_loggers() -> Iterator[None]:
    """What a test changes of logging is put back."""
    root, ours = logging.getLogger(), logging.getLogger("gleaner")
    before = root.handlers[:], root.level, ours.level
    others = {
        logger: (logger.handlers[:], logger.propagate)
        for logger in root.manager.loggerDict.values()
        if isinstance(logger, logging.Logger)
    }
    yield
    for handler in set(root.handlers) - set(before[0]):
        handler.close()
    root.handlers[:], ours.level = before[0], before[2]
    root.setLevel(before[1])
    for logger, (handlers, propagates) in others.items():
        logger.handlers[:], logger.propagate = handlers, propagates
    logging.captureWarnings(False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    start_logging("test")
    log_into(tmp_path / "logs" / "gleaner.log", "test")
    return tmp_path / "logs" / "gleaner.log"


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def fail(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        raise KeyError(text) from ValueError(f"row {text!r} is bad")


def test_a_line_has_time_level_process_and_fields(file: Path) -> None:
    log("job", kind="scoring", job="0123456789ab", state="done", seconds=1.5)
    (line,) = lines(file)
    assert line["time"].endswith("+00:00")
    assert line["process"].startswith("test ")
    assert {name: line[name] for name in ("level", "what")} == {"level": "info", "what": "job"}
    assert line["fields"] == {"kind": "scoring", "job": "0123456789ab", "state": "done", "seconds": 1.5}


def test_an_exception_is_told_without_its_message(file: Path) -> None:
    for logger in (logging.getLogger("gleaner"), logging.getLogger("streamlit.error_util"), logging.getLogger("other")):
        try:
            fail(ROW)
        except KeyError as error:
            logger.error("Uncaught app execution", exc_info=error)
            logger.error("run %s: a result cannot be read: %s", "0123", error)
            logger.error(error)
    text = file.read_text(encoding="utf-8")
    assert len(lines(file)) == 9
    assert not [word for word in ("tin", "cheap", "ada@") if word in text]
    assert lines(file)[0]["error"] == "KeyError from ValueError"
    assert lines(file)[0]["where"][-1].startswith("test_logs.py:")


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"row {ROW!r} is bad", "row …"),
        (f'row "{ROW}" is bad', "row …"),
        ("first line\nTraceback: Say tin", "first line"),
        ("GET /x?token=tin&a=b failed", "GET /x?… failed"),
        ("Authorization: Bearer tin", "Authorization: "),
        ("using token=tin to log in", "using token=… to log in"),
        ("hub refused hf_tin", "hub refused hf_…"),
        ("https://user:tin@host/ is gone", "https://user:…"),
        ("tin" * 1000, "tin" * 66),
    ],
)
def test_of_a_text_that_is_not_ours_one_short_line_is_kept(text: str, kept: str, file: Path) -> None:
    logging.getLogger("library").warning(text)
    logging.getLogger("library").warning("%s", text)
    for line in lines(file):
        assert line["what"].startswith(kept)
        assert len(line["what"]) <= logs.LONGEST + 1
        if not text.startswith("tin"):
            assert "tin" not in line["what"]


def test_warnings_of_python_and_of_libraries_are_lines_too(file: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(f"row {ROW!r} is odd", stacklevel=1)
    logging.getLogger("transformers.some").warning("Sequence of %d tokens is too long", 4096)
    first, second = lines(file)
    assert "tin" not in json.dumps(first)
    assert first["by"] == "py.warnings"
    assert second["what"] == "Sequence of 4096 tokens is too long"


def test_a_record_that_cannot_be_put_together_is_a_line_all_the_same() -> None:
    record = logging.makeLogRecord({"name": "other", "msg": "%d of %s", "args": ("one",)})
    assert json.loads(JsonLines("test").format(record))["what"] == "%d of %s"


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LOG_BYTES", 2_000)
    path = tmp_path / "logs" / "gleaner.log"
    start_logging("app")
    log_into(path, "app")
    for number in range(400):
        log("job", number=number)
    kept = sorted(path.parent.iterdir())
    assert [of.name for of in kept] == ["gleaner.log", *(f"gleaner.log.{n}" for n in range(1, logs.LOGS_KEPT + 1))]
    assert all(of.stat().st_size < 3_000 for of in kept)
    assert lines(path)[-1]["fields"] == {"number": 399}


def test_streamlits_own_loggers_pass_through_those_too_that_it_makes_later() -> None:
    program = (
        "from core.web.logs import start_app_logging; import streamlit.logger as s; start_app_logging()\n"
        "s.update_formatter(); s.get_logger('streamlit.made.later').warning('of streamlit')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    (line,) = (json.loads(line) for line in done.stderr.splitlines())
    assert (line["what"], line["by"]) == ("of streamlit", "streamlit.made.later")
