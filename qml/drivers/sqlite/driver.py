"""The verbs of the seam on one SQLite file."""

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from ...seam.findings import Findings
from ...seam.lanes import Used
from ...seam.rows import (
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
    as_row,
)
from ...seam.tallies import Parents, Tally
from ...seam.transactions import Transaction
from ...values.config import SqliteConfig
from ..listening import Hinted
from . import (
    changing,
    claiming,
    examination,
    foreign,
    lanes,
    library,
    pages,
    records,
    schema,
    storing,
    tallies,
)
from .clock import SharedClock
from .connections import Connection, Connections
from .statements import SQL
from .transactions import SqliteTransaction
from .wakeups import Wakeups
from .walwatch import WalWatch

T = TypeVar("T")


class SqliteDriver:
    """Rows in a SQLite file in WAL mode. Every write is one ``BEGIN IMMEDIATE`` transaction."""

    def __init__(self, config: SqliteConfig) -> None:
        library.warn_once()
        self._config = config
        self._connections = Connections(config)
        log_file = f"{os.path.realpath(config.path)}-wal"  # SQLite follows links too
        self._wakeups = Wakeups(
            lambda: self._connections.glance(_version),
            lambda: self._connections.writes,
            lambda: WalWatch(log_file),
        )
        self._connections.when_forked(self._wakeups.begin_anew)
        self._clock = SharedClock(self._connections)
        self._hinted = Hinted()

    # -- rows ----------------------------------------------------------------------------------

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """See Driver.insert. Who claims is woken at once, by whatever is there now."""
        alone = len(rows) == 1 and record is None and not parents and not rows[0].key_held
        inserted = (
            self._connections.write(lambda c: storing.insert_one(c, rows[0]), row=rows[0])
            if alone
            else self._connections.write(lambda c: storing.insert(c, rows, record, parents))
        )
        self._hinted.in_step = bool(inserted.seqs)
        if inserted.seqs:
            self._wakeups.notify(claimable=rows[0].due_at == 0)
        return inserted

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """See Driver.load."""
        wanted = {"ids": json.dumps(ids)}
        found = self._connections.read(lambda c: c.execute(SQL["load"], wanted).fetchall())
        by_id = {row.id: row for row in map(as_row, found)}
        return [by_id.get(job_id) for job_id in ids]

    def holder(self, unique_key: str) -> str | None:
        """See Driver.holder."""
        key = {"unique_key": unique_key}
        found = self._connections.read(lambda c: c.execute(SQL["holder_of_key"], key).fetchone())
        return found and str(found[0])

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        return self._write(lambda connection: changing.swap(connection, changes))

    def claim(self, claim: Claim) -> Claimed:
        """See Driver.claim. A look without the write lock first, unless this process has just told
        of something: an idle server must not hold up those who write. The commit is not flushed: a
        claim that a power loss takes back is only a job claimed again."""
        if not self._wakeups.for_rows():
            look = partial(claiming.outlook, claim=claim)
            vain, next_due = self._connections.glance(look) or self._connections.read(look)
            if vain:
                return Claimed([], next_due)
        return self._write(partial(claiming.take, claim=claim), flush=False)

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold. Not flushed: a lease need not outlive a power loss."""
        return self._write(
            lambda connection: [changing.hold(connection, hold) for hold in holds], flush=False
        )

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """See Driver.let_go."""
        return self._write(lambda c: changing.let_go(c, job_id, worker, now, claim))

    def scan(self, query: Query) -> list[Row]:
        """See Driver.scan."""
        return self._connections.read(lambda connection: pages.scan(connection, query))

    def count(self, page: Page, by: str) -> dict[str, int]:
        """See Driver.count."""
        return self._connections.read(lambda connection: pages.count(connection, page, by))

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """See Driver.erase."""
        return self._write(lambda connection: storing.erase(connection, target, limit))

    def insert_in(self, connection: Any, rows: Sequence[Row]) -> Inserted:
        """See Transactional.insert_in."""
        return foreign.insert_in(self._config, connection, rows)

    def begin(self) -> Transaction:
        """See Transactional.begin."""
        return SqliteTransaction(self._connections)

    # -- what rows share, records --------------------------------------------------------------

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """See Driver.used."""
        return self._connections.read(lambda c: lanes.used(c, now, permits, paces))

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """See Driver.tally."""
        if more is None and failed is None:
            return self._connections.read(lambda connection: tallies.read(connection, name))
        return self._write(lambda c: tallies.tell(c, name, more, failed))

    def read(self, name: str) -> Record | None:
        """See Driver.read."""
        found = self._connections.read(
            lambda c: c.execute(SQL["read_record"], {"name": name}).fetchone()
        )
        return found and Record._make(found)

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """See Driver.write."""
        return self._write(lambda c: records.write(c, name, body, expected))

    def list(self, prefix: str) -> "list[Record]":
        """See Driver.list."""
        return self._connections.read(
            lambda c: [*map(Record._make, c.execute(SQL["list_records"], {"prefix": prefix}))]
        )

    # -- wakeups and life ----------------------------------------------------------------------

    def notify(self) -> None:
        """See Driver.notify. Other processes see the commit itself."""
        if not self._hinted.take():
            self._wakeups.notify()

    def wait(self, timeout: float) -> bool:
        """See Driver.wait."""
        return self._wakeups.wait(timeout)

    def install(self) -> None:
        """See Driver.install."""
        schema.install(self._connections)

    def uninstall(self) -> None:
        """See Driver.uninstall."""
        self.close()  # first, since the last connection still writes when it is closed
        schema.remove(self._config)

    def time(self) -> int:
        """See Driver.time: the one clock of all processes that share the file."""
        return self._clock.micros()

    def describe(self) -> str:
        """See Driver.describe."""
        return self._connections.name

    def versions(self) -> Sequence[str]:
        """Of the library in use."""
        return [library.version()]

    def examine(self) -> Findings:
        """See Driver.examine."""
        return examination.examine(self._connections, self._config)

    def verify(self) -> Findings:
        """Have SQLite look whether the file is whole; reads all of it."""
        return examination.verify(self._connections)

    def close(self) -> None:
        """See Driver.close."""
        self._wakeups.close()
        self._connections.close()

    def _write(self, work: Callable[[Connection], T], *, flush: bool = True) -> T:
        self._hinted.in_step = False
        return self._connections.write(work, flush=flush)


def _version(connection: Connection) -> int:
    """A number that changes when others have committed, and not this connection."""
    [(version,)] = connection.execute(SQL["data_version"]).fetchall()
    return int(version)
