"""What a server with nothing to do costs, without and with schedules: its share of one core, how
often it wakes up, and its memory."""

from collections.abc import Sequence
from contextlib import ExitStack

from . import sitting
from .contest import child
from .loops import THREADS
from .sitting import Cost
from .stores import Store
from .table import table


def measure(stores: Sequence[Store], schedules: int, seconds: float) -> list[Cost]:
    """The cost on each store. All at once: they do nothing."""
    with ExitStack() as running:
        urls = [running.enter_context(store.new()) for store in stores]
        servers = [
            running.enter_context(child(url, sitting.__name__, str(schedules), str(seconds)))
            for url in urls
        ]
        answers = [process.communicate()[0].split() for process in servers]
        return [Cost(*map(float, figures)) for figures in answers]


def show(stores: Sequence[Store], schedules: int, seconds: float) -> None:
    """Measure and print a table."""
    columns = [measure(stores, number, seconds) for number in (0, schedules)]
    rows = [
        [store.name, *(text for cost in costs for text in _texts(cost))]
        for store, *costs in zip(stores, *columns, strict=True)
    ]
    title = (
        f"An idle server of {THREADS} threads, {seconds:g} s: its share of a core, how often it "
        "wakes up, and its memory"
    )
    head = ["", "no schedules", "a second", "MiB", f"{schedules:,} schedules", "a second", "MiB"]
    print(table(title, head, rows), flush=True)


def _texts(cost: Cost) -> list[str]:
    return [f"{cost.share:.2%}", f"{cost.wakes:.1f}", f"{cost.memory:.1f}"]
