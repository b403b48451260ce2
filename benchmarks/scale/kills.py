"""How long a job waits whose server was killed, until it starts again on another."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from subprocess import Popen
from typing import NamedTuple

from qml import Qml

from ..contest import child
from ..stores import Store
from ..table import table
from . import victim

HERE = "on this machine"
WAYS = (HERE, victim.ELSEWHERE)
SETTLED = 12.0
"""Seconds after which servers of a machine know of each other: a heartbeat, and a little."""


class Size(NamedTuple):
    """How many are killed, at moments spread over so many seconds; and for how long a claim lasts
    that nobody renews."""

    kills: int
    spread: float
    lease: float
    settled: float = SETTLED


SIZES = {
    "quick": Size(1, 0.0, 1.0, 0.0),
    "usual": Size(3, 3.0, 5.0),
    "long": Size(9, 30.0, 30.0),
}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table; whether no job waited longer than a lease and two seconds."""
    rows, kept = [], True
    for store in stores:
        for way in WAYS:
            taken = measure(store, way, size)
            told = (statistics.median(taken), max(taken))
            rows.append([f"{store.name}, {way}", *(f"{seconds:.2f}" for seconds in told)])
            kept = kept and max(taken) <= size.lease + 2
    title = f"From the kill to the next start, {size.kills} kills, lease {size.lease:g} s"
    print(table(title, ["seconds", "median", "worst"], rows), flush=True)
    return kept


def measure(store: Store, way: str, size: Size) -> list[float]:
    """Seconds from each kill to the start of the job on the server that is left."""
    with store.new() as url, ExitStack() as running, Qml(url) as jobs:

        def serve(way: str, threads: int) -> "Popen[str]":
            arguments = (way, str(size.lease), str(threads))
            server = running.enter_context(child(url, victim.__name__, *arguments))
            _line(server)
            return server

        task = jobs.task(name=victim.NAME)(victim.note)
        victims = []
        for number in range(size.kills):
            victims.append(serve(way, 1))
            task.enqueue(number)
            _started(victims[-1])
        heir = serve(HERE, size.kills)
        time.sleep(size.settled)
        killed = [_kill(server, size.spread / size.kills) for server in victims]
        found = dict(_started(heir) for _ in victims)
        heir.communicate()
        return [found[number] - at for number, at in enumerate(killed)]


def _kill(server: "Popen[str]", pause: float) -> float:
    """After a pause; when it was."""
    time.sleep(pause)
    server.kill()
    return time.monotonic()


def _started(server: "Popen[str]") -> tuple[int, float]:
    number, at = _line(server).split()
    return int(number), float(at)


def _line(server: "Popen[str]") -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    assert line, "a server ended"
    return line
