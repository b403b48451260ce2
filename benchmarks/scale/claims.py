"""What it costs to enqueue, claim and finish ten jobs beside ever more of them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from qml import Job, Succeeded, connect
from qml.storage.storage import Storage

from ..loops import PAYLOAD
from ..stores import Store
from ..table import table
from .fill import KINDS, Filler
from .timing import lower, timed

LIMIT = 2.0
"""How many times slower a claim may be beside many jobs."""

TEN = 10
MEMORY = 8 * 10**9
"""Bytes that jobs may take where they are kept in memory."""


class Size(NamedTuple):
    """Beside how many finished jobs, and how many of the other kinds, the fewest first; and how
    often."""

    finished: Sequence[int]
    others: Sequence[int]
    times: int


SIZES = {
    "quick": Size((20, 200), (20, 200), 2),
    "usual": Size((1_000, 10_000, 100_000), (1_000, 100_000), 40),
    "long": Size(
        (1_000, 10_000, 100_000, 1_000_000, 10_000_000),
        (1_000, 10_000, 100_000, 1_000_000),
        100,
    ),
}


class Ten(NamedTuple):
    """Milliseconds of ten jobs."""

    enqueue: float
    claim: float
    finish: float


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print a table for each kind of job; whether claims keep the limit."""
    kept = True
    for store in stores:
        for kind in KINDS:
            sizes = size.finished if kind == "finished" else size.others
            found = {}
            for jobs, few, many in curve(store, kind, sizes, size.times):
                found[jobs] = few, many
                kept = kept and many.claim <= LIMIT * few.claim
            title = f"{store.name}: ten jobs, beside others that are {kind}"
            print(table(title, _head(min(found)), [*_rows(found)]), flush=True)
    print(f"Claims are {'' if kept else 'NOT '}within {LIMIT:g} x\n", flush=True)
    return kept


def curve(
    store: Store, kind: str, sizes: Sequence[int], times: int
) -> Iterator[tuple[int, Ten, Ten]]:
    """For each size what ten jobs take in a store of the smallest size, and in one that grows to
    it: in turns, so that a ratio of the two says something on a machine that others use."""
    with ExitStack() as opened:
        urls = [opened.enter_context(store.new()) for _ in range(2)]
        few, many = (opened.enter_context(connect(url)) for url in urls)
        small, growing = (
            Filler(url, storage, kind) for url, storage in zip(urls, (few, many), strict=True)
        )
        small.fill(sizes[0])
        most = small.fits(MEMORY)
        for jobs in _that_fit(sizes, most):
            _, taken = timed(partial(growing.fill, jobs))
            print(f"{store.name}: {jobs:,} that are {kind}, in {taken / 1e3:.0f} s", flush=True)
            turns = [(ten(few), ten(many)) for _ in range(times + 1)][1:]
            yield jobs, _lower([turn[0] for turn in turns]), _lower([turn[1] for turn in turns])


def _that_fit(sizes: Sequence[int], most: int) -> Iterator[int]:
    """These, or the most of them that may be had in memory."""
    for jobs in sizes:
        if jobs > most:
            print(f"{jobs:,} would take more than {MEMORY / 1e9:g} GB of memory: {most:,} do not")
            yield most
            return
        yield jobs


def ten(storage: Storage) -> Ten:
    """Enqueue ten jobs, claim ten, finish them."""
    new = [Job("nothing", [PAYLOAD]) for _ in range(TEN)]
    _, stored = timed(partial(storage.enqueue_many, new))
    jobs, claimed = timed(partial(storage.fetch_available_jobs_atomic, "scale", TEN))
    assert len(jobs) == TEN
    done = [(job, Succeeded(result=1)) for job in jobs]
    _, finished = timed(partial(storage.finish_many, done))
    return Ten(stored, claimed, finished)


def _lower(turns: Sequence[Ten]) -> Ten:
    return Ten(*(lower(taken) for taken in zip(*turns, strict=True)))


def _head(fewest: int) -> list[str]:
    ratio = f"to {fewest:,}"
    return ["ms", "enqueue", ratio, "claim", ratio, "finish", ratio]


def _rows(found: dict[int, tuple[Ten, Ten]]) -> Iterator[list[str]]:
    for jobs, (few, many) in found.items():
        row = [f"beside {jobs:,}"]
        for one, other in zip(few, many, strict=True):
            row += [f"{other:.2f}", f"{other / one:.2f} x"]
        yield row
