"""A transaction for a task's writes and its success, on a connection of its own."""

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import NoReturn

from ...seam.rows import Change, Hold, Verdict
from ...values.errors import ConfigurationError, StorageUnavailable
from . import changing
from .connections import Connections
from .library import library as sqlite
from .naps import nap
from .nested import STEP, step
from .statements import SQL

TRIES = 1000
"""How often a connection is asked to refuse writes, about a millisecond apart."""

GIVEN_UP = "the transaction was rolled back, since its run was given up"
ENDED = "the transaction of a task ends with it: a return commits, an exception rolls back"


class TaskConnection(sqlite.Connection):  # type: ignore[name-defined,misc]  # of a library known at run time
    """A connection whose transaction is not its user's to end."""

    def _refuse(self, *_: object) -> NoReturn:
        raise ConfigurationError(ENDED)

    commit = rollback = close = executescript = __enter__ = _refuse


class SqliteTransaction:
    """See seam.transactions.Transaction. Holds the write lock: in this process as the turn to
    write, so that other threads wait and do not spin."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._pid = os.getpid()
        self._ending = threading.Lock()
        self._over = self._closed = self._checked = False
        self.connection, self._give_turn_back = connections.begin(TaskConnection)
        self.connection.execute(STEP["mark"])

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold."""
        return self._step(lambda nested: [changing.hold(nested, hold) for hold in holds])

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        return self._step(lambda nested: changing.swap(nested, changes))

    def _step(self, work: Callable[[sqlite3.Connection], list[Verdict]]) -> list[Verdict]:
        self._check()
        try:
            return step(self.connection, work)
        except sqlite.Error as error:
            raise StorageUnavailable(f"{self._connections.name}: {error}") from error

    def commit(self) -> None:
        """See Transaction.commit. No other can be in its way: it holds the write lock."""
        with self._ending:
            try:
                self._check()
                self.connection.execute(SQL["commit"])
            except sqlite.Error as error:
                raise StorageUnavailable(f"{self._connections.name}: {error}") from error
            finally:
                self._end()
        self._close()

    def _check(self) -> None:
        """Whether it is the one that was begun: before the first step, or that begins another."""
        if self._over:
            raise StorageUnavailable(f"{self._connections.name}: {GIVEN_UP}")
        if self._checked:
            return
        try:
            self.connection.execute(STEP["unmark"])
            self._checked = True
        except sqlite.OperationalError as error:
            raise ConfigurationError(
                f"{ENDED}; this one was ended before, and what it had written then may stay"
            ) from error

    def rollback(self) -> None:
        """See Transaction.rollback."""
        with self._ending:
            self._end()
        self._close()

    def revoke(self) -> None:
        """See Transaction.revoke. The connection is not closed, since its thread may be at it."""
        if not self._ending.acquire(blocking=False):
            return  # its thread ends it at this moment
        try:
            if not self._over and os.getpid() == self._pid:
                self.connection.interrupt()
                if self._refuses_writes():  # or what it wrote next would be committed at once
                    self._end()
        finally:
            self._ending.release()

    def _refuses_writes(self) -> bool:
        """Have it refuse them. In vain as long as a statement runs that has to be interrupted."""
        for _ in range(TRIES):
            try:
                sqlite.Cursor(self.connection).execute(STEP["refuse_writes"])
                return True
            except sqlite.Error:
                nap()
        return False

    def _end(self) -> None:
        """Roll back what is not committed, and let others write; no business of a forked child."""
        if self._over or os.getpid() != self._pid:
            return
        self._over = True
        with contextlib.suppress(sqlite.Error):
            if self.connection.in_transaction:
                sqlite.Cursor(self.connection).execute(SQL["rollback"])
        self._give_turn_back()

    def _close(self) -> None:
        if os.getpid() == self._pid and not self._closed:
            self._closed = True
            with contextlib.suppress(sqlite.Error):
                self._connections.end(self.connection)
