"""What a map costs more than its jobs, and beside huey's."""

from collections.abc import Callable
from functools import partial

from qml import Qml

from .. import peers
from ..contest import Turn, take
from ..loops import THREADS, Effort
from ..scale.timing import timed
from ..stores import Store
from .runs import Numbers, square
from .turns import quartiles


def measure(store: Store, size: int, times: int) -> dict[str, float]:
    """The milliseconds of one input of ``size``, until all results are there, with a server of
    eight threads started for it."""
    with store.new() as url, Qml(url) as jobs:
        task = jobs.task(name="square")(square)
        calls = {
            "enqueue_many, a server, results": partial(_each, partial(by_hand, jobs, task), size),
            "map": partial(_each, partial(mapped, task), size),
        }
        if store.kind in peers.PEERS["huey"].kinds and "huey" in peers.there():
            turn = Turn("huey", "map", Effort(0, size), peers.python())
            calls["huey's map"] = lambda: 1e3 / take(turn, store)
        return quartiles(calls, times)


def _each(call: Callable[[int], list[int]], size: int) -> float:
    found, taken = timed(partial(call, size))
    assert found == [square(number) for number in range(size)]
    return taken / size


def by_hand(jobs: Qml, task: Numbers, size: int) -> list[int]:
    """What a script would do without it."""
    stored = task.enqueue_many([(number,) for number in range(size)])
    with jobs.server(threads=THREADS):
        return [jobs.result(job, 600) for job in stored]


def mapped(task: Numbers, size: int) -> list[int]:
    """The map."""
    return [*task.map(range(size), threads=THREADS)]
