"""Whose turn it is to write, among the threads of one process; who waits for it is carried.

Who comes while another writes gets in line. Before it commits, the one that has the turn does the
steps of those in line as well, each all or nothing, within its own transaction: so many threads
share a commit, and its flush. Rows to be inserted go in together. A thread alone finds nobody in
line, and does no more than its own.

Where threads insert row after row, all come back at once, and want Python at once. Were the first
to begin its transaction, each of its statements would be a chance for another to take Python away
from it; so it waits until the others are in line, and their rows are stored with its own.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from ...seam.rows import Row
from . import storing
from .company import GAP, Company
from .naps import again_while_busy
from .nested import STEP, Nested
from .statements import SQL

T = TypeVar("T")
Connection = sqlite3.Connection

CARRIED = 0.5
"""Seconds between two looks whether a step is done whose time is up while it is carried."""


class Step(Generic[T]):
    """A write. ``work`` None: it wants the turn, and is never carried; ``flush``: its commit waits
    for the disk; ``row``: it inserts this, and does nothing else; ``leads``: it has the turn;
    ``arrived``: those it carried, once all is settled; ``is_over``: nobody waits for it any more;
    ``has_left``: all that comes of that is done; ``calls``: who has to be told, too, when it goes
    on; ``follower``: who has the turn after it; ``may_go``: it was carried, and who should call it
    may have been broken off.
    """

    leads = is_over = has_left = may_go = False
    carries: "Sequence[Step[Any]]" = ()
    arrived: "Sequence[Step[Any]]" = ()
    calls: "Step[Any] | None" = None
    follower: "Step[Any] | None" = None
    _called: "threading.Lock | None" = None
    _answer: T  # once it was carried
    _error: "Exception | None" = None

    def __init__(
        self, work: Callable[[Connection], T] | None, flush: bool = False, row: Row | None = None
    ) -> None:
        self._work = work
        self.flush = flush
        self.row = row
        self.thread = threading.get_ident()

    def wait(self, timeout: float = -1) -> bool:
        """Until ``call``; False = not within ``timeout`` s. After ``get_in_line``."""
        assert self._called is not None
        return self._called.acquire(timeout=timeout)

    def get_in_line(self) -> None:
        """From now on ``call`` ends ``wait``."""
        self._called = threading.Lock()
        self._called.acquire()

    def call(self) -> None:
        """Let its thread go on."""
        assert self._called is not None
        if self._called.locked():  # else it was called before
            self._called.release()

    def may_be_carried(self, by: "Step[Any]") -> bool:
        """Whether it is kept as well as it has to be, where another's transaction is."""
        return self._work is not None and (by.flush or not self.flush)

    def do(self, connection: Connection) -> T:
        """What it is for, in a transaction of its own."""
        assert self._work is not None
        return self._work(connection)

    def be_carried(self, connection: Connection) -> None:
        """Be done within another's transaction. An error is its own, unless it harms that one."""
        assert self._work is not None
        self._error = None  # of a try before
        connection.execute(STEP["savepoint"])
        try:
            self._answer = self._work(Nested.of(connection))
        except Exception as error:
            if not connection.in_transaction:  # disk full, I/O error: SQLite has ended all of it
                raise
            connection.execute(STEP["back"])
            self._error = error
        connection.execute(STEP["release"])

    def be_done(self, answer: T) -> None:
        """It was done together with others."""
        self._answer, self._error = answer, None

    def fail(self, error: Exception) -> None:
        """It is not done, since the transaction was not committed."""
        self._error = error

    def result(self) -> T:
        """What became of it, once it was carried."""
        if self._error is not None:
            raise self._error
        return self._answer


def insert_together(steps: Sequence[Step[Any]], connection: Connection) -> bool:
    """The rows of all these steps by as few statements as can be. False = one of them cannot be
    stored, and none is."""
    connection.execute(STEP["savepoint"])
    done = _insert_all(steps, Nested.of(connection), STEP["back"])
    connection.execute(STEP["release"])
    return done


def _insert_all(steps: Sequence[Step[Any]], connection: Connection, back: str) -> bool:
    answers = None
    try:
        rows = [step.row for step in steps if step.row is not None]
        answers = storing.insert_apart(connection, rows)
    except Exception:
        if not connection.in_transaction:
            raise
        connection.execute(back)
    for step, answer in zip(steps, answers or (), strict=False):
        step.be_done(answer)
    return answers is not None


