"""The memory driver: the verbs over a table of rows, one at a time under one lock."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from operator import attrgetter

from ...seam.findings import Finding, Findings, Severity
from ...seam.lanes import Used
from ...seam.onlooking import Batches, Oldest
from ...seam.rows import (
    PAUSED,
    PROCESSING,
    After,
    Change,
    Claim,
    Claimed,
    Expired,
    Finished,
    Hold,
    Inserted,
    Lapsed,
    Obstacle,
    Overdue,
    Page,
    Query,
    Record,
    Row,
    Verdict,
    Write,
    holder,
    is_free,
)
from ...seam.tallies import Parents, Tally, missing
from ...values.clock import steady_micros
from ...values.errors import CapacityExceeded, StorageClosed
from .. import forks
from . import claiming, guards, pages
from .table import EXPIRING, LEAVING, RUNNING, Table, finished


class MemoryDriver:
    """Keeps rows in this process. ``max_jobs``: rows it takes, finished ones included; None = any
    number.

    The store belongs to one process: a forked child goes on with its own copy, and neither sees
    what the other does from then on. It waits for no hint of other processes.
    """

    def __init__(self, max_jobs: int | None) -> None:
        self._max_jobs = max_jobs
        self._table: Table | None = Table()
        self._records: dict[str, Record] = {}
        self._paused: set[str] = set()
        self._hints = 0
        self._seen = threading.local()
        self._born = time.time_ns() // 1000 - steady_micros()
        self.after_fork_in_child()
        forks.guard(self)

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """Store all rows, or none. CapacityExceeded when there would be more than ``max_jobs``."""
        with self.lock:
            table = self._open()
            gone = missing(rows, parents, lambda name: table.tallies.get(name) is not None)
            obstacles = gone or list(guards.obstacles(table, rows))
            if not gone and record is not None and self._version(record.name) != record.expected:
                obstacles = [Obstacle(-1, "record", record.name)]
            if obstacles:
                return Inserted([], obstacles)
            self._check_room(len(table.rows), len(rows))
            if record is not None:
                self._write(record.name, record.body, record.expected + 1)
            return Inserted(guards.insert(table, rows, parents), [])

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """The rows with these ids, in this order; None for an unknown one."""
        with self.lock:
            return list(map(self._open().get, ids))

    def holder(self, unique_key: str) -> str | None:
        """The id of the row that reserves this unique key now; None = it is free."""
        with self.lock:
            return self._open().holds(unique_key)

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """Carry out guarded changes, one after the other."""
        with self.lock:
            table = self._open()
            return [guards.swap(table, change) for change in changes]

    def claim(self, claim: Claim) -> Claimed:
        """Take the best rows; what it costs does not depend on how many others there are."""
        with self.lock:
            table = self._open()
            return claiming.take(table, claim, self._paused)

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """Extend leases or take locks, one after the other."""
        with self.lock:
            table = self._open()
            return [guards.hold(table, hold) for hold in holds]

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """End what ``worker`` holds at ``now``, or what its claim (seq, fence) does."""
        with self.lock:
            table = self._open()
            row = table.get(job_id)
            if row is None:
                return Verdict.GONE
            if holder(row) != worker or is_free(row, now):
                return Verdict.STALE
            if claim is not None and (claim != (row.seq, row.fence) or row.locked_by is not None):
                return Verdict.STALE
            if row.state == PROCESSING:
                table.replace(row._replace(lease_until=now))
            else:
                table.replace(row._replace(lease_until=None, locked_by=None))
            return Verdict.DONE

    def scan(self, query: Query) -> list[Row]:
        """The rows a query names, in the query's order."""
        if isinstance(query, Lapsed):
            with self.lock:
                return list(islice(self._open().until(RUNNING, query.now), query.limit))
        if isinstance(query, Expired):
            with self.lock:
                return list(islice(self._open().until(EXPIRING, query.now), query.limit))
        if isinstance(query, After):
            later = (row for row in self._all_rows() if (row.seq or 0) > query.seq)
            return list(islice(later, query.limit))
        if isinstance(query, Page):
            found = pages.filtered(reversed(self._all_rows()), query)
            end = None if query.limit is None else query.offset + query.limit
            return list(islice(found, query.offset, end))
        if isinstance(query, Oldest | Batches):
            return pages.seen(self._all_rows(), query)
        with self.lock:
            rows, paused = self._all_rows(), {*self._paused}
        return pages.available(rows, query, paused)

    def count(self, page: Page, by: str) -> dict[str, int]:
        """How many rows the filters of ``page`` leave, by one column."""
        return dict(Counter(map(attrgetter(by), pages.filtered(self._all_rows(), page))))

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """Remove ``limit`` rows at most: finished ones, or those with these ids."""
        with self.lock:
            table = self._open()
            if isinstance(target, Finished):
                found = table.until(finished(target.state), target.by)
            elif isinstance(target, Overdue):
                found = table.until(LEAVING, target.by)
            else:
                found = filter(None, map(table.get, dict.fromkeys(target)))
            doomed = list(islice(found, limit))
            for row in doomed:
                table.remove(row)
            return len(doomed)

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """How many claims of each permit are live at ``now``, and the time of each pace."""
        with self.lock:
            table = self._open()
            live = [len(table.leases(permit, now)) for permit in permits]
            return Used(live, [table.lanes.paces.get(pace, 0) for pace in paces])

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """How a tally stands; ``more``: whether rows that count for it are to come."""
        with self.lock:
            table = self._open()
            table.wake([*table.tallies.tell(name, more, failed)])
            return table.tallies.get(name)

    def read(self, name: str) -> Record | None:
        """The record of this name."""
        with self.lock:
            self._open()
            return self._records.get(name)

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """Store ``body`` as version ``expected + 1`` if the stored version is ``expected``."""
        with self.lock:
            self._open()
            if expected != self._version(name):
                return Verdict.STALE
            self._write(name, body, expected + 1)
            return Verdict.DONE

    def list(self, prefix: str) -> "list[Record]":
        """The records whose names begin with ``prefix``, by name."""
        with self.lock:
            self._open()
            return sorted(one for name, one in self._records.items() if name.startswith(prefix))

    def notify(self) -> None:
        """Wake everybody who waits, and spare each thread that does not wait now its next wait."""
        with self.lock:
            self._open()
            self._hints += 1
            self._change.notify_all()

    def wait(self, timeout: float) -> bool:
        """Sleep until a hint, at most ``timeout`` seconds. A hint that came since this thread's
        last wait counts: one given between a look at the store and the wait is not lost."""
        with self.lock:
            self._open()
            seen = getattr(self._seen, "hints", 0)
            hinted = self._change.wait_for(
                lambda: self._hints != seen or self._table is None, max(0.0, timeout)
            )
            self._seen.hints = self._hints
            return hinted

    def install(self) -> None:
        """Nothing to do: the table is made with the driver."""
        with self.lock:
            self._open()

    def uninstall(self) -> None:
        """Forget all rows."""
        self.close()

    def time(self) -> int:
        """The machine's time when the driver was made, carried on by a steady counter."""
        with self.lock:
            self._open()
        return self._born + steady_micros()

    def describe(self) -> str:
        """What it is, and its limit."""
        limit = "any number of" if self._max_jobs is None else f"at most {self._max_jobs:,}"
        return f"memory of this process ({limit} jobs)"

    def examine(self) -> Findings:
        """One note: nothing outlives the process."""
        fact = "jobs live in this process only and are gone when it ends"
        return [Finding(Severity.NOTE, "durability", fact, "use sqlite:///jobs.db to keep them")]

    def close(self) -> None:
        """Forget all rows. Waiters return; any later verb is StorageUnavailable."""
        with self.lock:
            self._table = None
            self._records.clear()
            self._paused.clear()
            self._change.notify_all()

    def before_fork(self) -> None:
        """Wait until no thread is in the middle of a verb."""
        self.lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self.lock.release()

    def after_fork_in_child(self) -> None:
        """Whole rows, and a lock that nobody holds."""
        self.lock = threading.RLock()  # no Ctrl-C leaves it held, as it may a Condition
        self._change = threading.Condition(self.lock)

    def _open(self) -> Table:
        if self._table is None:
            raise StorageClosed("the memory store is closed; connect anew for an empty one")
        return self._table

    def _write(self, name: str, body: str | None, version: int) -> None:
        queues = {name.removeprefix(PAUSED)} if name.startswith(PAUSED) else set()
        if body is None:
            self._records.pop(name, None)
            self._paused -= queues
        else:
            self._records[name] = Record(name, version, body)
            self._paused |= queues

    def _version(self, name: str) -> int:
        record = self._records.get(name)
        return record.version if record else 0

    def _all_rows(self) -> tuple[Row, ...]:
        """The rows by seq, as they stand: filtered and sorted after the lock is let go."""
        with self.lock:
            return tuple(self._open().rows.values())

    def _check_room(self, stored: int, more: int) -> None:
        if self._max_jobs is not None and stored + more > self._max_jobs:
            raise CapacityExceeded(
                f"the memory store keeps at most {self._max_jobs:,} jobs, finished ones included; "
                f"it has {stored:,} and cannot take {more:,} more. Purge or delete some, or "
                "connect with a larger max_jobs"
            )
