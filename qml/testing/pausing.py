"""The oracle's queues: those that are paused, and since when."""

from datetime import datetime

import attrs

from ..values.states import StateKind
from .table import Table, need_name


@attrs.frozen
class Queue:
    """A queue, since when it is paused, and its jobs by state."""

    name: str
    paused_at: datetime | None
    counts: dict[StateKind, int]


class Queues:
    """The queues of a table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def pause(self, name: str) -> None:
        """No claim takes from it."""
        need_name("queue", name)
        self._table.paused.setdefault(name, self._table.now())

    def resume(self, name: str) -> bool:
        """Claims take from it again."""
        need_name("queue", name)
        return self._table.paused.pop(name, None) is not None

    def paused(self) -> dict[str, datetime]:
        """Those that are paused, and since when."""
        return dict(self._table.paused)

    def list(self) -> list[Queue]:
        """Each queue that has jobs or is paused, since when it is paused, its jobs by state."""
        jobs = [entry.job for entry in self._table.entries]
        found = []
        for name in sorted({job.queue for job in jobs} | set(self._table.paused)):
            kinds = [job.state.kind for job in jobs if job.queue == name]
            counts = {kind: kinds.count(kind) for kind in StateKind}
            found.append(Queue(name, self._table.paused.get(name), counts))
        return found
