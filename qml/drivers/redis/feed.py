"""Hints from the server: what is published on the prefix's channel, on a connection of its own."""

import contextlib
from typing import Any

import redis

from ...values.errors import StorageUnavailable
from ..listening import Heard
from . import faults
from .connections import Connections


class Hints:
    """One subscription, see Feed in qml.drivers.listening."""

    def __init__(self, connections: Connections) -> None:
        """Subscribed once this returns."""
        self._name = connections.name
        self._origin = connections.origin.encode()
        self._connection: Any = connections.alone()
        try:
            self._connection.connect()
            self._connection.send_command("SUBSCRIBE", channel(connections))
            self._connection.read_response()
        except (redis.RedisError, OSError) as error:
            self.close()
            raise self._broken(error) from error

    def fileno(self) -> int:
        """The socket."""
        number: int = self._connection._sock.fileno()
        return number

    def drain(self) -> Heard:
        """Read what has come."""
        heard = Heard.NOTHING
        try:
            while self._connection.can_read(timeout=0):
                kind, _, origin = self._connection.read_response()
                if kind == b"message" and heard is not Heard.OTHERS:
                    heard = Heard.OWN if origin.startswith(self._origin) else Heard.OTHERS
        except (redis.RedisError, OSError) as error:
            raise self._broken(error) from error
        return heard

    def close(self) -> None:
        """Let the connection go."""
        with contextlib.suppress(Exception):
            self._connection.disconnect()

    def _broken(self, error: Exception) -> StorageUnavailable:
        return faults.unreachable(self._name, error, sent=False)


def channel(connections: Connections) -> str:
    """Where hints are published."""
    return f"{connections.base}hints"
