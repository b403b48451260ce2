"""What a check works with: a fresh storage, its clock, and words for what is expected."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from ...values.clock import ManualClock
from ...values.errors import QmlError
from ...values.job import Job
from ...values.states import AwaitingRetry, Failed, Scheduled
from ..compare import brief, difference
from ..making import MakeStorage, fresh

A_MICROSECOND = 0.000001


class Scene:
    """An empty storage under a clock that stands still."""

    def __init__(self, make: MakeStorage) -> None:
        self.clock = ManualClock()
        self.storage = fresh(make, self.clock)

    def job(self, job_id: str = "a", **fields: Any) -> Job:
        """A job that is not stored yet."""
        return Job("task", id=job_id, created_at=self.clock.now(), **fields)

    def add(self, job_id: str = "a", **fields: Any) -> Job:
        """A job, enqueued."""
        job: Job = self.storage.enqueue(self.job(job_id, **fields))
        return job

    def claim(self, worker: str = "w1", lease: float | None = None) -> Job:
        """The best job, claimed: there must be one."""
        job = self.storage.fetch_and_lock_job(worker, lease_seconds=lease)
        assert isinstance(job, Job), f"a claim by {worker} found nothing"
        return job

    def running(self, job_id: str = "a", worker: str = "w1", **fields: Any) -> Job:
        """A job, enqueued and claimed, with no other available."""
        self.add(job_id, **fields)
        return self.claim(worker)

    def get(self, job_id: str = "a") -> Job:
        """The stored job: there must be one."""
        job = self.storage.get(job_id)
        assert isinstance(job, Job), f"job {job_id} is not there"
        return job

    def later(self, seconds: float) -> datetime:
        """A moment seconds from now."""
        return self.clock.now() + timedelta(microseconds=round(seconds * 1_000_000))

    def due_in(self, seconds: float) -> Scheduled:
        """The state of a job due in so many seconds."""
        return Scheduled(self.clock.now(), self.later(seconds))

    def retry_in(self, seconds: float, exception: str = "ValueError: no") -> AwaitingRetry:
        """An outcome: try again in so many seconds."""
        return AwaitingRetry(self.clock.now(), self.later(seconds), 1, exception)

    def failed(self, exception: str = "ValueError: no") -> Failed:
        """An outcome: given up."""
        return Failed(self.clock.now(), exception, "Traceback", 0)

    def ids_claimed(self, limit: int = 100, worker: str = "w1", queues: Any = None) -> list[str]:
        """The ids of what one batch claim takes, in its order."""
        taken = self.storage.fetch_available_jobs_atomic(worker, limit, queues)
        return [job.id for job in taken]

    def ids_available(self) -> list[str]:
        """The ids of the available jobs, in order."""
        return [job.id for job in self.storage.get_available_jobs()]

    def same(self, found: Any, expected: Any, what: str) -> None:
        """Both are equal and of the same type."""
        text = difference(expected, found)
        assert text is None, f"{what}: {text}"

    def refuses(self, error: type[QmlError], operation: Any, *arguments: Any) -> QmlError:
        """The operation raises this error and leaves every record as it was."""
        with self.unchanged():
            try:
                answer = operation(*arguments)
            except error as raised:
                return raised
            raise AssertionError(f"promised: {error.__name__}; found: {brief(answer)}")

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing within changes any record."""
        before = self.storage.list()
        yield
        self.same(self.storage.list(), before, "what must change nothing changed a record")
