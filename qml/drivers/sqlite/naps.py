"""Short uneven waits while another connection has the file locked."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from . import library
from .library import library as sqlite

T = TypeVar("T")


def nap() -> None:
    """A short wait of uneven length, so that those who wait do not keep step. SQLite's own waits
    grow to 100 ms, and with them the worst wait (measured: 1.7 s among four processes)."""
    time.sleep(random.uniform(0.0002, 0.002))


def again_while_busy(step: Callable[[], T], deadline: float) -> T:
    """What ``step`` returns, tried again until ``deadline`` while another is in its way."""
    while True:
        try:
            return step()
        except sqlite.Error as error:
            if not library.is_busy(error) or time.monotonic() > deadline:
                raise
            nap()
