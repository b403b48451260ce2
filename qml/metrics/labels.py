"""Labels of which there are few, whatever is enqueued."""

from collections.abc import Container

OTHER = "other"
"""What all those are called together that have no label of their own."""

MOST = 100
"""Queues that have one; a few more may, where threads meet new ones at the same moment."""


class Labels:
    """The labels of jobs. ``tasks``: those of the app, by name. It has no lock that a fork might
    leave held."""

    def __init__(self, tasks: Container[str]) -> None:
        self._tasks = tasks
        self._queues: set[str] = set()

    def task(self, method: str) -> str:
        """That of a method: its name, if it is a task of the app."""
        return method if method in self._tasks else OTHER

    def queue(self, name: str) -> str:
        """That of a queue: its name, if it is one of the first ``MOST`` that were met."""
        if name not in self._queues:
            if len(self._queues) >= MOST:
                return OTHER
            self._queues.add(name)
        return name

    def queues(self) -> list[str]:
        """Those that queues have by now."""
        return sorted(self._queues.copy())
