"""A server's step in the calling thread: for tests, and for simulations."""

from typing import TYPE_CHECKING

from .child import end_if_unguarded
from .executor import Outcome
from .runs import Run

if TYPE_CHECKING:
    from .server import Server


def step(server: "Server") -> int:
    """Claim, run and record what fits the threads; how many ran. An exception that is for the
    program or the test is raised, once the attempt is recorded."""
    end_if_unguarded()
    runs = _take(server)
    ended: list[tuple[Run, Outcome]] = []
    try:
        for run in runs:
            ended.append((run, server.execute(run)))
            if run.interrupt is not None:
                raise run.interrupt
    finally:
        server.finisher.record(ended)
        server.hand_back(runs[len(ended) :])
    return len(runs)


def _take(server: "Server") -> list[Run]:
    runs: list[Run] = []
    for share in server.shares if not server.draining else ():
        taken = len(server.runs) + server.finisher.recorded
        if free := server.retirement.room(share.pool.size, 0, taken)[0]:
            runs += server.claimer.take(free, 0, share.queues)[1]
    return runs
