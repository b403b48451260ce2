"""What a storage answered when it was examined, not weighed yet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..values.job import Job
from ..values.schedule import Schedule
from ..values.states import Enqueued, due_since
from .servers import SILENT

LOOKED_AT = 100
"""Jobs that are looked at of each kind: available, oldest of a state, failed, lapsed."""


@attrs.frozen
class Facts:
    """What a storage answered. Spans are in seconds.

    ``ahead``: of the store's clock before this machine's. ``servers``: see ``servers.alive``.
    ``waiting``, ``failed``, ``lapsed``: some of each, the first those that nothing but their time
    keeps back, the last those whose lease has lapsed. ``looked_at`` jobs were read, ``damaged`` of
    them not in full, ``example`` for one. ``unreadable``: schedules, ``paused``:
    queues, by name.
    """

    now: datetime
    round_trip: float
    ahead: float
    counts: dict[str, int]
    servers: list[dict[str, Any]]
    waiting: list[Job]
    failed: list[Job]
    lapsed: list[Job]
    looked_at: int
    damaged: int
    example: Job | None
    connections: int | None
    schedules: Sequence[Schedule] = ()
    unreadable: Sequence[str] = ()
    paused: Sequence[str] = ()

    def alive(self) -> list[dict[str, Any]]:
        """The servers that gave a sign lately."""
        return [server for server in self.servers if server["silent_seconds"] <= SILENT]

    def taking(self) -> list[dict[str, Any]]:
        """Those of them that take jobs: who drains takes none."""
        return [server for server in self.alive() if server.get("draining") is not True]

    def due(self) -> list[tuple[float, Job]]:
        """The jobs a claim could take now, with how long they have waited, the longest first."""
        waits = [(self._waited(job), job) for job in self.waiting if job.damage is None]
        due = [(wait, job) for wait, job in waits if wait is not None]
        return sorted(due, key=lambda pair: -pair[0])

    def _waited(self, job: Job) -> float | None:
        """Seconds since a job could be claimed; None = it cannot."""
        if job.lease_expires_at is not None and job.lease_expires_at > self.now:
            return None
        since = due_since(job.state)
        if since is None or (since > self.now and not isinstance(job.state, Enqueued)):
            return None
        return (self.now - since).total_seconds()  # below 0 by a client's fast clock
