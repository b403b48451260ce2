"""Connections of redis-py, lent for a call each: the last given back first; who finds none waits.

redis-py's own pool takes a third of the Python calls of a call to the server.
"""

# mypy: allow-untyped-calls

import select
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import redis
from redis.connection import ConnectionPool

LOOK = 0.1
"""Seconds between two looks of one who waits: who loses a connection tells nobody."""


class Exhausted(OSError):
    """All connections were in use, and none came back in time; or there are to be none any more."""


class Line:
    """A connection, which is made by ``connect``."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._look: Callable[[int], object] | None = None

    def connect(self) -> None:
        """Make it. What redis-py raises when it finds no server."""
        self.connection.connect()
        self._look = _readable(self.connection)

    @property
    def is_new(self) -> bool:
        """Whether it was never connected."""
        return self._look is None

    @property
    def usable(self) -> bool:
        """Whether there is nothing to read: no end, and no reply that nobody waits for. TLS may
        have something to read for itself."""
        try:
            return self._look is not None and not (
                self._look(0) and self.connection.can_read(timeout=0)
            )
        except (redis.RedisError, OSError):
            return False


def _readable(connection: Any) -> Callable[[int], object]:
    """What says within so many seconds whether there may be something to read."""
    if not hasattr(select, "poll"):  # Windows
        return lambda _: True
    poll = select.poll()
    poll.register(connection._sock.fileno(), select.POLLIN)
    return poll.poll


class Pool:
    """At most ``most`` connections at a time; who needs one waits ``patience`` seconds for it.
    ``options``: as redis-py's pools take them, for each connection. One that is lost on its way,
    since its caller was interrupted, does not count: nobody has it."""

    def __init__(self, options: dict[str, Any], most: int, patience: float) -> None:
        given = ConnectionPool(**options)
        self._kind, self._options = given.connection_class, given.connection_kwargs
        self.most = most
        self.patience = patience
        self._lock = threading.RLock()  # what handles a signal may make a call, too
        self._change = threading.Condition(self._lock)
        self._waiting = 0
        self._lines: WeakSet[Line] = WeakSet()
        self._idle: list[Line] = []
        self._closed = False

    def make(self) -> Any:
        """A new connection of redis-py, which is not connected, and does not count."""
        return self._kind(**self._options)

    def take(self) -> Line:
        """A line for one call; then ``give_back`` or ``drop`` it. Exhausted, or what redis-py
        raises when it finds no server."""
        while True:
            line = self._turn()
            try:
                if line.is_new:
                    line.connect()
                    return line
                if line.usable:
                    return line
            except BaseException:
                self.drop(line)
                raise
            self.drop(line)

    def _turn(self) -> Line:
        with self._lock:
            if not self._idle and len(self._lines) >= self.most:
                self._wait()
            if self._closed:
                raise Exhausted
            if self._idle:
                return self._idle.pop()
            line = Line(self.make())
            self._lines.add(line)
            return line

    def _wait(self) -> None:
        deadline = time.monotonic() + self.patience
        self._waiting += 1
        try:
            while not (self._idle or len(self._lines) < self.most or self._closed):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Exhausted
                self._change.wait(min(left, LOOK))
        finally:
            self._waiting -= 1

    def give_back(self, line: Line) -> None:
        """It is as good as it was."""
        with self._lock:
            if not self._closed:
                self._idle.append(line)
                if self._waiting:
                    self._change.notify()
                return
        self.drop(line)

    def drop(self, line: Line) -> None:
        """It is not: another may be opened in its place."""
        with self._lock:
            self._lines.discard(line)
            if line in self._idle:  # an interrupt came when it had just been given back
                self._idle.remove(line)
            self._change.notify()
        line.connection.disconnect()

    def close(self) -> None:
        """Close all that are idle, and the others once they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            self._change.notify_all()
        for line in idle:
            self.drop(line)
