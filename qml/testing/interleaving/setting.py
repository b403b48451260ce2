"""The empty storage, or oracle, that a situation is prepared on."""

from datetime import timedelta
from typing import Any

import attrs

from ...values.clock import ManualClock
from ...values.job import Job
from ...values.states import AwaitingRetry
from .operations import JOB, a_job

Claims = dict[str, Job]
"""The claims that were given, by the name of who has them, oldest first."""


@attrs.frozen
class Setting:
    """An empty storage, or the oracle, and its clock."""

    storage: Any
    clock: ManualClock

    def add(self, job_id: str = JOB, **fields: Any) -> Job:
        """The job, enqueued."""
        job: Job = self.storage.enqueue(a_job(self.clock.now(), job_id, **fields))
        return job

    def claim(self, worker: str = "w1") -> Job:
        """The job, claimed."""
        job: Job | None = self.storage.fetch_and_lock_job(worker)
        assert job is not None, f"a claim of {worker} found nothing, and a job was ready for it"
        return job

    def running(self, worker: str = "w1", **fields: Any) -> Job:
        """The job, enqueued and claimed."""
        self.add(**fields)
        return self.claim(worker)

    def lapsed(self, **fields: Any) -> Job:
        """The job, claimed by w1, its lease just over."""
        claim = self.running(**fields)
        self.clock.advance(30)
        return claim

    def later(self, seconds: float) -> Any:
        """A moment so many seconds from now."""
        return self.clock.now() + timedelta(seconds=seconds)

    def rescued(self) -> Job:
        """A lapsed claim whose job is due again after a rescue."""
        claim = self.lapsed()
        for job in self.storage.rescue():
            if isinstance(job.state, AwaitingRetry):
                self.clock.advance((job.state.retry_at - self.clock.now()) / timedelta(seconds=1))
        return claim
