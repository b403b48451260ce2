"""The processes that are killed: servers, and clients that enqueue; the controller forks them."""

import logging
import os
import random
import sys
import threading
import time
from pathlib import Path

import attrs

from qml import Job, Qml, RetryPolicy, connect, current_job
from qml.storage.storage import Storage
from qml.testing.history import History
from qml.values.errors import JobAlreadyExists, StorageUnavailable

from .ledger import Ledger
from .recorder import Recorder

PULSE = 0.05

PAUSE = 0.1
"""Seconds until a client asks again a store that was away."""


@attrs.frozen
class Plan:
    """How a run is made. ``lease``: seconds; ``rate``: jobs enqueued per second, by all
    ``enqueuers``; ``longest``: seconds that the longest jobs take; ``threads``: of each server."""

    folder: Path
    url: str
    seed: int = 1
    workers: int = 4
    threads: int = 4
    lease: float = 1.0
    enqueuers: int = 2
    rate: float = 300.0
    longest: float = 1.3

    @property
    def printed(self) -> Path:
        """What all processes write to stdout and stderr."""
        return self.folder / "printed"

    @property
    def history(self) -> Path:
        """Where each process notes what it asked of its storage, and what that answered."""
        return self.folder / "history"


def open_storage(plan: Plan, ledger: Ledger) -> Storage:
    """A storage that writes down what it does, and so does its driver. A store that is away is
    waited for."""
    retry = RetryPolicy(max_retries=10_000, base=0.0)
    while True:
        try:
            storage = connect(plan.url, retry=retry)
        except StorageUnavailable:
            time.sleep(PAUSE)
        else:
            storage.driver = Recorder(storage.driver, storage.clock, ledger)
            return History(plan.history).record(storage)


def serve(plan: Plan, ledger: Ledger) -> None:
    """A real server, until SIGTERM or a kill."""
    threading.Thread(target=_pulse, args=(ledger,), daemon=True).start()
    jobs = Qml(open_storage(plan, ledger))

    @jobs.task(name="effect")
    def effect(seconds: float) -> list[int]:
        current = current_job()
        assert current is not None
        facts = {"job": current.id, "fence": current.job.fence, "attempt": current.attempt}
        ledger.note("start", **facts)
        time.sleep(seconds)
        ledger.note("end", **facts)
        return [ledger.life, current.job.fence]

    jobs.server(
        threads=plan.threads, lease_seconds=plan.lease, poll_interval=0.2, name=f"life{ledger.life}"
    ).run()


def enqueue(plan: Plan, ledger: Ledger) -> None:
    """Enqueue one or several jobs at a time, for ever. Of the calls without an answer every other
    is made again until there is one; and now and then a call has to be refused as a whole, since
    one of its ids is taken."""
    storage = open_storage(plan, ledger)
    calls = plan.rate / 2 / plan.enqueuers  # a second: a call has two jobs on average
    chance = random.Random(plan.seed * 1_000_003 + ledger.life)
    known: str | None = None
    while True:
        jobs = [_job(plan, chance) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        taken = known if chance.random() < 0.03 else None
        answer = _call(storage, ledger, jobs, taken=taken)
        while answer == "unknown" and taken is None and chance.random() < 0.5:
            time.sleep(PAUSE)
            answer = _call(storage, ledger, jobs, again=True)
        if answer == "ack":
            known = jobs[-1].id
        time.sleep(PAUSE if answer == "unknown" else chance.expovariate(calls))


def _call(
    storage: Storage,
    ledger: Ledger,
    jobs: list[Job],
    *,
    again: bool = False,
    taken: str | None = None,
) -> str:
    """One enqueue: an intent before, and after it what its client knows."""
    ledger.note("intent", jobs=[job.id for job in jobs], again=again, taken=taken)
    try:
        storage.enqueue_many(jobs if taken is None else [*jobs, Job("effect", [0.0], id=taken)])
        answer = "ack"
    except StorageUnavailable:
        answer = "unknown"
    except JobAlreadyExists:
        answer = "refusal"
    ledger.note(answer)
    return answer


def _job(plan: Plan, chance: random.Random) -> Job:
    """Most are short, some outlive several renewals, a few outlive their lease."""
    longest = chance.choices((0.0, 0.03, plan.longest), (78, 18, 4))[0]
    return Job("effect", [chance.uniform(0.0, longest)], priority=chance.randint(0, 2))


def _pulse(ledger: Ledger) -> None:
    """Write down again and again that this process is running."""
    while True:
        ledger.note("pulse")
        time.sleep(PULSE)


ROLES = {"server": serve, "enqueuer": enqueue}


def fork(role: str, plan: Plan, life: int, lifeline: tuple[int, int]) -> int:
    """Start a process and return its pid. It ends when the controller does: ``lifeline`` is a
    pipe of which only the controller holds the writing end."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(lifeline[1])
        threading.Thread(target=_end_with, args=(lifeline[0],), daemon=True).start()
        _print_to(plan.printed)
        ledger = Ledger(plan.folder, life)
        logging.basicConfig(level=logging.WARNING, handlers=[_Notes(ledger)], force=True)
        ROLES[role](plan, ledger)
        status = 0
    except BaseException:
        logging.exception("%s of life %d died", role, life)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(9)


def _print_to(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)


class _Notes(logging.Handler):
    """Logs are notes of the ledger, so that the judge knows when they were made."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        self._ledger.note("log", level=record.levelname, text=self.format(record))
