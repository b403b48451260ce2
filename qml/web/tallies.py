"""Queues with their jobs by state: one question for each state, however many queues there are."""

from datetime import datetime

import attrs

from ..seam.rows import Page
from ..values.states import StateKind
from .board import Board


@attrs.frozen
class Queue:
    """A queue by ``name``, since when it is paused (None = it is not), its jobs by state."""

    name: str
    paused_at: datetime | None
    counts: dict[StateKind, int]


def queues(board: Board) -> list[Queue] | None:
    """The queues by name; None = they are still being counted."""
    return board.looks.soon("queues", lambda: _queues(board))


def names(board: Board) -> list[str]:
    """The names of queues, as far as they are known without asking."""
    return [queue.name for queue in board.looks.known("queues") or ()]


def _queues(board: Board) -> list[Queue]:
    count, paused = board.storage.driver.count, board.storage.queues.paused()
    by_state = {kind: count(Page((kind.value,)), "queue") for kind in StateKind}
    known = {name for counts in by_state.values() for name in counts}
    return [
        Queue(name, paused.get(name), {kind: by_state[kind].get(name, 0) for kind in StateKind})
        for name in sorted(known | set(paused))
    ]
