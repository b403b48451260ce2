"""The verbs of the seam on one SQLite file."""

import json
import sqlite3
from collections.abc import Sequence

from ...seam.rows import (
    Available,
    Change,
    Claim,
    Claimed,
    Finished,
    Hold,
    Lapsed,
    Move,
    Obstacle,
    Page,
    Record,
    Row,
    Verdict,
    chosen,
)
from ...values.config import SqliteConfig
from ..statements import read_statements
from . import library, pages, schema
from .clock import SharedClock
from .connections import Connections
from .library import library as sqlite
from .wakeups import Wakeups

SQL = read_statements("qml.drivers.sqlite", "statements.sql", "columns", "jobs")

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


class SqliteDriver:
    """Rows in a SQLite file in WAL mode. Every write is one ``BEGIN IMMEDIATE`` transaction."""

    def __init__(self, config: SqliteConfig) -> None:
        library.warn_once()
        self._connections = Connections(config, SQL)
        self._wakeups = Wakeups(self._connections.data_version)
        self._connections.when_forked(self._wakeups.begin_anew)
        self._clock = SharedClock(self._connections, SQL)

    # -- rows ----------------------------------------------------------------------------------

    def insert(self, rows: Sequence[Row]) -> list[Obstacle]:
        """See Driver.insert."""
        return self._connections.write(lambda connection: _insert(connection, rows))

    def load(self, ids: Sequence[str]) -> list[Row | None]:
        """See Driver.load."""
        wanted = {"ids": json.dumps(ids)}
        found = self._connections.read(lambda c: c.execute(SQL["load"], wanted).fetchall())
        by_id = {row.id: row for row in map(Row._make, found)}
        return [by_id.get(job_id) for job_id in ids]

    def holder(self, unique_key: str) -> str | None:
        """See Driver.holder."""
        key = {"unique_key": unique_key}
        found = self._connections.read(lambda c: c.execute(SQL["holder_of_key"], key).fetchone())
        return found and str(found[0])

    def swap(self, changes: Sequence[Change]) -> list[Verdict]:
        """See Driver.swap."""
        return self._connections.write(
            lambda connection: [_change(connection, change) for change in changes]
        )

    def claim(self, claim: Claim) -> Claimed:
        """See Driver.claim. A look without the write lock first: an idle server must not hold up
        those who write. The commit is not flushed: a claim that a power loss takes back is only a
        job claimed again."""
        vain, next_due = self._connections.read(lambda connection: _outlook(connection, claim))
        if vain:
            return Claimed([], next_due)
        return self._connections.write(lambda connection: _claim(connection, claim), flush=False)

    def hold(self, holds: Sequence[Hold]) -> list[Verdict]:
        """See Driver.hold. Not flushed: a lease need not outlive a power loss."""
        return self._connections.write(
            lambda connection: [_hold(connection, hold) for hold in holds], flush=False
        )

    def let_go(self, job_id: str, worker: str, now: int) -> Verdict:
        """See Driver.let_go."""
        return self._connections.write(lambda c: _let_go(c, job_id, worker, now))

    def scan(self, query: Page | Available | Lapsed) -> list[Row]:
        """See Driver.scan."""
        return self._connections.read(lambda connection: pages.scan(connection, SQL, query))

    def count(self, page: Page, by: str) -> dict[str, int]:
        """See Driver.count."""
        return self._connections.read(lambda connection: pages.count(connection, SQL, page, by))

    def erase(self, target: Finished | Sequence[str], limit: int) -> int:
        """See Driver.erase."""
        return self._connections.write(lambda connection: _erase(connection, target, limit))

    # -- records -------------------------------------------------------------------------------

    def read(self, name: str) -> Record | None:
        """See Driver.read."""
        found = self._connections.read(
            lambda c: c.execute(SQL["read_record"], {"name": name}).fetchone()
        )
        return found and Record._make(found)

    def write(self, name: str, body: str | None, expected: int) -> Verdict:
        """See Driver.write."""
        return self._connections.write(lambda c: _write(c, name, body, expected))

    def list(self, prefix: str) -> "list[Record]":
        """See Driver.list."""
        return self._connections.read(
            lambda c: [*map(Record._make, c.execute(SQL["list_records"], {"prefix": prefix}))]
        )

    # -- wakeups and life ----------------------------------------------------------------------

    def notify(self) -> None:
        """See Driver.notify. Other processes see the commit itself."""
        self._wakeups.notify()

    def wait(self, timeout: float) -> bool:
        """See Driver.wait."""
        return self._wakeups.wait(timeout)

    def install(self) -> None:
        """See Driver.install."""
        schema.install(self._connections, SQL)

    def time(self) -> int:
        """See Driver.time: the one clock of all processes that share the file."""
        return self._clock.micros()

    def describe(self) -> str:
        """See Driver.describe."""
        return self._connections.name

    def close(self) -> None:
        """See Driver.close."""
        self._wakeups.close()
        self._connections.close()


def _insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> list[Obstacle]:
    cursor = connection.cursor()
    obstacles, payloads = [], []
    for index, row in enumerate(rows):
        try:
            cursor.execute(SQL["insert_job"], (*row[1:-1], row.due_at == 0))
        except sqlite.IntegrityError:
            obstacles.append(_obstacle(connection, index, row))
        else:
            payloads.append((cursor.lastrowid, row.payload))
    cursor.executemany(SQL["insert_payload"], payloads)
    if obstacles:
        # All or none. The transaction goes on, empty: its caller commits it.
        connection.execute(SQL["rollback"])
        connection.execute(SQL["begin"])
    return obstacles


