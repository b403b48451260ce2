"""How long calls take."""

import statistics
import time
from collections.abc import Callable
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
