"""Queues as pages show them: counted once for all who look, and not waited for if that is dear."""

from ..storage.queues import Queue
from .board import Board

KEY = "queues"


def queues(board: Board) -> list[Queue] | None:
    """The queues by name; None = they are still being counted."""
    return board.looks.soon(KEY, board.storage.queues.list)


def names(board: Board) -> list[str]:
    """The names of queues, as far as they are known without asking."""
    return [queue.name for queue in board.looks.known(KEY) or ()]
