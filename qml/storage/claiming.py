"""Claims of stored jobs, and how they end."""

import builtins
from collections.abc import Iterable, Sequence

from ..seam.rows import Hold, Verdict
from ..values.errors import JobLost
from ..values.job import Failure, Job
from ..values.notes import Notes
from ..values.states import JobState
from . import checks, claims, events, rules
from .claims import Batch
from .hooks import EventKind, Hooks
from .reading import Reading


class Claiming(Reading):
    """The operations of a storage that give jobs to workers, and take back what they made of them.
    ``max_job_bytes``: the limit for a result; ``hooks``: who is told."""

    max_job_bytes: int
    hooks: Hooks

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
            limits=checks.room(limit, ahead),
            server_name=server_name,
        )
        batch, expired = claims.take(self.driver, order)
        if expired:
            self._tell(EventKind.EXPIRED, expired)
        self._tell(EventKind.CLAIMED, batch.jobs)
        return batch

    def try_acquire_job_lock(self, job_id: str, worker_id: str, timeout_seconds: float) -> bool:
        """Lock a job for ``worker_id`` until ``timeout_seconds`` from now; again renews it. False:
        another worker holds it, or there is no such job. No other worker can claim it meanwhile.
        Over a lapsed claim it makes the old hand stale."""
        now = self.clock.micros()
        until = now + checks.span("timeout_seconds", timeout_seconds)
        hold = Hold(checks.askable(job_id), None, checks.worker_name(worker_id), None, now, until)
        return self.driver.hold([hold]) == [Verdict.DONE]

    def release_job_lock(self, job_id: str, worker_id: str) -> bool:
        """End what ``worker_id`` holds: True only for the live holder. On a job being processed
        the lease ends at once, and rescue takes it."""
        job_id, worker = checks.askable(job_id), checks.worker_name(worker_id)
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
        """``finish`` for many jobs in one step; for each the stored job, or a JobLost. The end of a
        job that another hand has changed since its claim comes in a step of its own, after."""
        given = [claims.Outcome(*outcome) for outcome in outcomes]
        for outcome in given:
            rules.check_result(outcome.job, outcome.state, self.max_job_bytes)
        done = claims.finish_many(self.driver, given, self.clock.micros()) if given else []
        self._told(events.of_ends(given, done))
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
        self._changed(EventKind.RELEASED, [one for one in done if isinstance(one, Job)])
        return done

    def end_claims(self, worker_id: str) -> int:
        """End all claims of a worker that is known to be dead, so that ``rescue`` takes its jobs
        now and not when their leases have lapsed; how many. Its locks stay until they lapse."""
        worker, now = checks.worker_name(worker_id), self.clock.micros()
        ended = claims.end_leases(self.driver, worker, now)
        if ended:
            self.driver.notify()
        return ended

    def renew(self, jobs: Sequence[Job], lease_seconds: float | None = None) -> builtins.list[bool]:
        """Extend the leases of claimed jobs to ``lease_seconds`` (30) from now; for each whether
        its claim still holds the job."""
        return self.note_many([(job, None) for job in jobs], lease_seconds)

    def note(self, job: Job, notes: Notes, lease_seconds: float | None = None) -> bool:
        """Write down what the run of a claimed job says of itself, in place of what it said, and
        renew the lease. False: the claim no longer holds the job, and nothing was changed. The
        notes of a job that was cancelled meanwhile stay as they are. Raises no version."""
        return self.note_many([(job, notes)], lease_seconds)[0]

    def note_many(
        self, notes: Sequence[tuple[Job, Notes | None]], lease_seconds: float | None = None
    ) -> builtins.list[bool]:
        """``note`` for many claimed jobs in one step; None = no news, but a renewal."""
        for job, _ in notes:
            checks.job(job)
        now = self.clock.micros()
        until = now + checks.lease(lease_seconds)
        return claims.renew(self.driver, notes, now, until) if notes else []

    # -- telling -------------------------------------------------------------------------------

    def _tell(self, kind: EventKind, jobs: Iterable[Job]) -> None:
        self.hooks.tell(kind, jobs, self.now)

    def _changed(self, kind: EventKind, jobs: Sequence[Job]) -> None:
        """Others may have something to do now."""
        self.driver.notify()
        self._tell(kind, jobs)

    def _all_told(self, kind: EventKind, jobs: Iterable[Job]) -> int:
        """How many jobs these are, each of them told of."""
        number = 0
        for job in jobs:
            self._tell(kind, [job])
            number += 1
        self.driver.notify()
        return number

    def _told(self, happened: Iterable[tuple[EventKind, Job]]) -> None:
        self.driver.notify()
        for kind, job in happened if self.hooks else ():
            self._tell(kind, [job])
