"""A pool of threads that run claimed jobs."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from weakref import WeakSet

from ..values.errors import ConfigurationError
from .executor import Outcome, Raised, describe
from .runs import Run

log = logging.getLogger("qml.server")

SHORT = 0.01
"""Seconds: jobs shorter than this on average are claimed ahead of free threads."""

AHEAD_SECONDS = 0.05
"""Seconds of work that may be claimed ahead."""

AHEAD_PER_THREAD = 24
"""Runs that may be claimed ahead for each thread. A job that does nothing takes 43 us of work on
SQLite; with 12 it took 49, with more no less."""


class Pool:
    """``size`` threads and the claimed runs that wait for one. ``execute`` runs one and returns
    what came of it; ``ended`` is told, or ``came_back`` for a run that was replaced, since its
    thread was late beyond a time limit. Such threads do not count. ``beside``: another pool; who
    waits for room in one of the two waits for room in either."""

    def __init__(
        self,
        size: int,
        execute: Callable[[Run], Outcome],
        ended: Callable[[Run, Outcome], None],
        came_back: Callable[[Run], None],
        name: str,
        beside: "Pool | None" = None,
    ) -> None:
        self.size = size
        self._execute = execute
        self._ended = ended
        self._came_back = came_back
        self._name = name
        # An RLock, since a Condition does with that in C what it does with a Lock in Python.
        self._lock: threading.RLock = beside._lock if beside else threading.RLock()
        self._change: threading.Condition = (  # for those who claim
            beside._change if beside else threading.Condition(self._lock)
        )
        self._work = threading.Condition(self._lock)  # for the threads
        self._queue: deque[Run] = deque()
        self._running = 0
        self._idle = 0  # threads that wait for a run
        self._waking = False  # whether one of these is on its way to a run
        self._threads = 0
        self.members: WeakSet[threading.Thread] = WeakSet()  # late ones, too
        self._missing = 0  # threads that the system did not start
        self._closed = False
        self._average = 1.0  # seconds a run takes, of late
        self._low = 0  # how few may wait before more are claimed ahead

    def start(self) -> None:
        """Start the threads. ConfigurationError, and none is left: the system has not so many."""
        with self._lock:
            try:
                self._fill()
            except RuntimeError as error:
                self.close()
                raise ConfigurationError(
                    f"threads is {self.size}, and the system starts no more than {self._threads} "
                    f"here ({error}); give fewer, or allow this process more (ulimit -u, ulimit -v)"
                ) from None

    def _fill(self) -> None:
        while self._threads < self.size and not self._closed:
            # Daemons, since no thread can be made to end: a job must not keep a process alive.
            thread = threading.Thread(target=self._loop, name=f"{self._name}-worker", daemon=True)
            thread.start()
            self.members.add(thread)
            self._threads += 1

    def _refill(self) -> None:
        """Start what is missing. What the system refuses is tried again with each look for room,
        and until then there is less of that."""
        try:
            self._fill()
        except RuntimeError as error:
            if not self._missing:
                log.warning(
                    "the system starts no thread in place of a late one (%s): %d instead of %d run "
                    "jobs, until it does; allow this process more (ulimit -u, ulimit -v)",
                    *(error, self._threads, self.size),
                )
        self._missing = 0 if self._closed else self.size - self._threads

    # -- the threads ---------------------------------------------------------------------------

    def _loop(self) -> None:
        run = self._first()
        while run is not None:
            begun = time.monotonic()
            outcome = self._outcome(run)
            took = time.monotonic() - begun
            with self._lock:
                run.ended = True
                if run.overdue:
                    break  # replaced long ago; what came of it was recorded as a timeout
                self._average += 0.2 * (took - self._average)
                self._running -= 1
                following = self._taken() if self._queue else None
                if following is None:
                    self._change.notify()
            self._ended(run, outcome)
            run = following or self._first()
        if run is not None:
            self._came_back(run)

    def _outcome(self, run: Run) -> Outcome:
        """What comes of a run, whatever is raised: what others set in a thread, to cut a task off,
        may come up when that has just ended."""
        try:
            return self._execute(run)
        except BaseException as error:
            name = f"job {run.job.id} ({run.job.method})"
            log.exception("%s: its thread was interrupted after its task; the attempt fails", name)
            return Raised(f"{describe(error)} (raised after the task had ended)", "")

    def _first(self) -> Run | None:
        """Wait for a run; None = this thread is to end."""
        with self._lock:
            while not self._queue:
                if self._closed:
                    self._threads -= 1
                    self._change.notify_all()
                    return None
                self._idle += 1
                try:
                    self._work.wait()
                except BaseException as error:  # later still than in ``_outcome``
                    log.warning("a thread was interrupted that ran nothing: %s", describe(error))
                finally:
                    self._idle -= 1
                    self._waking = False
            return self._taken()

    def _taken(self) -> Run:
        run = self._queue.popleft()
        self._running += 1
        if len(self._queue) <= self._low:
            self._change.notify()
        self._wake_next()
        return run

    def _wake_next(self) -> None:
        """Wake one thread for what waits, unless one is on its way: it wakes the next. So each
        starts as soon as those before it let Python go; and where they never do, since jobs are
        over in no time, few are woken for a batch that one of them can do."""
        if self._queue and self._idle and not self._waking:
            self._waking = True
            self._work.notify()

    def replace(self, run: Run) -> bool:
        """Another thread takes the place of the one that is late with ``run``. False: that one
        has come back just now."""
        with self._lock:
            if run.ended or run.overdue:
                return False
            run.overdue = True
            self._running -= 1
            self._threads -= 1
            self._refill()
            self._change.notify_all()
            return True

    # -- the claim loop's side -----------------------------------------------------------------

    def room(self) -> tuple[int, int]:
        """How many runs to claim now: for free threads, and ahead of them."""
        with self._lock:
            if self._missing:
                self._refill()
            waiting, size = len(self._queue), self.size - self._missing
            free = max(0, size - self._running - waiting)
            most = self._most_ahead() if size else 0
            self._low = most // 2
            beyond = max(0, waiting - (size - self._running))
            ahead = most - beyond if beyond <= self._low else 0
            return free, ahead

    def _most_ahead(self) -> int:
        if self._average >= SHORT:
            return 0
        by_time = self.size * AHEAD_SECONDS / max(self._average, 1e-5)
        return int(min(AHEAD_PER_THREAD * self.size, by_time))

    def put(self, runs: Iterable[Run]) -> None:
        """Give claimed runs to the threads, best first."""
        with self._lock:
            before = len(self._queue)
            for run in runs:
                run.pool = self
                self._queue.append(run)
            if self._average >= SHORT:  # together: each has enough to do
                self._work.notify(len(self._queue) - before)
            else:
                self._wake_next()

    def wait_for_room(self, timeout: float) -> None:
        """Sleep until a thread is free or runs are wanted ahead, at most ``timeout`` seconds."""
        with self._lock:
            self._change.wait(timeout)

    def withdraw(self, older_than: float = 0.0) -> list[Run]:
        """Take back the runs that wait for a thread for more than ``older_than`` seconds."""
        with self._lock:
            stale = [run for run in self._queue if run.steady() - run.claimed_at >= older_than]
            for run in stale:
                self._queue.remove(run)
            if older_than and stale:
                self._average = 1.0  # jobs are not short any more: take none ahead for a while
            return stale

    def nudge(self) -> None:
        """Wake ``wait_for_room``."""
        with self._lock:
            self._change.notify_all()

    def close(self) -> None:
        """Let threads end when nothing waits for them."""
        with self._lock:
            self._closed = True
            self._work.notify_all()
            self._change.notify_all()
