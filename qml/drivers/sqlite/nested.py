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
        run = Nested(connection).run
        run(STEP["savepoint"])
        try:
            return work(Nested.of(connection))
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


class Nested:
    """A connection as the driver's code uses it: what would end its transaction goes back to the
    beginning of the step. Cursors are plain ones, which know no ``row_factory`` of an owner."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def of(cls, connection: Connection) -> Connection:
        """As much of a connection as a step asks for."""
        return cast("Connection", cls(connection))

    def cursor(self) -> sqlite3.Cursor:
        """One of the connection's own."""
        cursor: sqlite3.Cursor = sqlite.Cursor(self._connection)
        return cursor

    def run(self, text: str) -> None:
        """What stands around the step."""
        self.cursor().execute(text)

    def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
        """A statement of the step."""
        if text == SQL["begin"]:
            return self.cursor()  # it has begun
        return self.cursor().execute(STEP["back"] if text == SQL["rollback"] else text, values)

    def executemany(self, text: str, values: Iterable[Any]) -> sqlite3.Cursor:
        """One for each of many values."""
        return self.cursor().executemany(text, values)

    @property
    def in_transaction(self) -> bool:
        """See sqlite3."""
        return self._connection.in_transaction
