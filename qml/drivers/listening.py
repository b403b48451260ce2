"""Hints from a server that other processes share: a thread listens, and the others wait for it.

A hint may be lost, so whoever waits also looks for himself now and then: seldom while the thread
hears its own hints come back, often while it is deaf (the server is away, or a pooler in between
swallows what nobody asked for).
"""

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Protocol

from ..values.errors import StorageClosed, StorageError, StorageUnavailable

log = logging.getLogger("qml.wakeups")

POLL_DEAF = 0.2
"""Seconds between two looks of one who waits while no hints arrive."""

PROVE = 2.0
"""Seconds in which the thread's own hint must come back; else it is deaf."""

SHARE = 0.1
"""Seconds to wait for the hint that is sent at the moment. Were it sent by one thread as long as
others have more, that one would be at it for seconds (measured: 8 x 8 threads)."""

QUIET = 30.0
"""Seconds of silence after which it proves again that it hears: a cut line may look alive."""

TRY_AGAIN = (0.5, 30.0)
"""Seconds between two attempts to listen: the first pause, doubled each time up to the second."""

LINGER = 5.0
"""Seconds that the thread stays when nobody waits. So it keeps no forgotten storage alive."""

PATIENCE = 1.0
"""Seconds that ``close`` waits for the thread, which takes milliseconds to end."""


Bell = tuple[socket.socket, socket.socket]
"""By what the thread is woken that listens: what is sent to the second, the first has to read."""


class Heard(IntEnum):
    """What has come on a feed."""

    NOTHING = 0
    OTHERS = 1
    """A hint of others, perhaps among own ones."""
    OWN = 2
    """Only hints that this storage has sent: who waits here was told when they were."""


class Feed(Protocol):
    """Hints as they come in, on a connection of its own. Each call may raise StorageUnavailable."""

    def fileno(self) -> int:
        """What to wait on until there is something to read."""
        ...

    def drain(self) -> Heard:
        """Read what has come, without waiting for more."""
        ...

    def close(self) -> None:
        """Let the connection go, whatever its state."""
        ...


class Hinted(threading.local):
    """Of each thread: whether what it did last has told all who wait, with the very step."""

    in_step = False

    def take(self) -> bool:
        """Whether it did, and nobody has asked before."""
        found, self.in_step = self.in_step, False
        return found


class Wakeups:
    """A counter of hints. Each thread remembers which it saw last, so none falls between a
    thread's look at the store and its ``wait``; a thread's first wait therefore returns at once."""

    def __init__(self, name: str, subscribe: Callable[[], Feed], send: Callable[[], None]) -> None:
        """``name`` of the store, for the log; ``subscribe`` opens a feed; ``send`` sends a hint to
        every feed. Both may raise StorageError: away, or not allowed, it is deaf."""
        self._name = name
        self._subscribe = subscribe
        self._send = send
        self._closed = False
        self._bell: Bell | None = None
        self.begin_anew()

    def begin_anew(self) -> None:
        """New locks and no thread, for a forked child."""
        self._lock = threading.RLock()  # no Ctrl-C leaves it held, as it may a Condition
        self._changed = threading.Condition(self._lock)
        self._sending = threading.Lock()
        self._unsent = False
        self._waiting = 0
        self._last_wait = 0.0
        self._count = 0
        self._hears = False
        self._seen = threading.local()
        self._thread: threading.Thread | None = None
        for end in self._bell or ():
            end.close()
        self._bell = None

    # -- sending -------------------------------------------------------------------------------

    def notify(self) -> None:
        """Wake everybody who waits, here and elsewhere. Threads that notify while a hint is sent
        share the next one; a hint that cannot be sent is lost, as hints may be."""
        self.wake()
        self._unsent = True
        if not self._sending.acquire(timeout=SHARE):
            return  # the server is slow or silent, and nobody waits for it on top of who does
        try:
            if self._unsent:
                self._unsent = False
                with contextlib.suppress(StorageError):
                    self._send()
        finally:
            self._sending.release()

    def wake(self) -> None:
        """Wake everybody who waits here: all that is left to do where the hint to others went with
        the step."""
        with self._lock:
            self._count += 1
            self._changed.notify_all()

    # -- waiting -------------------------------------------------------------------------------

    def wait(self, timeout: float) -> bool:
        """True = there was a hint since this thread last waited, or, while none can be heard, it
        is time to look. False = ``timeout`` seconds passed."""
        now = time.monotonic()
        deadline, look_at = now + timeout, now + POLL_DEAF
        seen = getattr(self._seen, "count", None)
        with self._lock:
            if self._closed:
                raise StorageClosed(f"{self._name}: this storage is closed; connect again")
            self._waiting += 1
            try:
                while self._count == seen and not self._closed:
                    until = deadline if self._hears else min(deadline, look_at)
                    if (left := until - time.monotonic()) <= 0:
                        return not self._hears and until == look_at
                    self._have_a_listener()
                    self._changed.wait(left)
                return True
            finally:
                self._waiting -= 1
                self._last_wait = time.monotonic()
                self._seen.count = self._count

    def close(self) -> None:
        """Let everybody who waits go, and the thread end."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()
            if self._bell is not None:
                self._bell[1].send(b"!")
            thread = self._thread
        if thread is not None:
            thread.join(PATIENCE)

    # -- the thread ----------------------------------------------------------------------------

    def _have_a_listener(self) -> None:
        if self._thread is not None:
            return
        self._bell = socket.socketpair()  # Windows selects nothing else
        self._thread = threading.Thread(
            target=self._listen, args=(self._bell,), name="qml-wakeups", daemon=True
        )
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads, so all stay deaf
            self._end(self._bell)

    def _listen(self, bell: Bell) -> None:
        pause, longest = TRY_AGAIN
        told = False
        try:
            while self._wanted():
                try:
                    self._hear(bell[0])
                except StorageError as error:
                    if self._hears:
                        pause, told = TRY_AGAIN[0], False
                    self._grow_deaf(error, told)
                    told = True
                    self._sleep(bell[0], pause)
                    pause = min(longest, pause * 2)
        finally:
            self._end(bell)

    def _wanted(self) -> bool:
        with self._lock:
            recent = time.monotonic() - self._last_wait < LINGER
            return not self._closed and (self._waiting > 0 or recent)

    def _hear(self, bell: socket.socket) -> None:
        """Pass on what one feed brings, until nobody wants it."""
        with contextlib.closing(self._subscribe()) as feed, selectors.DefaultSelector() as either:
            either.register(feed.fileno(), selectors.EVENT_READ)
            either.register(bell, selectors.EVENT_READ)
            heard = -QUIET
            while self._wanted():
                if time.monotonic() - heard >= QUIET:
                    self._prove(feed, either)
                    heard = time.monotonic()
                    self._hears = True
                    self.wake()  # there may have been one before it could be heard
                elif either.select(LINGER) and (what := feed.drain()):
                    heard = time.monotonic()
                    if what is Heard.OTHERS:
                        self.wake()

    def _prove(self, feed: Feed, either: selectors.BaseSelector) -> None:
        """Send a hint and hear it."""
        self._send()
        deadline = time.monotonic() + PROVE
        while not feed.drain():
            left = deadline - time.monotonic()
            if left <= 0:
                raise StorageUnavailable(
                    f"its own did not come back within {PROVE:g} s; perhaps a connection pooler "
                    "stands in between"
                )
            if not self._wanted():
                return
            either.select(left)

    def _grow_deaf(self, error: StorageError, told: bool) -> None:
        with self._lock:
            self._hears = False
            self._changed.notify_all()
        log.log(
            logging.DEBUG if told else logging.WARNING,
            "%s: hints of new jobs do not arrive (%s); those who wait look every %g s instead, and "
            "it tries to listen again",
            *(self._name, error, POLL_DEAF),
        )

    def _sleep(self, bell: socket.socket, pause: float) -> None:
        with selectors.DefaultSelector() as until_closed:
            until_closed.register(bell, selectors.EVENT_READ)
            until_closed.select(pause)

    def _end(self, bell: Bell) -> None:
        with self._lock:
            if self._bell is bell:
                self._bell = self._thread = None
                self._hears = False
                self._changed.notify_all()
                for end in bell:
                    end.close()
