"""What a store does on this machine, measured for a few seconds in a namespace of its own."""

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..storage.urls import Config
from ..testing.namespaces import namespace
from ..values.config import SqliteConfig
from ..values.job import Job
from ..values.states import Succeeded
from ..work.app import Qml
from ..work.interrupts import Interrupts

AT_ONCE = 100
"""Jobs in one call, where there are many."""

MOST = 20_000
"""Jobs that a server has to run."""

PAGE = b"\0" * 4096
"""What a flush of the disk is tried with: a page of SQLite's."""

DRAINED, TIMED = "drained", "timed"

Tell = Callable[[str], None]


@attrs.frozen
class Figures:
    """``flush_ms``: of the disk below a SQLite file, None elsewhere; ``round_trip_ms``: of a
    question to the store; the others as their names say."""

    threads: int
    flush_ms: float | None
    round_trip_ms: float
    enqueue_per_second: float
    enqueue_many_per_second: float
    claim_and_finish_per_second: float
    drain_per_second: float
    latency_p50_ms: float
    latency_p99_ms: float
    latency_tries: int


@attrs.define
class Bench:
    """One measurement: each of its parts has ``share`` seconds."""

    app: Qml
    config: Config
    threads: int
    share: float
    interrupts: Interrupts

    def measure(self, tell: Tell) -> Figures:
        """All parts, one after the other. ``tell`` hears which one is next."""
        steps: dict[str, Callable[[], Any]] = {
            "flush_ms": self.flush,
            "round_trip_ms": self.round_trip,
            "enqueue_per_second": self.enqueue,
            "enqueue_many_per_second": self.enqueue_many,
            "claim_and_finish_per_second": self.claim_and_finish,
            "drain_per_second": self.drain,
        }
        found: dict[str, Any] = {}
        for name, step in steps.items():
            tell(name.rpartition("_")[0].replace("_", " ").removesuffix(" per"))
            found[name] = step()
        tell("latency")
        waits = self.latencies()
        return Figures(
            **found,
            threads=self.threads,
            latency_p50_ms=statistics.median(waits) * 1e3,
            latency_p99_ms=sorted(waits)[int(0.99 * len(waits))] * 1e3,
            latency_tries=len(waits),
        )

    def _repeat(self, step: Callable[[], int], share: float = 1.0) -> float:
        """How much a second ``step`` does, which says how much it did; 0 = nothing is left."""
        begun, done = time.perf_counter(), 0
        while True:
            self.interrupts.look()
            more = step()
            done += more
            took = time.perf_counter() - begun
            if not more or took >= self.share * share:
                return done / took

    def flush(self) -> float | None:
        """Milliseconds until the disk has what was written."""
        if not isinstance(self.config, SqliteConfig):
            return None
        with tempfile.TemporaryFile(dir=self.config.path.parent, buffering=0) as file:

            def write() -> int:
                file.write(PAGE)
                os.fsync(file.fileno())
                return 1

            return 1e3 / self._repeat(write, 0.25)

    def round_trip(self) -> float:
        """Milliseconds until the store has answered."""
        self.app.storage.driver.time()  # the first one connects

        def ask() -> int:
            self.app.storage.driver.time()
            return 1

        return 1e3 / self._repeat(ask, 0.25)

    def enqueue(self) -> float:
        """One job a call, in one thread."""

        def one() -> int:
            self.app.storage.enqueue(Job("qml.bench", [1]))
            return 1

        return self._repeat(one)

    def enqueue_many(self) -> float:
        """Many jobs a call, in one thread."""
        return self._repeat(lambda: self._enqueued("default", AT_ONCE))

    def _enqueued(self, queue: str, number: int) -> int:
        jobs = [Job("qml.bench", [1], queue=queue) for _ in range(number)]
        return len(self.app.storage.enqueue_many(jobs))

    def claim_and_finish(self) -> float:
        """Many jobs a step, in one thread, and no task is run."""
        storage = self.app.storage

        def step() -> int:
            jobs = storage.fetch_available_jobs_atomic("bench", AT_ONCE, ["default"])
            storage.finish_many([(job, Succeeded()) for job in jobs])
            return len(jobs)

        return self._repeat(step)

    def drain(self) -> float:
        """Jobs that do nothing, run by a server until none is left."""
        self.app.task(name="qml.bench")(lambda number: None)
        number, most = 0, time.perf_counter() + self.share / 4
        while number < MOST and (time.perf_counter() < most or not number):
            self.interrupts.look()
            number += self._enqueued(DRAINED, AT_ONCE)
        begun = time.perf_counter()
        server = self.app.server(self.threads, [DRAINED])
        with self.interrupts.aside():
            server.run(burst=True)
        if server.signalled:
            raise KeyboardInterrupt
        return number / (time.perf_counter() - begun)

    def latencies(self) -> Sequence[float]:
        """Seconds from just before a job is enqueued until its task begins, on an idle server."""
        waits: list[float] = []
        begins = threading.Event()

        def timed(sent: float) -> None:
            waits.append(time.perf_counter() - sent)
            begins.set()

        self.app.task(name="qml.bench.timed")(timed)
        with self.app.server(self.threads, [TIMED]):
            until = time.perf_counter() + self.share
            while time.perf_counter() < until or not waits:
                self.interrupts.look()
                begins.clear()
                job = Job("qml.bench.timed", [time.perf_counter()], queue=TIMED)
                self.app.storage.enqueue(job)
                while not begins.wait(0.1):
                    self.interrupts.look()
                time.sleep(0.005)  # the server is idle again
        return waits


def bench(config: Config, seconds: float, threads: int, tell: Tell) -> Figures:
    """The figures of the store of ``config``, measured beside what is stored there, in about so
    many seconds; nothing is left behind. StorageUnavailable when it does not answer."""
    with Interrupts() as interrupts, namespace(config) as place, Qml(place) as app:
        return Bench(app, place, threads, seconds / 6, interrupts).measure(tell)
