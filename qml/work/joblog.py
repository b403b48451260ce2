"""Ordinary log lines say in which job they were written."""

import logging
from collections.abc import Callable
from typing import Any

from .context import current_job

NONE = "-"
"""What a line outside a job says."""

Factory = Callable[..., logging.LogRecord]


def install() -> None:
    """From now on every ``logging.LogRecord`` has ``qml_job``, the id of the job in whose context
    it was made, and ``qml_method``, its method; ``-`` outside a job. For a format such as
    ``"%(levelname)s [%(qml_job)s %(qml_method)s] %(message)s"``. In a job it has besides
    ``qml_attempt``, ``qml_queue`` and ``qml_server``, the name of the server.

    The factory of records that is there is kept and wrapped, once. The names have a prefix since
    ``logging`` refuses a line whose ``extra=`` names what the record has already, and ``job_id``
    is a likely name there.
    """
    factory = logging.getLogRecordFactory()
    probe = factory("qml", logging.DEBUG, "", 0, "", (), None)
    if not hasattr(probe, "qml_job"):
        logging.setLogRecordFactory(_telling(factory))


def _telling(factory: Factory) -> Factory:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = factory(*args, **kwargs)
        current = current_job()
        record.qml_job = NONE if current is None else current.id
        record.qml_method = NONE if current is None else current.job.method
        if current is not None:
            job = current.job
            record.qml_attempt, record.qml_queue = job.attempt, job.queue
            record.qml_server = getattr(job.state, "server_name", NONE)
        return record

    return make


def where(record: logging.LogRecord) -> str:
    """The job of a record in words, or nothing."""
    job, method = getattr(record, "qml_job", NONE), getattr(record, "qml_method", NONE)
    return "" if job == NONE else f"{job} {method}"
