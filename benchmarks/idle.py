"""What a server with nothing to do costs, without and with schedules: its share of one core, and
how often it wakes up."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from math import nan
from typing import NamedTuple

from qml import Qml

from .contest import child
from .loops import THREADS, URL
from .stores import Store
from .table import table

WARM = 1.0


def never() -> None:
    """What the schedules would call, months from now."""


class Cost(NamedTuple):
    """The share of a core, and all its threads' wake-ups a second."""

    share: float
    wakes: float


def sit(url: str, schedules: int, seconds: float) -> Cost:
    """Run a server on a store with no jobs, as ``qml run`` does; its cost once it is warm."""
    with Qml(url) as jobs:
        task = jobs.task(never)
        for number in range(schedules):
            jobs.cron(f"{number % 60} 3 29 2 *", name=f"nightly report {number}")(task)
        server, found = jobs.server(threads=THREADS), list[Cost]()

        def watch() -> None:
            try:
                while len(jobs.schedules.list()) < schedules:
                    time.sleep(WARM)
                found.append(_cost(seconds))
            finally:
                server.ask_to_stop()

        threading.Thread(target=watch).start()
        server.run()
        return found[0]


def _cost(seconds: float) -> Cost:
    time.sleep(WARM)
    wakes, cpu, begun = _wakes(), time.process_time(), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - begun
    return Cost((time.process_time() - cpu) / took, (_wakes() - wakes) / took)


def _wakes() -> float:
    try:
        import resource
    except ImportError:  # Windows does not tell
        return nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


def measure(stores: Sequence[Store], schedules: int, seconds: float) -> list[Cost]:
    """The cost on each store. All at once: they do nothing."""
    with ExitStack() as running:
        urls = [running.enter_context(store.new()) for store in stores]
        sitting = [
            running.enter_context(child(url, __name__, str(schedules), str(seconds)))
            for url in urls
        ]
        answers = [process.communicate()[0].split() for process in sitting]
        return [Cost(float(share), float(wakes)) for share, wakes in answers]


def show(stores: Sequence[Store], schedules: int, seconds: float) -> None:
    """Measure and print a table."""
    columns = [measure(stores, number, seconds) for number in (0, schedules)]
    rows = [
        [store.name, *(text for cost in costs for text in _texts(cost))]
        for store, *costs in zip(stores, *columns, strict=True)
    ]
    title = (
        f"An idle server of {THREADS} threads, {seconds:g} s: its share of a core, and how often "
        "it wakes up"
    )
    head = ["", "no schedules", "a second", f"{schedules:,} schedules", "a second"]
    print(table(title, head, rows), flush=True)


def _texts(cost: Cost) -> list[str]:
    return [f"{cost.share:.2%}", f"{cost.wakes:.1f}"]


if __name__ == "__main__":
    print(*sit(os.environ[URL], int(sys.argv[1]), float(sys.argv[2])))
