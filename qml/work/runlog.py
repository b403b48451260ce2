"""What the log says of each run once its outcome is recorded: ``qml.jobs``."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from contextvars import copy_context

from ..values.figures import milliseconds
from ..values.interrupts import is_for_the_program
from ..values.job import Failure, Job
from ..values.states import AwaitingRetry, Failed
from ..values.texts import complain
from . import context
from .executor import describe
from .runs import Run

log = logging.getLogger("qml.jobs")


def tell(ended: Iterable[tuple[Run, Job]]) -> None:
    """Say of each run what came of it, ``Job`` as it is stored now. An attempt that failed is a
    WARNING if another follows, and an ERROR if none does, with its traceback; all else is DEBUG.
    The record says in which job it was (``qml_job``), as those have that were written there.
    What a handler raises is told on stderr: no outcome is recorded again because of it."""
    all_of_them = log.isEnabledFor(logging.DEBUG)
    for run, job in ended:
        if not (job.failures or all_of_them):
            continue
        try:
            _tell(run, job, all_of_them)
        except BaseException as error:
            if is_for_the_program(error):
                raise
            _complain(job, error)


def _tell(run: Run, job: Job, all_of_them: bool) -> None:
    failed = _failure(run, job) if job.failures else None
    if failed is not None:
        level, message = _of_failure(job, failed)
        _write(run, level, message, failed.traceback)
    elif all_of_them:
        _write(run, logging.DEBUG, _of_success(run, job))


def _complain(job: Job, error: BaseException) -> None:
    what = f"what came of job {job.id} ({job.method}) is recorded, but the log did not take it"
    with suppress(Exception):  # stderr may be closed, or what that handler writes to
        complain(f"{what}: {describe(error)}")


def _failure(run: Run, job: Job) -> Failure | None:
    """Of this attempt, not of one before."""
    last = job.failures[-1]
    return last if last.attempt == run.job.attempt else None


def _of_failure(job: Job, failure: Failure) -> tuple[int, str]:
    final = isinstance(job.state, Failed)
    next_one = "is not tried again" if final else f"is tried again {_when(job)}"
    most = f" of {job.max_attempts}" if job.max_attempts else ""
    what = f"failed in attempt {failure.attempt}{most}, and {next_one}: {failure.exception}"
    return logging.ERROR if final else logging.WARNING, f"job {job.id} ({job.method}) {what}"


def _when(job: Job) -> str:
    if not isinstance(job.state, AwaitingRetry):
        return "at once"
    wait = job.state.retry_at - job.state.scheduled_at
    return f"in {milliseconds(wait.total_seconds() * 1000)}"


def _of_success(run: Run, job: Job) -> str:
    took = milliseconds(run.duration_ms())
    return f"job {job.id} ({job.method}) {job.state.kind} after {took}"


def _write(run: Run, level: int, message: str, traceback: str = "") -> None:
    if log.isEnabledFor(level):
        copy_context().run(_write_within, run, level, message, traceback)


def _write_within(run: Run, level: int, message: str, traceback: str) -> None:
    context.enter(run)
    record = log.makeRecord(log.name, level, __file__, 0, "%s", (message,), None, tell.__name__)
    record.exc_text = traceback.rstrip() or None  # it may have been raised in another process
    log.handle(record)
