"""Guarded changes of rows: swap, hold, let go."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import cache

from ...seam.rows import Change, Hold, Move, Rewrite, Verdict
from . import lanes, library, storing, tallies
from .library import library as sqlite
from .statements import SQL

_MOST = 256
"""Rows that one statement ends at most: it has so many times ``_WIDTH`` parameters."""

_WIDTH = 11

_ROW = f"({', '.join('?' * _WIDTH)})"

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


def swap(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    """Carry out guarded changes, each for itself, and what follows on each."""
    try:
        return _swap(connection, changes)
    except sqlite.OperationalError as error:
        if not library.is_malformed(error):
            raise
    # A row that was damaged counts for nothing, and must not stop the others.
    connection.execute(SQL["rollback"])
    connection.execute(SQL["begin"])
    for change in changes:
        tallies.mend(connection, change.id if isinstance(change, Move) else change.row.id)
    return _swap(connection, changes)


def _swap(connection: sqlite3.Connection, changes: Sequence[Change]) -> list[Verdict]:
    if _end_claims(connection, changes):
        return [DONE] * len(changes)
    return [_change(connection, change) for change in changes]


def _end_claims(connection: sqlite3.Connection, changes: Sequence[Change]) -> bool:
    """The usual batch, ends of claims that all hold, costs half as much by one statement for all.
    False: it is another kind, or not all held, and nothing was changed."""
    ends = [change for change in changes if isinstance(change, Move) and _ends_claim(change)]
    if len(ends) != len(changes) or not ends:
        return False
    try:
        held = _write_ends(connection, ends) == len(ends)
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


def _write_ends(connection: sqlite3.Connection, ends: Sequence[Move]) -> int:
    """How many held. One statement for all lets Python go on in other threads meanwhile; with one
    for each, this thread had to wait for them to let it go on as often: 20 us a row against 16."""
    held = 0
    for start in range(0, len(ends), _MOST):
        some = ends[start : start + _MOST]
        rows = 1 << (len(some) - 1).bit_length()  # few sizes, so that they stay prepared
        values = [value for move in some for value in _end_values(move)]
        values += [0] * (rows * _WIDTH - len(values))  # seq 0 is nobody's
        held += connection.execute(end_claims(rows), values).rowcount
    return held


@cache
def end_claims(rows: int) -> str:
    """The statement for so many."""
    return SQL["end_claims"].replace(_ROW, ", ".join([_ROW] * rows))


def _end_values(move: Move) -> tuple[str | int | None, ...]:
    return (
        *(move.seq, move.id, move.version, move.state, move.detail, move.failures),
        *(move.attempt, move.max_attempts, move.ahead, move.finished_at, move.key_held),
    )


def _ends_claim(move: Move) -> bool:
    if move.then and any(row.counts or row.awaits for row in move.then):
        return False  # it comes before the end
    final = move.ends_lease and move.due_at is None
    return final and move.seq is not None and move.lapsed_by is None


def _change(connection: sqlite3.Connection, change: Change) -> Verdict:
    if not isinstance(change, Move):
        return _changed(connection, change.row.id, lambda: _rewrite(connection, change))
    if not change.then:
        return _changed(connection, change.id, lambda: _move(connection, change))
    # They come first: they may be more of a batch that the end of this one would end.
    connection.execute(SQL["mark"])
    storing.insert_new(connection, change.then)
    verdict = _changed(connection, change.id, lambda: _move(connection, change))
    if verdict is not DONE:
        connection.execute(SQL["back_to_mark"])
    connection.execute(SQL["unmark"])
    return verdict


def _changed(connection: sqlite3.Connection, job_id: str, change: Callable[[], int]) -> Verdict:
    try:
        return DONE if change() else _stale_or_gone(connection, job_id)
    except sqlite.IntegrityError:
        return TAKEN


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
    values = order._asdict()
    renewed = order.fence is not None and connection.execute(SQL["renew"], values).rowcount
    if not renewed and not _hold_lapsed(connection, order, values):
        return _stale_or_gone(connection, order.id)
    if order.fence is not None and order.notes is not None:
        connection.execute(SQL["write_notes"], values)
    return DONE


def _hold_lapsed(connection: sqlite3.Connection, order: Hold, values: dict[str, object]) -> bool:
    """What "renew" left aside. A claim that had lapsed and lives again takes its permit from the
    others that lapsed."""
    permits = [permit for (permit,) in connection.execute(SQL["permit_if_lapsed"], values)]
    statement = "lock" if order.fence is None else "renew_lapsed"
    if not connection.execute(SQL[statement], values).rowcount:
        return False
    if order.until > order.now:
        lanes.put_back(connection, permits, order.now)
    return True


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
