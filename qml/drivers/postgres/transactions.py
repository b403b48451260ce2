"""A transaction for a task's writes and its success, on an ordinary connection of psycopg2."""

import contextlib
import os
import threading
from collections.abc import Sequence
from typing import cast

import psycopg2
from psycopg2 import extensions

from ...seam.rows import Change, Hold, Verdict
from ...values.errors import ConfigurationError, StorageError, StorageUnavailable
from . import changing
from .connections import Connections
from .lending import ENDED, GIVEN_UP, Tasks
from .within import Within

NO_SAVEPOINT = ("3B001", "25P01")
FAILED_BEFORE = "25P02"


class PostgresTransaction:
    """See seam.transactions.Transaction."""

    def __init__(self, tasks: Tasks) -> None:
        self._connections = tasks.connections
        self._pid = os.getpid()
        self._ending = threading.Lock()
        self._over = self._checked = False
        self._tasks = tasks
        self.connection = tasks.lend()
        self._within = Within(self._connections.sql, self.connection)

    def _run(self, text: str) -> None:
        try:
            with self.connection.cursor(cursor_factory=extensions.cursor) as cursor:
                cursor.execute(text)
        except psycopg2.Error as error:
            raise self._told(error) from error

    def _told(self, error: psycopg2.Error) -> Exception:
        if error.pgcode in NO_SAVEPOINT:
            return ConfigurationError(
                f"{ENDED}; this one was ended before, and what it had written then may stay"
            )
        if error.pgcode == FAILED_BEFORE:
            return StorageError(
                "a statement of the task has failed, which the task has passed over; PostgreSQL "
                "commits nothing of such a transaction: let the error out, or use a savepoint"
            )
        return self._connections.refused(error)

    def _check(self) -> None:
        """Whether it is the one that was begun: before the first step."""
        if self._over:
            raise StorageUnavailable(f"{self._connections.name}: {GIVEN_UP}")
        if not self._checked:
            self._run(self._connections.sql["unmark"])
            self._checked = True

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold."""
        self._check()
        try:
            return changing.hold(cast("Connections", self._within), holds)
        except psycopg2.Error as error:
            raise self._told(error) from error

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        self._check()
        try:
            return changing.swap(cast("Connections", self._within), changes)
        except psycopg2.Error as error:
            raise self._told(error) from error

    def commit(self) -> None:
        """See Transaction.commit."""
        with self._ending:
            try:
                self._check()
                extensions.connection.commit(self.connection)
            except psycopg2.Error as error:
                raise self._told(error) from error
            finally:
                self._end()

    def rollback(self) -> None:
        """See Transaction.rollback."""
        with self._ending:
            self._end()

    def revoke(self) -> None:
        """See Transaction.revoke. By a thread of its own: it has to ask the server."""
        try:
            threading.Thread(target=self._cut, name="qml-revoke", daemon=True).start()
        except RuntimeError:  # the system has none left
            self._cut()

    def _cut(self) -> None:
        if self._ending.acquire(blocking=False):  # else its thread ends it at this moment
            try:
                if not self._over:
                    with contextlib.suppress(psycopg2.Error):
                        self.connection.cancel()
                        extensions.connection.close(self.connection)
                    self._end()
            finally:
                self._ending.release()

    def _end(self) -> None:
        """What is not committed is rolled back. A forked child has no part in it."""
        if not self._over and os.getpid() == self._pid:
            self._over = True
            self._tasks.give_back(self.connection)
