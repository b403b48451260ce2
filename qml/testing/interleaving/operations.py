"""What hands do to one job at the same time: the operations whose schedules are explored.

Each is a function of a storage, or of the oracle, and of what its hand knows from the start.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import attrs

from ...values.job import Job
from ...values.states import AwaitingRetry, Enqueued, Failed, Processing, Succeeded

JOB, TWIN, KEY = "a", "b", "k"
"""The id of the job, of another that asks for its unique key, and that key."""


@attrs.frozen
class Start:
    """What the hands know: the claims that were given, by the name of who has them, oldest first;
    and the record as it was last seen."""

    claims: Mapping[str, Job]
    seen: Job


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
    return found


def _update(storage: Any, start: Start) -> Any:
    return storage.update(attrs.evolve(start.seen, metadata={"note": 1}))


def _start(worker: str, storage: Any, start: Start) -> Any:
    """A claim by hand."""
    return storage.update(start.seen.with_state(Processing(storage.now(), worker, "by hand")))


def _retry_later(hand: str, storage: Any, start: Start) -> Any:
    now = storage.now()
    state = AwaitingRetry(now, now + timedelta(seconds=5), 1, "ValueError: later")
    return storage.finish(start.claims[hand], state)


ANYBODYS: dict[str, Act] = {
    "rescue": lambda storage, start: storage.rescue(),
    "cancel": lambda storage, start: storage.cancel(JOB, "not wanted"),
    "retry": lambda storage, start: storage.retry(JOB),
    "update": _update,
    "delete": lambda storage, start: storage.delete(JOB),
    "enqueue": lambda storage, start: storage.enqueue(a_job(storage.now())),
    "enqueue twin": lambda storage, start: storage.enqueue(a_job(storage.now(), TWIN)),
    "purge": lambda storage, start: storage.purge(),
}
"""Whoever does them. "enqueue" has the job's id, "enqueue twin" another id and its key."""

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
}
"""Of a claim, live or stale, by the name of who has it: its three ends, renewal, release."""
