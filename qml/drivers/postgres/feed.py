"""Hints from the server: LISTEN on a session of its own."""

import time

import psycopg2

from ...values.errors import StorageUnavailable
from ..listening import Heard
from .connections import Connections
from .session import Lost

ANSWER = 5.0
"""Seconds within which the server must take the order to listen."""


class Feed:
    """Notifications of the schema's channel. The session is not counted among the pool's: it is
    lent to nobody, and held as long as somebody waits."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pool = connections.pool
        self._session = self._pool.connect()
        try:
            deadline = time.monotonic() + ANSWER
            self._session.run(connections.sql["listen"], None, deadline)
        except (psycopg2.Error, Lost) as error:
            self.close()
            raise StorageUnavailable(self._connections.told(error)) from error

    def fileno(self) -> int:
        """What to wait on."""
        return self._session.fileno()

    def drain(self) -> Heard:
        """Read what has come."""
        try:
            senders = self._session.notified()
        except Lost as error:
            raise StorageUnavailable(self._connections.told(error)) from error
        if not senders:
            return Heard.NOTHING
        return Heard.OWN if senders <= self._pool.backends() else Heard.OTHERS

    def close(self) -> None:
        """Let the session go."""
        self._pool.drop(self._session)
