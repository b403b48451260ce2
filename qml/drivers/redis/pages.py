"""Reading many rows: pages, what is available, what has lapsed, counts.

A walk along the indexes is made in steps, each of which holds the server for a few milliseconds,
however many rows there are.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from ...seam.rows import After, Available, Expired, Lapsed, Page, Query, Row
from .connections import Connections
from .scripts import reading
from .texts import RANK, SEQ, TIME, dumps, loads, moment, pairs, rows_of, seq_text, tally_parts

WALK = reading("walk")

LOOK = 1_000
"""Members that a step looks at, at most."""

GIVE = 200
"""Rows that a step gives, at most."""


class _Way(NamedTuple):
    """Which sorted sets to walk along, in which direction, and what to pick up."""

    sets: list[str]
    digits: int  # with which their members begin
    direction: str = "up"
    after: str = ""
    by: str = ""
    skip: int = 0
    queue: str | None = None
    method: str | None = None
    free_at: str | None = None


class Pages:
    """Walks along the indexes of one store. ``suspect`` is called when an entry has no row."""

    def __init__(self, connections: Connections, suspect: Callable[[], None]) -> None:
        self._connections = connections
        self._suspect = suspect

    def scan(self, query: Query) -> list[Row]:
        """The rows a query names, in its order."""
        if query.limit is not None and query.limit <= 0:
            self._connections.check_open()
            return []
        if isinstance(query, Available):
            return self._available(query)
        return [*self._walk(_way(query), query.limit)]

    def _walk(self, way: _Way, limit: int | None) -> Iterator[Row]:
        left = limit
        while left is None or left > 0:
            want = GIVE if left is None else min(GIVE, left)
            order = dumps([*way[:5], str(LOOK), str(want), str(way.skip), *way[6:]])
            after, skip, texts, vanished = loads(self._connections.read(WALK, order))
            if vanished:
                self._suspect()
            rows = rows_of(texts)
            yield from rows
            if not after:
                return
            way = way._replace(after=after, skip=int(skip))
            left = None if left is None else left - len(rows)

    def _available(self, query: Available) -> list[Row]:
        """The best of the ready ones, and of those that are due and have not ripened: as long as
        claims are made these are few."""
        now = moment(query.now)
        ready = self._walk(_Way(["ready"], RANK + SEQ, free_at=now), query.limit)
        found = {row.id: row for row in ready}
        waiting = self._walk(_Way(["waiting"], TIME + SEQ, by=now, free_at=now), None)
        while some := [*islice(waiting, LOOK)]:
            found |= {row.id: row for row in some}
            best = heapq.nsmallest(query.limit or len(found), found.values(), key=_rank)
            found = {row.id: row for row in best}
        return sorted(found.values(), key=_rank)

    def count(self, page: Page, by: str) -> dict[str, int]:
        """How many rows the filters of a page leave, by a column: from the tallies, one per state,
        queue and method that there are. Those below a seq are counted one by one."""
        if by not in {"state", "queue", "method"}:
            raise ValueError(f"count by {by!r}; give state, queue or method")
        if page.below is not None:
            whole = page._replace(limit=None, offset=0)
            return dict(Counter(getattr(row, by) for row in self._walk(_way(whole), None)))
        counts: dict[str, int] = {}
        tallies = self._connections.ask("HGETALL", f"{self._connections.base}tallies")
        for tally, number in pairs(tallies):
            state, queue, method = tally_parts(tally)
            left_out = page.states is not None and state not in page.states
            if left_out or page.queue not in (None, queue) or page.method not in (None, method):
                continue
            value = {"state": state, "queue": queue, "method": method}[by]
            counts[value] = counts.get(value, 0) + int(number)
        return counts


def _way(query: Page | Lapsed | Expired | After) -> _Way:
    if isinstance(query, Lapsed):
        return _Way(["running"], TIME + SEQ, by=moment(query.now))
    if isinstance(query, Expired):
        return _Way(["expiring"], TIME + SEQ, by=moment(query.now))
    if isinstance(query, After):
        return _Way(["all"], SEQ, after=_place(query.seq))
    states = None if query.states is None else dict.fromkeys(query.states)
    sets = ["all"] if states is None else [f"state:{state}" for state in states]
    way = _Way(sets, SEQ, "down", skip=query.offset)
    if query.below is not None:
        way = way._replace(after=_place(query.below))
    return way._replace(queue=query.queue, method=query.method)


def _place(seq: int) -> str:
    """The digits with which the members of this seq begin; of a number below 0, those of 0."""
    return seq_text(max(seq, 0)) or ""


def _rank(row: Row) -> tuple[int, int]:
    return -row.priority, row.seq or 0
