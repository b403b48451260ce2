"""Runs one job and says what came of it, with no storage in sight."""

import contextlib
import contextvars
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol

import attrs

from ..storage.rules import check_size
from ..values import jsontext
from ..values.errors import (
    JobCancelled,
    JobLost,
    JobTimeout,
    QmlError,
    SerializationError,
    UnknownMethod,
)
from ..values.job import Job
from ..values.retry import RetryPolicy
from ..values.texts import complain
from . import context
from .context import CurrentJob
from .control import Discard, Retry, Snooze
from .failing import Fate
from .runs import Run

Middleware = Callable[[CurrentJob, Callable[[], Any]], Any]
"""Called with the job that runs and the call it makes; returns what that returned."""


class Runnable(Protocol):
    """What the executor needs of a task."""

    @property
    def function(self) -> Callable[..., Any]:
        """What is called."""
        ...

    @property
    def retry(self) -> RetryPolicy | None:
        """Its own policy; None = the app's."""
        ...

    @property
    def middleware(self) -> Sequence[Middleware]:
        """What goes around each call, the outermost first."""
        ...

    def fate(self, error: BaseException, attempt: int) -> Fate:
        """What an exception in this attempt means for the job."""
        ...


@attrs.frozen
class Succeeded:
    """The task returned ``result``, which is JSON, after ``duration_ms`` milliseconds."""

    result: Any
    duration_ms: float


@attrs.frozen
class Raised:
    """The attempt failed. ``delay``: seconds until the next one, if the task said so;
    ``final``: no further attempt can help."""

    exception: str
    traceback: str
    delay: float | None = None
    final: bool = False


@attrs.frozen
class Discarded:
    """The task said that the job is not needed any more."""

    reason: str


@attrs.frozen
class Snoozed:
    """The task said: not now, but after ``delay`` seconds."""

    delay: float


@attrs.frozen
class Committed:
    """Recorded by the task's own transaction: the stored job; or a JobLost, and it was undone."""

    answer: Job | JobLost


Outcome = Succeeded | Raised | Discarded | Snoozed | Committed


def execute(run: Run, tasks: Mapping[str, Runnable], max_result_bytes: int) -> Outcome:
    """Call the task of a claimed job in the calling thread, in a context of its own."""
    run.start()
    job = run.job
    if job.damage is not None:
        return Raised(
            f"SerializationError: the stored job is damaged: {job.damage}", "", final=True
        )
    task = tasks.get(job.method)
    if task is None:
        return Raised(_unknown(job.method, tasks), "")
    ours = os.getpid()
    try:
        return contextvars.copy_context().run(_call, run, task, max_result_bytes)
    except BaseException as error:  # such as a Snooze without its delay: no thread may end of it
        return Raised(describe(error), _trace(error))
    finally:
        if os.getpid() != ours:
            _end_copy()


def _end_copy() -> NoReturn:
    """End a process that the task has forked, and that came back from the task. The job is its
    parent's; of all else it has copies: of the jobs that wait for a thread, of a pipe."""
    with contextlib.suppress(Exception):
        complain(
            "a process that a task has forked is ended: it came back from the task; have it "
            "end with os._exit()"
        )
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(1)


def _unknown(method: str, tasks: Mapping[str, Runnable]) -> str:
    known = ", ".join(sorted(tasks)[:20]) or "none"
    return (
        f"{UnknownMethod.__name__}: no task {method!r} in this server; it has: {known}. Is the "
        "module that defines it imported, is the server older than the job?"
    )


def _call(run: Run, task: Runnable, max_result_bytes: int) -> Outcome:
    current = context.enter(run)
    call: Callable[[], Any] = partial(task.function, *run.job.arguments, **run.job.kwargs)
    for around in reversed(task.middleware):
        call = partial(around, current, call)
    try:
        result = call()
    except Snooze as snooze:
        return Snoozed(snooze.delay)
    except Discard as discard:
        return Discarded(discard.reason)
    except Retry as retry:
        return Raised(describe(retry.__cause__ or retry), _trace(retry), delay=retry.delay)
    except (JobCancelled, JobLost, JobTimeout, SerializationError) as error:
        return _stopped(run, task, error)
    except BaseException as error:
        # SystemExit and KeyboardInterrupt end the attempt, not the thread.
        return Raised(describe(error), _trace(error), *task.fate(error, run.job.attempt))
    try:
        return Succeeded(_storable(result, max_result_bytes), run.duration_ms())
    except SerializationError as error:
        # Final: the task has done its work, and would return the same again.
        return Raised(describe(error), "", final=True)


def _stopped(run: Run, task: Runnable, error: QmlError) -> Outcome:
    """The task let out what ``current_job()`` raised, or the same about another job."""
    if error.job_id != run.job.id:
        return Raised(describe(error), _trace(error), *task.fate(error, run.job.attempt))
    if isinstance(error, JobTimeout):
        return Raised(f"TimeoutError: {run.too_long()}", _trace(error))
    if isinstance(error, SerializationError):
        # Final: the step has had its effect, and would have it again.
        return Raised(describe(error), _trace(error), final=True)
    return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back


def _storable(result: Any, max_bytes: int) -> Any:
    if jsontext.is_short(result):
        return result
    name = "the task's result"
    kept = jsontext.checked(result, name)
    check_size(name, kept, max_bytes)
    return kept


def describe(error: BaseException) -> str:
    """An exception in one text: its type and what it says, whatever its ``__str__`` does."""
    kind = type(error)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    try:
        text = str(error)
    except BaseException as worse:
        text = f"(its text could not be made: {type(worse).__name__})"
    return f"{name}: {text}" if text else name


def _trace(error: BaseException) -> str:
    # The first frame is this module's own call; those that hide themselves may come after it.
    try:
        if error.__traceback__ is not None:
            frames = error.__traceback__.tb_next
            while frames is not None and frames.tb_frame.f_locals.get("__tracebackhide__"):
                frames = frames.tb_next
            error = error.with_traceback(frames)
        return "".join(traceback.format_exception(error))
    except BaseException as worse:
        return f"(the traceback could not be made: {type(worse).__name__})"