class Turns:
    """One turn, and the line of those who wait for it. ``leader``: who has the turn."""

    def __init__(self) -> None:
        self._guard = threading.RLock()  # a signal's handler may write, too
        self._main = threading.main_thread().ident  # a signal may break this one off, anywhere
        self.leader: Step[Any] | None = None
        self._gathers: Step[Any] | None = None  # waits for company
        self.company = Company()
        self.line: deque[Step[Any]] = deque()

    def during(self, step: Step[Any], do: Callable[..., T], *args: Any) -> T:
        """What ``do(step, *args)`` returns, which takes the turn; the step leaves after it."""
        try:
            try:
                return do(step, *args)
            finally:
                self.leave(step)
        finally:  # a signal may have broken that off
            if not step.has_left:
                self.leave(step)

    def take(self, step: Step[Any], deadline: float) -> bool:
        """Wait until the step leads, or was carried. False = not in time. ``leave`` in any case."""
        with self._guard:
            if self.leader is None:
                self.leader, step.leads = step, True
                return True
            step.get_in_line()
            self.line.append(step)
            if self._gathers is not None and len(self.line) >= self.company.others:
                self._gathers.call()
                self._gathers = None
        if not step.wait(max(0.0, deadline - time.monotonic())):
            with self._guard:
                if step in self.line:
                    return False
            while not (step.may_go or step.wait(CARRIED)):  # it is carried at this moment
                pass
        return True

    def take_if_free(self, step: Step[Any]) -> bool:
        """Whether the step leads: nobody has the turn. ``leave`` in any case."""
        with self._guard:
            if self.leader is not None:
                return False
            self.leader, step.leads = step, True
            return True

    def gather(self, step: Step[Any]) -> None:
        """Wait until as many are in line as were stored together last, if they are likely to come;
        no longer than they keep coming."""
        if step.row is None or step.thread == self._main or not self.company.is_back():
            return
        with self._guard:
            there = len(self.line)
            if there >= self.company.others:
                return
            step.get_in_line()
            self._gathers = step
        while not step.wait(GAP) and there < len(self.line):
            there = len(self.line)
        with self._guard:
            self._gathers = None

    def together(self, step: Step[T], deadline: float) -> Callable[[Connection], T]:
        """The work of a step that inserts a row, as it is to be done now: the row is stored with
        those of the others in line, which are waited for if need be. Where one of them cannot be
        stored, each is for itself, and they are first in line again."""
        if self.company.others:
            self.gather(step)

        def work(connection: Connection) -> T:
            if step.thread == self._main or not self._fetch(step, rows=True):
                return step.do(connection)
            if _insert_all([step, *step.carries], connection, SQL["rollback"]):
                return step.result()
            with self._guard:
                self._put_back(step)
            again_while_busy(connection.execute, deadline, SQL["begin"])
            return step.do(connection)

        return work

    def carry(self, step: Step[Any], connection: Connection) -> None:
        """Do the steps of those in line within this one's transaction."""
        if step.thread == self._main:
            return  # broken off between the commit and its news, it would keep them waiting
        carried = self._fetch(step)
        inserts = [one for one in carried if one.row is not None]
        together = len(inserts) > 1 and insert_together(inserts, connection)
        for other in carried:
            if not together or other.row is None:
                other.be_carried(connection)

    def _fetch(self, step: Step[Any], rows: bool = False) -> Sequence[Step[Any]]:
        """Out of the line: those that the step carries now."""
        with self._guard:
            line, carried = [*self.line], list[Step[Any]]()
            self.line.clear()
            for one in line:
                fits = one.may_be_carried(step) and not (rows and one.row is None)
                (carried if fits else self.line).append(one)
            step.carries = [*step.carries, *carried]
        return carried

    def arrive(self, step: Step[Any], error: Exception | None = None) -> None:
        """Those who were carried may go, once the step leaves: all is committed; or nothing is, for
        this reason."""
        step.arrived, step.carries = step.carries, ()
        if error is not None:
            for other in step.arrived:
                other.fail(error)

    def leave(self, step: Step[Any]) -> None:
        """Hand the turn on, or leave the line. Who was carried and did not arrive is first again:
        the step was broken off, and at worst this is a reply that was lost (law 9).

        Who has the turn is called first: the others go on in Python, and would keep it waiting. Of
        those each calls the next, or all would wake up for the one lock of Python."""
        with self._guard:
            step.is_over = True
            if step.leads:
                self._hand_on(step)
            elif step in self.line:
                self.line.remove(step)
        if step.calls is not None:
            step.calls.call()
        step.has_left = True

    def _hand_on(self, step: Step[Any]) -> None:
        if step.carries:
            self._put_back(step)
        if step.follower is None and self.line:
            step.follower = self.line[0]  # first: this may be broken off, and done again
            self.line.popleft()
        self.leader = step.follower
        if step.follower is not None:
            step.follower.leads = True
            step.follower.call()
        step.leads = False
        if step.row is not None and (step.arrived or self.company.others):
            self.company.parts(one.thread for one in step.arrived if one.row is not None)
        last = step
        for one in step.arrived:
            one.may_go = True
            if one.thread == self._main:  # it may be broken off before it calls anybody
                one.call()
            elif not one.is_over:
                last.calls, last = one, one

    def _put_back(self, step: Step[Any]) -> None:
        again = [one for one in step.carries if not one.is_over]
        self.line.extendleft(reversed(again))
        step.carries = ()
