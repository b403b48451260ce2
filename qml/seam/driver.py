"""A driver's verbs: all that a store must be able to do with rows.

One call is one atomic step, and all-or-nothing unless said otherwise. A driver is safe to share
between threads, usable in a forked child, and raises nothing but qml's own errors:
StorageUnavailable when the store does not answer, CapacityExceeded when it is full.
Round trips: each verb is one, whatever the number of rows; but for a claim on PostgreSQL, of one
more where rows have fallen due, and of four more where something may keep rows back.
"""

from collections.abc import Sequence
from typing import Protocol

from .findings import Findings
from .lanes import Used
from .rows import (
    Change,
    Claim,
    Claimed,
    Finished,
    Hold,
    Inserted,
    Overdue,
    Page,
    Query,
    Record,
    Row,
    Verdict,
    Write,
)
from .tallies import Parents, Tally


class Driver(Protocol):
    """Keeps rows: orders, filters and guards them. Knows no job, no state's meaning, no clock."""

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """Store all rows, in this order, or none: then say what stood in the way of each, in the
        rows stored before as well as within the batch. A row's own ``seq`` is ignored.
        With ``record``, that is written in the same step, or nothing is; where its version is
        another, that is the one obstacle.

        A row that has not finished and ``counts`` for tallies is one more that is left of each; a
        tally that is not there is made, open, also for a row that ``awaits`` it. With ``parents``
        the tally that a row awaits is made closed instead: each parent that has not finished counts
        for it from now on; one that finished otherwise than well, or is not there, has failed in
        it. Where none is left, there is no tally, and the row is stored as ``tally`` would wake it,
        but under the version it was given.
        With parents that are None, the tally has to be there: else that is an obstacle, which is
        looked for before all others."""
        ...

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """The rows with these ids, in this order; None for an unknown one."""
        ...

    def holder(self, unique_key: str) -> str | None:
        """The id of the row that reserves this unique key now; None = it is free."""
        ...

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """Carry out guarded changes, each with what it has to insert ``then``. Each stands alone: a
        stale one does not stop the others, nor does a full store. A batch that names a row twice
        may be carried out in several steps.

        A row that finishes by it (``finished_at`` is set that was None) is one less that is left
        of each tally it counts for, if that is there; and one that failed, unless its state is
        "succeeded". One that is unfinished again takes that back. What it has to insert ``then``
        counts before it. The same step wakes who waits for a tally of which nothing is left, see
        ``tally``."""
        ...

    def claim(self, claim: Claim) -> Claimed:
        """Take the best rows by (priority desc, seq) among those with ``due_at <= now`` that no
        other worker holds, whose queue is not paused, and whose lane allows it, if they have one
        (see qml.seam.lanes): fewer live claims than it has permits, with those taken before by this
        very claim, and a pace that is not ahead of ``now``. A row that has expired is taken as the
        others are, and no start of its pace is used up. What its lane keeps back costs a claim
        nothing, and holds up no row behind it. Claims that lapsed under a permit it takes have
        their leases put back, see ``LAPSED_FOR_GOOD``. At most 1,000 rows that have newly fallen
        due join per call, those due first before the others. ``next_due`` is also when a lane may
        open that was found closed, if by what this very claim took."""
        ...

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """Extend leases, and write what the runs note; or take locks. Each stands alone.
        STALE = held by another, or ended. Where one makes a lapsed claim live again, the others
        that lapsed under its permit have their leases put back, as ``claim`` does it."""
        ...

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """End what ``worker`` holds at ``now``: on a processing row the lease ends now and may be
        rescued; on any other the hold vanishes. With ``claim``, its seq and fence, only
        the hold of that claim is ended, and no lock. STALE when it does not hold it."""
        ...

    def scan(self, query: Query) -> list[Row]:
        """The rows a query names, in the query's order."""
        ...

    def count(self, page: Page, by: str) -> dict[str, int]:
        """How many rows the filters of ``page`` leave (limit and offset aside), by ``state``,
        ``queue`` or ``method``; values that no row has are left out."""
        ...

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """Remove rows with all that belongs to them: finished ones, or those with these ids. One
        that has not finished fails in the tallies it counts for."""
        ...

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """How many claims of each permit are live at ``now``, and the time of each pace."""
        ...

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """How a tally stands; None = it is not there. ``more``: True = rows that count for it are
        still to come (it is made if it is not there), False = no more. ``failed``: so many of its
        rows have, by now; for who copies a store.

        A tally that is not open and of which nothing is left is over, and is removed. Those who
        await it are woken: each dormant row (see ``is_dormant``) falls due at 0; if any failed and
        the row ``needs_all``, it also expires at 0. Their version is raised."""
        ...

    def read(self, name: str) -> Record | None:
        """The record of this name."""
        ...

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """Store ``body`` as version ``expected + 1`` if the stored version is ``expected``
        (0 = there is none); None removes it. STALE otherwise."""
        ...

    def list(self, prefix: str) -> "list[Record]":
        """The records whose names begin with ``prefix``, by name."""
        ...

    def notify(self) -> None:
        """Hint to everybody who waits: there may be something to do."""
        ...

    def wait(self, timeout: float) -> bool:
        """Sleep until a hint or a change by another process, at most ``timeout`` seconds. False =
        the time passed. Hints may be lost or come for nothing."""
        ...

    def install(self) -> None:
        """Bring the store's schema up to date, once. MigrationError when it is newer than qml."""
        ...

    def uninstall(self) -> None:
        """Remove the store: all rows, all records, the schema or file that held them; and close.
        For tests and proofs, which nobody else uses the store of."""
        ...

    def time(self) -> int:
        """The store's own time, in microseconds since 1970 UTC."""
        ...

    def describe(self) -> str:
        """The store in a few words for logs and errors, without a password."""
        ...

    def examine(self) -> Findings:
        """What an operator should know about the store itself: whether it can keep the promises.
        Asks it, and changes nothing."""
        ...

    def close(self) -> None:
        """Let go of every connection. Waiters return. Calling it again does nothing."""
        ...
