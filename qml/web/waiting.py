"""What waits the longest: the job that has been due for the longest, of all queues."""

from ..storage.queues import Waiting
from .board import Board


def longest(board: Board) -> Waiting | None:
    """Since when, and which; None = nothing is due."""
    return board.looks.at("waiting", lambda: _longest(board))


def _longest(board: Board) -> Waiting | None:
    waiting = board.storage.queues.longest_waiting().values()
    return min(waiting, key=lambda found: found.since, default=None)
