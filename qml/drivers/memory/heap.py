"""A heap with lazy removal: numbers in the order of their keys, one key each."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

_FEW = 16


class LazyHeap:
    """Rows by (key, seq), smallest first.

    ``live`` has the key of each seq. An entry that no longer agrees with it is stale: it is passed
    over, and dropped when it comes to the top or when the stale outnumber the live.
    """

    __slots__ = ("_entries", "live")

    def __init__(self) -> None:
        self.live: dict[int, int] = {}
        self._entries: list[tuple[int, int]] = []

    def __len__(self) -> int:
        """How many entries are kept, stale ones included."""
        return len(self._entries)

    def add(self, key: int, seq: int) -> None:
        """Put in a seq that is not there."""
        self.live[seq] = key
        heappush(self._entries, (key, seq))

    def discard(self, seq: int) -> None:
        """Take out a seq that is there."""
        del self.live[seq]
        if len(self._entries) > 2 * len(self.live) + _FEW:
            self._entries = [(key, seq) for seq, key in self.live.items()]
            heapify(self._entries)

    def first(self) -> tuple[int, int] | None:
        """The smallest (key, seq); None when nothing is live."""
        entries, live = self._entries, self.live
        while entries and live.get(entries[0][1]) != entries[0][0]:
            heappop(entries)
        return entries[0] if entries else None

    def walk(self) -> Iterator[tuple[int, int]]:
        """The live (key, seq), smallest first, made one by one: n steps cost O(n log n), however
        many there are. Nothing may be put in or taken out meanwhile."""
        last = self.first()
        if last is None:
            return
        entries, live = self._entries, self.live
        frontier = [(last, 0)]  # heapq promises that no entry is larger than those at 2i+1, 2i+2
        last = None
        while frontier:
            entry, place = heappop(frontier)
            for child in range(2 * place + 1, min(2 * place + 3, len(entries))):
                heappush(frontier, (entries[child], child))
            # A seq taken out and put in again with its old key has two equal entries.
            if entry != last and live.get(entry[1]) == entry[0]:
                yield entry
            last = entry
