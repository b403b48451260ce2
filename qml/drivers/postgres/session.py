"""One connection to the server: statements, each with a deadline that the client keeps itself."""

import contextlib
import math
import os
import select
import time
from collections.abc import Mapping
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, TRANSACTION_STATUS_IDLE

from .plans import Plan

Rows = list[tuple[Any, ...]]

_POLL = hasattr(select, "poll")


class Lost(Exception):
    """The connection broke before the answer came: what was asked may have been carried out."""


class Silent(Lost):
    """No answer came in time."""


class Session:
    """Uses psycopg2 asynchronously, so that nothing waits longer than its deadline, also when the
    server accepts and says nothing. It costs 2 us a statement, of 50 and more.

    Every text is a transaction of its own, whatever the number of statements in it; the rows are
    those of the last. Nothing of a session outlives a transaction but its plans, which it can do
    without, so a pooler may stand between.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        """Begin to connect: psycopg2.Error when that cannot even begin."""
        self._connection = psycopg2.connect(**parameters, async_=1)
        self._planned: set[str] = set()
        self.forgets = False  # what it has planned
        self.backend = 0  # the process of the server at its other end, if that is the server

    def connect(self, deadline: float) -> None:
        """Wait until it is connected: psycopg2.Error when it is refused, Lost when time is up."""
        self._wait(deadline)
        self.backend = int(self._connection.info.backend_pid)

    def run(self, text: str, values: Mapping[str, Any] | None, deadline: float) -> Rows:
        """The rows that a text brings. psycopg2.Error when the server refuses it and has changed
        nothing; else Lost."""
        try:
            cursor = self._connection.cursor()
            cursor.execute(text, values)
            self._wait(deadline)
            return cursor.fetchall() if cursor.description else []
        except psycopg2.Error as error:
            if self._connection.closed:
                raise Lost(str(error)) from error
            raise

    def planning(self, plan: Plan) -> str:
        """What has to come before a planned statement, the first time."""
        if plan.name in self._planned:
            return ""
        self._planned.add(plan.name)
        return plan.prepare

    @property
    def in_transaction(self) -> bool:
        """Whether one was begun that has not ended, or was refused."""
        return bool(self._connection.info.transaction_status != TRANSACTION_STATUS_IDLE)

    def _wait(self, deadline: float) -> None:
        while (state := self._connection.poll()) != POLL_OK:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Silent("no answer came in time")
            is_ready(self._connection.fileno(), left, writing=state != POLL_READ)

    @property
    def usable(self) -> bool:
        """Whether it may be lent: nothing is under way, and it was not cut while it was idle."""
        connection = self._connection
        if connection.closed or self.in_transaction:
            return False
        if is_ready(connection.fileno(), 0):  # the end, or a notice that nobody asked for
            with contextlib.suppress(Lost):
                self.notified()
            return not connection.closed and not is_ready(connection.fileno(), 0)
        return True

    @property
    def at_rest(self) -> bool:
        """Whether nothing is under way on it, and it was not closed here."""
        return not (self._connection.closed or self.in_transaction)

    def fileno(self) -> int:
        """What to wait on for notifications."""
        return int(self._connection.fileno())

    def notified(self) -> set[int]:
        """Read what has come without waiting: by which processes of the server there was a
        notification. May raise Lost."""
        try:
            self._connection.poll()
        except psycopg2.Error as error:
            raise Lost(str(error)) from error
        senders = {notification.pid for notification in self._connection.notifies}
        self._connection.notifies.clear()
        return senders

    def close(self) -> None:
        """Say goodbye."""
        with contextlib.suppress(psycopg2.Error):
            self._connection.close()

    def abandon(self) -> None:
        """Leave it to the process that this one was forked from: only this end of the socket is
        closed, for ``close`` would say goodbye on what both share, and may wait for a lock of a
        thread that is not here. psycopg2 itself frees no connection of another process."""
        with contextlib.suppress(psycopg2.Error, OSError):
            os.close(self._connection.fileno())


def is_ready(fd: int, timeout: float, *, writing: bool = False) -> bool:
    """Whether there is something to read, or room to write, within ``timeout`` seconds."""
    if not _POLL:
        readable, writable, _ = select.select([fd], [fd] if writing else [], [], timeout)
        return bool(readable or writable)
    poller = select.poll()
    poller.register(fd, select.POLLIN | (select.POLLOUT if writing else 0))
    return bool(poller.poll(math.ceil(timeout * 1000)))
