"""Reading many rows: pages, what is available, lapsed or expired, counts."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice

from ...seam.onlooking import Batches, Oldest
from ...seam.rows import After, Available, Expired, Page, Query, Row, as_row
from .statements import SQL

Rows = list[Row]

MANY = 500
"""Queues that a page is merged from, at most: to look into each takes 10 us."""

PRIORITIES, BELOW_ALL = 100, -(2**63)
"""Of a queue, that are looked at for the oldest row, the lowest first: those wait the longest."""

TOP = 2**63 - 1
"""Higher than any seq that is given."""


def scan(connection: sqlite3.Connection, query: Query) -> Rows:
    """The rows a query names, in its order."""
    if isinstance(query, Page):
        return _page(connection, query)
    if isinstance(query, After):
        return [*map(as_row, connection.execute(SQL["after"], query._asdict()))]
    if isinstance(query, Oldest):
        return _rows(connection, islice(_oldest(connection, query), query.limit))
    if isinstance(query, Batches):
        rows = _rows(connection, islice(_batches(connection, query.start), query.limit))
        return sorted(rows, key=lambda row: row.batch or "")
    if isinstance(query, Available):
        statement = SQL["available"]
    else:
        statement = SQL["expired" if isinstance(query, Expired) else "lapsed"]
    limits = {"now": query.now, "limit": _limit(query.limit)}
    return [*map(as_row, connection.execute(statement, limits))]


def count(connection: sqlite3.Connection, page: Page, by: str) -> dict[str, int]:
    """How many rows the filters of a page leave, by a column."""
    if by not in {"state", "queue", "method"}:
        raise ValueError(f"count by {by!r}; give state, queue or method")
    filters = page._asdict() | {"states": _texts(page.states)}
    if page.batch is not None:
        statement = SQL["count_of_batch"].replace("{by}", by)
        return dict(connection.execute(statement, filters).fetchall())
    statement, counts = SQL["count"].replace("{by}", by), Counter[str]()
    for state in _states(connection, page):
        found = connection.execute(statement, filters | {"state": state})
        counts.update(dict(found.fetchall()))
    return dict(counts)


def _texts(values: Iterable[object] | None) -> str | None:
    return None if values is None else json.dumps([*values])


def _oldest(connection: sqlite3.Connection, query: Oldest) -> Iterator[int]:
    for row in connection.execute(SQL["oldest_waiting"], query._asdict()):
        yield row[0]
    for (seq,) in connection.execute(SQL["oldest_in_lanes"]):
        yield seq
    for queue in _values(connection, "ready_queue", {}):
        priority = BELOW_ALL
        for _ in range(PRIORITIES):
            place = {"queue": queue, "after": priority}
            found = connection.execute(SQL["next_priority"], place).fetchone()
            if found is None:
                break
            priority, seq = found
            yield seq


def _batches(connection: sqlite3.Connection, start: str) -> Iterator[int]:
    """A seq of each, one jump along the index each."""
    found = connection.execute(SQL["first_batch"], {"start": start}).fetchone()
    while found is not None:
        seq, batch = found
        yield seq
        found = connection.execute(SQL["next_batch"], {"after": batch}).fetchone()


def _rows(connection: sqlite3.Connection, seqs: Iterable[int]) -> Rows:
    """Those with these seqs, the highest first."""
    return [*map(as_row, connection.execute(SQL["rows"], {"seqs": _texts(seqs)}))]


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _page(connection: sqlite3.Connection, page: Page) -> Rows:
    below = TOP if page.below is None else page.below
    filters = page._asdict() | {"limit": _limit(page.limit), "below": below}
    filters["states"] = _texts(page.states)
    if page.batch is not None:
        return [*map(as_row, connection.execute(SQL["page_of_batch"], filters))]
    queues = None
    if (page.states, page.queue, page.method) != (None, None, None):
        queues = _queues(connection, page)
    if queues is None:
        return [*map(as_row, connection.execute(SQL["page"], filters))]
    end = None if page.limit is None else page.offset + page.limit
    streams = [
        [
            seq
            for (seq,) in connection.execute(
                SQL["seqs_of_queue"],
                {**filters, "state": state, "queue": queue, "limit": _limit(end)},
            )
        ]
        for state, queue in queues
    ]
    return _rows(connection, islice(merge(*streams, reverse=True), page.offset, end))


def _queues(connection: sqlite3.Connection, page: Page) -> list[tuple[str, str]] | None:
    """The states and queues of a page, each with an index of its own that gives its newest, to be
    merged. None = they are so many that it is quicker to walk along all rows."""
    found: list[tuple[str, str]] = []
    for state in _states(connection, page):
        of_state = {"state": state}
        names = [page.queue] if page.queue is not None else _values(connection, "queue", of_state)
        for name in names:
            found.append((state, name))
            if len(found) > MANY:
                return None
    return found


def _states(connection: sqlite3.Connection, page: Page) -> list[str]:
    """The states of a page, or all that there are."""
    return (
        [*_values(connection, "state", {})]
        if page.states is None
        else [*dict.fromkeys(page.states)]
    )


def _values(connection: sqlite3.Connection, column: str, given: dict[str, str]) -> Iterator[str]:
    """The values of a column, one jump along the index each."""
    [value] = connection.execute(SQL[f"first_{column}"], given).fetchone()
    while value is not None:
        yield value
        after = {**given, "after": value}
        [value] = connection.execute(SQL[f"next_{column}"], after).fetchone()
