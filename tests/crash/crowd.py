"""Many processes and threads on one store, all at once: ``python -m tests.crash.crowd``.

Each thread enqueues, claims, renews and finishes as fast as it can. Nobody may see an error, no job
may be claimed twice, none may be lost; the longest wait for each verb is printed. Exit code 0 or 1.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from qml import Job, Succeeded, connect
from qml.storage.storage import Storage

from . import at_once, stores

LEASE = 600.0
"""Seconds: longer than a run, so that a job given twice was never rescued in between."""

VERBS = ("enqueue", "claim", "renew", "finish")


@attrs.define
class Tally:
    """What the threads of one process saw: seconds per call by verb, jobs by what was done."""

    waits: dict[str, list[float]] = attrs.field(factory=lambda: defaultdict(list))
    enqueued: list[str] = attrs.field(factory=list)
    claimed: list[tuple[str, int]] = attrs.field(factory=list)
    finished: list[str] = attrs.field(factory=list)
    faults: list[str] = attrs.field(factory=list)


class Busy:
    """One thread's work on a storage, every call of it timed."""

    def __init__(self, storage: Storage, tally: Tally, seed: int) -> None:
        self._storage = storage
        self._tally = tally
        self._chance = random.Random(seed)
        self._worker = f"busy{seed}"

    def until(self, deadline: float) -> None:
        """Go round until ``deadline``; an error is noted and the round begun anew."""
        while time.monotonic() < deadline:
            try:
                self._round()
            except Exception as error:
                self._tally.faults.append(f"{type(error).__name__}: {error}")

    def _timed(self, verb: str, call: Callable[[], Any]) -> Any:
        begun = time.monotonic()
        answer = call()
        self._tally.waits[verb].append(time.monotonic() - begun)
        return answer

    def _round(self) -> None:
        storage, tally = self._storage, self._tally
        many = self._chance.randint(1, 5)
        jobs = [Job("busy", [n], priority=self._chance.randint(0, 2)) for n in range(many)]
        stored = self._timed("enqueue", lambda: storage.enqueue_many(jobs))
        tally.enqueued += [job.id for job in stored]
        claimed = self._timed(
            "claim",
            lambda: storage.fetch_available_jobs_atomic(self._worker, 5, lease_seconds=LEASE),
        )
        tally.claimed += [(job.id, job.fence) for job in claimed]
        held = self._timed("renew", lambda: storage.renew(claimed, LEASE))
        if not all(held):
            tally.faults.append("a renewal of a live claim was refused")
        done = self._timed(
            "finish", lambda: storage.finish_many([(job, Succeeded()) for job in claimed])
        )
        tally.finished += [job.id for job in done if isinstance(job, Job)]
        tally.faults += [str(lost) for lost in done if not isinstance(lost, Job)]


def process(number: int, ready: Callable[[], Any], url: str, threads: int, seconds: float) -> Tally:
    """One process of the crowd: begins with all others, and returns what it saw."""
    tally = Tally()
    logging.getLogger("qml").addHandler(_Handler(tally))
    with connect(url) as storage:
        ready()
        deadline = time.monotonic() + seconds

        def busy(thread: int, ready: Callable[[], Any]) -> None:
            ready()
            Busy(storage, tally, number * threads + thread).until(deadline)

        at_once.in_threads(threads, busy)
    return attrs.evolve(tally, waits=dict(tally.waits))


class _Handler(logging.Handler):
    """What qml logs in such a run is a fault, but for its warning about an old SQLite."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "qml.sqlite":
            self._tally.faults.append(f"logged: {record.getMessage()}")


def faults(tallies: list[Tally], storage: Storage) -> list[str]:
    """What must not have happened."""
    found = [fault for tally in tallies for fault in tally.faults]
    claims = Counter(job for tally in tallies for job, _ in tally.claimed)
    found += [f"job {job} was claimed {n} times" for job, n in claims.items() if n > 1]
    stored = {job.id: job.state.kind for job in storage.list()}
    enqueued = {job for tally in tallies for job in tally.enqueued}
    finished = {job for tally in tallies for job in tally.finished}
    found += [f"job {job} was enqueued and is lost" for job in enqueued - stored.keys()]
    found += [f"job {job} was never enqueued" for job in stored.keys() - enqueued]
    for job, kind in stored.items():
        expected = "succeeded" if job in finished else "enqueued"
        if kind != expected:
            found.append(f"job {job} is {kind} and should be {expected}")
    return found


def table(tallies: list[Tally], seconds: float) -> str:
    """Rates, and waits in milliseconds, by verb."""
    lines = [f"  {'verb':<10}{'calls/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}"]
    for verb in VERBS:
        waits = sorted(wait for tally in tallies for wait in tally.waits.get(verb, ()))
        if waits:
            p50, p99, worst = (
                waits[int(share * (len(waits) - 1))] * 1e3 for share in (0.5, 0.99, 1)
            )
            rate = len(waits) / seconds
            lines.append(f"  {verb:<10}{rate:>9.0f}{p50:>9.1f}{p99:>9.1f}{worst:>10.1f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.crowd", description=__doc__)
    stores.add_options(parser)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(arguments)
    crowd = options.processes, options.threads, options.seconds
    with (
        tempfile.TemporaryDirectory(prefix="qml-crowd-") as folder,
        stores.opened(options, Path(folder)) as store,
    ):
        tallies = at_once.in_processes(options.processes, process, store.url, *crowd[1:])
        with connect(store.url) as storage:
            found = faults(tallies, storage)
    jobs = sum(len(tally.finished) for tally in tallies)
    print("{} processes of {} threads, {:g} s".format(*crowd))
    print(f"  {jobs} jobs finished\n{table(tallies, options.seconds)}")
    print("\n".join([f"REJECTED: {len(found)} faults", *found[:20]]) if found else "PASSED")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
