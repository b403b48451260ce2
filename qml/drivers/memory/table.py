"""The rows of the memory driver, and indexes that make a claim independent of their number."""

import heapq
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import takewhile

from ...seam.rows import KEY_FREE, PROCESSING, Row, as_row, holder
from ...seam.tallies import is_dormant, woken
from ..lanes import place
from .heap import LazyHeap
from .lanes import Hints
from .tallies import Tallies

RIPENED_AT_ONCE = 1_000
"""Newly due rows that join the ready ones per claim."""

_Name = tuple[Hashable, ...]

_WAITING: _Name = ("waiting",)  # not yet ripened, by due_at
_HELD: _Name = ("held",)  # ripened and held, by lease_until
RUNNING: _Name = ("running",)  # processing and held, by lease_until
EXPIRING: _Name = ("expiring",)  # waiting, by expires_at
LEAVING: _Name = ("leaving",)  # finished, with a purge_at, by that
_FREE: _Name = ()  # nobody's pool of ready rows; a holder's is (worker,)


def finished(state: str) -> _Name:
    """The heap of finished rows of a state, by finished_at; not of those with a purge_at."""
    return ("finished", state)


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
        self._pools: defaultdict[Hashable, set[_Name]] = defaultdict(set)
        self.lanes = Hints()
        self.tallies = Tallies()

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
        row = as_row((self._last_seq, *row[1:]))
        self._put(self._last_seq, row, ripe=False)
        self.tallies.inserted(row)
        return self._last_seq

    def replace(self, row: Row) -> None:
        """Put ``row`` where the one with its seq is."""
        seq = _seq(row)
        stood = self.rows[seq]
        ripe = stood.due_at == row.due_at and _WAITING not in self._places[seq]
        self._withdraw(seq, stood)
        self._put(seq, row, ripe)
        if stood.permit is not None and _frees_a_permit(stood, row):
            self.lanes.reopen_of(stood.permit)
        self.wake(self.tallies.changed(stood, row))

    def remove(self, row: Row) -> None:
        """Take out a stored row with all that belongs to it."""
        seq = _seq(row)
        self._withdraw(seq, self.rows.pop(seq))
        del self._ids[row.id]
        if row.permit is not None:
            self.lanes.reopen_of(row.permit)
        self.wake(self.tallies.changed(row, None))

    def wake(self, over: Iterable[tuple[str, int]]) -> None:
        """Have those fall due that wait for tallies that are over, each with how many failed."""
        for name, failed in over:
            waiting = self._heaps.get(("awaiting", name))
            for seq in sorted(waiting.live) if waiting else ():
                row = self.rows[seq]
                self.replace(woken(row, failed)._replace(version=row.version + 1))

    def ripen(self, now: int) -> None:
        """Make ready what has fallen due at ``now``, a thousand at most, and give back to
        everybody what was held until ``now``."""
        for _ in range(RIPENED_AT_ONCE):
            if not self._move_first(_WAITING, now):
                break
        while self._move_first(_HELD, now, free=True):
            pass
        self.lanes.reopen(now)

    def next_due(self) -> int | None:
        """The smallest due_at of the rows that have not ripened, or when a lane may open."""
        first = self._first(_WAITING)
        times = [first[0] if first else None, self.lanes.first_opening()]
        return min((time for time in times if time is not None), default=None)

    def ready(self, worker: str, queues: Iterable[str] | None) -> Iterator[Row]:
        """What has ripened in these queues (None = all), has no lane, and nobody or ``worker``
        holds: best first, one by one. Nothing may be changed meanwhile."""
        within: Iterable[str | None] = (None,) if queues is None else set(queues)
        return self._ripe(worker, [("in", queue) for queue in within])

    def in_lane(self, lane: str, worker: str) -> Iterator[Row]:
        """The same of a lane."""
        return self._ripe(worker, [("lane", lane)])

    def queues(self) -> set[str]:
        """The queues of which something has ripened that has no lane."""
        return {str(queue) for queue in self._pools if queue is not None}

    def settle_lanes(self, looked_at: Mapping[str, int | None]) -> None:
        """Tell the hints what a claim found: where each lane's best is, and when it may open."""
        for lane, opens_at in looked_at.items():
            head = self._first(("lane of all", lane))
            best = None if head is None else place(self.rows[head[1]])
            self.lanes.put(lane, best, opens_at)

    def leases(self, permit: str, now: int) -> "list[int]":
        """When the claims under a permit end that are live at ``now``, earliest first."""
        heap = self._heaps.get(("permit", permit))
        return sorted(until for until in heap.live.values() if until > now) if heap else []

    def _ripe(self, worker: str, places: Iterable[_Name]) -> Iterator[Row]:
        names = [(*within, *pool) for within in places for pool in (_FREE, (worker,))]
        walks = [self._heaps[name].walk() for name in names if name in self._heaps]
        return (self.rows[seq] for _, seq in heapq.merge(*walks))

    def until(self, name: _Name, last: int) -> Iterator[Row]:
        """The rows of a heap by their keys, as far as those go to ``last``."""
        heap = self._heaps.get(name)
        entries = heap.walk() if heap else iter(())
        return (self.rows[seq] for _, seq in takewhile(lambda entry: entry[0] <= last, entries))

    def entries(self) -> int:
        """How many entries all heaps keep, stale ones included."""
        return sum(map(len, self._heaps.values()))

    def _first(self, name: _Name) -> tuple[int, int] | None:
        heap = self._heaps.get(name)
        return heap.first() if heap else None

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
                self._drop(name)
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
                heap = self._make(name)
            heap.add(key, seq)
            places.append(name)
            if name[0] == "lane of all":
                self.lanes.better(str(row.lane), row)

    def _make(self, name: _Name) -> LazyHeap:
        if name[0] == "in":
            self._pools[name[1]].add(name)
        heap = self._heaps[name] = LazyHeap()
        return heap

    def _drop(self, name: _Name) -> None:
        if name[0] == "in":
            self._pools[name[1]].discard(name)
            if not self._pools[name[1]]:
                del self._pools[name[1]]
        del self._heaps[name]


