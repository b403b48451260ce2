"""The verbs of the seam in one schema of a PostgreSQL database."""

from collections.abc import Sequence
from typing import Any

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
from ...values.config import PostgresConfig
from ..listening import Wakeups
from . import (
    arrays,
    changing,
    claiming,
    examination,
    foreign,
    lanes,
    pages,
    records,
    schema,
    storing,
    tallies,
)
from .connections import Connections
from .feed import Feed
from .lending import Tasks
from .transactions import PostgresTransaction


class PostgresDriver:
    """Rows in tables of one schema. Every verb is one statement or one string of them, which the
    server carries out in one transaction: no state of a session, so that a pooler may lend
    another one for each. Only a claim that meets limits, and what waits for other rows, is a
    transaction of several."""

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._connections = Connections(config)
        self._tasks = Tasks(config, self._connections)
        self._wakeups = Wakeups(
            self._connections.name, lambda: Feed(self._connections), self._connections.notify
        )
        self._connections.pool.when_forked(self._wakeups.begin_anew)

    # -- rows ----------------------------------------------------------------------------------

    def insert(
        self,
        rows: Sequence[Row],
        record: Write | None = None,
        parents: Sequence[Parents] = (),
    ) -> Inserted:
        """See Driver.insert."""
        if not rows and record is None:
            return Inserted([], [])
        if parents:
            return self._connections.write(
                lambda call: tallies.insert_after(call, rows, record, parents)
            )
        inserted = self._connections.write(lambda call: storing.insert(call, rows, record))
        if self._connections.hinted.in_step:
            self._wakeups.wake()
        return inserted

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """See Driver.load."""
        found = self._connections.ask("load", {"ids": arrays.literal(ids)})
        by_id = {row.id: row for row in map(as_row, found)}
        return [by_id.get(job_id) for job_id in ids]

    def holder(self, unique_key: str) -> str | None:
        """See Driver.holder."""
        found = self._connections.ask("holder_of_key", {"unique_key": unique_key})
        return found[0][0] if found else None

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        return changing.swap(self._connections, changes)

    def claim(self, claim: Claim) -> Claimed:
        """See Driver.claim."""
        return claiming.claim(self._connections, claim)

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold."""
        return changing.hold(self._connections, holds)

    def let_go(
        self, job_id: str, worker: str, now: int, claim: tuple[int, int] | None = None
    ) -> Verdict:
        """See Driver.let_go."""
        return self._connections.write(
            lambda call: changing.let_go(call, job_id, worker, now, claim)
        )

    def scan(self, query: Query) -> list[Row]:
        """See Driver.scan."""
        return pages.scan(self._connections, query)

    def count(self, page: Page, by: str) -> dict[str, int]:
        """See Driver.count."""
        return pages.count(self._connections, page, by)

    def erase(self, target: Finished | Overdue | Sequence[str], limit: int) -> int:
        """See Driver.erase."""
        return self._connections.write(lambda call: storing.erase(call, target, limit))

    def insert_in(self, connection: Any, rows: Sequence[Row]) -> Inserted:
        """See Transactional.insert_in."""
        return foreign.insert_in(self._connections, connection, rows)

    def begin(self) -> Transaction:
        """See Transactional.begin."""
        return PostgresTransaction(self._tasks)

    # -- what rows share ----------------------------------------------------------------------

    def used(self, now: int, permits: Sequence[str], paces: Sequence[str]) -> Used:
        """See Driver.used."""
        return lanes.used(self._connections, now, permits, paces)

    def tally(self, name: str, more: bool | None = None, failed: int | None = None) -> Tally | None:
        """See Driver.tally."""
        return self._connections.write(lambda call: tallies.tally(call, name, more, failed))

    # -- records -------------------------------------------------------------------------------

    def read(self, name: str) -> Record | None:
        """See Driver.read."""
        found = self._connections.ask("read_record", {"name": name})
        return Record._make(found[0]) if found else None

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """See Driver.write."""
        return self._connections.write(lambda call: records.write(call, name, body, expected))

    def list(self, prefix: str) -> "list[Record]":
        """See Driver.list."""
        return [*map(Record._make, self._connections.ask("list_records", {"prefix": prefix}))]

    # -- wakeups and life ----------------------------------------------------------------------

    def notify(self) -> None:
        """See Driver.notify."""
        if not self._connections.hinted.take():
            self._wakeups.notify()

    def wait(self, timeout: float) -> bool:
        """See Driver.wait."""
        return self._wakeups.wait(timeout)

    def install(self) -> None:
        """See Driver.install."""
        schema.install(self._connections, self._config)

    def uninstall(self) -> None:
        """See Driver.uninstall."""
        schema.remove(self._connections)
        self.close()

    def time(self) -> int:
        """See Driver.time."""
        [(micros,)] = self._connections.ask("time", {})
        return int(micros)

    def describe(self) -> str:
        """See Driver.describe."""
        return self._connections.name

    def versions(self) -> Sequence[str]:
        """Of the library and of the server, which is asked."""
        return examination.versions(self._connections)

    def examine(self) -> Findings:
        """See Driver.examine."""
        return examination.examine(self._connections, self._config)

    def close(self) -> None:
        """See Driver.close."""
        self._wakeups.close()
        self._tasks.close()
        self._connections.pool.close()
