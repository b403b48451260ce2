"""When a burst is over."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol

from ..storage.claims import Batch
from ..storage.limits import Gates
from ..storage.storage import Storage
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import AwaitingRetry, Scheduled, StateKind
from ..values.times import from_micros, to_micros

FAR = timedelta(seconds=60)
"""A burst waits for what falls due within this time, and not for what comes later."""

LOOK = 500
"""Jobs whose rates are asked for at once."""


class Bursting(Protocol):
    """What is asked of a server."""

    storage: Storage
    queues: tuple[str, ...] | None


def nothing_soon(server: Bursting, batch: Batch, asked: datetime) -> bool:
    """Whether nothing of its queues falls due soon, seen from an empty ``batch`` that was ``asked``
    for then: what a rate has let go since is still to be claimed."""
    storage, queues = server.storage, server.queues
    soon = storage.now() + FAR
    if batch.next_due is None or batch.next_due > soon:
        return True
    # What falls due next may be another queue's, and so others' work.
    waits = (StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
    return queues is not None and not (
        any(_due(job) <= soon for queue in queues for job in storage.list(waits, queue=queue))
        or any(start <= soon for start in rated(storage, queues, asked))
    )


def rated(storage: Storage, queues: Sequence[str], asked: datetime) -> Iterator[datetime]:
    """When jobs that wait in these queues may start by their rates, which alone keep them back, or
    did when it was ``asked``."""
    now = to_micros(asked)
    for queue in queues:
        ready = storage.select(JobFilter(states=StateKind.ENQUEUED, queue=queue))
        limited = (job for job in ready if job.rate is not None)
        while jobs := list(islice(limited, LOOK)):
            gates = Gates(storage.driver, jobs, now)
            for closed in filter(None, map(gates.closed, jobs)):
                if closed.live is None and closed.opens_at is not None:
                    yield from_micros(closed.opens_at)


def _due(job: Job) -> datetime:
    state = job.state
    assert isinstance(state, Scheduled | AwaitingRetry)
    return state.enqueue_at if isinstance(state, Scheduled) else state.retry_at
