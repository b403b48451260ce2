"""What a running task can learn of its job."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from functools import partial
from typing import ParamSpec, TypeVar

from ..values.errors import ConfigurationError
from ..values.job import Job
from . import steps
from .runs import Run

P = ParamSpec("P")
T = TypeVar("T")

_current: ContextVar["CurrentJob | None"] = ContextVar("qml_current_job", default=None)


class CurrentJob:
    """The job that runs in this context. It may be handed to other threads, too."""

    __slots__ = ("_run",)

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def job(self) -> Job:
        """The job as it was claimed."""
        return self._run.job

    @property
    def id(self) -> str:
        """The job's id."""
        return self._run.job.id

    @property
    def attempt(self) -> int:
        """Which attempt this is; 1 is the first."""
        return self._run.job.attempt

    @property
    def schedule(self) -> str | None:
        """The name of the schedule whose recurring job this is; None = it is no such job."""
        return self._run.job.schedule

    @property
    def slot(self) -> datetime | None:
        """The time (UTC) that a recurring job is for, however late it runs."""
        return self._run.job.slot

    @property
    def cancelled(self) -> bool:
        """Whether the job was cancelled since it started; seen within about a second."""
        return self._run.cancelled

    @property
    def lost(self) -> bool:
        """Whether this claim holds the job no more: what the task returns will not be recorded.
        True for a cancelled job and after the time limit, too."""
        return self._run.lost or self._run.cancelled or self._run.overdue

    @property
    def remaining(self) -> float | None:
        """Seconds until the job's time limit, 0.0 once it has passed; None = it has none. For the
        time limits of what it calls: sockets, statements, subprocesses."""
        return self._run.remaining()

    def check(self) -> None:
        """Go on, or stop: JobCancelled when the job was cancelled, JobTimeout (a TimeoutError) when
        its time limit has passed, JobLost when its claim is over. Whatever a task does after one of
        these is for nothing: let it out. Costs nothing to speak of, so call it in every loop."""
        self._run.check()

    def step(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """``function(*args, **kwargs)``, once per job: its result, which is JSON, is kept with the
        job before this returns, and a later attempt, or a second call by this name, gets that and
        runs nothing. A result comes as JSON keeps it: a tuple as a list.

        The function runs again when the process dies, or the claim ends, after its effect and
        before its result is kept: at least once, like a job; it counts as done at most once. When
        it raises, nothing is kept, and the exception passes.

        First of all this is a ``check()``. SerializationError: the result cannot be kept, or the
        results of all steps together are larger than the storage's ``max_job_bytes``; the job
        fails, since another attempt would do the same. JobLost: the claim is over, another has the
        job. StorageUnavailable: the store did not take the result for as long as a lease lasts.
        ConfigurationError: ``name`` is no text, or empty; ``function`` cannot be called; the step
        is taken within itself."""
        if not callable(function):
            raise ConfigurationError(
                f"step {name!r} is given {function!r}, which cannot be called; give the function "
                "and its arguments apart: step('charge', charge, 500)"
            )
        kept: T = steps.take(self._run, name, partial(function, *args, **kwargs))
        return kept

    def progress(self, fraction: float, message: str = "") -> None:
        """Say how far the job is: from 0 to 1 (what lies beyond counts as the nearer of the two)
        and a ``message`` of up to 1,000 characters. Written to the store within about 0.3 s, and
        again before the outcome; of what is said in between only the last. It stands in
        ``Job.notes.progress``, until another attempt says something. ConfigurationError for what
        is no number."""
        self._run.notes.progress(fraction, message)

    def log(self, text: object) -> None:
        """Add a line of up to 1,000 characters to the job's own log, ``Job.notes.log``. The last
        100 lines of all attempts are kept, and of them the last 20,000 characters. Written with
        the progress."""
        self._run.notes.log(text)


def current_job() -> CurrentJob | None:
    """The job this code runs for; None outside a job, as when a task is called directly."""
    return _current.get()


def enter(run: Run) -> CurrentJob:
    """From now on this context belongs to ``run``."""
    current = CurrentJob(run)
    _current.set(current)
    return current
