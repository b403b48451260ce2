"""What it takes to look at very many jobs: counts, what is available, pages near and far."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from qml import connect
from qml.storage.storage import Storage

from ..stores import Store
from ..table import table
from .fill import Filler
from .timing import median

OFFSETS = (0, 1_000, 10_000)
PAGE = 50

FILTERS: dict[str, dict[str, Any]] = {
    "all states": {},
    "succeeded": {"state_filter": "succeeded"},
    "scheduled": {"state_filter": "scheduled"},
    "succeeded or failed": {"state_filter": ["succeeded", "failed"]},
    "succeeded, by queue and method": {
        "state_filter": "succeeded",
        "queue": "default",
        "method": "nothing",
    },
}


class Size(NamedTuple):
    """How many jobs, and how often to look."""

    jobs: int
    times: int


SIZES = {"quick": Size(200, 2), "usual": Size(100_000, 10), "long": Size(1_000_000, 30)}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table for each store."""
    for store in stores:
        with store.new() as url, connect(url) as storage:
            for kind in ("finished", "due next year"):
                Filler(url, storage, kind).fill(size.jobs // 2)
            rows = [[name, f"{taken:.2f}"] for name, taken in _looks(storage, size)]
        title = f"{store.name}: looking at {size.jobs:,} jobs, half of them finished"
        print(table(title, ["", "ms"], rows), flush=True)
    return True


def _looks(storage: Storage, size: Size) -> Iterator[tuple[str, float]]:
    yield "counts by state", median(storage.get_job_counts, 5)
    yield "10 available jobs", median(partial(storage.get_available_jobs, 10), size.times)
    for name, given in FILTERS.items():
        for offset in OFFSETS:
            if offset < size.jobs // 2:
                page = partial(storage.list, limit=PAGE, offset=offset, **given)
                yield f"page of {PAGE} at {offset:,}, {name}", median(page, size.times)
