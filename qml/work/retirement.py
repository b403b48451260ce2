"""When a server ends itself: after so many jobs, or grown beyond so much memory."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from ..values.clock import Steady
from ..values.errors import ConfigurationError

log = logging.getLogger("qml.server")

LOOK = 1.0
"""Seconds between two looks at the memory."""


def resident_mb() -> float:
    """What this process has in memory now, in MB of 1,000,000 bytes; OSError where the system does
    not tell. (``getrusage`` knows the peak only, and keeps that of the program before an exec.)"""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Retirement:
    """The limits of a server's life; None = it has none. A ConfigurationError names a wrong one.

    ``max_jobs``: jobs whose outcome is recorded; no more are claimed, so it is kept to exactly.
    ``max_memory_mb``: looked at once a second, and not before a job has ended, so that a limit
    which the program exceeds from the start still lets it do something.
    """

    def __init__(
        self,
        max_jobs: int | None,
        max_memory_mb: float | None,
        *,
        steady: Steady = time.monotonic,
        memory: Callable[[], float] = resident_mb,
    ) -> None:
        if max_jobs is not None and (type(max_jobs) is not int or max_jobs < 1):
            raise ConfigurationError(
                f"max_jobs is {max_jobs!r}; give a whole number, 1 or more, or None"
            )
        self.max_jobs = max_jobs
        self._max_memory = _checked(max_memory_mb, memory)
        self._memory = memory
        self._steady = steady
        self._looked_at = steady() - LOOK

    def __str__(self) -> str:
        jobs = f"after {self.max_jobs:,} jobs" if self.max_jobs else ""
        memory = f"with {self._max_memory:,.0f} MB in use" if self._max_memory else ""
        return " or ".join(limit for limit in (jobs, memory) if limit)

    def room(self, free: int, ahead: int, taken: int) -> tuple[int, int]:
        """Of what may be claimed now, as much as is left after the ``taken`` jobs."""
        if self.max_jobs is None:
            return free, ahead
        left = max(0, self.max_jobs - taken)
        free = min(free, left)
        return free, min(ahead, left - free)

    def reason(self, ended: int) -> str | None:
        """Why it is time, once ``ended`` jobs have; None = it is not."""
        if self.max_jobs is not None and ended >= self.max_jobs:
            return f"{ended:,} jobs have run here, as many as max_jobs allows"
        if self._max_memory is None or not ended or self._steady() - self._looked_at < LOOK:
            return None
        self._looked_at = self._steady()
        used = self._memory()
        if used <= self._max_memory:
            return None
        return f"{used:,.0f} MB are in use, more than the {self._max_memory:,.0f} of max_memory_mb"


def _checked(limit: float | None, memory: Callable[[], float]) -> float | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
        raise ConfigurationError(
            f"max_memory_mb is {limit!r}; give MB (of 1,000,000 bytes), more than 0, or None"
        )
    try:
        used = memory()
    except (OSError, ValueError, IndexError, AttributeError) as error:
        raise ConfigurationError(
            f"max_memory_mb is {limit!r}, but this system has no /proc/self/statm that tells how "
            "much memory is in use (Linux has); give max_jobs instead"
        ) from error
    if used > limit:
        log.warning(
            "max_memory_mb is %g, but %.0f MB are in use before the first job: this server ends "
            "after every job; give more",
            *(limit, used),
        )
    return limit
