"""Connections of redis-py, lent for a call each: the last given back first; who finds none waits.

redis-py's own pool takes a third of the Python calls of a call to the server.
"""

# mypy: allow-untyped-calls

import select
import threading
from collections.abc import Callable
from typing import Any

import redis
from redis.connection import ConnectionPool


class Exhausted(OSError):
    """All connections were in use, and none came back in time."""


class Line:
    """A connection that is there."""

    def __init__(self, connection: Any) -> None:
        connection.connect()
        self.connection = connection
        self._look = _readable(connection)

    @property
    def usable(self) -> bool:
        """Whether there is nothing to read: no end, and no reply that nobody waits for. TLS may
        have something to read for itself."""
        try:
            return not self._look(0) or not self.connection.can_read(timeout=0)
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
    ``options``: as redis-py's pools take them, for each connection."""

    def __init__(self, options: dict[str, Any], most: int, patience: float) -> None:
        given = ConnectionPool(**options)
        self._kind, self._options = given.connection_class, given.connection_kwargs
        self.most = most
        self.patience = patience
        self._lock = threading.RLock()  # what handles a signal may make a call, too
        self._change = threading.Condition(self._lock)
        self._waiting = 0
        self._made = 0
        self._idle: list[Line] = []
        self._closed = False

    def make(self) -> Any:
        """A new connection of redis-py, which is not connected, and does not count."""
        return self._kind(**self._options)

    def take(self) -> Line:
        """A line for one call; then ``give_back`` or ``drop`` it. Exhausted, or what redis-py
        raises when it finds no server."""
        while True:
            with self._lock:
                if not self._idle and self._made >= self.most:
                    self._wait()
                line = self._idle.pop() if self._idle else None
                self._made += line is None
            if line is None:
                return self._open()
            if line.usable:
                return line
            self.drop(line)

    def _wait(self) -> None:
        self._waiting += 1
        try:
            there = self._change.wait_for(
                lambda: self._idle or self._made < self.most, self.patience
            )
        finally:
            self._waiting -= 1
        if not there:
            raise Exhausted

    def _open(self) -> Line:
        try:
            return Line(self.make())
        except BaseException:
            self._one_less()
            raise

    def _one_less(self) -> None:
        with self._lock:
            self._made -= 1
            self._change.notify()

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
        try:
            line.connection.disconnect()
        finally:
            self._one_less()

    def close(self) -> None:
        """Close all that are idle, and the others once they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for line in idle:
            self.drop(line)
