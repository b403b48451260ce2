"""What waits the longest: of all that could start now, and of each queue."""

from datetime import datetime

from ..seam.codec import decode_job
from ..seam.rows import Available
from ..values.job import Job
from ..values.states import AwaitingRetry, Enqueued, Scheduled
from .board import Board

LOOKED_AT = 200
"""Of the jobs that are to be claimed next, so many are looked at."""

Waiting = tuple[datetime, Job]


def oldest(board: Board) -> dict[str, Waiting]:
    """Of each queue the job that waits the longest, and since when; of queues that are not among
    those to be claimed next there is none."""
    return board.looks.at("waiting", lambda: _oldest(board))


def _oldest(board: Board) -> dict[str, Waiting]:
    now = board.storage.clock.micros()
    found: dict[str, Waiting] = {}
    for job in map(decode_job, board.storage.driver.scan(Available(now, LOOKED_AT))):
        since = _since(job)
        if since is not None and (job.queue not in found or since < found[job.queue][0]):
            found[job.queue] = (since, job)
    return found


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
