"""What happened, and when? One JSON object a line, on stderr and in the workspace, without a word of the datasets.

A line has `time`, `level`, `process`, `what` and, where there are any, `fields`, `error` and `where`. What people
loaded, typed or keep secret may stand in any text that is put together while the program runs: in the message of an
exception, in an argument, between quotes. So an exception is told by its type and by the places in the code, never by
its message; and of a text that is not ours alone, one short line is kept, without what is quoted and what looks like a
secret.

One process owns a workspace, and it alone writes its log.
"""

import errno
import json
import logging
import re
import traceback
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

LOG_BYTES, LOGS_KEPT = 5_000_000, 4
LONGEST = 200
PLACES = 12
QUOTED = re.compile(r"""(['"`]).*\1|‘.*’|“.*”|«.*»""", re.DOTALL)
SECRET = re.compile(
    r"(?i)(\b(?:authorization|cookie)\b\s*[=:]\s*).+|"
    r"(\b(?:bearer|basic)\s+|\b(?:token|secret|password|passwd|api[_-]?key)\b\s*[=:]\s*|"
    r"://[^/\s]*:(?=[^/\s]*@)|\b(?:hf_|sk-|gh[a-z]_)(?=\w))\S+|"
    r"\?\S*=\S*"
)
LOGGER = logging.getLogger("gleaner")


def log(what: str, level: int = logging.INFO, **fields: str | float | None) -> None:
    """Write a line of ours. `what` is the same whenever this is called; what differs are `fields`: names, numbers and
    states that Gleaner gave, and no text that somebody loaded."""
    LOGGER.log(level, what, extra={"fields": fields})


def start_logging(process: str) -> None:
    """From here on everything that is logged in this process is one JSON object a line on stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    LOGGER.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for logger in [each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)]:
        pass_on(logger)


def log_into(path: Path, process: str) -> None:
    """Write the same lines into a file too, which is turned over when it is full."""
    path.parent.mkdir(exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOGS_KEPT, encoding="utf-8", delay=True)
    handler.setFormatter(JsonLines(process))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old, logging.FileHandler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)


class JsonLines(logging.Formatter):
    """A record as one JSON object."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """One line; a record that cannot be told is told by its level and logger alone."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": f"{self._process} {record.process}",
            "what": _message(record),
        }
        if fields := getattr(record, "fields", None):
            line["fields"] = {name: _tell(value) for name, value in fields.items()}
        if record.exc_info and record.exc_info[1] is not None:
            line |= {"error": tell_error(record.exc_info[1]), "where": _places(record.exc_info[1])}
        if record.name != LOGGER.name:
            line["by"] = record.name
        return json.dumps(line, ensure_ascii=False)


def tell_error(error: BaseException) -> str:
    """An exception without its message: its type, an operating system's number, and what it came of."""
    told, cause = type(error).__name__, error.__cause__ or error.__context__
    if isinstance(error, OSError) and error.errno:
        told += f" {errno.errorcode.get(error.errno, error.errno)}"
    return f"{told} from {type(cause).__name__}" if cause is not None else told


def _places(error: BaseException) -> list[str]:
    """Where it came through, the innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-PLACES:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]


def _message(record: logging.LogRecord) -> str:
    if not isinstance(record.msg, str):
        return _tell(record.msg)
    given = record.args
    told: Any = {k: _tell(v) for k, v in given.items()} if isinstance(given, dict) else tuple(map(_tell, given or ()))
    try:
        message = record.msg % told if told else record.msg
    except (TypeError, ValueError):
        message = record.msg
    return message if record.name == LOGGER.name else _clean(message)


def _tell(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseException):
        return tell_error(value)
    return _clean(value) if isinstance(value, str) else type(value).__name__


def _clean(text: str) -> str:
    """The first line, short, without what is quoted and what looks like a secret."""
    lines = QUOTED.sub("…", text).strip().splitlines()
    line = SECRET.sub(lambda found: f"{found[1] or found[2] or '?'}…", lines[0]) if lines else ""
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}…"


def pass_on(logger: logging.Logger) -> None:
    """Let a library's records come to our handlers, and to no others; one that has none is meant to be silent."""
    if logger.handlers:
        logger.handlers[:] = []
        logger.propagate = True
