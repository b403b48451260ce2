"""From the call of enqueue to the start of the task, on a server with nothing else to do."""

import os
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qml import Qml, Task

from .contest import child
from .loops import PAYLOAD, THREADS, URL
from .stores import Store
from .table import table

PAUSE = 0.03


class Trip(NamedTuple):
    """Seconds in the call of enqueue, and from the call to the start of the job. The start may come
    before the call has returned."""

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


def trips(jobs: Qml, started: "Task[[str], float]", size: int) -> Iterator[Trip]:
    """Jobs with a pause between."""
    for _ in range(size):
        time.sleep(random.uniform(0.5, 1.5) * PAUSE)
        begun = time.monotonic()
        job = started.enqueue(PAYLOAD)
        stored = time.monotonic()
        yield Trip(stored - begun, jobs.result(job, 30) - begun)


def within(store: Store, size: int) -> list[Trip]:
    """Enqueued by the server's own process."""
    with store.new() as url:
        jobs, started = _app(url)
        with jobs, jobs.server(threads=THREADS):
            return [*trips(jobs, started, size)]


def across(store: Store, size: int) -> list[Trip]:
    """Enqueued by another process than the server's."""
    with store.new() as url, child(url, __name__) as server:
        assert server.stdout is not None
        server.stdout.readline()
        jobs, started = _app(url)
        with jobs:
            found = [*trips(jobs, started, size)]
        server.communicate()
        return found


def show(stores: Sequence[Store], size: int) -> None:
    """Measure and print a table: across processes, where a store is shared by several."""
    rows: list[list[str]] = []
    for store in stores:
        found = [("in one process", within(store, size))]
        if store.shared:
            found.append(("across processes", across(store, size)))
        for name, taken in found:
            rows += _rows(f"{store.name}, {name}", taken)
    title = f"Latency of an idle server of {THREADS} threads, {size} jobs"
    print(table(title, ["", "p50 ms", "p99 ms", "worst ms"], rows), flush=True)


def _rows(name: str, taken: Sequence[Trip]) -> Iterator[list[str]]:
    yield _row(f"{name}: the call of enqueue", [trip.call for trip in taken])
    yield _row("   from the call to the start", [trip.start for trip in taken])


def _row(name: str, seconds: Sequence[float]) -> list[str]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return [name, *(f"{value * 1e3:.2f}" for value in (cuts[49], cuts[98], max(seconds)))]


if __name__ == "__main__":
    serve(os.environ[URL])
