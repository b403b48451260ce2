"""Calls on the server, each of which is asked again when its reply was lost.

The fate of a commit in flight: every call that changes something has a random number of its own,
its stamp, and writes it into the rows that it changes. When the connection breaks before the reply,
nobody knows whether the call was carried out. So it is sent again, with the same stamp: its guards
refuse what was done already, and a row that carries the stamp counts as done.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import psycopg2
from psycopg2.errors import DuplicatePreparedStatement, InvalidSqlStatementName, UniqueViolation

from ...values.config import PostgresConfig
from ...values.errors import StorageError, StorageUnavailable
from ..listening import Hinted
from . import troubles
from .pool import Pool
from .session import Lost, Rows, Session, Silent
from .statements import Statements

T = TypeVar("T")

NAP = (0.001, 0.3)
"""Seconds between tries, uneven so that those who were in each other's way do not keep step: the
first at most, doubled each time up to the second."""

UNKNOWN = "the call may or may not have been carried out, and is safe to repeat"

SERVER_SHARE = 0.9
"""What part of the time left the server is given, so that its answer comes before time is up."""


class Call:
    """One call of a verb, whatever the number of tries. ``again``: it may have been carried out."""

    def __init__(self, head: str, sql: Statements, seconds: float, hinted: Hinted) -> None:
        self.sql = sql
        self.stamp = random.getrandbits(62)
        self.again = hinted.in_step = False
        self._hinted = hinted
        self._head = head
        self._seconds = seconds
        self._begin = ""
        self._within = False
        self.deadline = float("inf")
        self._session: Session | None = None

    def use(self, session: Session) -> None:
        """Go on with this session; time counts from the first."""
        self._session = session
        self.deadline = min(self.deadline, time.monotonic() + self._seconds)

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() >= self.deadline

    def run(self, text: str, values: Mapping[str, Any]) -> Rows:
        """What a text of statements brings, all of it one transaction, or part of one."""
        assert self._session is not None
        begin, self._begin = self._begin, ""
        return self._session.run(self._head + begin + text, self._told(values), self.deadline)

    def carry_out(self, name: str, values: Mapping[str, Any]) -> Rows:
        """``run`` of a statement by its name, which the session plans once where that pays. Not
        within a transaction, which a session that forgets its plans could not go on with."""
        if self._within or name not in self.sql.plans:
            return self.run(self.sql[name], values)
        return self._planned(name, values, self._head)

    def insert_and_hint(self, name: str, values: Mapping[str, Any]) -> list[int]:
        """The seqs of rows that are stored, with a hint to everybody who listens. Whatever is
        refused, perhaps only the hint, may have been carried out, and brings nothing."""
        before = self.sql["begin"] + ";" + self._head + self.sql["keep"]
        try:
            [(seqs,)] = self._planned(f"{name}_kept", values, before, self.sql["hint"])
        except UniqueViolation:  # before the commit: it was not carried out
            self._roll_back()
            return []
        except psycopg2.Error:
            self.again = True
            self._roll_back()
            return []
        self._hinted.in_step = True
        return [*map(int, seqs.split(","))] if seqs else []

    def _planned(self, name: str, values: Mapping[str, Any], before: str, after: str = "") -> Rows:
        """A session that does not know what it has planned is another one behind a pooler, and
        this one does without from then on."""
        assert self._session is not None
        session, plan, told = self._session, self.sql.plans[name], self._told(values)
        if not session.forgets:
            text = before + session.planning(plan) + plan.execute + after
            try:
                return session.run(text, told, self.deadline)
            except (InvalidSqlStatementName, DuplicatePreparedStatement):
                session.forgets = True
                self._roll_back()
        return session.run(before + plan.whole + after, told, self.deadline)

    def _roll_back(self) -> None:
        assert self._session is not None
        if self._session.in_transaction:
            self._session.run(self.sql["rollback"], None, self.deadline)

    def _told(self, values: Mapping[str, Any]) -> dict[str, Any]:
        left = (self.deadline - time.monotonic()) * 1000
        return {**values, "timeout": max(1, int(left * SERVER_SHARE)), "stamp": self.stamp}

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Have several texts be one transaction, which a pooler keeps on one connection, too. It is
        undone when the server refuses one; any other trouble ends the session, and so undoes it."""
        assert self._session is not None
        self._begin, self._within = self.sql["begin"] + ";", True
        try:
            yield
        except psycopg2.Error:
            with contextlib.suppress(psycopg2.Error, Lost):
                self._session.run(self.sql["rollback"], None, self.deadline)
            raise
        finally:
            self._within = False
        self.run(self.sql["commit"], {})


