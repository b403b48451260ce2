"""One store, drained by ever more processes at once; no job may be started twice."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import NamedTuple

from qml import Job, StateKind, connect

from ..contest import child
from ..loops import BATCH, PAYLOAD, THREADS
from ..stores import Store
from ..table import rate, table
from . import drainer
from .timing import lower

PAUSE = 0.01
"""Seconds between two looks whether all is done."""


class Size(NamedTuple):
    """How many processes, the fewest first; how many jobs, and how often."""

    processes: Sequence[int]
    jobs: int
    rounds: int


SIZES = {
    "quick": Size((1, 2), 100, 1),
    "usual": Size((1, 2, 4), 10_000, 1),
    "long": Size((1, 2, 4, 8), 50_000, 3),
}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table; whether every job was started once."""
    rows, kept = [], True
    for processes in size.processes:
        row = [f"{processes}"]
        for store in stores:
            turns = [drain(store, processes, size.jobs) for _ in range(size.rounds)]
            row.append(rate(size.jobs / lower([turn.seconds for turn in turns])))
            kept = kept and all(turn.starts == size.jobs for turn in turns)
        rows.append(row)
    title = f"{size.jobs:,} jobs drained by processes of {THREADS} threads: jobs/s"
    print(table(title, ["processes", *(store.name for store in stores)], rows))
    print(f"Each job was {'' if kept else 'NOT '}started once\n", flush=True)
    return kept


class Drained(NamedTuple):
    """How long it took, and how many starts there were."""

    seconds: float
    starts: int


def drain(store: Store, processes: int, jobs: int) -> Drained:
    """From the word to go until the last outcome is recorded."""
    with store.new() as url, connect(url) as storage, ExitStack() as running:
        for start in range(0, jobs, BATCH):
            some = min(BATCH, jobs - start)
            storage.enqueue_many(Job(drainer.NAME, [PAYLOAD]) for _ in range(some))
        servers = [running.enter_context(child(url, drainer.__name__)) for _ in range(processes)]
        for server in servers:
            assert server.stdout is not None
            server.stdout.readline()
        begun = time.perf_counter()
        for server in servers:
            assert server.stdin is not None
            server.stdin.write("go\n")
            server.stdin.flush()
        while storage.get_job_counts()[StateKind.SUCCEEDED] < jobs:
            time.sleep(PAUSE)
        seconds = time.perf_counter() - begun
        return Drained(seconds, sum(int(server.communicate()[0]) for server in servers))
