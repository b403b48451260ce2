"""What a server shows of itself in the store: that it lives, and what it is at."""

import os
import platform
import socket
from typing import Any, Protocol

from .._version import __version__
from ..storage import servers
from ..storage.storage import Storage
from . import neighbours
from .runs import Run, Runs
from .shares import Division

LATE_TOLD = 10
"""Late runs that are named; they are few, or something is very wrong."""

RUNS_TOLD = 50
"""Runs that are named, the longest first."""


class Present(Protocol):
    """What others may know of a server; ``pid``: of the process that made it."""

    storage: Storage
    worker_id: str
    pid: int
    division: Division
    runs: Runs

    @property
    def draining(self) -> bool:
        """Whether it claims nothing more."""
        ...

    def drain(self) -> None:
        """Claim nothing more."""
        ...


def beat(server: Present) -> list[dict[str, Any]]:
    """Write it down; what all servers tell."""
    server.runs.late_is_news = False
    return servers.beat(server.storage, server.worker_id, facts(server))


def take_orders(server: Present) -> bool:
    """Drain from now on, if somebody has asked for that. Whether there is something to write down
    at once: this, or that other threads are late than it told of."""
    asked = not server.draining and servers.is_to_drain(server.storage, server.worker_id)
    if asked:
        server.drain()
    return asked or server.runs.late_is_news


def facts(server: Present) -> dict[str, Any]:
    """Where it runs, and as what process, its threads and queues, how many jobs it holds, and which
    of them have begun, whether it drains, and which threads are late beyond their jobs' time
    limits: those of the longest first. ``seconds`` since a run began; of a late one, since its time
    was over."""
    late = sorted(map(_late, server.runs.late()), key=lambda told: -told["seconds"])
    begun = [
        run
        for run in server.runs.held()
        if run.started_at is not None and not (run.ended or run.overdue)
    ]
    runs = sorted(map(_told, begun), key=lambda told: -told["seconds"])
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        # Made before a fork, it may be started by several processes under this name.
        **(neighbours.facts() if server.pid == os.getpid() else {}),
        "qml": __version__,
        "python": platform.python_version(),
        "threads": server.division.threads,
        "queues": server.division.queues,
        "reserved": server.division.reserved,
        "running": len(server.runs),
        "runs": runs[:RUNS_TOLD],
        "draining": server.draining,
        "late_threads": len(late),
        "late": late[:LATE_TOLD],
    }


def _told(run: Run) -> dict[str, Any]:
    since = run.steady() - (run.started_at or 0.0)
    job = run.job
    return {"job": job.id, "method": job.method, "queue": job.queue, "seconds": round(since, 3)}


def _late(run: Run) -> dict[str, Any]:
    since = run.steady() - (run.deadline or 0.0)
    return {"job": run.job.id, "method": run.job.method, "seconds": round(since, 3)}
