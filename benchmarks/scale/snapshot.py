"""A transaction that somebody left open on PostgreSQL: what was done since cannot be cleared away.

Each claim leaves dead entries at the head of the index that claims read, and they stay as long as
an older transaction might still look at them.
"""

import contextlib
import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

import psycopg2

from qml import Job, Succeeded, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..stores import Store
from ..table import table
from .timing import timed

PARTS = 5
LIMIT = 10


def show(store: Store, size: int) -> None:
    """Do ``size`` jobs without and beside one, and print how claims fare over time."""
    calm = measure(store, size, contextlib.nullcontext())
    held = measure(store, size, forgotten(store.address))
    rows = [
        [f"after {size * part // PARTS:,} jobs", f"{alone:.2f}", f"{beside:.2f}"]
        for part, (alone, beside) in enumerate(zip(calm, held, strict=True))
    ]
    title = (
        f"A claim of {LIMIT}, beside a transaction that was open before all {size:,} jobs were done"
    )
    print(table(title, ["ms", "without", "with it"], rows), flush=True)


def measure(store: Store, size: int, beside: AbstractContextManager[None]) -> list[float]:
    """The median claim of each part, in milliseconds."""
    with store.new() as url, connect(url) as storage:
        for start in range(0, size, 1_000):
            new = range(min(1_000, size - start))
            storage.enqueue_many(Job("nothing", [PAYLOAD]) for _ in new)
        with beside:
            return [
                statistics.median(_claims(storage, size // LIMIT // PARTS)) for _ in range(PARTS)
            ]


def _claims(storage: Storage, times: int) -> Iterator[float]:
    claim = partial(storage.fetch_available_jobs_atomic, "scale", LIMIT)
    for _ in range(times):
        jobs, taken = timed(claim)
        assert len(jobs) == LIMIT
        storage.finish_many([(job, Succeeded()) for job in jobs])
        yield taken


@contextlib.contextmanager
def forgotten(address: str) -> Iterator[None]:
    """A transaction that has looked, and does nothing more."""
    with contextlib.closing(psycopg2.connect(address)) as connection:
        connection.set_session(isolation_level="REPEATABLE READ")
        connection.cursor().execute("SELECT count(*) FROM pg_class")
        yield
