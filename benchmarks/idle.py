"""What a server with nothing to do costs, without and with schedules: its share of one core."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from qml import Qml

from .contest import child
from .loops import THREADS, URL
from .stores import Store
from .table import table

WARM = 1.0


def never() -> None:
    """What the schedules would call, months from now."""


def sit(url: str, schedules: int, seconds: float) -> float:
    """Run a server on a store with no jobs; its share of a core once it is warm."""
    with Qml(url) as jobs:
        task = jobs.task(never)
        for number in range(schedules):
            jobs.cron(f"{number % 60} 3 29 2 *", name=f"nightly report {number}")(task)
        with jobs.server(threads=THREADS):
            while len(jobs.schedules.list()) < schedules:
                time.sleep(WARM)
            return _share(seconds)


def _share(seconds: float) -> float:
    time.sleep(WARM)
    cpu, begun = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    return (time.process_time() - cpu) / (time.perf_counter() - begun)


def measure(stores: Sequence[Store], schedules: int, seconds: float) -> list[float]:
    """The share on each store. All at once: they do nothing."""
    with ExitStack() as running:
        urls = [running.enter_context(store.new()) for store in stores]
        sitting = [
            running.enter_context(child(url, __name__, str(schedules), str(seconds)))
            for url in urls
        ]
        return [float(process.communicate()[0]) for process in sitting]


def show(stores: Sequence[Store], schedules: int, seconds: float) -> None:
    """Measure and print a table."""
    columns = [measure(stores, number, seconds) for number in (0, schedules)]
    rows = [
        [store.name, *(f"{share:.2%}" for share in shares)]
        for store, *shares in zip(stores, *columns, strict=True)
    ]
    title = f"An idle server of {THREADS} threads, {seconds:g} s: its share of a core"
    print(table(title, ["", "no schedules", f"{schedules:,} schedules"], rows), flush=True)


if __name__ == "__main__":
    print(sit(os.environ[URL], int(sys.argv[1]), float(sys.argv[2])))
