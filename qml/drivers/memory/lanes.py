"""The memory driver's hints: where the best row of a lane is, and when a lane may open."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from heapq import merge
from typing import NamedTuple

from ...seam.rows import Row
from ..lanes import Place, place
from .heap import LazyHeap

REOPENED_AT_ONCE = 1_000
"""Lanes whose time has come that join the open ones per claim."""

_FEW = 1_000

_SEQS = 2**64


class _Known(NamedTuple):
    number: int
    queue: str
    permit: str | None


class Hints:
    """Of each lane with ripe rows the place of its best, in heaps of those that may be open; or the
    time at which it may open. A hint may be too good, and never the other way."""

    def __init__(self) -> None:
        self.paces: dict[str, int] = {}
        self.known: dict[str, _Known] = {}
        self._names: dict[int, str] = {}
        self._hints: dict[str, Place] = {}
        self._open: defaultdict[str, LazyHeap] = defaultdict(LazyHeap)
        self._closed = LazyHeap()
        self._of_permit: defaultdict[str | None, set[str]] = defaultdict(set)
        self._last_number = 0
        self._most_paces = _FEW

    def better(self, lane: str, row: Row) -> None:
        """A row of the lane is ripe: it may be the lane's best."""
        best = place(row)
        if lane not in self.known:
            self._learn(lane, row)
        elif best >= self._hints[lane]:
            return
        closed = self._closed.live.get(self.known[lane].number)
        self.put(lane, best, closed)

    def _learn(self, lane: str, row: Row) -> None:
        self._last_number += 1
        self.known[lane] = _Known(self._last_number, row.queue, row.permit)
        self._names[self._last_number] = lane
        self._of_permit[row.permit].add(lane)

    def put(self, lane: str, best: Place | None, opens_at: int | None) -> None:
        """The lane's best is there (None = it is empty), and it opens then (None = it is open)."""
        known = self.known[lane]
        for heap in (self._open[known.queue], self._closed):
            if known.number in heap.live:
                heap.discard(known.number)
        if best is None:
            self._forget(lane, known)
            return
        self._hints[lane] = best
        if opens_at is None:
            self._open[known.queue].add(best[0] * _SEQS + best[1], known.number)
        else:
            self._closed.add(opens_at, known.number)

    def _forget(self, lane: str, known: _Known) -> None:
        del self.known[lane], self._names[known.number]
        self._hints.pop(lane, None)
        self._of_permit[known.permit].discard(lane)
        if not self._of_permit[known.permit]:
            del self._of_permit[known.permit]
        if not self._open[known.queue].live:
            del self._open[known.queue]

    def reopen(self, now: int) -> None:
        """Lanes whose time has come may be open again, a thousand at most."""
        for _ in range(REOPENED_AT_ONCE):
            first = self._closed.first()
            if first is None or first[0] > now:
                break
            self._reopen(self._names[first[1]])

    def reopen_of(self, permit: str) -> None:
        """A claim under the permit may have ended: its lanes may be open again."""
        for lane in tuple(self._of_permit.get(permit, ())):
            self._reopen(lane)

    def _reopen(self, lane: str) -> None:
        self.put(lane, self._hints[lane], None)

    def first_opening(self) -> int | None:
        """When the first of the closed lanes may open."""
        first = self._closed.first()
        return None if first is None else first[0]

    def queues(self) -> set[str]:
        """The queues of the lanes that may be open."""
        return {queue for queue, heap in self._open.items() if heap.live}

    def hints(self, queues: Iterable[str]) -> Iterator[tuple[Place, str]]:
        """The lanes of these queues that may be open, by the place of their best."""
        walks = [self._open[queue].walk() for queue in queues if queue in self._open]
        for _, number in merge(*walks):
            lane = self._names[number]
            yield self._hints[lane], lane

    def start(self, paces: Mapping[str, int], now: int) -> None:
        """The new times of some paces. Those that are over are forgotten, whenever there are twice
        as many as were left the last time."""
        self.paces.update(paces)
        if len(self.paces) > self._most_paces:
            self.paces = {pace: time for pace, time in self.paces.items() if time > now}
            self._most_paces = 2 * len(self.paces) + _FEW
