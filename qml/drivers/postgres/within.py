"""The driver's own statements as steps of a transaction that somebody else began."""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import psycopg2
from psycopg2 import extensions
from psycopg2.errors import UniqueViolation

from .session import Rows
from .statements import Statements

T = TypeVar("T")

MOST = 20
"""How often a step may meet a row that it cannot see; then it never will."""


class Within:
    """One connection of psycopg2, to the driver's code both the call and the connections that carry
    it out. A statement that is refused leaves the transaction usable."""

    again = False

    def __init__(self, sql: Statements, connection: extensions.connection) -> None:
        self.sql = sql
        self.stamp = random.getrandbits(62)
        self._connection = connection
        self._unseen = 0

    def run(self, text: str, values: Mapping[str, Any]) -> Rows:
        """The rows that a text of statements brings. The cursor is a plain one, whatever factory
        the connection's owner has."""
        with self._connection.cursor(cursor_factory=extensions.cursor) as cursor:
            try:
                cursor.execute(self.sql["step"] + text, {**values, "stamp": self.stamp})
                rows = cursor.fetchall() if cursor.description else []
            except psycopg2.Error as error:
                with contextlib.suppress(psycopg2.Error):  # all of it has failed, or is cut
                    cursor.execute(self.sql["step_back"])
                self._count(error)
                raise
            cursor.execute(self.sql["step_done"])
        return rows

    def carry_out(self, name: str, values: Mapping[str, Any]) -> Rows:
        """``run`` of a statement by its name. Nothing is left in a connection of another's."""
        return self.run(self.sql[name], values)

    def insert_and_hint(self, name: str, values: Mapping[str, Any]) -> list[int]:
        """The seqs of rows that are stored; none when something stands in the way. The hint is for
        whoever commits."""
        try:
            return [seq for (seq,) in self.run(self.sql[name], values)]
        except UniqueViolation:  # another was faster
            return []

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Several texts as one step."""
        with self._connection.cursor(cursor_factory=extensions.cursor) as cursor:
            cursor.execute(self.sql["step"])
            try:
                yield
            except BaseException:
                with contextlib.suppress(psycopg2.Error):
                    cursor.execute(self.sql["step_back"])
                raise
            cursor.execute(self.sql["step_done"])

    def _count(self, error: psycopg2.Error) -> None:
        self._unseen += isinstance(error, UniqueViolation)
        if self._unseen >= MOST:
            raise psycopg2.OperationalError(
                "another transaction has stored such a job since this one began, which this one "
                "cannot see; roll it back, and do it again"
            ) from error

    def write(self, work: Callable[["Within"], T], *, patient: bool = True) -> T:
        """``work``, once: what becomes of it is decided by the commit."""
        return work(self)
