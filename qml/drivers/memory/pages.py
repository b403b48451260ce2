"""Looking at the memory driver's rows: the filters of a page, and what may be claimed."""

import heapq
from collections.abc import Iterable, Set

from ...seam.onlooking import Batches, Oldest
from ...seam.rows import Available, Page, Row, is_free
from ..lanes import place


def available(rows: Iterable[Row], query: Available, paused: Set[str]) -> list[Row]:
    """What a claim by a new worker could take, in its order."""
    free = [
        row
        for row in rows
        if row.due_at is not None
        and row.due_at <= query.now
        and is_free(row, query.now)
        and row.queue not in paused
    ]
    limit = len(free) if query.limit is None else query.limit
    return heapq.nsmallest(limit, free, key=place)


def oldest(rows: Iterable[Row], query: Oldest) -> list[Row]:
    """Of each queue the first row of each priority that was ready from the first, and the one that
    fell due first of those that were not."""
    first: dict[tuple[str, int | None], Row] = {}
    for row in rows:
        if row.due_at is None or row.due_at > query.now:
            continue
        key = row.queue, None if row.due_at else row.priority
        known = first.setdefault(key, row)
        if row.due_at < (known.due_at or 0):
            first[key] = row
    return list(first.values())


def batches(rows: Iterable[Row], query: Batches) -> list[Row]:
    """A row of each batch, by name."""
    found = {row.batch: row for row in rows if row.batch is not None}
    names = heapq.nsmallest(query.limit, (name for name in found if name >= query.start))
    return [found[name] for name in names]


def seen(rows: Iterable[Row], query: Oldest | Batches) -> list[Row]:
    """What an onlooker asks for."""
    return oldest(rows, query) if isinstance(query, Oldest) else batches(rows, query)


def filtered(rows: Iterable[Row], page: Page) -> Iterable[Row]:
    """The rows that the filters of a page leave, limit and offset aside."""
    if page.states is not None:
        states = frozenset(page.states)
        rows = [row for row in rows if row.state in states]
    if page.below is not None:
        rows = [row for row in rows if (row.seq or 0) < page.below]
    for column in ("queue", "method", "batch"):
        wanted = getattr(page, column)
        if wanted is not None:
            rows = [row for row in rows if getattr(row, column) == wanted]
    return rows
