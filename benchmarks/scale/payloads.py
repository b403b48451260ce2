"""Jobs of 200 bytes up to as much as a job may have: to store them one by one, and to do them."""

import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from qml import Qml, Server

from ..loops import THREADS
from ..stores import Store
from ..table import rate, table
from .timing import timed

LETTERS = (200, 2_000, 20_000, 200_000, 2**20 - 100)
"""Of the argument; the last with its quotes and brackets is a little less than the limit, 1 MiB."""


class Size(NamedTuple):
    """About how much to store of each, and at most how many jobs."""

    letters: int
    jobs: int


SIZES = {
    "quick": Size(4_000_000, 20),
    "usual": Size(20_000_000, 1_000),
    "long": Size(200_000_000, 10_000),
}


def show(stores: Sequence[Store], size: Size) -> bool:
    """Measure and print tables."""
    for store in stores:
        head = ["", "enqueue, jobs/s", "MB/s", "drain, jobs/s", "MB/s"]
        rows = [[f"{letters:,} letters", *_cells(store, letters, size)] for letters in LETTERS]
        print(table(f"{store.name}: one argument of", head, rows), flush=True)
    return True


def _cells(store: Store, letters: int, size: Size) -> Iterator[str]:
    for taken in measure(store, letters, min(size.jobs, size.letters // letters)):
        yield rate(taken)
        yield f"{taken * letters / 1e6:,.1f}"


def measure(store: Store, letters: int, jobs: int) -> tuple[float, float]:
    """Jobs enqueued per second by one thread, and jobs done by a server."""
    with store.new() as url, Qml(url) as app:
        left, done = [None] * jobs, threading.Event()

        def length(text: str) -> int:
            left.pop()
            if not left:
                done.set()
            return len(text)

        task, text = app.task(name="length")(length), "x" * letters
        _, stored = timed(lambda: [task.enqueue(text) for _ in range(jobs)])
        server = app.server(threads=THREADS)
        _, drained = timed(partial(_drain, server, done))
        return jobs / stored * 1e3, jobs / drained * 1e3


def _drain(server: Server, done: threading.Event) -> None:
    """Until the outcomes are recorded."""
    with server:
        done.wait()
