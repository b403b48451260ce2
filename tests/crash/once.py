"""Exactly once, shown by kill -9: ``python -m tests.crash.once --store=sqlite [--kills 200]``.

Servers run tasks that take ``tx``: each writes a line into a ledger in the same database, and
enqueues another job in the same transaction. They are killed at random moments, again and again;
then the rest is done. At the end each job has succeeded, with one line in the ledger and one child.
Exit code 0: so it is. 1: it is not, and what is wrong is printed. ``--break``: qml is broken first.
"""

import argparse
import contextlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2

from qml import Job, Qml, RetryPolicy, connect, current_job
from qml.drivers.sqlite.library import library
from qml.work import committing

from . import stores


def app(url: str) -> Qml:
    """The tasks. A kill charges an attempt, and there may be any number."""
    jobs = Qml(url, retry=RetryPolicy(max_retries=10_000, base=0.0))
    mark = "?" if url.startswith("sqlite") else "%s"

    @jobs.task(name="parent")
    def parent(before: float, within: float, *, tx: Any) -> str:
        current = current_job()
        assert current is not None
        time.sleep(before)
        tx.execute(f"INSERT INTO ledger VALUES ({mark})", (current.id,))
        child.using(connection=tx.connection).enqueue(current.id)
        time.sleep(within)
        return current.id

    @jobs.task(name="child")
    def child(parent: str, *, tx: Any) -> None:
        current = current_job()
        assert current is not None
        tx.execute(f"INSERT INTO ledger VALUES ({mark})", (current.id,))

    return jobs


def begin(url: str, options: argparse.Namespace) -> None:
    """Make the ledger, and enqueue the parents."""
    chance = random.Random(options.seed)
    with app(url) as jobs:
        jobs.storage.get_job_counts()
        with contextlib.closing(connection_to(url)) as own:
            own.cursor().execute("CREATE TABLE ledger (job TEXT)")
            own.commit()
        jobs.tasks["parent"].enqueue_many(
            (chance.uniform(0, 0.02), chance.uniform(0, 0.005)) for _ in range(options.jobs)
        )


def serve(url: str, options: argparse.Namespace) -> None:
    """Run jobs until all of them have succeeded."""
    with app(url) as jobs, jobs.server(threads=4, lease_seconds=0.5, poll_interval=0.05):
        while (counts := jobs.storage.get_job_counts())["succeeded"] < sum(counts.values()):
            time.sleep(0.05)


def connection_to(url: str) -> Any:
    """A connection that qml knows nothing of."""
    if url.startswith("sqlite"):
        return library.connect(url.removeprefix("sqlite:///"), timeout=30)
    return psycopg2.connect(url)


def fork(role: Callable[[str, argparse.Namespace], None], url: str, options: Any) -> int:
    """Start a process; its pid. It ends with this one."""
    end, lifeline = os.pipe()
    pid = os.fork()
    if pid:
        os.close(end)
        return pid  # ``lifeline`` stays open, here only
    status = 1
    try:
        logging.disable()  # that runs were interrupted is what this is about
        os.close(lifeline)
        threading.Thread(target=lambda: (os.read(end, 1), os._exit(9)), daemon=True).start()
        if options.broken:
            break_it()
        role(url, options)
        status = 0
    finally:
        os._exit(status)


def break_it() -> None:
    """Record the success in a second transaction, after the one of the task's writes; the pause
    between the two is what a slow disk may take."""

    def commit(run: Any, transaction: Any, outcome: Any, storage: Any) -> Any:
        transaction.commit()
        time.sleep(0.01)
        return outcome

    committing._commit = commit


def run(url: str, options: argparse.Namespace) -> int:
    """Kill servers, and let the last ones do the rest; how many were killed. No database is opened
    in this process."""
    assert ended(fork(begin, url, options)) == 0
    chance, kills = random.Random(options.seed), 0
    living = [fork(serve, url, options) for _ in range(options.servers)]
    until = time.monotonic() + options.seconds
    while kills < options.kills and time.monotonic() < until:
        time.sleep(chance.uniform(0.02, 2 * options.interval))
        victim = living.pop(chance.randrange(len(living)))
        os.kill(victim, signal.SIGKILL)
        if ended(victim) == 0:
            break  # all was done
        kills += 1
        living.append(fork(serve, url, options))
    assert [ended(pid) for pid in living] == [0] * len(living)
    return kills


def ended(pid: int) -> int:
    """How a process ended, once it has."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def faults(jobs: list[Job], ledger: Counter[str], expected: int) -> list[str]:
    """What is wrong."""
    found = [f"{job.id} ({job.method}) is {job.state.kind}" for job in jobs if not _done(job)]
    found += [f"{job.id} ({job.method}): {n} lines" for job in jobs if (n := ledger[job.id]) != 1]
    children = Counter(job.arguments[0] for job in jobs if job.method == "child")
    parents = [job.id for job in jobs if job.method == "parent"]
    found += [f"{job} has {n} children" for job in parents if (n := children[job]) != 1]
    found += [f"{job} is in the ledger and no job" for job in ledger.keys() - {j.id for j in jobs}]
    if len(parents) != expected:
        found.append(f"{len(parents)} parents, of {expected}")
    return found


def _done(job: Job) -> bool:
    return job.state.kind == "succeeded"


def judge(url: str, kills: int, options: argparse.Namespace) -> list[str]:
    """Look at the end, and say what there was."""
    with connect(url) as storage, contextlib.closing(connection_to(url)) as own:
        cursor = own.cursor()
        cursor.execute("SELECT job FROM ledger")
        ledger = Counter(job for (job,) in cursor.fetchall())
        jobs = storage.list()
    interrupted = sum(job.attempt - 1 for job in jobs)
    found = faults(jobs, ledger, options.jobs)
    print(
        f"{urlsplit(url).scheme}, seed {options.seed}: {kills} kills interrupted {interrupted} "
        f"runs of {len(jobs)} jobs; {len(found)} faults"
    )
    if not interrupted:
        found.append("no run was interrupted: nothing was shown")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run, judge, print; the exit code."""
    options = _options(arguments)
    folder = Path(tempfile.mkdtemp(prefix="qml-once-"))
    try:
        with stores.opened(options, folder) as store:
            found = judge(store.url, run(store.url, options), options)
    finally:
        shutil.rmtree(folder)
    print("\n".join([*found[:20], "FAILED"]) if found else "PASSED")
    return 1 if found else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.crash.once", description=__doc__)
    stores.add_options(parser)
    parser.add_argument("--kills", type=int, default=200, help="at most")
    parser.add_argument("--seconds", type=float, default=600.0, help="of killing, at most")
    parser.add_argument("--jobs", type=int, default=5000, help="each with a child")
    parser.add_argument("--servers", type=int, default=2, help="at work, of four threads each")
    parser.add_argument("--interval", type=float, default=0.15, help="mean seconds between kills")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--break", dest="broken", action="store_true", help="qml, first")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
