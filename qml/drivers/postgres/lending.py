"""Ordinary connections of psycopg2 for the transactions of tasks, kept and lent again."""

import contextlib
import os
import threading
from typing import NoReturn, cast

import psycopg2
from psycopg2 import extensions

from ...values.config import PostgresConfig
from ...values.errors import ConfigurationError, StorageClosed, StorageUnavailable
from . import addresses, troubles
from .connections import Connections

GIVEN_UP = "the transaction was rolled back, since its run was given up"
ENDED = "the transaction of a task ends with it: a return commits, an exception rolls back"


class TaskConnection(extensions.connection):
    """A connection whose transaction is not its user's to end."""

    def _refuse(self, *_: object) -> NoReturn:
        raise ConfigurationError(ENDED)

    commit = rollback = close = __enter__ = _refuse


class Tasks:
    """The connections for tasks: at most ``max_connections`` at a time, beside those of the pool,
    since a task may hold its own for long."""

    def __init__(self, config: PostgresConfig, connections: Connections) -> None:
        self._config = config
        self.connections = connections
        self._closed = False
        self._fresh()

    def _fresh(self) -> None:
        self._pid = os.getpid()
        self._room = threading.Semaphore(self._config.max_connections)
        self._idle: list[TaskConnection] = []

    def lend(self) -> TaskConnection:
        """A connection in a new transaction, until it is given back."""
        if self._pid != os.getpid():
            self._fresh()  # a forked child has its own, and leaves its parent's be
        if self._closed:
            raise StorageClosed(f"{self.connections.name}: this storage is closed")
        if not self._room.acquire(timeout=self._config.pool_timeout):
            raise StorageUnavailable(
                f"{self.connections.name}: {self._config.max_connections} tasks have a transaction "
                f"open, as many as may, for {self._config.pool_timeout:g} s; raise max_connections"
            )
        try:
            return self._begun()
        except BaseException:
            self._room.release()
            raise

    def _begun(self) -> TaskConnection:
        while True:
            kept = self._idle.pop() if self._idle else None
            connection = kept or self._connect()
            try:
                # Whatever the database is set to: the lease is renewed while the task goes on.
                connection.isolation_level = extensions.ISOLATION_LEVEL_READ_COMMITTED
                with connection.cursor(cursor_factory=extensions.cursor) as cursor:
                    cursor.execute(self.connections.begin_for_tasks)
                return connection
            except psycopg2.Error as error:
                extensions.connection.close(connection)
                if kept is None:  # else it may have been cut while it was idle
                    raise self.connections.refused(error) from error

    def _connect(self) -> TaskConnection:
        parameters = {
            "connect_timeout": max(2, round(self._config.connect_timeout)),
            "tcp_user_timeout": round(self._config.statement_timeout * 1000),  # if it is cut
            **addresses.parameters(self._config),
            "connection_factory": TaskConnection,
        }
        try:
            return cast("TaskConnection", psycopg2.connect(**parameters))
        except psycopg2.Error as error:
            fault = self.connections.told(error)
        # The library's error may quote the URL, so it is no cause.
        cure = troubles.cure(fault)
        raise StorageUnavailable(f"{self.connections.name} cannot be reached: {fault}; {cure}")

    def give_back(self, connection: TaskConnection) -> None:
        """What it did and did not commit is rolled back; it is lent again as if it were new."""
        try:
            self._clean(connection)
        except psycopg2.Error:
            with contextlib.suppress(psycopg2.Error):
                extensions.connection.close(connection)
        else:
            self._idle.append(connection)
        finally:
            self._room.release()
        if self._closed:
            self.close()

    def _clean(self, connection: TaskConnection) -> None:
        extensions.connection.rollback(connection)
        connection.autocommit = True
        with connection.cursor(cursor_factory=extensions.cursor) as cursor:
            cursor.execute(self.connections.sql["forget_all"])
        connection.autocommit = False
        connection.cursor_factory = extensions.cursor
        connection.string_types.clear()
        connection.notices.clear()
        connection.notifies.clear()

    def close(self) -> None:
        """Close those that nobody has."""
        self._closed = True
        while self._pid == os.getpid() and self._idle:
            extensions.connection.close(self._idle.pop())
