"""The storage: every operation on stored jobs, the same on every driver."""

import builtins
from collections.abc import Iterable
from functools import partial
from typing import Self

from ..seam.driver import Driver
from ..values import jsontext
from ..values.alike import Alike
from ..values.clock import Clock, StoreClock, clock_or_none
from ..values.job import Job
from ..values.retention import Retention, retention_or_none
from ..values.retry import RetryPolicy, policy_or_none
from ..values.selection import JobFilter
from ..values.states import StateKind
from . import changes, checks, conflicts, events, rules, selecting, storing, upkeep
from .hooks import EventKind, Hooks
from .queues import Queues
from .schedules import Schedules
from .transacting import Transacting


class Storage(Transacting):
    """All that may happen to stored jobs. Shared by threads, a context manager, usable after fork.

    ``driver``: where rows are kept; ``clock``: what tells the time (default: the store's own);
    ``retry``: how often and when jobs are tried again that do not say it themselves;
    ``retention``: how long finished jobs are kept, seconds for every state or a Retention;
    ``max_job_bytes``: the limit for a job's arguments, kwargs and metadata together, and for its
    result, in bytes of JSON; ``hooks``: who is told of what happens to jobs through this storage.

    Any call may raise StorageUnavailable when the store does not answer. A job that is returned is
    as it was read or written; leases, locks and notes, which raise no version, may have changed.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        clock: Clock | None = None,
        retry: RetryPolicy | None = None,
        retention: Retention | float | None = None,
        max_job_bytes: int = jsontext.MAX_BYTES,
        hooks: Hooks | None = None,
    ) -> None:
        self.driver = driver
        self.hooks = Hooks() if hooks is None else hooks
        self.retry_policy = policy_or_none("Storage retry", retry) or RetryPolicy()
        self.retention = retention_or_none("Storage retention", retention) or Retention()
        self.max_job_bytes = checks.max_job_bytes(max_job_bytes)
        own_clock = clock_or_none("Storage clock", clock)
        driver.install()
        self.clock: Clock = own_clock or StoreClock(driver.time)

    # -- storing -------------------------------------------------------------------------------

    def enqueue(self, job: Job, *, on_conflict: str = "raise") -> Job:
        """Store a job as it is given, normally Enqueued or Scheduled, and return it.

        A taken id is JobAlreadyExists, and the stored job stays as it is: so after an error it is
        safe to enqueue the same job again. ``on_conflict``: what to do when its unique key is held:
        "raise" UniqueKeyTaken, naming the holder; return the "existing" holder instead; "replace"
        what the holder is to do by this job, unless it runs already (UniqueKeyTaken).
        """
        return self.enqueue_many([job], on_conflict=on_conflict)[0]

    def enqueue_many(self, jobs: Iterable[Job], *, on_conflict: str = "raise") -> list[Job]:
        """Store all jobs, in this order, or none of them; errors as for ``enqueue``. With another
        ``on_conflict`` than "raise", those whose key is held are answered by its holder, and all
        others stored in one step; each holder is replaced in a step of its own."""
        if isinstance(jobs, Alike) and on_conflict == "raise" and not self.hooks.arounds:
            stored = storing.enqueue_alike(self.driver, jobs, self.limits)
            self._changed(EventKind.ENQUEUED, stored)
            return stored
        return self.hooks.enqueuing(checks.jobs(jobs), partial(self._place, on_conflict))

    def _place(self, on_conflict: str, jobs: builtins.list[Job]) -> builtins.list[Job]:
        now = self.clock.micros()
        if on_conflict == "raise":
            stored = storing.enqueue_many(self.driver, jobs, now, self.limits)
            if stored:
                self._changed(EventKind.ENQUEUED, stored)
            return stored
        placing = conflicts.Placing(self.driver, now, self.limits)
        try:
            return placing.place(jobs, on_conflict)
        finally:
            if placing.stored or placing.replaced:
                self._tell(EventKind.UPDATED, placing.replaced)
                self._changed(EventKind.ENQUEUED, placing.stored)

    @property
    def queues(self) -> Queues:
        """The queues of this store: to pause, resume and list them."""
        return Queues(self.driver, self.clock)

    @property
    def schedules(self) -> Schedules:
        """The recurring jobs of this store."""
        return Schedules(self.driver, self.clock, self.limits, self.hooks)

    # -- other hands ---------------------------------------------------------------------------

    def update(self, job: Job) -> Job:
        """Write the whole record and return it as stored, its version raised.

        ConcurrentModification when the stored job changed since this one was read, JobNotFound when
        it is gone, UniqueKeyTaken when it would take a held key. Attempt, fence and leases are the
        storage's; a move to Processing is a claim by ``state.worker_id`` with the default lease,
        which asks no limit, rate or pause, and counts as any claim does.
        """
        now, lease = self.clock.micros(), checks.lease(None)
        new = changes.update(self.driver, checks.job(job), now, lease, self.max_job_bytes)
        self._changed(EventKind.UPDATED, [new])
        return new

    def delete(self, job_id: str) -> bool:
        """Remove the record and its lock, whatever its state. False: there was none."""
        removed = self.driver.erase([checks.askable(job_id)], 1) == 1
        self.driver.notify()
        return removed

    def cancel(self, job_id: str, reason: str | None = None) -> Job:
        """The job becomes Deleted, at once. Of a running one the run is told, its end is JobLost,
        and its lease stays until then. JobNotFound, InvalidTransition."""
        now, job_id = self.clock.micros(), checks.job_id(job_id)
        job = changes.apply(self.driver, job_id, lambda j: rules.cancel(j, reason, now))
        self._changed(EventKind.CANCELLED, [job])
        return job

    def cancel_many(self, where: JobFilter, reason: str | None = None) -> int:
        """``cancel`` for all jobs that a filter names, in steps that hold nobody up; how many. A
        filter without states means those that have not ended. See ``count`` for a look before."""
        now, where = self.clock.micros(), selecting.within(where, selecting.UNFINISHED)
        done = selecting.change(self.driver, where, lambda j: rules.cancel(j, reason, now), now)
        return self._all_told(EventKind.CANCELLED, done)

    def retry_many(self, where: JobFilter) -> int:
        """``retry`` for all jobs that a filter names; how many. A filter without states means
        those that failed."""
        now, where = self.clock.micros(), selecting.within(where, [StateKind.FAILED])
        done = selecting.change(self.driver, where, lambda j: rules.retry(j, now), now)
        return self._all_told(EventKind.RETRIED, done)

    def delete_many(self, where: JobFilter) -> int:
        """``delete`` for all jobs that a filter names; how many."""
        removed = selecting.erase(self.driver, checks.job_filter(where), self.clock.micros())
        self.driver.notify()
        return removed

    def retry(self, job_id: str) -> Job:
        """A failed, scheduled or waiting job is ready now, with at least one attempt left.
        JobNotFound, InvalidTransition, UniqueKeyTaken when another holds its key by now."""
        now, job_id = self.clock.micros(), checks.job_id(job_id)
        job = changes.apply(self.driver, job_id, lambda j: rules.retry(j, now))
        self._changed(EventKind.RETRIED, [job])
        return job

    def rescue(self, limit: int = 1000) -> builtins.list[Job]:
        """Take jobs from workers whose lease has lapsed, and return those: to be retried by the
        policy's delay, or Failed with WorkerLost when no attempt is left. One that somebody changes
        at the same moment is left to the next rescue."""
        now, limit = self.clock.micros(), checks.most(limit)
        rescued = upkeep.rescue(self.driver, self.retry_policy, now, limit)
        if rescued:
            self._told(events.of_rescues(rescued))
        return rescued

    def expire(self, limit: int = 1000) -> builtins.list[Job]:
        """End the waiting jobs that were not started in time, at most ``limit``; those that were.
        A claim that comes upon one does the same."""
        expired = upkeep.expire(self.driver, self.clock.micros(), checks.most(limit))
        if expired:
            self._changed(EventKind.EXPIRED, expired)
        return expired

    def purge(self, limit: int = 1000) -> int:
        """Remove finished jobs whose retention is over, at most ``limit``; how many."""
        now, limit = self.clock.micros(), checks.most(limit)
        return upkeep.purge(self.driver, self.retention, now, limit)

    def close(self) -> None:
        """Let go of every connection. Calling it again does nothing."""
        self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.driver.describe()}>"
