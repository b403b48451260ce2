"""Servers: who is at work, at what, and who is not heard of any more."""

from collections import defaultdict
from typing import Any

import attrs
from flask import Response, request

from ...seam.codec import decode_job
from ...seam.rows import PROCESSING, Page
from ...storage import servers as known
from ...values.job import Job
from ...values.states import Processing
from .. import answering, paths
from ..board import Board
from .jobs import Line, lines

RUNNING = 200
"""Of all that run, so many are listed."""


@attrs.frozen
class Server:
    """What a server says of itself; what of it is not there, or not as it should be, is "?"."""

    name: str
    threads: Any
    running: Any
    queues: str
    host: str
    pid: Any
    draining: bool
    silent: bool
    silent_seconds: float
    late_threads: Any
    late: list[dict[str, Any]]
    jobs: list[Line] = attrs.field(factory=list)


def described(board: Board) -> list[Server]:
    """The servers, those at work first."""
    found = board.looks.at("servers", lambda: known.alive(board.storage))
    return sorted(map(_server, found), key=lambda one: (one.silent, one.name))


def _server(facts: dict[str, Any]) -> Server:
    told, silent = facts.get("late"), facts["silent_seconds"]
    late = told if isinstance(told, list) else []
    return Server(
        name=str(facts["name"]),
        threads=facts.get("threads", "?"),
        running=facts.get("running", "?"),
        queues=_queues(facts.get("queues"), facts.get("reserved")),
        host=str(facts.get("host", "?")),
        pid=facts.get("pid"),
        draining=facts.get("draining") is True,
        silent=silent > known.SILENT,
        silent_seconds=silent,
        late_threads=facts.get("late_threads"),
        late=[_late(run) for run in late if isinstance(run, dict)],
    )


def _late(run: dict[str, Any]) -> dict[str, Any]:
    seconds = run.get("seconds")
    known = isinstance(seconds, int | float) and abs(seconds) < 1e12
    return {
        "job": str(run.get("job", "")),
        "method": str(run.get("method", "?")),
        "seconds": seconds if known else 0,
    }


def _queues(queues: object, reserved: object) -> str:
    if not isinstance(queues, list):
        return "every queue"
    shares = reserved if isinstance(reserved, dict) else {}
    names = map(str, queues)
    return ", ".join(f"{one} ({shares[one]})" if one in shares else one for one in names)


def servers(board: Board) -> Response:
    """The page."""
    running = board.looks.at("running", lambda: _running(board))
    now = board.storage.now()
    by_worker: dict[str, list[Job]] = defaultdict(list)
    for job in running:
        if isinstance(job.state, Processing):
            by_worker[job.state.worker_id].append(job)
    found = [
        attrs.evolve(one, jobs=lines(board, by_worker[one.name], now)) for one in described(board)
    ]
    return answering.page(board, "servers.html", servers=found)


def _running(board: Board) -> list[Job]:
    return list(map(decode_job, board.storage.driver.scan(Page((PROCESSING,), limit=RUNNING))))


def drain(board: Board) -> Response:
    """Ask a server to claim nothing more, and to end when what runs has ended."""
    name = request.form.get("name", "")
    asked = known.ask_to_drain(board.storage, name)
    board.looks.forget()
    if not asked:
        return answering.done(
            board, f"There is no server {name} any more.", paths.to("servers"), well=False
        )
    message = f"{name} drains: it claims nothing more, and ends when what runs has ended."
    return answering.done(board, message, paths.to("servers"))
