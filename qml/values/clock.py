"""Clocks: whatever tells a storage the time.

A storage asks one clock and nothing else. In production that is the store's own time, carried
on between two looks by a steady counter; in tests it is a ``ManualClock``.
"""

import math
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Protocol, cast

from .errors import ConfigurationError
from .times import FIRST, LAST, aware_utc, from_micros, span_micros, to_micros


class Clock(Protocol):
    """What a storage asks for the time."""

    def micros(self) -> int:
        """Now, in microseconds since 1970-01-01 UTC."""
        ...

    def sync(self) -> None:
        """Look at the source of time again, where there is one."""
        ...


def clock_or_none(name: str, clock: object) -> "Clock | None":
    """``clock`` if it is one or None; a ConfigurationError calls it ``name``."""
    if clock is None:
        return None
    if isinstance(clock, type) or not callable(getattr(clock, "micros", None)):
        raise ConfigurationError(f"{name} is {clock!r}; give a clock, such as ManualClock()")
    return cast(Clock, clock)


_steady = (
    partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic_ns
)


def steady_micros() -> int:
    """A counter of microseconds that no change of the machine's time moves. On Linux it counts
    sleep of the machine too, and reads the same in every process until the next boot."""
    return _steady() // 1000


Steady = Callable[[], float]
"""A counter of seconds that no change of the machine's time moves; ``time.monotonic``, but in
tests that turn time by hand."""

SHORT_TRIP = 10_000
"""Microseconds: a round trip to the store that is short enough to trust."""

TRIES = 5


class StoreClock:
    """The time of a store: read from ``source`` when made and at each ``sync``, and carried on by
    the steady counter in between. The wall clock of this process is never asked (law 6)."""

    def __init__(self, source: Callable[[], int]) -> None:
        self._source = source
        self._offset = 0
        self.sync()

    def micros(self) -> int:
        """Now, in microseconds since 1970-01-01 UTC."""
        return steady_micros() + self._offset

    def sync(self) -> None:
        """Ask the store, and take half the round trip as the way back. A round trip that was held
        up says little, so the shortest of a few counts."""
        asked = []
        for _ in range(TRIES):
            before = steady_micros()
            there = self._source()
            after = steady_micros()
            asked.append((after - before, there - (before + after) // 2))
            if after - before < SHORT_TRIP:
                break
        self._offset = min(asked)[1]


class ManualClock:
    """A clock that stands still until it is told to move. Safe to share between threads.

    ``start``: an aware datetime, or seconds since 1970.
    """

    def __init__(self, start: datetime | float = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        if isinstance(start, datetime):
            self._micros = to_micros(aware_utc("ManualClock start", start))
        else:
            self._micros = _later(f"ManualClock({start!r})", 0, start)
        self._lock = threading.Lock()

    def advance(self, seconds: float) -> datetime:
        """Move on by ``seconds`` (0 or more) and return the new time."""
        what = f"advance({seconds!r})"
        with self._lock:
            later = _later(what, self._micros, seconds)
            if seconds < 0:
                raise ConfigurationError(f"{what}: a clock goes forward; give 0 or more")
            self._micros = later
        return self.now()

    def now(self) -> datetime:
        """The time it shows, aware UTC."""
        return from_micros(self._micros)

    def micros(self) -> int:
        """The time it shows, in microseconds since 1970-01-01 UTC."""
        return self._micros

    def sync(self) -> None:
        """Nothing to ask: the test decides."""


def _later(what: str, micros: int, seconds: object) -> int:
    """``micros`` and so many ``seconds``; ConfigurationError when ``what`` gives no number of
    them, or there is no date for it: nobody could read such a clock."""
    if not isinstance(seconds, int | float):
        raise ConfigurationError(
            f"{what}: give seconds, such as 60 or 0.5, not a {type(seconds).__name__}"
        )
    if not math.isfinite(seconds):
        raise ConfigurationError(f"{what}: a clock goes forward; give 0 or more, and no infinity")
    later = micros + span_micros(seconds)
    if not FIRST <= later <= LAST:
        raise ConfigurationError(f"{what}: no date for it; a clock shows the years 1 to 9999")
    return later
