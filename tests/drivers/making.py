"""Rows and orders for tests: everything has a plain value, and a test names what matters to it."""

import json
from typing import Any

from qml.seam.lanes import Lane, encode
from qml.seam.rows import (
    KEY_FREE,
    KEY_UNTIL_FINAL,
    NOT_AHEAD,
    PROCESSING,
    Claim,
    Hold,
    Move,
    Page,
    Rewrite,
    Row,
    Verdict,
)

NOW = 1_900_000_000_000_000
SECOND = 1_000_000

COLUMNS = Row._fields


def row(id: str, **columns: Any) -> Row:
    """A row that may be claimed at once. A ``unique_key`` is held unless ``key_held`` says else."""
    held = KEY_FREE if columns.get("unique_key") is None else KEY_UNTIL_FINAL
    plain: dict[str, Any] = {
        "seq": None,
        "id": id,
        "version": 0,
        "state": "enqueued",
        "queue": "default",
        "priority": 0,
        "method": "app.send",
        "attempt": 0,
        "fence": 0,
        "max_attempts": 6,
        "ahead": NOT_AHEAD,
        "worker": None,
        "locked_by": None,
        "lease_until": None,
        "due_at": 0,
        "finished_at": None,
        "purge_at": None,
        "expires_at": None,
        "created_at": NOW,
        "key_held": held,
        "unique_key": None,
        "unique_while": "unfinished",
        "max_retries": None,
        "timeout_seconds": None,
        "job_type": None,
        "lane": None,
        "permit": None,
        "batch": None,
        "counts": None,
        "awaits": None,
        "needs_all": 0,
        "detail": f"detail of {id}",
        "failures": "[]",
        "metadata": "{}",
        "payload": f"payload of {id}",
        "notes": "",
    }
    return Row(**plain | columns)


def alike(first: Row, *others: str) -> list[Row]:
    """Rows that differ in their ids and payloads alone."""
    return [first, *(first._replace(id=id, payload=f"payload of {id}") for id in others)]


def later(id: str, due_at: int, **columns: Any) -> Row:
    return row(id, **{"state": "scheduled", "due_at": due_at} | columns)


def running(id: str, worker: str = "w1", lease_until: int | None = NOW, **columns: Any) -> Row:
    plain = {"state": PROCESSING, "due_at": None, "fence": 1, "attempt": 1, "version": 1}
    return row(id, **plain | {"worker": worker, "lease_until": lease_until} | columns)


def limited(
    id: str,
    permit: str | None = "k",
    permits: int = 1,
    *,
    pace: str | None = None,
    gap: int | None = None,
    burst: int | None = None,
    queue: str = "default",
    **columns: Any,
) -> Row:
    """A row under a concurrency limit, and a pace if one is given."""
    lane = Lane(queue, permit, None if permit is None else permits, pace, gap, burst)
    return row(id, queue=queue, lane=encode(lane), permit=permit, **columns)


def paced(id: str, pace: str = "p", gap: int = 10, burst: int = 1, **columns: Any) -> Row:
    """A row under a pace alone."""
    return limited(id, None, pace=pace, gap=gap, burst=burst, **columns)


def member(id: str, *tallies: str, **columns: Any) -> Row:
    """A row that counts for tallies; for "t" if none is named."""
    return row(id, counts=json.dumps([*tallies] or ["t"]), **columns)


def waiter(id: str, awaits: str = "t", **columns: Any) -> Row:
    """A row that waits for a tally."""
    return row(id, **{"state": "scheduled", "due_at": None, "awaits": awaits} | columns)


def done(id: str, finished_at: int = NOW, **columns: Any) -> Row:
    return row(id, **{"state": "succeeded", "due_at": None, "finished_at": finished_at} | columns)


def claim(
    limit: int = 10,
    *,
    worker: str = "w1",
    now: int = NOW,
    lease: int = 30 * SECOND,
    ahead: int = 0,
    queues: tuple[str, ...] | None = None,
    detail: str = "claimed",
) -> Claim:
    return Claim(worker, now, now + lease, limit, ahead, queues, detail)


def move(stored: Row, **columns: Any) -> Move:
    """A successful end of ``stored``, guarded by its seq and version."""
    plain: dict[str, Any] = {
        "id": stored.id,
        "seq": stored.seq,
        "version": stored.version,
        "lapsed_by": None,
        "state": "succeeded",
        "detail": "the end",
        "failures": "[1]",
        "attempt": stored.attempt,
        "max_attempts": stored.max_attempts,
        "ahead": stored.ahead,
        "due_at": None,
        "finished_at": NOW + 1,
        "purge_at": None,
        "key_held": KEY_FREE,
        "ends_lease": True,
    }
    return Move(**plain | columns)


def rewrite(
    stored: Row, *, keeps_lease: bool = False, keeps_payload: bool = False, **columns: Any
) -> Rewrite:
    """The record of ``stored`` with other ``columns``, guarded by its seq and version."""
    new = stored._replace(**{"version": stored.version + 1} | columns)
    return Rewrite(stored.seq, stored.version, new, keeps_lease, keeps_payload)


def renewal(claimed: Row, until: int, now: int = NOW, **columns: Any) -> Hold:
    """A longer lease for the claim that gave ``claimed``."""
    assert claimed.worker is not None
    hold = Hold(claimed.id, claimed.seq, claimed.worker, claimed.fence, now, until)
    return hold._replace(**columns)


def lock(id: str, worker: str = "w1", *, now: int = NOW, until: int = NOW + 10) -> Hold:
    return Hold(id, None, worker, None, now, until)


def ids(rows: list[Row]) -> list[str]:
    return [row.id for row in rows]


def taken(driver: Any, limit: int = 10, **order: Any) -> list[str]:
    """The ids of what a claim takes."""
    return ids(driver.claim(claim(limit, **order)).rows)


def finish(driver: Any, *names: str, **columns: Any) -> list[Row]:
    """End these rows as they stand, in one batch, and return them as stored then."""
    ends = [move(stored, **columns) for stored in driver.load(names)]
    assert driver.swap(ends) == [Verdict.DONE] * len(names)
    return driver.load(names)


def everything(driver: Any) -> list[Row]:
    """All rows, oldest first."""
    return driver.scan(Page())[::-1]


def put(driver: Any, *rows: Row) -> list[Row]:
    """Insert rows that nothing stands in the way of, and return them as stored."""
    seqs, obstacles = driver.insert(rows)
    assert obstacles == []
    stored = driver.load([row.id for row in rows])
    assert [row.seq for row in stored] == seqs
    return stored
