"""Guarded changes of rows: swap, hold, let go."""

import sqlite3
from collections.abc import Sequence

from ...seam.rows import Change, Hold, Move, Rewrite, Verdict
from . import storing
from .library import library as sqlite
from .statements import SQL

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


def swap(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    """Carry out guarded changes, each for itself, and what follows on each."""
    if _end_claims(connection, changes):
        return [DONE] * len(changes)
    return [_change(connection, change) for change in changes]


def _end_claims(connection: sqlite3.Connection, changes: Sequence[Change]) -> bool:
    """The usual batch, ends of claims that all hold, costs half as much by one statement for all.
    False: it is another kind, or not all held, and nothing was changed."""
    ends = [change for change in changes if isinstance(change, Move) and _ends_claim(change)]
    if len(ends) != len(changes) or not ends:
        return False
    before = connection.total_changes
    try:
        connection.executemany(SQL["end_claim"], map(_end_values, ends))
        held = connection.total_changes - before == len(ends)
    except sqlite.IntegrityError:
        held = False  # a key was taken meanwhile: one by one tells whose
    if not held:
        connection.execute(SQL["rollback"])
        connection.execute(SQL["begin"])  # if another is faster, the whole of the work begins anew
        return False
    for end in ends:
        if end.purge_at is not None:
            connection.execute(SQL["leave"], (end.purge_at, end.seq))
        if end.then:
            storing.insert_new(connection, end.then)
    return True


def _end_values(move: Move) -> tuple[str | int | None, ...]:
    return (
        *(move.state, move.detail, move.failures, move.attempt, move.max_attempts, move.ahead),
        *(move.finished_at, move.key_held),
        *(move.seq, move.id, move.version),
    )


def _ends_claim(move: Move) -> bool:
    final = move.ends_lease and move.due_at is None
    return final and move.seq is not None and move.lapsed_by is None


def _change(connection: sqlite3.Connection, change: Change) -> Verdict:
    try:
        changed = (
            _move(connection, change) if isinstance(change, Move) else _rewrite(connection, change)
        )
    except sqlite.IntegrityError:
        return TAKEN
    if changed:
        if isinstance(change, Move) and change.then:
            storing.insert_new(connection, change.then)
        return DONE
    job_id = change.id if isinstance(change, Move) else change.row.id
    return _stale_or_gone(connection, job_id)


def _stale_or_gone(connection: sqlite3.Connection, job_id: str) -> Verdict:
    there = connection.execute(SQL["holder_of_id"], {"id": job_id}).fetchone()
    return STALE if there else GONE


def _move(connection: sqlite3.Connection, move: Move) -> int:
    return connection.execute(SQL["move"], move._asdict()).rowcount


def _rewrite(connection: sqlite3.Connection, change: Rewrite) -> int:
    values = change.row._asdict() | {
        "seq": change.seq,
        "expected": change.version,
        "keeps_lease": change.keeps_lease,
    }
    changed = connection.execute(SQL["rewrite"], values).rowcount
    if changed and not change.keeps_payload:
        connection.execute(SQL["rewrite_payload"], values)
    return changed


def hold(connection: sqlite3.Connection, order: Hold) -> Verdict:
    """Extend a lease, and write the notes of its run; or take a lock."""
    statement = SQL["lock"] if order.fence is None else SQL["renew"]
    values = order._asdict()
    if connection.execute(statement, values).rowcount:
        if order.fence is not None and order.notes is not None:
            connection.execute(SQL["write_notes"], values)
        return DONE
    return _stale_or_gone(connection, order.id)


def let_go(
    connection: sqlite3.Connection,
    job_id: str,
    worker: str,
    now: int,
    claim: tuple[int, int] | None,
) -> Verdict:
    """End what a worker, or one claim of it, holds."""
    seq, fence = claim or (None, None)
    hand = {"id": job_id, "worker": worker, "now": now, "seq": seq, "fence": fence}
    if connection.execute(SQL["let_go"], hand).rowcount:
        return DONE
    return _stale_or_gone(connection, job_id)
