"""Claims, finishes, counts and pages beside few and beside very many jobs."""

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from qml import Job, Succeeded, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..stores import Store
from ..table import table
from .fill import fill
from .timing import median, timed

LIMIT = 3.0
"""How many times slower a claim may be beside many jobs."""

ROUNDS = 3
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

Call = tuple[str, float]
"""What was called, and its milliseconds."""


def show(store: Store, few: int, many: int, times: int) -> bool:
    """Measure with few and many in turn, and print tables; whether claims keep the limit."""
    with ExitStack() as opened:
        storages = []
        for jobs in (few, many):
            url = opened.enter_context(store.new())
            storages.append(opened.enter_context(connect(url)))
            _, taken = timed(partial(fill, storages[-1], jobs))
            print(f"{jobs:,} jobs stored in {taken / 1e3:.0f} s", flush=True)
        rounds = [[dict(_calls(storage, times)) for storage in storages] for _ in range(ROUNDS)]
        kept = _show_calls(rounds, (few, many))
        lines = [[name, f"{taken:.2f}"] for name, taken in _reads(storages[-1], many, times)]
        print(table(f"Looking at {many:,} jobs", ["", "ms"], lines), flush=True)
    return kept


def _calls(storage: Storage, times: int) -> Iterator[Call]:
    """Each is of ten jobs, enqueued for it, claimed and finished."""
    claims, finishes = [], []
    for _ in range(times):
        storage.enqueue_many([Job("nothing", [PAYLOAD]) for _ in range(10)])
        jobs, taken = timed(partial(storage.fetch_available_jobs_atomic, "scale", 10))
        assert len(jobs) == 10
        claims.append(taken)
        done = [(job, Succeeded()) for job in jobs]
        finishes.append(timed(partial(storage.finish_many, done))[1])
    yield "claim of 10", statistics.median(claims)
    yield "finish of 10", statistics.median(finishes)
    nothing = partial(storage.fetch_available_jobs_atomic, "scale", 10)
    yield "claim that finds nothing", median(nothing, times)


def _show_calls(rounds: list[list[dict[str, float]]], sizes: tuple[int, int]) -> bool:
    rows, kept = [], True
    for name in rounds[0][0]:
        small, large = (statistics.median(each[n][name] for each in rounds) for n in (0, 1))
        rows.append([name, f"{small:.2f}", f"{large:.2f}", f"{large / small:.2f} x"])
        kept = kept and not (name == "claim of 10" and large > LIMIT * small)
    head = ["ms", *(f"{size:,} jobs" for size in sizes), "ratio"]
    print(table("Half of them finished, half due next year", head, rows))
    print(f"Claims of 10 are {'' if kept else 'NOT '}within {LIMIT:g} x\n", flush=True)
    return kept


def _reads(storage: Storage, many: int, times: int) -> Iterator[Call]:
    yield "counts by state", median(storage.get_job_counts, 5)
    yield "10 available jobs", median(partial(storage.get_available_jobs, 10), times)
    for name, given in FILTERS.items():
        for offset in OFFSETS:
            if offset < many // 2:
                page = partial(storage.list, limit=PAGE, offset=offset, **given)
                yield f"page of {PAGE} at {offset:,}, {name}", median(page, times)
