"""What a server with nothing to do costs: its share of one core."""

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


def sit(url: str, seconds: float) -> float:
    """Run a server on an empty store; its share of a core after a second to get warm."""
    with Qml(url) as jobs, jobs.server(threads=THREADS):
        time.sleep(WARM)
        cpu, begun = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        return (time.process_time() - cpu) / (time.perf_counter() - begun)


def measure(stores: Sequence[Store], seconds: float) -> list[float]:
    """The share on each store. All at once: they do nothing."""
    with ExitStack() as running:
        urls = [running.enter_context(store.new()) for store in stores]
        sitting = [running.enter_context(child(url, __name__, str(seconds))) for url in urls]
        return [float(process.communicate()[0]) for process in sitting]


def show(stores: Sequence[Store], seconds: float) -> None:
    """Measure and print a table."""
    shares = zip(stores, measure(stores, seconds), strict=True)
    rows = [[store.name, f"{share:.2%}"] for store, share in shares]
    title = f"An idle server of {THREADS} threads, {seconds:g} s"
    print(table(title, ["", "of a core"], rows), flush=True)


if __name__ == "__main__":
    print(sit(os.environ[URL], float(sys.argv[1])))
