"""Queries for onlookers: which rows have waited longest, and which batches there are."""

from typing import NamedTuple


class Oldest(NamedTuple):
    """Of each queue, paused or not, the few rows among which the one is that has been due for the
    longest at ``now``: of each priority the first that is ready, and the first of those that have
    fallen due unseen by any claim. Where there are many priorities, lanes or such rows, some, the
    lowest priorities among them. In no order."""

    now: int
    limit: int = 1_000


class Batches(NamedTuple):
    """One row of each batch that has any, in the order of their names by code points: of those
    from ``start`` on."""

    start: str
    limit: int
