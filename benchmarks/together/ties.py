"""What a job costs more that shares something with others: to store it, to claim and finish it."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import count
from typing import Any

from qml import Job, Rate, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..scale.timing import timed
from ..stores import Store
from .kept_back import done
from .turns import quartiles

NUMBERS = count()

TIES: dict[str, Callable[[], dict[str, Any]]] = {
    "plain": lambda: {},
    "with a unique key": lambda: {"unique_key": str(next(NUMBERS))},
    "with a key of its own, limit 1": lambda: {
        "concurrency_key": str(next(NUMBERS)),
        "concurrency_limit": 1,
    },
    "with a rate": lambda: {"rate": Rate(1_000_000, burst=1_000), "rate_key": "all"},
    "of a batch": lambda: {"batch": "all"},
}
"""What a new job is given."""

AFTER = "after another"

Call = Callable[[Storage], float]


def ends(store: Store, times: int) -> dict[str, float]:
    """The milliseconds of a claim of ten jobs and of their end, for each kind."""

    def end(given: Callable[[], dict[str, Any]], storage: Storage) -> float:
        return done(storage, [_job(**given()) for _ in range(10)])

    return _measure(store, {name: partial(end, given) for name, given in TIES.items()}, times)


def enqueues(store: Store, times: int) -> dict[str, float]:
    """The milliseconds of one enqueue of each kind of job, and of one that is to come after another
    that is there."""

    def enqueue(given: Callable[[], dict[str, Any]], storage: Storage) -> float:
        return timed(partial(storage.enqueue, _job(**given())))[1]

    def enqueue_after(storage: Storage) -> float:
        parent = storage.enqueue(_job())
        return timed(partial(storage.enqueue, _job(after=[parent.id])))[1]

    calls: dict[str, Call] = {name: partial(enqueue, given) for name, given in TIES.items()}
    return _measure(store, {**calls, AFTER: enqueue_after}, times)


def _measure(store: Store, calls: dict[str, Call], times: int) -> dict[str, float]:
    """Each in a store of its own: what one leaves behind is not to burden another."""
    with ExitStack() as opened:
        given = {}
        for name, call in calls.items():
            storage = opened.enter_context(connect(opened.enter_context(store.new())))
            given[name] = partial(call, storage)
        return quartiles(given, times)


def _job(**settings: Any) -> Job:
    return Job("nothing", [PAYLOAD], **settings)
