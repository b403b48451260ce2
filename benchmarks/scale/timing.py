"""How long calls take."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """What a call returns, and its milliseconds."""
    begun = time.perf_counter()
    returned = call()
    return returned, (time.perf_counter() - begun) * 1e3


def median(call: Callable[[], object], times: int) -> float:
    """The median of several calls, in milliseconds."""
    return statistics.median(timed(call)[1] for _ in range(times))


def lower(taken: Sequence[float]) -> float:
    """The lower quartile: other work on the machine only ever adds to what something takes."""
    if len(taken) == 1:
        return taken[0]
    return statistics.quantiles(taken, n=4, method="inclusive")[0]
