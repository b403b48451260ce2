"""Reading many rows: pages, what is available, what has lapsed, counts.

A walk along the indexes is made in steps, each of which holds the server for a few milliseconds,
however many rows there are.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from ...seam.onlooking import Batches, Oldest
from ...seam.rows import After, Available, Expired, Lapsed, Page, Query, Row
from .connections import Connections
from .scripts import reading
from .texts import (
    RANK,
    SEQ,
    TIME,
    dumps,
    grouped,
    loads,
    moment,
    pairs,
    rows_of,
    seq_text,
    total_parts,
)

WALK, OLDEST = reading("walk"), reading("oldest")
BATCHES, STATES = reading("batches"), reading("states")

LOOK, PASS = 1_000, 4_000
"""Members that a step looks at, at most; and where it passes by all that a filter leaves out."""

GIVE = 200
"""Rows that a step gives, at most."""


class _Way(NamedTuple):
    """Which sorted sets to walk along, in which direction, and what to pick up."""

    sets: list[tuple[str, str]]  # each with the letters its members begin with that are meant
    digits: int  # that follow these
    direction: str = "up"
    after: str = ""
    by: str = ""
    skip: int = 0
    states: list[str] | None = None
    queue: str | None = None
    method: str | None = None
    batch: str | None = None
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
        if isinstance(query, Oldest):
            order = dumps([moment(query.now), str(query.limit)])
            answer = self._connections.read(OLDEST, order)
            return rows_of(loads(answer), answer)
        if isinstance(query, Batches):
            order = dumps([query.start, str(query.limit)])
            answer = self._connections.read(BATCHES, order)
            return rows_of(loads(answer), answer)
        return [*self._walk(self._way(query), query.limit)]

    def _walk(self, way: _Way, limit: int | None) -> Iterator[Row]:
        left = limit
        while left is None or left > 0:
            want = GIVE if left is None else min(GIVE, left)
            look = LOOK if way.queue is None and way.method is None else PASS
            order = dumps([*way[:5], str(look), str(want), str(way.skip), *way[6:]])
            answer = self._connections.read(WALK, order)
            after, skip, texts, vanished = loads(answer)
            if vanished:
                self._suspect()
            rows = rows_of(texts, answer)
            yield from rows
            if not after:
                return
            way = way._replace(after=after, skip=int(skip))
            left = None if left is None else left - len(rows)

    def _available(self, query: Available) -> list[Row]:
        """The best of the ready ones, and of those that are due and have not ripened: as long as
        claims are made these are few."""
        now = moment(query.now)
        ready = self._walk(_Way([("ready", "")], RANK + SEQ, free_at=now), query.limit)
        found = {row.id: row for row in ready}
        waiting = self._walk(_Way([("waiting", "")], TIME + SEQ, by=now, free_at=now), None)
        while some := [*islice(waiting, LOOK)]:
            found |= {row.id: row for row in some}
            best = heapq.nsmallest(query.limit or len(found), found.values(), key=_rank)
            found = {row.id: row for row in best}
        return sorted(found.values(), key=_rank)

    def count(self, page: Page, by: str) -> dict[str, int]:
        """How many rows the filters of a page leave, by a column: from the totals, one per state,
        queue and method that there are. Of a batch the states are asked of its index. Other rows
        of a batch, and those below a seq, are counted one by one."""
        if by not in {"state", "queue", "method"}:
            raise ValueError(f"count by {by!r}; give state, queue or method")
        filtered = (page.below, page.queue, page.method) != (None, None, None)
        if page.batch is not None and by == "state" and not filtered:
            return self._states_of(page)
        if page.below is not None or page.batch is not None:
            whole = page._replace(limit=None, offset=0)
            return dict(Counter(getattr(row, by) for row in self._walk(self._way(whole), None)))
        counts: dict[str, int] = {}
        for (state, queue, method), number in self._totals():
            left_out = page.states is not None and state not in page.states
            if left_out or page.queue not in (None, queue) or page.method not in (None, method):
                continue
            value = {"state": state, "queue": queue, "method": method}[by]
            counts[value] = counts.get(value, 0) + number
        return counts

    def _totals(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        totals = self._connections.ask("HGETALL", f"{self._connections.base}totals")
        return ((total_parts(total), int(number)) for total, number in pairs(totals))

    def _states_of(self, page: Page) -> dict[str, int]:
        found = loads(self._connections.read(STATES, dumps([page.batch])))
        asked = page.states
        return {state: int(number) for state, number in found if asked is None or state in asked}

    def _states(self, page: Page) -> list[str]:
        """Those of a page, or all that there are."""
        found = (
            (state for (state, _, _), _ in self._totals()) if page.states is None else page.states
        )
        return [*dict.fromkeys(found)]

    def _sets(self, page: Page) -> list[tuple[str, str]]:
        if page.batch is not None:
            batch = grouped(page.batch)
            return [("batched", batch + grouped(state)) for state in self._states(page)]
        if page.states is None:
            return [("all", "")]
        return [(f"state:{state}", "") for state in self._states(page)]

    def _way(self, query: Page | Lapsed | Expired | After) -> _Way:
        if isinstance(query, Lapsed):
            return _Way([("running", "")], TIME + SEQ, by=moment(query.now))
        if isinstance(query, Expired):
            return _Way([("expiring", "")], TIME + SEQ, by=moment(query.now))
        if isinstance(query, After):
            return _Way([("all", "")], SEQ, after=_place(query.seq))
        way = self._page(query)._replace(direction="down", skip=query.offset)
        return way if query.below is None else way._replace(after=_place(query.below))

    def _page(self, page: Page) -> _Way:
        """Along which sets, and what is to be asked of each row then: where rows of a queue or a
        method are wanted, the way with the fewest to be passed by, as the totals tell."""
        if page.queue is None and page.method is None:
            return _Way(self._sets(page), SEQ)
        asked = _Way([], SEQ, queue=page.queue, method=page.method, batch=page.batch)
        asked = asked._replace(states=None if page.states is None else [*page.states])
        ways, wanted = _ways(page, list(self._totals()))
        if not wanted:
            return asked
        if page.batch is not None:
            stored = sum(self._states_of(page).values())
            ways.append(_Sets(self._sets(page), stored))
        best = min(ways, key=lambda sets: sets.cost(page.limit, wanted))
        return asked._replace(sets=best.sets)


class _Sets(NamedTuple):
    """Sets that all rows of a page are in, and how many others with them."""

    sets: list[tuple[str, str]]
    members: int

    def cost(self, limit: int | None, wanted: int) -> float:
        """Members to look at until there are enough, if those wanted lie evenly."""
        part = 1.0 if limit is None else min(1.0, limit / wanted)
        return self.members * part + 20 * len(self.sets)


def _ways(page: Page, totals: list[tuple[tuple[str, str, str], int]]) -> tuple[list[_Sets], int]:
    """By states, and by queues and methods; and how many rows are wanted, batches aside."""
    states: Counter[str] = Counter()
    places: Counter[str] = Counter()
    wanted = 0
    for (state, queue, method), number in totals:
        meant = page.states is None or state in page.states
        here = page.queue in (None, queue) and page.method in (None, method)
        states[f"state:{state}"] += number * meant
        places[f"of:{len(queue.encode())} {queue}{method}"] += number * here
        wanted += number * (meant and here)
    return [_sets(states), _sets(places)], wanted


def _sets(numbers: "Counter[str]") -> _Sets:
    found = {name: number for name, number in numbers.items() if number}
    return _Sets([(name, "") for name in found], sum(found.values()))


def _place(seq: int) -> str:
    """The digits with which the members of this seq begin; of a number below 0, those of 0."""
    return seq_text(max(seq, 0)) or ""


def _rank(row: Row) -> tuple[int, int]:
    return -row.priority, row.seq or 0
