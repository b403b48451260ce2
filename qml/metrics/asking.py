"""The figures of a store, asked by a thread of its own, so that who wants them never waits long."""

import contextvars
import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import NamedTuple

import attrs

from ..seam.rows import Lapsed
from ..storage import servers
from ..storage.servers import SILENT
from ..storage.storage import Storage

log = logging.getLogger("qml.metrics")

FRESH = 5.0
"""Seconds for which an answer is good; longer where asking takes long."""

SHARE = 0.05
"""The part of the time, at most, in which the store is asked."""

PATIENCE = 2.0
"""Seconds that one may wait for the answer."""

LONGEST = 30.0
"""Seconds for which a store that has answered may count before it passes for one that hangs."""

IDLE = 60.0
"""Seconds without a question after which the thread ends."""

MOST_LAPSED = 1_000
"""Lapsed leases that are counted."""


@attrs.frozen
class Figures:
    """What a store answered. ``jobs``: by queue and state; ``oldest``: seconds since the job was
    due that has been due longest, 0 when none is; ``servers``: that gave a sign lately; ``lapsed``:
    leases that nobody has taken up."""

    jobs: dict[tuple[str, str], int]
    oldest: float
    servers: int
    lapsed: int


def ask(storage: Storage) -> Figures:
    """Ask it."""
    queues = storage.queues.list()
    counts = {
        (queue.name, kind.value): number
        for queue in queues
        for kind, number in queue.counts.items()
        if number
    }
    waits = (storage.now() - queue.oldest for queue in queues if queue.oldest)
    oldest = max(waits, default=timedelta()).total_seconds()
    alive = sum(one["silent_seconds"] <= SILENT for one in servers.alive(storage))
    lapsed = len(storage.driver.scan(Lapsed(storage.clock.micros(), MOST_LAPSED)))
    return Figures(counts, oldest, alive, lapsed)


class Known(NamedTuple):
    """Figures, ``at`` which moment they were there and how many seconds it ``took``."""

    at: float
    took: float
    figures: Figures


class Inquiry:
    """Has a store asked. ``storage``: gives it, in the context of who wants figures, and may take
    as long as it likes; ``asked``: what is asked of it."""

    def __init__(
        self, storage: Callable[[], Storage], asked: Callable[[Storage], Figures] = ask
    ) -> None:
        self._storage = storage
        self._asked = asked
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wanted = False
        self._context = contextvars.Context()
        self._asking_since: float | None = None
        self._answered = -inf  # when it last answered at all; never, once it did not
        self._ended = 0  # questions that were answered, or not
        self._known: Known | None = None

    def figures(self, patience: float = PATIENCE) -> tuple[bool, Figures | None]:
        """Whether the store answers, and what: at once when an answer is fresh, and ``patience``
        seconds after the question at the latest. Figures may be older where asking takes longer;
        there are none while it does not answer."""
        if self._pid != os.getpid():
            self._begin()  # forked: the thread is the parent's, and the lock may be
        with self._changed:
            now, before = time.monotonic(), self._ended
            if self._is_fresh(now):
                return True, self._known and self._known.figures
            self._want()
            asked = self._asking_since or now
            self._changed.wait_for(
                lambda: self._ended != before, max(0.0, patience - (now - asked))
            )
            up = self._is_up(self._ended != before)
            return up, self._known.figures if up and self._known else None

    def _is_fresh(self, now: float) -> bool:
        known = self._known
        if known is None or self._answered < known.at:
            return False
        return now - known.at < max(FRESH, known.took / SHARE)

    def _is_up(self, ended: bool) -> bool:
        if ended or self._asking_since is None:
            return ended and self._answered > -inf
        now = time.monotonic()
        return self._answered >= self._asking_since and now - self._answered < LONGEST

    def _want(self) -> None:
        if self._asking_since is None:
            self._wanted = True
            self._context = contextvars.copy_context()  # as a Flask app's, which has a storage
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="qml-metrics", daemon=True)
            self._thread.start()

    def _loop(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._wanted, IDLE):
                    self._thread = None
                    return
                self._wanted = False
                self._asking_since = time.monotonic()
            known = self._ask()
            with self._changed:
                if known is None:
                    self._answered = -inf
                else:
                    self._known, self._answered = known, known.at
                self._asking_since = None
                self._ended += 1
                self._changed.notify_all()

    def _ask(self) -> "Known | None":
        begun = time.monotonic()
        try:
            storage = self._context.run(self._storage)
            storage.driver.time()
            self._answered = time.monotonic()
            found = self._asked(storage)
        except Exception as error:
            log.debug("the store gives no figures: %s", error)
            return None
        now = time.monotonic()
        return Known(now, now - begun, found)
