"""What is measured of a contestant: the loops that all share, and the command that runs one.

A contestant that is no part of qml is run by an interpreter that has its library and none of
qml's, so this module needs no library.
"""

import argparse
import contextlib
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import NamedTuple, Protocol
from urllib.parse import parse_qsl, urlencode

PAYLOAD = "x" * 200
THREADS = 8
BATCH = 1000

URL = "QML_BENCHMARK_URL"
"""What tells a command its store: it may hold a password, and everybody sees arguments."""

OWN = ("durability", "key_prefix", "max_jobs", "schema_name")
"""Settings in a store's URL that are qml's, and not its server's."""


class Contestant(Protocol):
    """A way to store jobs and to do them, made for the URL of an empty store as qml writes it. Its
    job has `PAYLOAD` as its argument, does nothing and returns 1."""

    def enqueue(self) -> None:
        """Store one job, from any thread."""
        ...

    def enqueue_many(self, many: int) -> None:
        """Store many jobs, in one step where it can."""
        ...

    def drain(self, size: int) -> None:
        """Do the ``size`` jobs that are there, until the last outcome is recorded."""
        ...

    def close(self) -> None:
        """End what still runs."""
        ...


class Mapper(Contestant, Protocol):
    """One that can have its job done for each of many inputs, too."""

    def map(self, many: int) -> None:
        """Do a job for each of so many inputs, until the result of each is here, in order."""
        ...


class Effort(NamedTuple):
    """How long to enqueue, in seconds, and how many jobs to drain."""

    seconds: float
    size: int


def lasting(seconds: float, step: Callable[[], object]) -> float:
    """Steps per second. The first, which connects, is not counted."""
    step()
    begun, steps = time.perf_counter(), 0
    while (lasted := time.perf_counter() - begun) < seconds:
        step()
        steps += 1
    return steps / lasted


def waits(seconds: float, step: Callable[[], object]) -> list[float]:
    """Milliseconds of each step. The first, which connects, is not counted."""
    step()
    ended, found = time.perf_counter() + seconds, []
    while (begun := time.perf_counter()) < ended:
        step()
        found.append((time.perf_counter() - begun) * 1e3)
    return found


def crowd(seconds: float, step: Callable[[], object]) -> float:
    """The same of `THREADS` threads at once, added up."""
    together = Barrier(THREADS)

    def one(_: int) -> float:
        together.wait()
        return lasting(seconds, step)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(one, range(THREADS)))


def drained(contestant: Contestant, size: int) -> float:
    """Jobs done per second; to store them is not counted."""
    for start in range(0, size, BATCH):
        contestant.enqueue_many(min(BATCH, size - start))
    begun = time.perf_counter()
    contestant.drain(size)
    return size / (time.perf_counter() - begun)


def mapped(contestant: Mapper, size: int) -> float:
    """Results per second."""
    begun = time.perf_counter()
    contestant.map(size)
    return size / (time.perf_counter() - begun)


LOOPS: dict[str, Callable[[Contestant, Effort], float]] = {
    "enqueue": lambda contestant, effort: lasting(effort.seconds, contestant.enqueue),
    "enqueue_threads": lambda contestant, effort: crowd(effort.seconds, contestant.enqueue),
    "enqueue_many": lambda contestant, effort: (
        BATCH * lasting(effort.seconds, lambda: contestant.enqueue_many(BATCH))
    ),
    "drain": lambda contestant, effort: drained(contestant, effort.size),
}
"""Each gives jobs per second."""

MAPS: dict[str, Callable[[Mapper, Effort], float]] = {
    "map": lambda contestant, effort: mapped(contestant, effort.size),
}
"""What not every contestant can do."""

WAITS: dict[str, Callable[[Contestant, Effort], list[float]]] = {
    "waits": lambda contestant, effort: waits(effort.seconds, contestant.enqueue),
}
"""What gives more than a rate."""


def split(url: str) -> tuple[str, dict[str, str]]:
    """The URL that a server's own library takes, and qml's settings."""
    address, _, query = url.partition("?")
    settings = dict(parse_qsl(query))
    own = {name: settings.pop(name) for name in OWN if name in settings}
    return address + ("?" + urlencode(settings) if settings else ""), own


def enter(make: Callable[[str], Contestant], arguments: Sequence[str] | None = None) -> None:
    """What a contestant's module does when it is run: one loop, what it gives printed."""
    parser = argparse.ArgumentParser()
    loops: dict[str, Callable[..., object]] = {**LOOPS, **MAPS, **WAITS}
    parser.add_argument("loop", choices=[*loops])
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--size", type=int, default=BATCH)
    options = parser.parse_args(arguments)
    with contextlib.closing(make(os.environ[URL])) as contestant:
        found = loops[options.loop](contestant, Effort(options.seconds, options.size))
    print(json.dumps(found))
