"""What the processes of the proof do: servers that work, clients that ask."""

import contextlib
import logging
import os
import random
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from ...storage.connect import connect
from ...storage.storage import Storage
from ...storage.urls import Config
from ...values.errors import QmlError
from ...values.job import Job
from ...values.retry import RetryPolicy
from ...values.states import WAITING, StateKind
from ...work.app import Qml
from ..history import History

LEASE = 1.0
"""Seconds: short, so that much is rescued."""

PRINTED = "printed.txt"
"""A file beside the history, with what the processes printed: errors that end them."""

RETRY = RetryPolicy(max_retries=50, base=0.05, factor=1.0)

UNDONE = (*WAITING, StateKind.PROCESSING)


def serve(place: Config, folder: Path, line: Connection) -> None:
    """A server, until it is killed."""
    _begin(folder, line)
    with connect(place, retry=RETRY) as storage:
        jobs = Qml(History(folder).record(storage), retry=RETRY)
        jobs.task(name="work")(_work)
        jobs.server(threads=3, lease_seconds=LEASE, poll_interval=0.2).run()


def _work(seconds: float, fails: bool) -> int:
    time.sleep(seconds)
    if fails and random.random() < 0.5:
        raise ValueError("now and then")
    return os.getpid()


def ask(place: Config, folder: Path, line: Connection) -> None:
    """A client, until it is killed: it enqueues, and now and then changes its mind."""
    _begin(folder, line)
    with connect(place, retry=RETRY) as opened:
        storage = History(folder).record(opened)
        known: list[str] = []
        while True:
            [step] = random.choices(*STEPS)
            with contextlib.suppress(QmlError):  # an answer: the key is taken, the job is gone
                step(storage, known)
            time.sleep(random.expovariate(40))


def _job(known: list[str]) -> Job:
    seconds = random.choices((0.0, random.uniform(0, 0.05), 1.5 * LEASE), (80, 19, 1))[0]
    key = f"key {random.randrange(20)}" if random.random() < 0.1 else None
    fails = random.random() < 0.1
    job = Job("work", [seconds, fails], priority=random.randint(0, 2), unique_key=key)
    known.append(job.id)
    return job


def _enqueue(storage: Storage, known: list[str]) -> None:
    storage.enqueue(_job(known))


def _enqueue_many(storage: Storage, known: list[str]) -> None:
    storage.enqueue_many([_job(known) for _ in range(random.randint(2, 5))])


def _any(known: list[str]) -> str:
    return random.choice(known[-20:]) if known else "nobody"


def _cancel(storage: Storage, known: list[str]) -> None:
    storage.cancel(_any(known))


def _retry(storage: Storage, known: list[str]) -> None:
    storage.retry(_any(known))


def _delete(storage: Storage, known: list[str]) -> None:
    storage.delete(_any(known))


STEPS = (_enqueue, _enqueue_many, _cancel, _retry, _delete), (8, 3, 1, 1, 1)
"""What a client does, and how often one in comparison with another."""


def _begin(folder: Path, line: Connection) -> None:
    """Die when the process dies that holds the other end of the line, and print to a file."""
    try:
        printed = os.open(folder / PRINTED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except FileNotFoundError:  # the proof was broken off while this process came up
        os._exit(1)
    for stream in (1, 2):
        os.dup2(printed, stream)
    logging.getLogger("qml").setLevel(logging.ERROR)
    logging.getLogger("qml.jobs").disabled = True  # some fail on purpose

    def wait() -> None:
        try:
            line.recv_bytes()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
