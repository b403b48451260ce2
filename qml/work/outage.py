"""What a server's threads know together about whether the store does as it is told.

An outage is told once when it begins, once a minute while it lasts, and once when it is over,
however many threads meet it.
"""

import logging
import threading
import time

from ..values.clock import Steady
from ..values.errors import StorageError

log = logging.getLogger("qml.server")

REMIND = 60.0
"""Seconds between two lines about one outage."""

LONG = 2.0
"""Seconds from which an outage may have kept others from renewing their leases."""

SETTLE = 10.0
"""Seconds after a long outage in which nothing is rescued: every server that lives tries again
within 7.5 seconds, and renews the leases that lapsed meanwhile."""


class Outage:
    """What fails just now, by name. It is over when everything that failed has worked again: a
    store may answer looks, and refuse what writes."""

    def __init__(self, steady: Steady = time.monotonic) -> None:
        self.steady = steady
        self._lock = threading.Lock()
        self._failing: set[str] = set()
        self._begun = 0.0
        self._told_at: float | None = None
        self._settled_at = self.steady()

    def failed(self, what: str, error: StorageError, pause: float) -> None:
        """``what`` could not be done, and is tried again in ``pause`` seconds."""
        now = self.steady()
        with self._lock:
            begins = not self._failing
            if begins:
                self._begun = now
            self._failing.add(what)
            tells = begins if self._told_at is None else now - self._told_at >= REMIND
            if tells:
                self._told_at = now
        if tells and begins:
            log.warning(
                "%s failed: %s. What runs goes on and its outcome is kept; all is tried again, "
                "this in %.1f s",
                *(what, error, pause),
            )
        elif tells:
            lasts = now - self._begun
            log.warning("%s still fails, after %.0f s of trying again: %s", what, lasts, error)
        else:
            log.debug("%s failed, trying again in %.1f s: %s", what, pause, error)

    def worked(self, what: str) -> None:
        """``what`` could be done, or there was nothing to do."""
        if what not in self._failing:
            return
        now = self.steady()
        with self._lock:
            self._failing.discard(what)
            over, lasted = not self._failing, now - self._begun
            if over:
                self._told_at = None
        self.held_up(lasted)
        if over:
            log.warning("the store does as it is told again, after %.1f s; going on", lasted)

    def held_up(self, seconds: float) -> None:
        """For so long something took longer than it should: a server that was paused, a machine
        that slept. Nothing failed, and yet leases may have lapsed."""
        if seconds >= LONG:
            self._settled_at = self.steady() + SETTLE

    def fails(self, what: str) -> bool:
        """Whether this failed when it was last tried."""
        return what in self._failing

    @property
    def failing(self) -> list[str]:
        """What failed when it was last tried."""
        with self._lock:
            return sorted(self._failing)

    @property
    def settling(self) -> bool:
        """Whether the store has just come back, and others may not have renewed their leases."""
        return self.steady() < self._settled_at
