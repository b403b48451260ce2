"""What a server shows of itself in the store: that it lives, and what it is at."""

import os
import socket
from typing import Any, Protocol

from ..storage import servers
from ..storage.storage import Storage
from .runs import Run, Runs
from .shares import Division

LATE_TOLD = 10
"""Late runs that are named; they are few, or something is very wrong."""


class Present(Protocol):
    """What others may know of a server."""

    storage: Storage
    worker_id: str
    division: Division
    runs: Runs

    @property
    def draining(self) -> bool:
        """Whether it claims nothing more."""
        ...


def beat(server: Present) -> None:
    """Write it down."""
    servers.beat(server.storage, server.worker_id, facts(server))


def is_told_to_drain(server: Present) -> bool:
    """Whether somebody has asked it to, and it does not yet."""
    return not server.draining and servers.is_to_drain(server.storage, server.worker_id)


def facts(server: Present) -> dict[str, Any]:
    """Where it runs, its threads and queues, how many jobs it holds, whether it drains, and which
    threads are late beyond their jobs' time limits: the longest first."""
    late = sorted(map(_late, server.runs.late()), key=lambda told: -told["seconds"])
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "threads": server.division.threads,
        "queues": server.division.queues,
        "reserved": server.division.reserved,
        "running": len(server.runs),
        "draining": server.draining,
        "late_threads": len(late),
        "late": late[:LATE_TOLD],
    }


def _late(run: Run) -> dict[str, Any]:
    since = run.steady() - (run.deadline or 0.0)
    return {"job": run.job.id, "method": run.job.method, "seconds": round(since, 3)}
