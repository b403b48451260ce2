"""The driver's own statements as one step of a transaction that somebody else began."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from ..statements import read_page
from .library import library as sqlite
from .statements import SQL

T = TypeVar("T")
Connection = sqlite3.Connection

STEP = read_page("qml.drivers.sqlite", "transactions.sql")


def step(connection: Connection, work: Callable[[Connection], T]) -> T:
    """``work``, all of it or nothing, and without an end of the transaction around it."""
    with own_texts(connection):
        run = _Nested(connection).run
        run(STEP["savepoint"])
        try:
            return work(cast("Connection", _Nested(connection)))
        except BaseException:
            if connection.in_transaction:  # else SQLite has ended all of it: disk full, I/O error
                run(STEP["back"])
            raise
        finally:
            if connection.in_transaction:
                run(STEP["release"])


@contextlib.contextmanager
def own_texts(connection: Connection) -> Iterator[None]:
    """Texts come as ``str``, whatever the connection's owner likes."""
    theirs = connection.text_factory
    connection.text_factory = str
    try:
        yield
    finally:
        connection.text_factory = theirs


class _Nested:
    """A connection as the driver's code uses it: what would end its transaction goes back to the
    beginning of the step. Cursors are plain ones, which know no ``row_factory`` of an owner."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def cursor(self) -> sqlite3.Cursor:
        cursor: sqlite3.Cursor = sqlite.Cursor(self._connection)
        return cursor

    def run(self, text: str) -> None:
        self.cursor().execute(text)

    def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
        if text == SQL["begin"]:
            return self.cursor()  # it has begun
        return self.cursor().execute(STEP["back"] if text == SQL["rollback"] else text, values)

    def executemany(self, text: str, values: Iterable[Any]) -> sqlite3.Cursor:
        return self.cursor().executemany(text, values)

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction
