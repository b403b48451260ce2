"""A query for onlookers: which rows have waited longest."""

from typing import NamedTuple


class Oldest(NamedTuple):
    """Of each queue, paused or not, the few rows among which the one is that has been due for the
    longest at ``now``: of each priority the first that is ready, and the first of those that have
    fallen due unseen by any claim. Where there are many priorities, lanes or such rows, some, the
    lowest priorities among them. In no order."""

    now: int
    limit: int = 1_000
