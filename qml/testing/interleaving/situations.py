"""Where the job stands when the hands reach for it: the situations that schedules start from."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs

from ...values.clock import ManualClock
from ...values.errors import ConfigurationError
from ...values.followup import Followup
from ...values.retention import Retention
from ...values.states import AwaitingRetry, Failed, Scheduled, Succeeded
from . import together
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
from .setting import Claims, Setting

DAY = 86_400.0


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


Acts = Callable[[Start], dict[str, Act]]


@attrs.frozen
class Situation:
    """A start by name: ``prepare`` brings an empty storage or oracle there; ``operations`` may be
    done from there, by name."""

    name: str
    text: str
    steps: Callable[[Setting], Claims]
    operations: Acts

    def prepare(self, storage: Any, clock: ManualClock) -> Start:
        """Bring the job there; what the hands know."""
        claims = self.steps(Setting(storage, clock))
        seen = storage.get(JOB) or claims.get("w1") or a_job(clock.now())
        schedules = getattr(storage, "schedules", None)
        return Start(claims, seen, schedules and schedules.known(SCHEDULE))


def _situation(steps: Callable[[Setting], Claims], acts: Acts) -> Situation:
    text = " ".join((steps.__doc__ or "").split())
    return Situation(steps.__name__.replace("_", " "), text, steps, acts)


_OF_ONE_JOB = partial(operations, workers=("w1", "w2"))

SITUATIONS: dict[str, Situation] = {
    one.name: one
    for one in (
        *(
            _situation(steps, _OF_ONE_JOB)
            for steps in (
                *(waiting, scheduled, awaiting, claimed, claimed_key_free, lapsed, lapsed_for_good),
                *(claimed_again, claimed_again_by_the_same, cancelled, cancelled_lapsed),
                *(succeeded, failed, failed_key_taken, gone),
                *(expired, failed_with_a_time_of_its_own),
            )
        ),
        _situation(locked, partial(operations, workers=("w1", "w3"))),
        _situation(slot_due, of_schedules),
        _situation(slot_due_while_the_one_before_runs, of_schedules),
        *(_situation(steps, acts) for steps, acts in together.SITUATIONS),
    )
}
"""Every situation, by name."""


def situation(name: str) -> Situation:
    """The situation of this name; ConfigurationError names those that are there."""
    found = SITUATIONS.get(name)
    if found is None:
        raise ConfigurationError(f"there is no situation {name!r}; there are {[*SITUATIONS]}")
    return found


def named(names: Iterable[str]) -> list[Situation]:
    """The situations of these names, one at least."""
    listed = isinstance(names, Iterable) and not isinstance(names, str)
    found = [situation(name) for name in names] if listed else []
    if not found:
        raise ConfigurationError(
            f"situations is {names!r}; give a list of one or more of {[*SITUATIONS]}"
        )
    return found
