"""From the call of enqueue to the start of the task, on a server with nothing else to do."""

import contextlib
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from qml import Qml, Task

from .bare import trip
from .contest import child
from .loops import PAYLOAD, THREADS, URL
from .stores import Store
from .table import table

PAUSE = 0.03


class Trip(NamedTuple):
    """Seconds in the call of enqueue, after which the job is on the disk, and from the call to the
    start of the job. The start may come before the call has returned."""

    call: float
    start: float


def _app(url: str) -> tuple[Qml, Task[[str], float]]:
    jobs = Qml(url)

    @jobs.task(name="started")
    def started(text: str) -> float:
        return time.monotonic()

    return jobs, started


def serve(url: str) -> None:
    """A server, until its standard input ends."""
    jobs, _ = _app(url)
    with jobs, jobs.server(threads=THREADS):
        print("ready", flush=True)
        sys.stdin.read()


Trips = Callable[[int], list[Trip]]
"""Takes so many, one after another."""


def trips(jobs: Qml, started: "Task[[str], float]", size: int) -> list[Trip]:
    """Jobs with a pause between."""
    return [_trip(jobs, started) for _ in range(size)]


def _trip(jobs: Qml, started: "Task[[str], float]") -> Trip:
    _pause()
    begun = time.monotonic()
    job = started.enqueue(PAYLOAD)
    stored = time.monotonic()
    _pause()  # who asked for the result at once would be in the job's way
    return Trip(stored - begun, jobs.result(job, 30) - begun)


def _pause() -> None:
    time.sleep(random.uniform(0.5, 1.5) * PAUSE)


def _bare_trip(way: trip.Way) -> Trip:
    _pause()
    return Trip(*way.go())


@contextlib.contextmanager
def bare(store: Store) -> Iterator[Trips]:
    """The database's own driver and three threads, without any queue."""
    with store.new() as url, trip.way(url) as way:
        yield lambda size: [_bare_trip(way) for _ in range(size)]


@contextlib.contextmanager
def within(store: Store) -> Iterator[Trips]:
    """Jobs are enqueued by the server's own process."""
    with store.new() as url:
        jobs, started = _app(url)
        with jobs, jobs.server(threads=THREADS):
            yield partial(trips, jobs, started)


@contextlib.contextmanager
def across(store: Store) -> Iterator[Trips]:
    """They are enqueued by another process than the server's."""
    with store.new() as url, child(url, __name__) as server:
        assert server.stdout is not None
        server.stdout.readline()
        jobs, started = _app(url)
        with jobs:
            yield partial(trips, jobs, started)
        server.communicate()


def show(stores: Sequence[Store], size: int, idle_before: float = 0.0) -> None:
    """Measure and print a table: across processes, and bare, where a store is shared. With
    ``idle_before``, all begin with a job, sit idle so many seconds together, and only then take
    the jobs that are told of."""
    with contextlib.ExitStack() as running:
        ways = {name: running.enter_context(way) for name, way in _ways(stores)}
        if idle_before:
            for take in ways.values():
                take(1)
            time.sleep(idle_before)
        rows = [row for name, take in ways.items() for row in _rows(name, take(size))]
    title = f"Latency of an idle server of {THREADS} threads, {size} jobs"
    title += f", after {idle_before:g} s without any" * bool(idle_before)
    print(table(title, ["", "p50 ms", "p99 ms", "worst ms", "first ms"], rows), flush=True)


def _ways(
    stores: Sequence[Store],
) -> Iterator[tuple[str, contextlib.AbstractContextManager[Trips]]]:
    for store in stores:
        yield f"{store.name}, in one process", within(store)
        if store.shared:
            yield f"{store.name}, across processes", across(store)
            yield f"{store.name}, bare, in one process", bare(store)


def _rows(name: str, taken: Sequence[Trip]) -> Iterator[list[str]]:
    yield _row(f"{name}: the call of enqueue", [trip.call for trip in taken])
    yield _row("   from the call to the start", [trip.start for trip in taken])
    yield _row("   from its return to the start", [trip.start - trip.call for trip in taken])


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    told = (cuts[49], cuts[98], max(seconds), seconds[0])
    return [name, *(f"{value * 1e3:.2f}" for value in told)]


if __name__ == "__main__":
    serve(os.environ[URL])
