"""What claims cost that look at sixteen queues, or that take of one of them."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from qml import Job, Succeeded, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..stores import Store
from ..together.turns import beside, quartiles
from .timing import timed

QUEUES = tuple(f"queue {number:02}" for number in range(16))
TEN = 10


class Size(NamedTuple):
    """Jobs that wait, of each store; and how often to claim."""

    waiting: int
    times: int


SIZES = {"quick": Size(40, 2), "usual": Size(10_000, 100), "long": Size(100_000, 1_000)}


class Way(NamedTuple):
    """The queues that jobs are in, and those that a claim names."""

    queues: Sequence[str]
    named: Sequence[str] | None


WAYS = {
    "one queue": Way(QUEUES[:1], None),
    "one queue, named": Way(QUEUES[:1], QUEUES[:1]),
    "sixteen queues": Way(QUEUES, None),
    "sixteen queues, all named": Way(QUEUES, QUEUES),
    "sixteen queues, one of them named": Way(QUEUES, QUEUES[:1]),
}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table."""
    title = f"Claim and finish of ten jobs, of {size.waiting:,} that wait"
    print(beside(title, stores, [measure(store, size) for store in stores]), flush=True)
    return True


def measure(store: Store, size: Size) -> dict[str, float]:
    """Milliseconds of each way, in a store of its own."""
    with ExitStack() as opened:
        calls: dict[str, Callable[[], float]] = {}
        for name, way in WAYS.items():
            storage = opened.enter_context(connect(opened.enter_context(store.new())))
            _enqueue(storage, way, size.waiting)
            calls[name] = partial(_ten, storage, way)
        return quartiles(calls, size.times)


def _enqueue(storage: Storage, way: Way, jobs: int) -> None:
    storage.enqueue_many(
        Job("nothing", [PAYLOAD], queue=way.queues[number % len(way.queues)])
        for number in range(jobs)
    )


def _ten(storage: Storage, way: Way) -> float:
    """As many as are taken come anew: of the queue that is named, if it is one."""
    _enqueue(storage, way._replace(queues=way.named or way.queues), TEN)
    return timed(partial(_done, storage, way.named))[1]


def _done(storage: Storage, named: Sequence[str] | None) -> None:
    jobs = storage.fetch_available_jobs_atomic("scale", TEN, named)
    assert len(jobs) == TEN
    storage.finish_many([(job, Succeeded(result=1)) for job in jobs])
