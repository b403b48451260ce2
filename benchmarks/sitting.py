"""A server with nothing to do, in a process of its own that knows nothing but qml."""

import os
import sys
import threading
import time
from math import nan
from typing import NamedTuple

from qml import Qml

from .loops import THREADS, URL
from .resident import mebibytes

WARM = 1.0


def never() -> None:
    """What the schedules would call, months from now."""


class Cost(NamedTuple):
    """The share of a core, all its threads' wake-ups a second, and MiB."""

    share: float
    wakes: float
    memory: float


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
    return Cost((time.process_time() - cpu) / took, (_wakes() - wakes) / took, mebibytes())


def _wakes() -> float:
    try:
        import resource
    except ImportError:  # Windows does not tell
        return nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw


if __name__ == "__main__":
    print(*sit(os.environ[URL], int(sys.argv[1]), float(sys.argv[2])))
