"""Reading many rows: pages, what is available, lapsed or expired, counts."""

import json
import sqlite3
from heapq import merge
from itertools import islice

from ...seam.rows import After, Available, Expired, Page, Query, Row
from .statements import SQL

Rows = list[Row]

TOP = 2**63 - 1
"""Higher than any seq that is given."""


def scan(connection: sqlite3.Connection, query: Query) -> Rows:
    """The rows a query names, in its order."""
    if isinstance(query, Page):
        return _page(connection, query)
    if isinstance(query, After):
        return [*map(Row._make, connection.execute(SQL["after"], query._asdict()))]
    if isinstance(query, Available):
        statement = SQL["available"]
    else:
        statement = SQL["expired" if isinstance(query, Expired) else "lapsed"]
    limits = {"now": query.now, "limit": _limit(query.limit)}
    return [*map(Row._make, connection.execute(statement, limits))]


def count(connection: sqlite3.Connection, page: Page, by: str) -> dict[str, int]:
    """How many rows the filters of a page leave, by a column."""
    if by not in {"state", "queue", "method"}:
        raise ValueError(f"count by {by!r}; give state, queue or method")
    statement = SQL["count" if page.batch is None else "count_of_batch"].replace("{by}", by)
    filters = page._asdict() | {"states": None if page.states is None else json.dumps(page.states)}
    return dict(connection.execute(statement, filters).fetchall())


def _limit(limit: int | None) -> int:
    return -1 if limit is None else limit


def _page(connection: sqlite3.Connection, page: Page) -> Rows:
    below = TOP if page.below is None else page.below
    filters = page._asdict() | {"limit": _limit(page.limit), "below": below}
    if page.batch is not None:
        filters["states"] = None if page.states is None else json.dumps(page.states)
        return [*map(Row._make, connection.execute(SQL["page_of_batch"], filters))]
    if page.states is None:
        return [*map(Row._make, connection.execute(SQL["page"], filters))]
    states = dict.fromkeys(page.states)
    if len(states) == 1:
        [filters["state"]] = states
        return [*map(Row._make, connection.execute(SQL["page_of_state"], filters))]
    return _page_of_states(connection, page, filters)


def _page_of_states(connection: sqlite3.Connection, page: Page, filters: dict[str, object]) -> Rows:
    """Each state's newest come from its index, then they are merged: "state IN" would sort all."""
    end = None if page.limit is None else page.offset + page.limit
    streams = [
        [
            seq
            for (seq,) in connection.execute(
                SQL["seqs_of_state"], {**filters, "state": state, "limit": _limit(end)}
            )
        ]
        for state in dict.fromkeys(page.states or ())
    ]
    seqs = list(islice(merge(*streams, reverse=True), page.offset, end))
    return [*map(Row._make, connection.execute(SQL["rows"], {"seqs": json.dumps(seqs)}))]
