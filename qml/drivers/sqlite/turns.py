"""Whose turn it is to write, among the threads of one process; who waits for it is carried.

Who comes while another writes gets in line. Before it commits, the one that has the turn does the
steps of those in line as well, each all or nothing, within its own transaction: so many threads
share a commit, and its flush. A thread alone finds nobody in line, and does no more than its own.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .nested import STEP, Nested

T = TypeVar("T")
Connection = sqlite3.Connection


class Step(Generic[T]):
    """A write. ``work`` None: it wants the turn, and is never carried; ``flush``: its commit waits
    for the disk; ``leads``: it has the turn; ``is_over``: nobody waits for it any more."""

    def __init__(self, work: Callable[[Connection], T] | None, flush: bool = False) -> None:
        self._work = work
        self.flush = flush
        self.leads = self.is_over = False
        self.carries: list[Step[Any]] = []
        self._called = threading.Lock()
        self._answer: list[T] = []
        self._error: Exception | None = None

    def wait(self, timeout: float = -1) -> bool:
        """Until ``call``; False = not within ``timeout`` s."""
        return self._called.acquire(timeout=timeout)

    def get_in_line(self) -> None:
        """From now on ``call`` ends ``wait``."""
        self._called.acquire()

    def call(self) -> None:
        """Let its thread go on."""
        self._called.release()

    def may_be_carried(self, by: "Step[Any]") -> bool:
        """Whether it is kept as well as it has to be, where another's transaction is."""
        return self._work is not None and (by.flush or not self.flush)

    def be_carried(self, connection: Connection) -> None:
        """Be done within another's transaction. An error is its own, unless it harms that one."""
        assert self._work is not None
        self._error = None  # of a try before
        connection.execute(STEP["savepoint"])
        try:
            self._answer = [self._work(Nested.of(connection))]
        except Exception as error:
            if not connection.in_transaction:  # disk full, I/O error: SQLite has ended all of it
                raise
            connection.execute(STEP["back"])
            self._error = error
        connection.execute(STEP["release"])

    def fail(self, error: Exception) -> None:
        """It is not done, since the transaction was not committed."""
        self._error = error

    def result(self) -> T:
        """What became of it, once it was carried."""
        if self._error is not None:
            raise self._error
        return self._answer[0]


class Turns:
    """One turn, and the line of those who wait for it."""

    def __init__(self) -> None:
        self._guard = threading.RLock()  # a signal's handler may write, too
        self._taken = False
        self._line: deque[Step[Any]] = deque()

    def take(self, step: Step[Any], deadline: float) -> bool:
        """Wait until the step leads, or was carried. False = not in time. ``leave`` in any case."""
        with self._guard:
            if not self._taken:
                self._taken = step.leads = True
                return True
            step.get_in_line()
            self._line.append(step)
        if not step.wait(max(0.0, deadline - time.monotonic())):
            with self._guard:
                if step in self._line:
                    return False
            step.wait()  # it is carried at this moment
        return True

    def carry(self, step: Step[Any], connection: Connection) -> None:
        """Do the steps of those in line within this one's transaction."""
        if not self._line or threading.current_thread() is threading.main_thread():
            return  # a signal may break off the main thread anywhere: it carries nobody
        with self._guard:
            step.carries = [one for one in self._line if one.may_be_carried(step)]
            self._line = deque(one for one in self._line if one not in step.carries)
        for other in step.carries:
            other.be_carried(connection)

    def arrive(self, step: Step[Any], error: Exception | None = None) -> None:
        """Those who were carried may go: all is committed; or nothing is, for this reason."""
        carried, step.carries = step.carries, []
        for other in carried:
            if error is not None:
                other.fail(error)
            other.call()

    def leave(self, step: Step[Any]) -> None:
        """Hand the turn on, or leave the line. Who was carried and did not arrive is first again:
        the step was broken off, and at worst this is a reply that was lost (law 9)."""
        with self._guard:
            step.is_over = True
            if step.leads:
                step.leads = False
                again = [one for one in step.carries if not one.is_over]
                self._line.extendleft(reversed(again))
                self._taken = bool(self._line)
                if self._taken:
                    first = self._line.popleft()
                    first.leads = True
                    first.call()
            elif step in self._line:
                self._line.remove(step)
