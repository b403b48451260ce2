"""What a guarded order does to the memory driver's table, and what stops it."""

import json
from collections.abc import Iterable, Iterator, Sequence

from ...seam import lanes
from ...seam.rows import (
    KEY_FREE,
    PROCESSING,
    SUCCEEDED,
    Change,
    Hold,
    Move,
    Obstacle,
    Row,
    Verdict,
    as_rewritten,
    holdable,
    is_free,
)
from ...seam.tallies import Parents, names, woken
from .claiming import put_back
from .table import Table


def obstacles(table: Table, rows: Iterable[Row]) -> Iterator[Obstacle]:
    """What stands in the way of each row, its id first, then its key, if they were stored one
    after the other and those that cannot be were left out."""
    ids: set[str] = set()
    keys: dict[str, str] = {}
    for index, row in enumerate(rows):
        key = None if row.key_held == KEY_FREE else row.unique_key
        holder = None if key is None else keys.get(key) or table.holds(key)
        if row.id in ids or table.get(row.id) is not None:
            yield Obstacle(index, "id", row.id)
        elif holder is not None:
            yield Obstacle(index, "key", holder)
        else:
            ids.add(row.id)
            if key is not None:
                keys[key] = row.id


def swap(table: Table, change: Change) -> Verdict:
    """Carry out one change, if its guard holds and its key is free."""
    row = table.get(change.id if isinstance(change, Move) else change.row.id)
    if row is None:
        return Verdict.GONE
    if change.seq not in (None, row.seq) or change.version != row.version:
        return Verdict.STALE
    if isinstance(change, Move):
        if change.lapsed_by is not None and not _lapsed(row, change.lapsed_by):
            return Verdict.STALE
        new = _moved(row, change)
    else:
        new = as_rewritten(row, change)
    key = None if new.key_held == KEY_FREE else new.unique_key
    if key is not None and table.holds(key) not in (None, row.id):
        return Verdict.TAKEN
    for follower in change.then if isinstance(change, Move) else ():
        if table.get(follower.id) is None:
            table.add(follower)
    table.replace(new)  # last: a follower may be one more of a batch that this end would end
    return Verdict.DONE


def _moved(row: Row, move: Move) -> Row:
    return row._replace(
        version=row.version + 1,
        state=move.state,
        detail=move.detail,
        failures=move.failures,
        attempt=move.attempt,
        max_attempts=move.max_attempts,
        ahead=move.ahead,
        due_at=move.due_at,
        finished_at=move.finished_at,
        purge_at=move.purge_at,
        key_held=row.key_held if move.key_held is None else move.key_held,
        locked_by=None if move.ends_lease else row.locked_by,
        lease_until=None if move.ends_lease else row.lease_until,
    )


def hold(table: Table, order: Hold) -> Verdict:
    """Carry out one renewal or lock, if its guard holds."""
    row = table.get(order.id)
    if row is None:
        return Verdict.GONE
    if order.seq not in (None, row.seq):
        return Verdict.STALE
    if order.fence is not None:
        if not _is_claim(row, order):
            return Verdict.STALE
    elif not holdable(row, order.worker, order.now):
        return Verdict.STALE
    claims = order.fence is not None or row.state == PROCESSING
    if claims and not _may_live_again(table, row, order.now):
        return Verdict.STALE
    lapsed = claims and _lapsed(row, order.now)
    if order.fence is None and is_free(row, order.now):
        row = _locked(row, order)
    written = order.notes is not None and order.fence is not None and row.state == PROCESSING
    notes = order.notes if written else row.notes
    table.replace(row._replace(lease_until=order.until, notes=notes or ""))
    if lapsed and order.until > order.now and row.permit is not None:
        put_back(table, row.permit, order.now)
    return Verdict.DONE


def _may_live_again(table: Table, row: Row, now: int) -> bool:
    """Whether a lapsed claim has a permit, should it be held on to; what has not lapsed has."""
    if row.permit is None or row.lane is None:
        return True
    permits = lanes.decode(row.lane).permits
    if not _lapsed(row, now) or permits is None:
        return True
    return len(table.leases(row.permit, now)) < permits


def _is_claim(row: Row, order: Hold) -> bool:
    """Whether the lease belongs to the claim that asks for its renewal."""
    same = (row.worker, row.fence) == (order.worker, order.fence)
    return same and row.lease_until is not None and row.locked_by is None


def _locked(row: Row, order: Hold) -> Row:
    if row.state == PROCESSING and row.lease_until is not None:
        return row._replace(
            worker=order.worker, locked_by=None, fence=row.fence + 1, version=row.version + 1
        )
    return row._replace(locked_by=order.worker)


def _lapsed(row: Row, now: int) -> bool:
    return row.lease_until is not None and row.lease_until <= now


def insert(table: Table, rows: Sequence[Row], parents: Sequence[Parents]) -> list[int]:
    """Put in rows that nothing stands in the way of; their seqs."""
    after = {one.index: one.ids for one in parents if one.ids is not None}
    return [
        table.add(_attached(table, row, after[index]) if index in after else row)
        for index, row in enumerate(rows)
    ]


def _attached(table: Table, row: Row, parents: Sequence[str]) -> Row:
    """The row as it is to be inserted that waits for its parents: those that have not finished
    count for it from now on. It falls due at once if none is left."""
    assert row.awaits is not None
    found = [table.get(parent) for parent in dict.fromkeys(parents)]
    left = [parent for parent in found if parent is not None and parent.finished_at is None]
    failed = sum(
        parent is None or (parent.finished_at is not None and parent.state != SUCCEEDED)
        for parent in found
    )
    for parent in left:
        counts = json.dumps([*names(parent.counts), row.awaits])
        table.replace(parent._replace(counts=counts))
    if left:
        table.tallies.close_over(row.awaits, len(left), failed)
        return row
    return woken(row, failed)
