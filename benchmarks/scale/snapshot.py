"""A transaction that somebody left open on PostgreSQL, while jobs come and are done steadily.

What was done since it began cannot be cleared away: each claim leaves dead entries at the head of
the index that claims read, and they stay as long as an older transaction might still look at them.
"""

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event, Thread
from typing import NamedTuple

import psycopg2

from qml import Job, Qml, StateKind

from ..loops import PAYLOAD, THREADS
from ..stores import Store
from ..table import table

PARTS = 10
BOUND = 2.0
"""Seconds of jobs that may wait at the end."""


class Size(NamedTuple):
    """For how many minutes it is held open, after a tenth of that without; and jobs per second."""

    minutes: float
    rate: int


SIZES = {"quick": Size(0.03, 50), "usual": Size(1.0, 200), "long": Size(10.0, 200)}


class Part(NamedTuple):
    """Jobs that waited at its end, and milliseconds from enqueue to start of those in it."""

    waiting: int
    waits: Sequence[float]


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table; whether the backlog stays bounded."""
    kept = True
    for store in stores:
        if store.kind == "postgresql":
            parts = measure(store, size)
            kept = kept and parts[-1].waiting <= BOUND * size.rate
            names = ["before", *(_minutes(size, part) for part in range(1, PARTS + 1))]
            rows = [[name, *_cells(part)] for name, part in zip(names, parts, strict=True)]
            title = f"{store.name}: {size.rate} jobs a second beside a transaction left open"
            print(table(title, ["minutes", "waiting", "p50 ms", "p99 ms", "worst ms"], rows))
            print(f"The backlog is {'' if kept else 'NOT '}bounded\n", flush=True)
    return kept


def _minutes(size: Size, part: int) -> str:
    return f"{size.minutes * part / PARTS:g}"


def _cells(part: Part) -> Iterator[str]:
    yield f"{part.waiting:,}"
    cuts = statistics.quantiles(part.waits, n=100, method="inclusive")
    for wait in (cuts[49], cuts[98], max(part.waits)):
        yield f"{wait:.1f}"


def measure(store: Store, size: Size) -> list[Part]:
    """A part without it, and then those with it."""
    seconds = size.minutes * 60 / PARTS
    waits: list[float] = []
    with store.new() as url, Qml(url) as jobs, contextlib.ExitStack() as running:
        task = jobs.task(name="nothing")(partial(_note, waits))
        running.enter_context(jobs.server(threads=THREADS))
        ended = Event()
        feeder = Thread(target=_feed, args=(task.enqueue, size.rate, ended))
        feeder.start()
        running.callback(feeder.join)
        running.callback(ended.set)
        parts = []
        for number in range(PARTS + 1):
            if number == 1:
                running.enter_context(forgotten(store.address))
            waits.clear()
            time.sleep(seconds)
            waiting = jobs.storage.get_job_counts()[StateKind.ENQUEUED]
            parts.append(Part(waiting, [*waits]))
        return parts


def _note(waits: list[float], begun: float, text: str) -> None:
    waits.append((time.monotonic() - begun) * 1e3)


def _feed(enqueue: "Callable[[float, str], Job]", rate: int, ended: Event) -> None:
    """At this rate; when it falls behind it makes up for it."""
    begun, number = time.monotonic(), 0
    while not ended.wait(max(0.0, begun + number / rate - time.monotonic())):
        enqueue(time.monotonic(), PAYLOAD)
        number += 1


@contextlib.contextmanager
def forgotten(address: str) -> Iterator[None]:
    """A transaction that has looked, and does nothing more."""
    with contextlib.closing(psycopg2.connect(address)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        connection.cursor().execute("SELECT count(*) FROM pg_class")
        yield
