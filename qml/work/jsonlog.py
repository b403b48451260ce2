"""Log records as lines of JSON, each on its own whatever a message contains."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from . import joblog

OF_JOB = ("attempt", "queue", "server")

PLAIN = frozenset(
    {
        *vars(logging.LogRecord("", 0, "", 0, "", (), None)),
        "asctime",
        "message",
        "taskName",
        "qml_job",
        "qml_method",
        *(f"qml_{name}" for name in OF_JOB),
    }
)
"""What a record has of itself; all else came with ``extra=``."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII, for a handler of ``logging``.

    Always: ``ts`` (UTC, ISO 8601, microseconds, with Z), ``level``, ``logger``, ``message``,
    ``pid``, ``thread``. In a job: ``job`` (its id), ``method``, ``attempt``, ``queue``, ``server``
    (name of the server that runs it). ``traceback`` and ``stack`` where the call asked for them;
    ``extra``: an object with what it gave as ``extra=``, in words where JSON has none. The fields
    of a job are there from the first ``Server`` of the process on.
    """

    def __init__(self) -> None:
        super().__init__()
        joblog.install()

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line."""
        said: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            "pid": record.process,
            "thread": record.threadName,
            **_of_job(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["traceback"] = record.exc_text or self.formatException(record.exc_info)
        elif record.exc_text:
            said["traceback"] = record.exc_text
        if record.stack_info:
            said["stack"] = self.formatStack(record.stack_info)
        extra = {name: value for name, value in vars(record).items() if name not in PLAIN}
        if extra:
            said["extra"] = {str(name): _storable(value) for name, value in extra.items()}
        return json.dumps(said)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # arguments that do not fit: the line is still worth something
        return f"{_in_words(record.msg)} (its arguments do not fit: {type(error).__name__})"


def _of_job(record: logging.LogRecord) -> dict[str, Any]:
    job = getattr(record, "qml_job", joblog.NONE)
    if job == joblog.NONE:
        return {}
    rest = {name: getattr(record, f"qml_{name}", None) for name in OF_JOB}
    return {"job": job, "method": getattr(record, "qml_method", None), **rest}


def _storable(value: Any) -> Any:
    """The value as it is now, if JSON has it, or how it reads."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except Exception:  # no JSON, or changed by another thread meanwhile
        return _in_words(value)


def _in_words(value: Any) -> str:
    try:
        return value if isinstance(value, str) else repr(value)
    except Exception as error:
        return f"({type(value).__name__}, which cannot be read: {type(error).__name__})"