class Connections:
    """Carries out the calls of one storage."""

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self.pool = Pool(config)
        self.name = self.pool.name
        self.sql = Statements(config.schema_name)
        self._unflushed = self.sql["limits"] + self.sql["unflushed"]
        full = config.durability == "full"
        self._flushed = self.sql["limits"] if full else self._unflushed
        self.begin_for_tasks = ("" if full else self.sql["unflushed"]) + self.sql["mark"]
        self.whereabouts: Rows = []  # of the tables, once they were asked for
        self.hinted = Hinted()
        self.limited = False  # whether the last claim found that something may keep rows back

    def read(self, work: Callable[[Call], T]) -> T:
        """A call that changes nothing."""
        return self._carry_out(work, self._flushed, "ask again later", patient=False)

    def ask(self, name: str, values: Mapping[str, Any]) -> Rows:
        """A call that changes nothing, of one statement by its name."""
        return self.read(lambda call: call.run(call.sql[name], values))

    def write(self, work: Callable[[Call], T], *, patient: bool = True) -> T:
        """A call that changes something, and does not change it twice when it is asked again. Not
        ``patient``: given up soon when the server is gone."""
        return self._carry_out(work, self._flushed, UNKNOWN, patient=patient)

    def notify(self) -> None:
        """Hint to everybody who listens."""
        hint = self.sql["notify"]
        self._carry_out(lambda call: call.run(hint, {}), self._unflushed, UNKNOWN, patient=False)

    def _carry_out(self, work: Callable[[Call], T], head: str, fate: str, *, patient: bool) -> T:
        call = Call(head, self.sql, self._config.statement_timeout, self.hinted)
        longest = NAP[0]
        while True:
            try:
                return self._carried_out(call, work)
            except Lost as error:
                if call.over or (call.again and not patient):
                    raise self._unanswered(error, fate) from error
                call.again = True
            except StorageUnavailable as error:  # there is no session to be had
                if not call.again or self.pool.closed:
                    raise
                if call.over or not patient:
                    raise self._unanswered(error, fate) from error
            except psycopg2.Error as error:
                if call.over or error.pgcode not in troubles.AGAIN:
                    raise self.refused(error) from error
            except ValueError as error:
                raise StorageError(f"{self.name} cannot keep such a text: {error}") from error
            time.sleep(random.uniform(0, longest))
            longest = min(NAP[1], longest * 2)

    def _carried_out(self, call: Call, work: Callable[[Call], T]) -> T:
        session = self.pool.take(call.deadline)
        try:
            call.use(session)
            return work(call)
        finally:
            self.pool.give_back(session)

    def told(self, error: Exception) -> str:
        """What an error says, on one line and without a password."""
        return troubles.told(error, self._config.database_url)

    def refused(self, error: psycopg2.Error) -> StorageError:
        """qml's error for a statement that the server refused."""
        return troubles.translated(error, self.name, self._config.database_url)

    def _unanswered(self, error: Exception, fate: str) -> StorageUnavailable:
        what = self.told(error)
        if isinstance(error, Silent):
            what = f"no answer came within {self._config.statement_timeout:g} s (statement_timeout)"
        if not what.startswith(self.name):
            what = f"{self.name}: {what}"
        return StorageUnavailable(f"{what}; {fate}")
