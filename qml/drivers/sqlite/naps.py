"""Short uneven waits while another connection has the file locked."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from . import library
from .library import library as sqlite

G = TypeVar("G")
T = TypeVar("T")

HALVED, LEAST = 0.002, 0.05
"""Naps are half as long after so many seconds, a third after twice as many; but no less than this
share of the first, or a long transaction would have all others spin."""


def nap(waited: float = 0.0) -> None:
    """A short wait of uneven length, so that those who wait do not keep step, and the shorter the
    longer one has ``waited``, so that those who came first go first: of four processes that write
    without pause, reckoned with a flush of 3 ms, it takes the worst wait from 380 ms to 60.
    SQLite's own waits grow to 100 ms, and with them the worst wait (1.7 s)."""
    share = max(LEAST, HALVED / (HALVED + waited))
    time.sleep(random.uniform(0.0002, 0.002) * share)


def again_while_busy(step: Callable[[G], T], deadline: float, given: G) -> T:
    """What ``step`` returns for it, tried again until ``deadline`` while another is in its way."""
    begun = None
    while True:
        try:
            return step(given)
        except sqlite.Error as error:
            now = time.monotonic()
            if not library.is_busy(error) or now > deadline:
                raise
            begun = begun or now
            nap(now - begun)
