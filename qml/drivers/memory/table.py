"""The rows of the memory driver, and indexes that make a claim independent of their number."""

import heapq
from collections.abc import Hashable, Iterable, Iterator
from itertools import takewhile

from ...seam.rows import KEY_FREE, PROCESSING, Row, holder
from .heap import LazyHeap

RIPENED_AT_ONCE = 1_000
"""Newly due rows that join the ready ones per claim."""

_Name = tuple[Hashable, ...]

_WAITING: _Name = ("waiting",)  # not yet ripened, by due_at
_HELD: _Name = ("held",)  # ripened and held, by lease_until
_RUNNING: _Name = ("running",)  # processing and held, by lease_until
_EXPIRING: _Name = ("expiring",)  # waiting, by expires_at
_LEAVING: _Name = ("leaving",)  # finished, with a purge_at, by that
_FREE: _Name = ()  # nobody's pool of ready rows; a holder's is (worker,)


class Table:
    """Rows by seq, so in the order of insertion; their ids, held keys, and places in heaps.

    A ripened row is ready, by priority, in its pool: nobody's or its holder's. So a claim looks
    into nobody's pool and its worker's own, and never walks past rows that others hold. Not safe
    to share between threads: the driver sees to that.
    """

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._ids: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._heaps: dict[_Name, LazyHeap] = {}
        self._places: dict[int, list[_Name]] = {}
        self._last_seq = 0

    def get(self, job_id: str) -> Row | None:
        """The row with this id."""
        seq = self._ids.get(job_id)
        return None if seq is None else self.rows[seq]

    def holds(self, key: str) -> str | None:
        """The id of the row that holds this unique key."""
        seq = self._keys.get(key)
        return None if seq is None else self.rows[seq].id

    def add(self, row: Row) -> int:
        """Put in a row with a new id, under the next seq, which is returned."""
        self._last_seq += 1
        self._ids[row.id] = self._last_seq
        self._put(self._last_seq, row._replace(seq=self._last_seq), ripe=False)
        return self._last_seq

    def replace(self, row: Row) -> None:
        """Put ``row`` where the one with its seq is."""
        seq = _seq(row)
        stood = self.rows[seq]
        ripe = stood.due_at == row.due_at and _WAITING not in self._places[seq]
        self._withdraw(seq, stood)
        self._put(seq, row, ripe)

    def remove(self, row: Row) -> None:
        """Take out a stored row with all that belongs to it."""
        seq = _seq(row)
        self._withdraw(seq, self.rows.pop(seq))
        del self._ids[row.id]

    def ripen(self, now: int) -> None:
        """Make ready what has fallen due at ``now``, a thousand at most, and give back to
        everybody what was held until ``now``."""
        for _ in range(RIPENED_AT_ONCE):
            if not self._move_first(_WAITING, now):
                break
        while self._move_first(_HELD, now, free=True):
            pass

    def next_due(self) -> int | None:
        """The smallest due_at of the rows that have not ripened."""
        first = self._first(_WAITING)
        return first[0] if first else None

    def ready(self, worker: str, queues: Iterable[str] | None) -> Iterator[Row]:
        """What has ripened in these queues (None = all) and nobody or ``worker`` holds: best
        first, one by one. Nothing may be changed meanwhile."""
        within: Iterable[str | None] = (None,) if queues is None else set(queues)
        names = [(pool, queue) for queue in within for pool in (_FREE, (worker,))]
        walks = [self._heaps[name].walk() for name in names if name in self._heaps]
        return (self.rows[seq] for _, seq in heapq.merge(*walks))

    def lapsed(self, now: int) -> Iterator[Row]:
        """Processing rows whose lease has ended at ``now``, longest ago first."""
        return self._until(_RUNNING, now)

    def expired(self, now: int) -> Iterator[Row]:
        """Waiting rows that expired at ``now`` or before, longest ago first."""
        return self._until(_EXPIRING, now)

    def overdue(self, by: int) -> Iterator[Row]:
        """Rows that are to be removed at ``by`` or before, longest ago first."""
        return self._until(_LEAVING, by)

    def finished(self, state: str, by: int) -> Iterator[Row]:
        """Rows of this state that finished at ``by`` or before, longest ago first."""
        return self._until(("finished", state), by)

    def entries(self) -> int:
        """How many entries all heaps keep, stale ones included."""
        return sum(map(len, self._heaps.values()))

    def _first(self, name: _Name) -> tuple[int, int] | None:
        heap = self._heaps.get(name)
        return heap.first() if heap else None

    def _until(self, name: _Name, last: int) -> Iterator[Row]:
        heap = self._heaps.get(name)
        entries = heap.walk() if heap else iter(())
        return (self.rows[seq] for _, seq in takewhile(lambda entry: entry[0] <= last, entries))

    def _move_first(self, name: _Name, now: int, *, free: bool = False) -> bool:
        first = self._first(name)
        if first is None or first[0] > now:
            return False
        row = self.rows[first[1]]
        self._withdraw(first[1], row)
        self._put(first[1], row, ripe=True, free=free)
        return True

    def _withdraw(self, seq: int, row: Row) -> None:
        for name in self._places.pop(seq):
            heap = self._heaps[name]
            heap.discard(seq)
            if not heap.live:
                del self._heaps[name]
        if row.unique_key is not None and self._keys.get(row.unique_key) == seq:
            del self._keys[row.unique_key]

    def _put(self, seq: int, row: Row, ripe: bool, free: bool = False) -> None:
        self.rows[seq] = row
        if row.unique_key is not None and row.key_held != KEY_FREE:
            self._keys[row.unique_key] = seq
        places = self._places[seq] = []
        for name, key in _places(row, ripe, free):
            heap = self._heaps.get(name)
            if heap is None:
                heap = self._heaps[name] = LazyHeap()
            heap.add(key, seq)
            places.append(name)


def _places(row: Row, ripe: bool, free: bool) -> Iterator[tuple[_Name, int]]:
    """The heaps a row belongs in, with its key in each."""
    if row.purge_at is not None:
        yield _LEAVING, row.purge_at
    elif row.finished_at is not None:
        yield ("finished", row.state), row.finished_at
    if row.expires_at is not None and row.due_at is not None:
        yield _EXPIRING, row.expires_at
    if row.state == PROCESSING and row.lease_until is not None:
        yield _RUNNING, row.lease_until
    if row.due_at is None:
        return
    if row.due_at > 0 and not ripe:
        yield _WAITING, row.due_at
        return
    pool = _FREE
    if row.lease_until is not None and not free:
        pool = (holder(row),)
        yield _HELD, row.lease_until
    yield (pool, None), -row.priority
    yield (pool, row.queue), -row.priority


def _seq(row: Row) -> int:
    assert row.seq is not None
    return row.seq