def _places(row: Row, ripe: bool, free: bool) -> Iterator[tuple[_Name, int]]:
    """The heaps a row belongs in, with its key in each."""
    if row.purge_at is not None:
        yield LEAVING, row.purge_at
    elif row.finished_at is not None:
        yield finished(row.state), row.finished_at
    if row.expires_at is not None and row.due_at is not None:
        yield EXPIRING, row.expires_at
    if row.state == PROCESSING and row.lease_until is not None:
        yield RUNNING, row.lease_until
    if row.permit is not None and row.lease_until is not None and row.locked_by is None:
        yield ("permit", row.permit), row.lease_until
    if row.awaits is not None and is_dormant(row):
        yield ("awaiting", row.awaits), 0
    if row.due_at is not None:
        yield from _claimable(row, ripe or row.due_at <= 0, free)


def _claimable(row: Row, ripe: bool, free: bool) -> Iterator[tuple[_Name, int]]:
    if not ripe:
        yield _WAITING, row.due_at or 0
        return
    pool = _FREE
    if row.lease_until is not None and not free:
        pool = (holder(row),)
        yield _HELD, row.lease_until
    if row.lane is not None:
        yield ("lane of all", row.lane), -row.priority
        yield ("lane", row.lane, *pool), -row.priority
    else:
        yield ("in", None, *pool), -row.priority
        yield ("in", row.queue, *pool), -row.priority


def _frees_a_permit(before: Row, after: Row) -> bool:
    if before.permit != after.permit:
        return True
    until = after.lease_until if after.locked_by is None else None
    return before.lease_until is not None and (until is None or until < before.lease_until)


def _seq(row: Row) -> int:
    assert row.seq is not None
    return row.seq
