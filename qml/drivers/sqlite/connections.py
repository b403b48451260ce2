"""Connections to one SQLite file: one writer, readers as needed, none carried through a fork.

SQLite keeps its locks per process and its bookkeeping of them in the process's memory. A forked
child would inherit the bookkeeping without the locks, so every connection is closed just before
a fork, and opened again when next needed, on either side.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ...seam.rows import Row
from ...values.config import SqliteConfig
from .. import forks
from . import library, logsize, troubles
from .file import File
from .gate import Gate
from .library import library as sqlite
from .naps import again_while_busy, nap
from .statements import SQL
from .turns import Step, Turns
from .writes import Writes

T = TypeVar("T")
Connection = sqlite3.Connection
Work = Callable[[Connection], T]

PATIENCE = 5.0
"""Seconds that ``close`` waits for the calls under way."""

FORK_PATIENCE = 5.0
"""Seconds a fork waits for the statements under way in other threads."""


class Connections:
    """Opens, lends and closes the connections of one storage."""

    def __init__(self, config: SqliteConfig) -> None:
        self._config = config
        self._file = File(config.path, self.name)
        self._flushes = config.durability == "full"
        self._in_child: Callable[[], None] = lambda: None
        self._fresh()
        forks.guard(self)

    def _fresh(self, closed: bool = False) -> None:
        self._turns = Turns()
        self._gate = Gate(self.name, closed)
        self._idle: list[Connection] = []
        self._writer: Connection | None = None
        self._writer_sync = ""
        self.writes = Writes()
        self._apart: list[Connection] = []  # those that tasks have transactions on
        self._commits = 0
        self._busy_here: int | None = None  # the thread whose transaction has the turn
        self._tolerant = False

    # -- opening -------------------------------------------------------------------------------

    def _open(self, **options: Any) -> Connection:
        self._file.look_before(create=self._config.create)
        mode = "rwc" if self._config.create else "rw"
        connection: Connection = sqlite.connect(
            f"{self._config.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=0,  # waiting is done here, in short uneven steps
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
            **options,
        )
        self._file.note()
        return connection

    def _tolerating(self, connection: Connection) -> Connection:
        connection.text_factory = library.tolerant_text
        return connection

    @property
    def name(self) -> str:
        """The file, for messages."""
        return f"SQLite file {self._config.path}"

    @property
    def may_create(self) -> bool:
        """Whether what is missing may be made."""
        return self._config.create

    # -- reading -------------------------------------------------------------------------------

    def read(self, work: Work[T]) -> T:
        """``work`` on a connection of its own; tried again while the file is locked."""
        return self._patiently(lambda deadline: self._read_once(work))

    def _read_once(self, work: Work[T]) -> T:
        with self._gate:
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._open()
            try:
                return work(self._tolerating(connection) if self._tolerant else connection)
            finally:
                self._idle.append(connection)

    def glance(self, work: Callable[[Connection], T]) -> T | None:
        """``work`` on the writing connection, in no transaction; None = not now, it is in use."""
        return self._turns.during(Step(None), self._glance, work)

    def _glance(self, step: Step[None], work: Callable[[Connection], T]) -> T | None:
        if not self._turns.take_if_free(step):
            return None
        try:
            with self._gate:
                return work(self._writer or self._writing("sync_normal"))
        except sqlite.Error:
            return None

    # -- writing -------------------------------------------------------------------------------

    def write(self, work: Work[T], *, flush: bool = True, row: Row | None = None) -> T:
        """``work`` in one transaction that holds the write lock from its start. ``flush=False``
        commits without waiting for the disk. ``row``: to insert this is all that it does."""
        flush = flush and self._flushes
        deadline = time.monotonic() + self._config.busy_timeout
        while True:
            try:
                step = Step(work, flush, row)
                result: T = self._turns.during(step, self._write_once, work, deadline)
                return result
            except sqlite.Error as error:
                self._may_go_again(error, deadline)

    def _write_once(self, step: Step[T], work: Work[T], deadline: float) -> T:
        self._take_turn(step, deadline)
        if not step.leads:
            return step.result()
        if step.row is not None and (self._turns.line or self._turns.company.others):
            work = self._turns.together(step, deadline)
        return self._lead(step, work, deadline)

    def _take_turn(self, step: Step[Any], deadline: float) -> None:
        if self._busy_here is not None and self._busy_here == threading.get_ident():
            raise troubles.within_own(self.name)
        if (leader := self._turns.leader) is not None and leader.thread == step.thread:
            raise troubles.broken_into(self.name)
        if not self._turns.take(step, deadline):
            raise troubles.locked(self.name, self._config.busy_timeout)

    def _lead(self, step: Step[T], work: Work[T], deadline: float) -> T:
        with self._gate:
            connection = self._writing("sync_full" if step.flush else "sync_normal")
            before = connection.total_changes
            try:
                again_while_busy(connection.execute, deadline, SQL["begin"])
                self.writes.under_way = True
                result = work(connection)
                if connection.in_transaction:  # else ``work`` has rolled it back
                    if self._turns.line:
                        self._turns.carry(step, connection)
                    again_while_busy(connection.execute, deadline, SQL["commit"])
            except BaseException as error:
                # After "disk full" or an I/O error SQLite has ended the transaction itself.
                if connection.in_transaction:
                    with contextlib.suppress(sqlite.Error):
                        connection.execute(SQL["rollback"])
                if isinstance(error, Exception):
                    self._turns.arrive(step, error)
                raise
            finally:
                self.writes.end(connection.total_changes != before)
            self._turns.arrive(step)
            self._commits += 1
            if self._commits % logsize.EVERY == 0 and logsize.is_long(self._config.path):
                logsize.begin_anew(connection)
            return result

    def begin(self, kind: type[Connection]) -> tuple[Connection, Callable[[], None]]:
        """A connection of its own in a transaction that holds the write lock, and what gives the
        turn to write back once that is over; then ``end`` it."""
        return self._patiently(lambda deadline: self._begin_once(kind, deadline))

    def _begin_once(
        self, kind: type[Connection], deadline: float
    ) -> tuple[Connection, Callable[[], None]]:
        step: Step[None] = Step(None)
        with contextlib.ExitStack() as stack:
            stack.callback(self._turns.leave, step)
            self._take_turn(step, deadline)
            stack.enter_context(self._gate)
            connection = self._for_writing(factory=kind)
            self._apart.append(connection)
            try:
                connection.execute(SQL[f"sync_{self._config.durability}"])
                again_while_busy(connection.execute, deadline, SQL["begin"])
            except BaseException:
                self.end(connection)
                raise
            self._busy_here = threading.get_ident()
            stack.callback(setattr, self, "_busy_here", None)
            return connection, stack.pop_all().close

    def end(self, connection: Connection) -> None:
        """Close one that had a transaction of its own."""
        self._apart.remove(connection)
        sqlite.Connection.close(connection)

    def _for_writing(self, **options: Any) -> Connection:
        connection = self._open(**options)
        connection.execute(SQL["limit_wal"])
        if self._flushes:
            connection.execute(SQL["flush_the_drive"])
        return connection

    def _writing(self, sync: str) -> Connection:
        self._file.check()
        if self._writer is None:
            self._writer = self._for_writing()
            self._writer_sync = ""
        if sync != self._writer_sync:
            self._writer.execute(SQL[sync])
            self._writer_sync = sync
        return self._tolerating(self._writer) if self._tolerant else self._writer

    def outside_transaction(self, work: Work[T]) -> T:
        """``work`` on the writing connection, with no transaction: for the journal mode."""
        return self._patiently(lambda deadline: self._outside_once(work, deadline))

    def _outside_once(self, work: Work[T], deadline: float) -> T:
        step: Step[None] = Step(None)
        try:
            self._take_turn(step, deadline)
            with self._gate:
                connection = self._writing("sync_full")
                return again_while_busy(work, deadline, connection)
        finally:
            self._turns.leave(step)

    # -- errors --------------------------------------------------------------------------------

    def _patiently(self, attempt: Callable[[float], T]) -> T:
        deadline = time.monotonic() + self._config.busy_timeout
        while True:
            try:
                return attempt(deadline)
            except sqlite.Error as error:
                self._may_go_again(error, deadline)

    def _may_go_again(self, error: sqlite3.Error, deadline: float) -> None:
        """Return once the call may be tried again; else raise what is told of the error."""
        if library.is_undecodable(error):
            # One damaged record must not stop the others. Not so from the start, since every text
            # then costs a call.
            self._tolerant = True
        elif not library.is_busy(error):
            raise troubles.translated(self.name, error) from error
        elif time.monotonic() > deadline:
            raise troubles.locked(self.name, self._config.busy_timeout) from error
        else:
            nap()

    # -- the end, and forks --------------------------------------------------------------------

    def _close_all(self) -> None:
        for connection in (*self._idle, self._writer):
            if connection is not None:
                with contextlib.suppress(sqlite.Error):
                    connection.close()
        self._idle.clear()
        self._writer = None

    def close(self) -> None:
        """Close every connection, after what is under way. Later calls are StorageUnavailable."""
        if self._gate.close(PATIENCE):
            self._close_all()

    def before_fork(self) -> None:
        """Let what is under way end, then close everything and let nobody in."""
        if self._gate.freeze(FORK_PATIENCE):
            self._close_all()

    def after_fork_in_parent(self) -> None:
        """Let everybody in again."""
        self._gate.thaw()

    def after_fork_in_child(self) -> None:
        """Begin anew. What could not be closed in time is leaked: neither used nor ever closed."""
        for inherited in (*self._idle, *self._apart, self._writer):
            if inherited is not None:
                forks.leak(inherited)
        self._fresh(self._gate.closed)
        self._in_child()

    def when_forked(self, begin_anew: Callable[[], None]) -> None:
        """Have ``begin_anew`` called in a forked child, for whoever has locks of his own."""
        self._in_child = begin_anew
