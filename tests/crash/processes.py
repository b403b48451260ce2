"""The processes that are killed: servers, and one that enqueues, all forked by the controller."""

import logging
import os
import random
import sys
import threading
import time
from pathlib import Path

import attrs

from qml import Job, Qml, RetryPolicy, SqliteConfig, current_job
from qml.drivers.sqlite import SqliteDriver
from qml.storage.storage import Storage

from .ledger import Ledger
from .recorder import Recorder

PULSE = 0.05


@attrs.frozen
class Plan:
    """How a run is made. ``lease``: seconds; ``rate``: jobs enqueued per second; ``longest``:
    seconds that the longest jobs take; ``threads``: of each server."""

    folder: Path
    seed: int = 1
    workers: int = 4
    threads: int = 4
    lease: float = 1.0
    rate: float = 300.0
    longest: float = 1.3

    @property
    def database(self) -> Path:
        """The one SQLite file."""
        return self.folder / "jobs.db"

    @property
    def log(self) -> Path:
        """What all processes log and print as errors."""
        return self.folder / "processes.log"


def open_storage(plan: Plan, ledger: Ledger) -> Storage:
    """A storage on the file whose claims are written down."""
    recorder = Recorder(SqliteDriver(SqliteConfig(plan.database)), ledger)
    storage = Storage(recorder, retry=RetryPolicy(max_retries=10_000, base=0.0))
    recorder.learn_clock(storage)
    return storage


def serve(plan: Plan, life: int) -> None:
    """A real server, until SIGTERM or a kill."""
    ledger = Ledger(plan.folder, life)
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
        return [life, current.job.fence]

    jobs.server(
        threads=plan.threads, lease_seconds=plan.lease, poll_interval=0.2, name=f"life{life}"
    ).run()


def enqueue(plan: Plan, life: int) -> None:
    """Enqueue one or several jobs at a time, for ever: an intent before, an ack after."""
    ledger = Ledger(plan.folder, life)
    storage = open_storage(plan, ledger)
    chance = random.Random(plan.seed * 1_000_003 + life)
    while True:
        jobs = [_job(plan, chance) for _ in range(chance.choice((1, 1, 1, 2, 5)))]
        ids = [job.id for job in jobs]
        ledger.note("intent", jobs=ids)
        storage.enqueue_many(jobs)
        ledger.note("ack", jobs=ids)
        time.sleep(chance.expovariate(plan.rate / 2))


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
        _log_to(plan.log)
        ROLES[role](plan, life)
        status = 0
    except BaseException:
        logging.exception("%s of life %d died", role, life)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(9)


def _log_to(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    logging.basicConfig(
        level=logging.WARNING, format=f"{os.getpid()} %(levelname)s %(message)s", force=True
    )
