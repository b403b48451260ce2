"""What waits the longest: the job that has been due for the longest, of all queues."""

from datetime import datetime

from ..seam.codec import decode_job
from ..seam.oldest import Oldest
from ..values.job import Job
from ..values.states import AwaitingRetry, Enqueued, Scheduled
from .board import Board

Waiting = tuple[datetime, Job]


def longest(board: Board) -> Waiting | None:
    """Since when, and which; None = nothing is due."""
    return board.looks.at("waiting", lambda: _longest(board))


def _longest(board: Board) -> Waiting | None:
    rows = board.storage.driver.scan(Oldest(board.storage.clock.micros()))
    waiting = [(since, job) for job in map(decode_job, rows) if (since := _since(job)) is not None]
    return min(waiting, key=lambda found: found[0], default=None)


def _since(job: Job) -> datetime | None:
    if job.damage is not None:
        return None
    match job.state:
        case (
            Enqueued(enqueued_at=since)
            | Scheduled(enqueue_at=since)
            | AwaitingRetry(retry_at=since)
        ):
            return since
    return None
