"""Hints that something changed: from this process at once, from others within milliseconds.

The truth is a number that changes with every commit of others, and whoever waits looks at it now
and then. Where the system tells of writes to the log, a thread looks right after each that is not
this process's own, and the others seldom.
"""

import contextlib
import threading
import time
from collections.abc import Callable

from .walwatch import WalWatch
from .writes import Writes

POLL = 0.008
"""Seconds between two looks without a watch: costs an idle process about 1 % of a core, and a job
enqueued elsewhere about 4 ms."""

POLL_WATCHED = 1.0
"""Seconds between two looks with a watch, for what it may have missed."""

CHECK = 5.0
"""Seconds between two looks at the watch itself, which tells when its file goes."""

COMMITTING, LOOK_AGAIN = 0.010, 0.0001
"""For so many seconds after a write to the log a thread looks for the commit, which is seen only
after its flush: again after so long, or a quarter of the time since the write."""

SLOWLY = 0.1
"""For so many seconds after a write it looks now and then, each time when twice as long has passed:
for slow disks, and for a second commit that began while it saw the first, or while this storage
wrote."""

OWN_GOES_ON = 0.002
"""Seconds for which the thread lets a write of this storage go on that the log has told of: it is
told of each page, and who writes and who was woken by it would have to share Python with it. A job
takes so long from its commit to its task; what others commit meanwhile is looked for after it."""

OWN = -2
"""Stands for the version before a write of this storage, after which nothing has to be seen."""

TRY_AGAIN = 1.0
"""Seconds between two attempts to get a watch."""

LINGER = 5.0
"""Seconds that the thread stays when nobody waits. So it keeps no forgotten storage alive."""

PATIENCE = 5.0
"""Seconds that ``close`` waits for the thread, which takes milliseconds to end."""


class Wakeups:
    """A counter of hints. Each thread remembers which it saw last, so none falls between a
    thread's look at the store and its ``wait``; a thread's first wait therefore returns at once."""

    def __init__(
        self,
        version: Callable[[], int | None],
        writes: Callable[[], Writes],
        watch: Callable[[], WalWatch],
    ) -> None:
        """``version``: what others' commits change, None = it cannot be seen now; it is asked by
        one thread at a time. ``writes`` of this storage. ``watch`` raises OSError in vain."""
        self._ask_version = version
        self._ask_writes = writes
        self._make_watch = watch
        self._closed = False
        self._watch: WalWatch | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """New locks, for a forked child: the old ones may be held by threads it does not have."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waited_for = threading.Condition(self._lock)
        self._waiting = 0
        self._count = self._stored = 0
        self._version = -1
        self._seen = threading.local()
        if self._watch is not None:
            self._watch.close()
        self._watch = None
        self._thread: threading.Thread | None = None
        self._next_try = 0.0

    def notify(self, claimable: bool = False) -> None:
        """Wake everybody who waits in this process. ``claimable``: for rows stored just now."""
        with self._lock:
            self._count += 1
            self._stored += claimable
            if self._waiting:
                self._changed.notify(self._waiting)

    def for_rows(self) -> bool:
        """Whether rows to be claimed were among what ended this thread's last wait, and nobody has
        asked before."""
        found, self._seen.new = getattr(self._seen, "new", 0), 0
        return bool(found)

    def wait(self, timeout: float) -> bool:
        """True = there was a hint since this thread last waited. False = ``timeout`` s passed."""
        deadline = time.monotonic() + timeout
        seen = getattr(self._seen, "count", None)
        with self._lock:
            if self._watch is None or self._closed:
                self._look()  # also says so when the storage is closed
            while self._count == seen and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._sleep(left)
                if self._count == seen and not self._closed:
                    self._look()
            hinted = self._count != seen
            self._seen.new = self._stored - getattr(self._seen, "stored", 0)
            self._seen.count, self._seen.stored = self._count, self._stored
            return hinted

    def _sleep(self, longest: float) -> None:
        pause = POLL_WATCHED if self._watch is not None or self._watched() else POLL
        self._waiting += 1
        self._waited_for.notify()
        try:
            self._changed.wait(min(pause, longest))
        finally:
            self._waiting -= 1

    def _look(self) -> None:
        version = self._ask_version()
        if version is not None and version != self._version:
            self._version = version
            self._count += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody who waits go, and the thread end: then the connection it looks with may be
        closed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._waited_for.notify_all()
            thread = self._thread
            if self._watch is not None:
                self._watch.stop()
        if thread is not None:
            thread.join(PATIENCE)

    # -- the thread ----------------------------------------------------------------------------

    def _watched(self) -> bool:
        """Try to get a watch; whether there is one. Call it after a look, which makes the log."""
        now = time.monotonic()
        if now >= self._next_try:
            self._next_try = now + TRY_AGAIN
            with contextlib.suppress(OSError):
                self._watch = self._make_watch()
                self._start(self._watch)
        return self._watch is not None

    def _start(self, watch: WalWatch) -> None:
        self._thread = threading.Thread(
            target=self._follow, args=(watch,), name="qml-sqlite-wakeups", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads
            self._give_up(watch)

    def _follow(self, watch: WalWatch) -> None:
        try:
            # An error of the store is met and told by whoever waits.
            with contextlib.suppress(Exception):
                self._look_after_writes(watch)
        finally:
            self._give_up(watch)

    def _look_after_writes(self, watch: WalWatch) -> None:
        # There may have been a commit before there was the watch.
        written, before, is_own = time.monotonic(), self._version, False
        own: int | None = self._ask_writes().count  # those of this storage of which all was told
        while not watch.over and (is_own or self._look_if_wanted()):
            age, is_own = time.monotonic() - written, False
            if age < COMMITTING and self._version == before:
                time.sleep(max(LOOK_AGAIN, age / 4))
                continue
            if not watch.written(max(POLL, age) if age < SLOWLY else CHECK):
                continue
            writes = self._ask_writes()
            written, before = time.monotonic(), self._version
            if writes.under_way or writes.count != own:
                before, own = OWN, self._own_goes_on(watch)
                is_own = own is None

    def _own_goes_on(self, watch: WalWatch) -> int | None:
        """Let it. The last write of which all was told by then; None = one is under way."""
        time.sleep(OWN_GOES_ON)
        writes = self._ask_writes()
        if writes.under_way:
            return None
        last = writes.count  # before what is left of it is read: another may begin
        watch.written(0)
        return last

    def _look_if_wanted(self) -> bool:
        """Look once somebody waits. False = nobody does for long."""
        with self._changed:
            wanted = self._waited_for.wait_for(lambda: self._waiting or self._closed, LINGER)
            if not wanted or self._closed:
                return False
            self._look()
            return True

    def _give_up(self, watch: WalWatch) -> None:
        with self._changed:
            watch.close()
            if self._watch is watch:
                self._watch = self._thread = None
            self._changed.notify_all()  # they look oftener, or get a new watch
