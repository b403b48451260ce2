"""What a task costs more that keeps a step, takes a lock, or writes in its job's transaction."""

import time
from collections.abc import Callable
from functools import partial
from itertools import count

from qml import Qml, Server, StateKind, Task, Tx, current_job
from qml.storage.urls import parse_url

from ..loops import THREADS
from ..scale.timing import timed
from ..stores import Store
from .turns import quartiles

TRANSACTIONS = ("sqlite", "postgresql")
"""The kinds of stores that have them."""

NAMES = count()

Numbers = Task[..., int]


def tasks(store: Store, size: int, times: int) -> dict[str, float]:
    """The milliseconds of one job of ``size``, which a server of eight threads does."""
    with store.new() as url, Qml(url) as jobs:
        kinds = {
            "plain": jobs.task(name="plain")(square),
            "with a step": jobs.task(name="step")(_step),
            "with a lock": jobs.task(name="lock")(partial(_locked, jobs)),
        }
        if store.kind in TRANSACTIONS:
            kinds["with a write by tx"] = _writing(jobs, url)
        calls = {name: partial(drained, jobs, task, size) for name, task in kinds.items()}
        return quartiles(calls, times)


def square(number: int) -> int:
    """What all do."""
    return number * number


def _step(number: int) -> int:
    job = current_job()
    assert job is not None
    return job.step("square", square, number)


def _locked(jobs: Qml, number: int) -> int:
    with jobs.lock(f"lock {next(NAMES)}"):
        return square(number)


def _writing(jobs: Qml, url: str) -> Numbers:
    schema = getattr(parse_url(url), "schema_name", "main")

    def make(*, tx: Tx) -> None:
        tx.execute(f"CREATE TABLE {schema}.ledger (number integer)")

    def write(number: int, *, tx: Tx) -> int:
        tx.execute(f"INSERT INTO {schema}.ledger VALUES ({number})")
        return square(number)

    jobs.task(name="make")(make).enqueue()
    jobs.server(threads=1).step()
    return jobs.task(name="write")(write)


def drained(jobs: Qml, task: Numbers, size: int) -> float:
    """The milliseconds of a job, from the start of a server on ``size`` of them."""
    task.enqueue_many([(number,) for number in range(size)])
    server = jobs.server(threads=THREADS)
    _, taken = timed(partial(_drain, jobs, server))
    server.stop()
    return taken / size


def _drain(jobs: Qml, server: Server) -> None:
    counts, done = jobs.storage.get_job_counts, StateKind.SUCCEEDED
    server.start()
    while (found := counts())[done] < sum(found.values()):
        time.sleep(0.001)


def locks(store: Store, times: int) -> dict[str, float]:
    """The milliseconds of a lock taken and given back, and of one job enqueued."""
    with store.new() as url, Qml(url) as jobs:
        task = jobs.task(name="square")(square)
        calls = {"enqueue": partial(task.enqueue, 1), "a lock around nothing": partial(_lock, jobs)}
        return quartiles({name: partial(_taken, call) for name, call in calls.items()}, times)


def _taken(call: Callable[[], object]) -> float:
    return timed(call)[1]


def _lock(jobs: Qml) -> None:
    with jobs.lock(f"lock {next(NAMES)}"):
        pass
