"""Hints that something changed: from this process at once, from others within milliseconds."""

import threading
import time
from collections.abc import Callable

POLL = 0.008
"""Seconds between two looks for other processes' commits: costs an idle process about 0.5 % of a
core, and a job enqueued elsewhere about 4 ms."""


class Wakeups:
    """A counter of hints. Each thread remembers which it saw last, so none falls between a
    thread's look at the store and its ``wait``; a thread's first wait therefore returns at once."""

    def __init__(self, watch: Callable[[], int]) -> None:
        self._watch = watch
        self._closed = False
        self.begin_anew()

    def begin_anew(self) -> None:
        """New locks, for a forked child: the old ones may be held by threads it does not have."""
        self._changed = threading.Condition()
        self._count = 0
        self._version = -1
        self._seen = threading.local()

    def notify(self) -> None:
        """Wake everybody who waits in this process."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, timeout: float) -> bool:
        """True = there was a hint since this thread last waited. False = ``timeout`` s passed."""
        deadline = time.monotonic() + timeout
        seen = getattr(self._seen, "count", None)
        with self._changed:
            self._look()  # also says so when the storage is closed
            while self._count == seen and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(POLL, left))
                if not self._closed:
                    self._look()
            hinted = self._count != seen
            self._seen.count = self._count
            return hinted

    def _look(self) -> None:
        version = self._watch()
        if version != self._version:
            self._version = version
            self._count += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
