"""What hands do to one job at the same time: the operations whose schedules are explored.

Each is a function of a storage, or of the oracle, and of what its hand knows from the start.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import attrs

from ...values.job import Job
from ...values.notes import NO_NOTES
from ...values.schedule import Every, Schedule
from ...values.selection import JobFilter
from ...values.states import AwaitingRetry, Enqueued, Failed, Processing, Succeeded
from ...values.times import EPOCH

JOB, TWIN, KEY, SCHEDULE = "a", "b", "k", "s"
"""The id of the job, of another that asks for its unique key, that key; and of a schedule."""


@attrs.frozen
class Start:
    """What the hands know: the claims that were given, by the name of who has them, oldest first;
    the record as it was last seen; and a schedule, as ``Schedules.known`` gave it."""

    claims: Mapping[str, Job]
    seen: Job
    known: Any = None


Act = Callable[[Any, Start], Any]


def a_job(now: Any, job_id: str = JOB, **fields: Any) -> Job:
    """The job, not stored yet; it has the key, and two attempts."""
    given = {"unique_key": KEY, "max_retries": 1, **fields}
    return Job("task", id=job_id, created_at=now, **given)


def operations(start: Start, workers: Iterable[str]) -> dict[str, Act]:
    """All operations that make sense from there, by name: whoever may do them, the workers', and
    those of each claim, stale ones too."""
    found = dict(ANYBODYS)
    for worker in workers:
        found |= {f"{worker} {name}": partial(act, worker) for name, act in WORKERS.items()}
        if isinstance(start.seen.state, Enqueued):
            found[f"{worker} start"] = partial(_start, worker)
    for hand in start.claims:
        found |= {f"{hand} {name}": partial(act, hand) for name, act in CLAIMS.items()}
    if start.seen.expires_at is not None:
        found["expire"] = lambda storage, start: storage.expire()
    return found


def of_schedules(start: Start) -> dict[str, Act]:
    """What may be done about a schedule, and about the job of its last slot, by name."""
    found: dict[str, Act] = {
        **SCHEDULES,
        "w1 claim": partial(WORKERS["claim"], "w1"),
        "cancel all": ANYBODYS["cancel all"],
        "rescue": ANYBODYS["rescue"],
    }
    for hand in start.claims:
        found |= {f"{hand} {name}": partial(CLAIMS[name], hand) for name in ("succeed", "fail")}
        found |= {f"delete {hand}'s": partial(_delete, hand)}
    return found


def _delete(hand: str, storage: Any, start: Start) -> Any:
    return storage.delete(start.claims[hand].id)


def _update(storage: Any, start: Start) -> Any:
    return storage.update(attrs.evolve(start.seen, metadata={"note": 1}))


def _start(worker: str, storage: Any, start: Start) -> Any:
    """A claim by hand."""
    return storage.update(start.seen.with_state(Processing(storage.now(), worker, "by hand")))


def _retry_later(hand: str, storage: Any, start: Start) -> Any:
    now = storage.now()
    state = AwaitingRetry(now, now + timedelta(seconds=5), 1, "ValueError: later")
    return storage.finish(start.claims[hand], state)


TASKS = JobFilter(method="task")
"""All jobs but those that follow on others: between its look and its writes there may be more."""

ANYBODYS: dict[str, Act] = {
    "rescue": lambda storage, start: storage.rescue(),
    "cancel": lambda storage, start: storage.cancel(JOB, "not wanted"),
    "retry": lambda storage, start: storage.retry(JOB),
    "update": _update,
    "delete": lambda storage, start: storage.delete(JOB),
    "enqueue": lambda storage, start: storage.enqueue(a_job(storage.now())),
    "enqueue twin": lambda storage, start: storage.enqueue(a_job(storage.now(), TWIN)),
    "share with a twin": lambda storage, start: storage.enqueue(
        a_job(storage.now(), TWIN), on_conflict="existing"
    ),
    "put a twin in place": lambda storage, start: storage.enqueue(
        a_job(storage.now(), TWIN, arguments=["twin"]), on_conflict="replace"
    ),
    "purge": lambda storage, start: storage.purge(),
    "cancel all": lambda storage, start: storage.cancel_many(TASKS, "none of them"),
}
"""Whoever does them. "enqueue" has the job's id, the twins have another id and its key."""

WORKERS: dict[str, Callable[[str, Any, Start], Any]] = {
    "claim": lambda worker, storage, start: storage.fetch_available_jobs_atomic(worker),
    "lock": lambda worker, storage, start: storage.try_acquire_job_lock(JOB, worker, 60.0),
    "unlock": lambda worker, storage, start: storage.release_job_lock(JOB, worker),
}
"""Of a worker, by its name."""

CLAIMS: dict[str, Callable[[str, Any, Start], Any]] = {
    "succeed": lambda hand, storage, start: storage.finish(
        start.claims[hand], Succeeded(storage.now(), 1.0, {"by": hand})
    ),
    "fail": lambda hand, storage, start: storage.finish(
        start.claims[hand], Failed(storage.now(), "ValueError: no", "Traceback", 0)
    ),
    "retry later": _retry_later,
    "renew": lambda hand, storage, start: storage.renew([start.claims[hand]], 45.0),
    "release": lambda hand, storage, start: storage.release(start.claims[hand]),
    "note": lambda hand, storage, start: storage.note(
        start.claims[hand], NO_NOTES.with_progress(0.5, f"by {hand}", storage.now()), 45.0
    ),
}
"""Of a claim, live or stale, by the name of who has it: three ends, renewal, release, a note."""


def a_schedule(name: str = SCHEDULE, seconds: float = 10.0, **fields: Any) -> Schedule:
    """A schedule that is due every so many seconds."""
    job = Job("task", [name], id=name, created_at=EPOCH)
    return Schedule(name=name, rule=Every(seconds), job=job, **fields)


SCHEDULES: dict[str, Act] = {
    "issue": lambda storage, start: storage.schedules.issue(start.known),
    "pause": lambda storage, start: storage.schedules.pause(SCHEDULE),
    "resume": lambda storage, start: storage.schedules.resume(SCHEDULE),
    "remove": lambda storage, start: storage.schedules.remove(SCHEDULE),
    "put it again": lambda storage, start: storage.schedules.put(start.known.schedule),
    "put another": lambda storage, start: storage.schedules.put(a_schedule(seconds=7.0)),
}
"""Of servers, which issue a schedule as they know it, and of whoever changes it."""
