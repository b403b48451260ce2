"""Where the job stands when the hands reach for it: the situations that schedules start from."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs

from ...values.clock import ManualClock
from ...values.errors import ConfigurationError
from ...values.followup import Followup
from ...values.job import Job
from ...values.retention import Retention
from ...values.states import AwaitingRetry, Failed, Scheduled, Succeeded
from .operations import (
    JOB,
    SCHEDULE,
    TWIN,
    Act,
    Start,
    a_job,
    a_schedule,
    of_schedules,
    operations,
)

DAY = 86_400.0


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
        job: Job = self.storage.fetch_and_lock_job(worker)
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


Claims = dict[str, Job]


def waiting(at: Setting) -> Claims:
    """Enqueued; w1 had it once and handed it back."""
    claim = at.running()
    at.storage.release(claim)
    return {"w1": claim}


def scheduled(at: Setting) -> Claims:
    """Scheduled and due; w1 had an earlier job of the same id, which was deleted."""
    claim = at.running()
    at.storage.delete(JOB)
    at.add(state=Scheduled(at.clock.now(), at.later(5)))
    at.clock.advance(5)
    return {"w1": claim}


def awaiting(at: Setting) -> Claims:
    """Awaiting its retry, not due yet; the outcome of w1, whose stale hand may send it again."""
    claim = at.running()
    state = AwaitingRetry(at.clock.now(), at.later(5), 1, "ValueError: later")
    at.storage.finish(claim, state)
    return {"w1": claim}


def claimed(at: Setting) -> Claims:
    """Claimed by w1, the lease live."""
    return {"w1": at.running()}


def claimed_key_free(at: Setting) -> Claims:
    """Claimed by w1, the lease live; its unique key was for as long as it waited, and is free."""
    return {"w1": at.running(unique_while="queued")}


def lapsed(at: Setting) -> Claims:
    """Claimed by w1, whose lease has just lapsed."""
    return {"w1": at.lapsed()}


def lapsed_for_good(at: Setting) -> Claims:
    """Claimed by w1, whose lease has just lapsed, and which was the only attempt; another job
    follows on its failure."""
    return {"w1": at.lapsed(max_retries=0, on_failure=Followup("after"))}


def claimed_again(at: Setting) -> Claims:
    """Claimed by w1, lapsed, rescued, and claimed by w2: the hand of w1 is stale."""
    first = at.rescued()
    return {"w1": first, "w2": at.claim("w2")}


def claimed_again_by_the_same(at: Setting) -> Claims:
    """Claimed by w1, lapsed, rescued, and claimed by w1 again: its first hand is stale."""
    first = at.rescued()
    return {"w1": first, "w1 again": at.claim("w1")}


def cancelled(at: Setting) -> Claims:
    """Cancelled while w1 runs it; the lease lives until that run ends."""
    claim = at.running()
    at.storage.cancel(JOB)
    return {"w1": claim}


def cancelled_lapsed(at: Setting) -> Claims:
    """Cancelled while w1 ran it, and its lease has lapsed; the run has not told its end."""
    claim = at.running()
    at.storage.cancel(JOB)
    at.clock.advance(30)
    return {"w1": claim}


def succeeded(at: Setting) -> Claims:
    """Succeeded by w1, long enough ago to be purged."""
    claim = at.running()
    at.storage.finish(claim, Succeeded(at.clock.now(), 1.0, {"by": "w1"}))
    at.clock.advance(7 * DAY)
    return {"w1": claim}


def failed(at: Setting) -> Claims:
    """Failed by w1, long enough ago to be purged."""
    claim = at.running()
    at.storage.finish(claim, Failed(at.clock.now(), "ValueError: no", "Traceback", 0))
    at.clock.advance(90 * DAY)
    return {"w1": claim}


def failed_key_taken(at: Setting) -> Claims:
    """Failed by w1; a twin waits and has its unique key until it is claimed."""
    claim = at.running()
    at.storage.finish(claim, Failed(at.clock.now(), "ValueError: no", "Traceback", 0))
    at.add(TWIN, unique_while="queued")
    return {"w1": claim}


def locked(at: Setting) -> Claims:
    """Enqueued and locked by a third, w3; w1 had it once and handed it back."""
    claims = waiting(at)
    at.storage.try_acquire_job_lock(JOB, "w3", 60.0)
    return claims


def gone(at: Setting) -> Claims:
    """Not there: claimed by w1 and deleted meanwhile."""
    claim = at.running()
    at.storage.delete(JOB)
    return {"w1": claim}


def expired(at: Setting) -> Claims:
    """Enqueued, and its time has just passed; w1 had it once and handed it back."""
    claim = at.running(expires_at=at.later(5))
    at.storage.release(claim)
    at.clock.advance(5)
    return {"w1": claim}


def failed_with_a_time_of_its_own(at: Setting) -> Claims:
    """Failed by w1, and its own retention is just over."""
    claim = at.running(retention=Retention(succeeded=1, deleted=1, failed=5))
    at.storage.finish(claim, Failed(at.clock.now(), "ValueError: no", "Traceback", 0))
    at.clock.advance(5)
    return {"w1": claim}


def slot_due(at: Setting) -> Claims:
    """A schedule makes up for all that it missed: three of its slots have come."""
    at.storage.schedules.put(a_schedule(catch_up="all"))
    at.clock.advance(30)
    return {}


def slot_due_while_the_one_before_runs(at: Setting) -> Claims:
    """A slot of a schedule has come that must not overlap; w1 runs the job of the one before."""
    at.storage.schedules.put(a_schedule(overlap=False))
    at.clock.advance(10)
    at.storage.schedules.issue(at.storage.schedules.known(SCHEDULE))
    claim = at.claim()
    at.clock.advance(10)
    return {"w1": claim}


@attrs.frozen
class Situation:
    """A start by name: ``prepare`` brings an empty storage or oracle there."""

    name: str
    text: str
    steps: Callable[[Setting], Claims]
    workers: tuple[str, str]

    def prepare(self, storage: Any, clock: ManualClock) -> Start:
        """Bring the job there; what the hands know."""
        claims = self.steps(Setting(storage, clock))
        seen = storage.get(JOB) or claims.get("w1") or a_job(clock.now())
        schedules = getattr(storage, "schedules", None)
        return Start(claims, seen, schedules and schedules.known(SCHEDULE))

    def operations(self, start: Start) -> dict[str, Act]:
        """What may be done from there, by name."""
        return operations(start, self.workers) if start.known is None else of_schedules(start)


def _situation(steps: Callable[[Setting], Claims]) -> Situation:
    text = " ".join((steps.__doc__ or "").split())
    workers = ("w1", "w3") if steps is locked else ("w1", "w2")
    return Situation(steps.__name__.replace("_", " "), text, steps, workers)


SITUATIONS: dict[str, Situation] = {
    one.name: one
    for one in map(
        _situation,
        (
            *(waiting, scheduled, awaiting, claimed, claimed_key_free, lapsed, lapsed_for_good),
            *(claimed_again, claimed_again_by_the_same, cancelled, cancelled_lapsed),
            *(succeeded, failed, failed_key_taken, locked, gone),
            *(expired, failed_with_a_time_of_its_own),
            *(slot_due, slot_due_while_the_one_before_runs),
        ),
    )
}
"""Every situation, by name."""


def situation(name: str) -> Situation:
    """The situation of this name; ConfigurationError names those that are there."""
    found = SITUATIONS.get(name)
    if found is None:
        raise ConfigurationError(f"there is no situation {name!r}; there are {[*SITUATIONS]}")
    return found
