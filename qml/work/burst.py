"""When a burst is over."""

from datetime import datetime, timedelta
from typing import Protocol

from ..storage.claims import Batch
from ..storage.storage import Storage
from ..values.job import Job
from ..values.states import AwaitingRetry, Scheduled, StateKind

FAR = timedelta(seconds=60)
"""A burst waits for what falls due within this time, and not for what comes later."""


class Bursting(Protocol):
    """What is asked of a server."""

    storage: Storage
    queues: tuple[str, ...] | None


def nothing_soon(server: Bursting, batch: Batch) -> bool:
    """Whether nothing of its queues falls due soon, seen from an empty ``batch``."""
    storage, queues = server.storage, server.queues
    soon = storage.now() + FAR
    if batch.next_due is None or batch.next_due > soon:
        return True
    # What falls due next may be another queue's, and so others' work.
    waits = (StateKind.SCHEDULED, StateKind.AWAITING_RETRY)
    return queues is not None and not any(
        _due(job) <= soon for queue in queues for job in storage.list(waits, queue=queue)
    )


def _due(job: Job) -> datetime:
    state = job.state
    assert isinstance(state, Scheduled | AwaitingRetry)
    return state.enqueue_at if isinstance(state, Scheduled) else state.retry_at