def _obstacle(connection: sqlite3.Connection, index: int, row: Row) -> Obstacle:
    [*same_id] = connection.execute(SQL["holder_of_id"], {"id": row.id})
    if same_id:
        return Obstacle(index, "id", row.id)
    key = {"unique_key": row.unique_key}
    [(holder,)] = connection.execute(SQL["holder_of_key"], key)
    return Obstacle(index, "key", holder)


def _change(connection: sqlite3.Connection, change: Change) -> Verdict:
    try:
        changed = (
            _move(connection, change) if isinstance(change, Move) else _rewrite(connection, change)
        )
    except sqlite.IntegrityError:
        return TAKEN
    if changed:
        return DONE
    job_id = change.id if isinstance(change, Move) else change.row.id
    return _stale_or_gone(connection, job_id)


def _stale_or_gone(connection: sqlite3.Connection, job_id: str) -> Verdict:
    there = connection.execute(SQL["holder_of_id"], {"id": job_id}).fetchone()
    return STALE if there else GONE


def _move(connection: sqlite3.Connection, move: Move) -> int:
    return connection.execute(SQL["move"], move._asdict()).rowcount


def _rewrite(connection: sqlite3.Connection, change: "Change") -> int:
    assert not isinstance(change, Move)
    values = change.row._asdict() | {
        "seq": change.seq,
        "expected": change.version,
        "keeps_lease": change.keeps_lease,
    }
    changed = connection.execute(SQL["rewrite"], values).rowcount
    if changed and not change.keeps_payload:
        connection.execute(SQL["rewrite_payload"], values)
    return changed


def _outlook(connection: sqlite3.Connection, claim: Claim) -> tuple[bool, int | None]:
    """Whether the claim would find nothing, and when the next waiting row falls due."""
    next_due = _next_due(connection)
    if next_due is not None and next_due <= claim.now:
        return False, next_due
    limits = {"now": claim.now, "worker": claim.worker}
    for queue in claim.queues or (None,):
        statement = SQL["anything_for" if queue is None else "anything_in_queue"]
        if connection.execute(statement, {**limits, "queue": queue}).fetchone():
            return False, next_due
    return True, next_due


def _next_due(connection: sqlite3.Connection) -> int | None:
    found = connection.execute(SQL["next_waiting"]).fetchone()
    return int(found[0]) if found else None


def _claim(connection: sqlite3.Connection, claim: Claim) -> Claimed:
    next_due = _next_due(connection)
    if next_due is not None and next_due <= claim.now:
        connection.execute(SQL["ripen"], {"now": claim.now})
        next_due = _next_due(connection)
    taken = chosen(_best(connection, claim), claim)
    connection.executemany(
        SQL["take"],
        [(row.ahead, row.worker, row.lease_until, row.detail, row.seq) for row in taken],
    )
    return Claimed(taken, next_due)


def _best(connection: sqlite3.Connection, claim: Claim) -> list[Row]:
    limits = {"now": claim.now, "worker": claim.worker, "limit": claim.limit + claim.ahead}
    if claim.queues is None:
        return [*map(Row._make, connection.execute(SQL["best"], limits))]
    heads = [
        Row._make(values)
        for queue in dict.fromkeys(claim.queues)
        for values in connection.execute(SQL["best_in_queue"], {**limits, "queue": queue})
    ]
    return sorted(heads, key=lambda row: (-row.priority, row.seq))


def _hold(connection: sqlite3.Connection, hold: Hold) -> Verdict:
    statement = SQL["lock"] if hold.fence is None else SQL["renew"]
    if connection.execute(statement, hold._asdict()).rowcount:
        return DONE
    return _stale_or_gone(connection, hold.id)


def _let_go(connection: sqlite3.Connection, job_id: str, worker: str, now: int) -> Verdict:
    hand = {"id": job_id, "worker": worker, "now": now}
    if connection.execute(SQL["let_go"], hand).rowcount:
        return DONE
    return _stale_or_gone(connection, job_id)


def _write(connection: sqlite3.Connection, name: str, body: str | None, expected: int) -> Verdict:
    values = {"name": name, "body": body, "expected": expected}
    if body is not None:
        statement = "change_record" if expected else "create_record"
        return DONE if connection.execute(SQL[statement], values).rowcount else STALE
    if expected:
        return DONE if connection.execute(SQL["remove_record"], values).rowcount else STALE
    there = connection.execute(SQL["read_record"], values).fetchone()
    return STALE if there else DONE


def _erase(connection: sqlite3.Connection, target: Finished | Sequence[str], limit: int) -> int:
    if isinstance(target, Finished):
        found = connection.execute(SQL["finished"], {**target._asdict(), "limit": limit})
    else:
        wanted = {"ids": json.dumps(target), "limit": limit}
        found = connection.execute(SQL["seqs_of_ids"], wanted)
    seqs = {"seqs": json.dumps([seq for (seq,) in found])}
    connection.execute(SQL["erase_payloads"], seqs)
    return connection.execute(SQL["erase_jobs"], seqs).rowcount
