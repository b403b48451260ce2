"""What a server and the processes it has spawned say to each other: JSON objects of one key.

To a process: ``call``, ``flags`` of its run, ``kept``, ``end``. From it: ``ready``; ``began``, once
the task is imported; ``notes`` and ``log`` while it runs; ``keep``: notes to be written at once,
which ``kept`` answers: whether the claim holds, or why the store did not say; ``outcome``. Values
of users travel as JSON.
"""

import json
import logging
from typing import TYPE_CHECKING, Any

import attrs

from .executor import Discarded, Outcome, Raised, Runnable, Snoozed, Succeeded
from .naming import MAIN
from .runs import Run

if TYPE_CHECKING:  # importing qml shall not import multiprocessing
    from multiprocessing.connection import Connection

Message = dict[str, Any]

_OUTCOMES = {kind.__name__: kind for kind in (Succeeded, Raised, Discarded, Snoozed)}


def send(pipe: "Connection", message: Message) -> None:
    """Send a message; OSError when the other side is gone."""
    pipe.send_bytes(json.dumps(message).encode())


def receive(pipe: "Connection") -> Message:
    """Wait for the next message; EOFError or OSError when the other side is gone."""
    message: Message = json.loads(pipe.recv_bytes())
    return message


def call_of(run: Run, task: Runnable, max_result_bytes: int) -> Message:
    """What a process has to know of a run: its job, and by which names to find the task."""
    return {
        "job": run.job.to_json(),
        "age": run.steady() - run.claimed_at,
        "task": name_of(task.function),
        "around": [name_of(middleware) for middleware in task.middleware],
        "max_result_bytes": max_result_bytes,
        "lease_seconds": run.writer and run.writer.lease_seconds,
    }


def name_of(function: Any) -> list[str]:
    """Module and name of a function, or of the class of something else that can be called; the
    same in server and process."""
    named = function if hasattr(function, "__qualname__") else type(function)
    return [MAIN[0] if named.__module__ in MAIN else named.__module__, named.__qualname__]


def packed(outcome: Outcome) -> list[Any]:
    """An outcome as JSON: what it holds is texts, numbers and JSON."""
    return [type(outcome).__name__, attrs.asdict(outcome, recurse=False)]


def unpacked(kind: str, fields: dict[str, Any]) -> Outcome:
    """The outcome that ``packed`` wrote."""
    outcome: Outcome = _OUTCOMES[kind](**fields)
    return outcome


def told(record: logging.LogRecord) -> dict[str, Any]:
    """A log record as JSON: its text made, of the rest what is text or a number."""
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    plain = {
        name: value
        for name, value in vars(record).items()
        if value is None or isinstance(value, str | int | float)
    }
    return {**plain, "msg": record.getMessage(), "args": None, "exc_info": None}


def retell(fields: dict[str, Any]) -> None:
    """Have this process's loggers write what ``told`` made of a record."""
    record = logging.makeLogRecord(fields)
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)
