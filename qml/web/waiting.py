"""What waits the longest: the job that has been due for the longest, of all queues."""

from datetime import datetime

from ..seam.codec import decode_job
from ..seam.oldest import Oldest
from ..values.job import Job
from ..values.states import due_since
from .board import Board

Waiting = tuple[datetime, Job]


def longest(board: Board) -> Waiting | None:
    """Since when, and which; None = nothing is due."""
    return board.looks.at("waiting", lambda: _longest(board))


def _longest(board: Board) -> Waiting | None:
    rows = board.storage.driver.scan(Oldest(board.storage.clock.micros()))
    read = [job for job in map(decode_job, rows) if job.damage is None]
    waiting = [(since, job) for job in read if (since := due_since(job.state)) is not None]
    return min(waiting, key=lambda found: found[0], default=None)
