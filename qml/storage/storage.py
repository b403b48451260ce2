"""The storage: every operation on stored jobs, the same on every driver."""

import builtins
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Self

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Available, Hold, Page, Verdict
from ..values import jsontext
from ..values.clock import Clock, StoreClock
from ..values.config import Retention
from ..values.errors import JobLost
from ..values.job import Failure, Job
from ..values.retry import RetryPolicy, policy_or_none
from ..values.states import JobState, StateKind, kinds
from ..values.times import from_micros
from . import changes, checks, claims, rules, storing, upkeep, waiting
from .claims import Batch


class Storage:
    """All that may happen to stored jobs. Shared by threads, a context manager, usable after fork.

    ``driver``: where rows are kept; ``clock``: what tells the time (default: the store's own);
    ``retry``: how often and when jobs are tried again that do not say it themselves;
    ``retention``: how long finished jobs are kept; ``max_job_bytes``: the limit for a job's
    arguments, kwargs and metadata together, and for its result, in bytes of JSON.

    Any call may raise StorageUnavailable when the store does not answer. A job that is returned is
    as it was read or written; leases and locks, which raise no version, may have changed since.
    """

    def __init__(
        self,
        driver: Driver,
        *,
        clock: Clock | None = None,
        retry: RetryPolicy | None = None,
        retention: Retention | None = None,
        max_job_bytes: int = jsontext.MAX_BYTES,
    ) -> None:
        self.driver = driver
        self.retry_policy = policy_or_none("Storage retry", retry) or RetryPolicy()
        self.retention = retention or Retention()
        self.max_job_bytes = max_job_bytes
        driver.install()
        self.clock: Clock = clock or StoreClock(driver.time)

    # -- storing -------------------------------------------------------------------------------

    def enqueue(self, job: Job) -> Job:
        """Store a job as it is given, normally Enqueued or Scheduled, and return it.

        A taken id is JobAlreadyExists, and the stored job stays as it is: so after an error it is
        safe to enqueue the same job again. A held unique key is UniqueKeyTaken, naming the holder.
        """
        return self.enqueue_many([job])[0]

    def enqueue_many(self, jobs: Iterable[Job]) -> list[Job]:
        """Store all jobs, in this order, or none of them; errors as for ``enqueue``."""
        limits = storing.Limits(self.retry_policy, checks.lease(None), self.max_job_bytes)
        stored = storing.enqueue_many(self.driver, list(jobs), self.clock.micros(), limits)
        self.driver.notify()
        return stored

    # -- looking -------------------------------------------------------------------------------

    def get(self, job_id: str) -> Job | None:
        """The job with this id, or None."""
        return self.get_many([job_id])[0]

    def get_many(self, job_ids: Sequence[str]) -> builtins.list[Job | None]:
        """The jobs with these ids, in this order; None for an unknown one."""
        rows = self.driver.load(list(job_ids)) if job_ids else []
        return [row and decode_job(row) for row in rows]

    def list(
        self,
        state_filter: object = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        queue: str | None = None,
        method: str | None = None,
    ) -> builtins.list[Job]:
        """Jobs, the newest enqueued first; ``state_filter`` is a kind, its text, or several."""
        page = Page(
            states=kinds(state_filter),
            queue=checks.text("queue", queue),
            method=checks.text("method", method),
            limit=checks.number("limit", limit),
            offset=checks.number("offset", offset, 0) or 0,
        )
        return [decode_job(row) for row in self.driver.scan(page)]

    def get_job_counts(self) -> dict[StateKind, int]:
        """How many jobs are in each state; every kind is there."""
        counts = self.driver.count(Page(), "state")
        return {kind: counts.get(kind.value, 0) for kind in StateKind}

    def get_available_jobs(self, limit: int | None = None) -> builtins.list[Job]:
        """The jobs a claim could take now, in the order it would take them. Changes nothing."""
        query = Available(self.clock.micros(), checks.number("limit", limit))
        return [decode_job(row) for row in self.driver.scan(query)]

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it is Succeeded, Failed or Deleted. WaitTimeout after ``timeout`` seconds
        (None = no limit), JobNotFound when there is no such job or it is deleted meanwhile."""
        return waiting.wait(self.driver, job_id, timeout)

    def now(self) -> datetime:
        """The storage's time, by which it decides what is due and what has lapsed."""
        return from_micros(self.clock.micros())

    # -- claiming ------------------------------------------------------------------------------

    def fetch_and_lock_job(
        self,
        worker_id: str,
        queues: Sequence[str] | None = None,
        *,
        lease_seconds: float | None = None,
        server_name: str = "",
    ) -> Job | None:
        """Claim the best available job for ``worker_id``, or None: see ``claim``."""
        batch = self.claim(
            worker_id, 1, queues, lease_seconds=lease_seconds, server_name=server_name
        )
        return batch.jobs[0] if batch.jobs else None

    def fetch_available_jobs_atomic(
        self,
        worker_id: str,
        limit: int | None = None,
        queues: Sequence[str] | None = None,
        *,
        lease_seconds: float | None = None,
        server_name: str = "",
    ) -> builtins.list[Job]:
        """Claim up to ``limit`` (default 10) jobs in one atomic step: see ``claim``."""
        most = checks.number("limit", limit, 10) or 0
        return self.claim(
            worker_id, most, queues, lease_seconds=lease_seconds, server_name=server_name
        ).jobs

    def claim(
        self,
        worker_id: str,
        limit: int,
        queues: Sequence[str] | None = None,
        *,
        ahead: int = 0,
        lease_seconds: float | None = None,
        server_name: str = "",
    ) -> Batch:
        """In one atomic step take the best available jobs, move them to Processing, raise their
        attempt, fence and version, and lease them to ``worker_id`` for ``lease_seconds`` (30).

        Best is the highest priority, then who was enqueued first. ``queues``: None for every
        queue, or those to take from, as one pool. ``ahead``: how many to take beyond ``limit``
        for threads that are not free yet; a lost one of these is given back uncharged, once.
        """
        order = claims.order(
            worker_id,
            queues,
            now=self.clock.micros(),
            lease=checks.lease(lease_seconds),
            limits=(limit, ahead),
            server_name=server_name,
        )
        return claims.take(self.driver, order)

    def try_acquire_job_lock(self, job_id: str, worker_id: str, timeout_seconds: float) -> bool:
        """Lock a job for ``worker_id`` until ``timeout_seconds`` from now; again renews it. False:
        another worker holds it, or there is no such job. No other worker can claim it meanwhile.
        Over a lapsed claim it makes the old hand stale."""
        now = self.clock.micros()
        until = now + checks.span("timeout_seconds", timeout_seconds)
        hold = Hold(job_id, None, checks.worker_name(worker_id), None, now, until)
        return self.driver.hold([hold]) == [Verdict.DONE]

    def release_job_lock(self, job_id: str, worker_id: str) -> bool:
        """End what ``worker_id`` holds: True only for the live holder. On a job being processed
        the lease ends at once, and rescue takes it."""
        worker = checks.worker_name(worker_id)
        done = self.driver.let_go(job_id, worker, self.clock.micros()) is Verdict.DONE
        if done:
            self.driver.notify()
        return done

    # -- ends of claims ------------------------------------------------------------------------

    def finish(self, job: Job, state: JobState, failure: Failure | None = None) -> Job:
        """End the run of a job, given as it was claimed, in ``state``; the stored job.

        JobLost when the claim no longer holds the job; then nothing was changed. The same claim
        may send the same outcome again. ``failure`` adds a traceback to a state that has none.
        Times are the storage's, except ``retry_at``.
        """
        return claims.or_raise(self.finish_many([(job, state, failure)])[0])

    def finish_many(
        self, outcomes: Iterable[tuple[Job, JobState] | tuple[Job, JobState, Failure | None]]
    ) -> builtins.list[Job | JobLost]:
        """``finish`` for many jobs in one step; for each the stored job, or a JobLost."""
        given = [claims.Outcome(*outcome) for outcome in outcomes]
        for outcome in given:
            rules.check_result(outcome.job, outcome.state, self.max_job_bytes)
        done = claims.finish_many(self.driver, given, self.clock.micros()) if given else []
        self.driver.notify()
        return done

    def release(self, job: Job, delay: float | None = None) -> Job:
        """Hand a claimed job back, its attempt not charged: ready at once, or ``delay`` seconds
        from now. JobLost when the claim no longer holds it."""
        return claims.or_raise(self.release_many([job], delay)[0])

    def release_many(
        self, jobs: Sequence[Job], delay: float | None = None
    ) -> builtins.list[Job | JobLost]:
        """``release`` for many jobs in one step; for each the stored job, or a JobLost."""
        now = self.clock.micros()
        due = None if delay is None else now + checks.delay("delay", delay)
        for job in jobs:
            rules.check_is_claim(job)
        ends = [(job, lambda j: rules.release(j, due, now)) for job in jobs]
        done = claims.end(self.driver, ends, now) if ends else []
        self.driver.notify()
        return done

    def renew(self, jobs: Sequence[Job], lease_seconds: float | None = None) -> builtins.list[bool]:
        """Extend the leases of claimed jobs to ``lease_seconds`` (30) from now; for each whether
        its claim still holds the job."""
        now = self.clock.micros()
        until = now + checks.lease(lease_seconds)
        return claims.renew(self.driver, jobs, now, until) if jobs else []

    # -- other hands ---------------------------------------------------------------------------

    def update(self, job: Job) -> Job:
        """Write the whole record and return it as stored, its version raised.

        ConcurrentModification when the stored job changed since this one was read, JobNotFound when
        it is gone, UniqueKeyTaken when it would take a held key. Attempt, fence and leases are the
        storage's; a move to Processing is a claim by ``state.worker_id`` with the default lease.
        """
        now, lease = self.clock.micros(), checks.lease(None)
        new = changes.update(self.driver, job, now, lease, self.max_job_bytes)
        self.driver.notify()
        return new

    def delete(self, job_id: str) -> bool:
        """Remove the record and its lock, whatever its state. False: there was none."""
        removed = self.driver.erase([job_id], 1) == 1
        self.driver.notify()
        return removed

    def cancel(self, job_id: str, reason: str | None = None) -> Job:
        """The job becomes Deleted, at once. Of a running one the run is told, its end is JobLost,
        and its lease stays until then. JobNotFound, InvalidTransition."""
        now = self.clock.micros()
        job = changes.apply(self.driver, job_id, lambda j: rules.cancel(j, reason, now))
        self.driver.notify()
        return job

    def retry(self, job_id: str) -> Job:
        """A failed, scheduled or waiting job is ready now, with at least one attempt left.
        JobNotFound, InvalidTransition, UniqueKeyTaken when another holds its key by now."""
        now = self.clock.micros()
        job = changes.apply(self.driver, job_id, lambda j: rules.retry(j, now))
        self.driver.notify()
        return job

    def rescue(self, limit: int = 1000) -> builtins.list[Job]:
        """Take jobs from workers whose lease has lapsed, and return those: to be retried by the
        policy's delay, or Failed with WorkerLost when no attempt is left. One that somebody changes
        at the same moment is left to the next rescue."""
        rescued = upkeep.rescue(self.driver, self.retry_policy, self.clock.micros(), limit)
        if rescued:
            self.driver.notify()
        return rescued

    def purge(self, limit: int = 1000) -> int:
        """Remove finished jobs whose retention is over, at most ``limit``; how many."""
        return upkeep.purge(self.driver, self.retention, self.clock.micros(), limit)

    def close(self) -> None:
        """Let go of every connection. Calling it again does nothing."""
        self.driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.driver.describe()}>"
