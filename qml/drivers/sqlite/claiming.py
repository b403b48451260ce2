"""Claims: a look that costs nobody anything, then the best rows in one transaction."""

import sqlite3

from ...seam.rows import Claim, Claimed, Row, chosen
from .statements import SQL


def outlook(connection: sqlite3.Connection, claim: Claim) -> tuple[bool, int | None]:
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


def take(connection: sqlite3.Connection, claim: Claim) -> Claimed:
    """Ripen what has fallen due, then take the best rows."""
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
