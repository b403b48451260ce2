"""Many clients claim what has just fallen due, one job each time: none may find nothing.

There are as many jobs as claims, so a job was there at the moment of a claim that found nothing.
The jobs have to ripen first, which is the claims' own work.
"""

import multiprocessing
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from qml import Job, Scheduled, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..stores import Store
from ..table import table
from .timing import timed

QUEUES = ("one", "two", "three")
PATIENCE = 60.0

WAYS: dict[str, Sequence[str] | None] = {"of every queue": None, "of three queues": QUEUES}


class Size(NamedTuple):
    """How many claim, how many jobs there are for them, and how often."""

    clients: int
    jobs: int
    rounds: int


SIZES = {"quick": Size(2, 20, 1), "usual": Size(8, 400, 5), "long": Size(8, 400, 50)}


class Told(NamedTuple):
    """What a client tells of a round: claims that found nothing, and the slowest in ms."""

    empty: int
    slowest: float


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table for each store; whether every claim found a job."""
    empty = 0
    for store in stores:
        rows = []
        for name, queues in WAYS.items():
            with store.new() as url:
                told = measure(url, queues, size)
            found = sum(each.empty for each in told)
            slowest = max(each.slowest for each in told)
            rows.append([name, f"{size.jobs * size.rounds:,}", f"{found:,}", f"{slowest:.1f}"])
            empty += found
        title = (
            f"{store.name}: {size.clients} processes claim {size.jobs} jobs, just due; "
            f"{size.rounds} times"
        )
        print(table(title, ["", "claims", "found nothing", "slowest, ms"], rows), flush=True)
    return empty == 0


def measure(url: str, queues: Sequence[str] | None, size: Size) -> list[Told]:
    """What all clients tell of all rounds."""
    context = multiprocessing.get_context("spawn")
    together, answers = context.Barrier(size.clients + 1), context.Queue()
    given = (url, queues, size, together, answers)
    told: list[Told] = []
    with ExitStack() as ended, connect(url) as storage:
        for _ in range(size.clients):
            process = context.Process(target=client, args=given, daemon=True)
            process.start()
            ended.callback(process.join)
        for _ in range(size.rounds):
            together.wait(PATIENCE)  # nobody claims
            make_due(storage, size.jobs)
            together.wait(PATIENCE)  # all claim
            told += [answers.get(timeout=PATIENCE) for _ in range(size.clients)]
    return told


def make_due(storage: Storage, jobs: int) -> None:
    """Jobs whose time has come, by every client's clock: these agree to a few milliseconds."""
    due = Scheduled(enqueue_at=storage.now() - timedelta(seconds=1))
    storage.enqueue_many(
        Job("nothing", [PAYLOAD], queue=QUEUES[number % len(QUEUES)]).with_state(due)
        for number in range(jobs)
    )


def client(
    url: str, queues: Sequence[str] | None, size: Size, together: Barrier, answers: Any
) -> None:
    """One of them: its share of the claims, as soon as there is something."""
    with connect(url) as storage:
        name = multiprocessing.current_process().name
        claim = partial(storage.claim, name, 1, queues)
        claim()
        for _ in range(size.rounds):
            together.wait(PATIENCE)
            together.wait(PATIENCE)
            claims = [timed(claim) for _ in range(size.jobs // size.clients)]
            empty = sum(not batch.jobs for batch, _ in claims)
            answers.put(Told(empty, max(taken for _, taken in claims)))
