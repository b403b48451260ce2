"""What a running task can learn of its job."""

from contextvars import ContextVar

from ..values.job import Job
from .runs import Run

_current: ContextVar["CurrentJob | None"] = ContextVar("qml_current_job", default=None)


class CurrentJob:
    """The job that runs in this context."""

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
    def cancelled(self) -> bool:
        """Whether the job was cancelled since it started; seen within about a second."""
        return self._run.cancelled

    @property
    def lost(self) -> bool:
        """Whether this claim holds the job no more: what the task returns will not be recorded.
        True for a cancelled job and after the time limit, too."""
        return self._run.lost or self._run.cancelled or self._run.overdue


def current_job() -> CurrentJob | None:
    """The job this code runs for; None outside a job, as when a task is called directly."""
    return _current.get()


def enter(run: Run) -> None:
    """From now on this context belongs to ``run``."""
    _current.set(CurrentJob(run))
