"""What went wrong lately: the newest jobs that failed or await a retry, grouped by their errors."""

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Page
from ..values.errorgroups import ErrorGroup, grouped
from ..values.states import StateKind
from . import selecting

AT_ONCE = 200
"""Jobs read in one step: each may carry twenty tracebacks."""

STATES = (StateKind.FAILED.value, StateKind.AWAITING_RETRY.value)


def errors(driver: Driver, limit: int, look_at_most: int) -> list[ErrorGroup]:
    """The groups of errors, the one that happened last first."""
    newest = selecting.steps(driver, Page(STATES), AT_ONCE, look_at_most)
    return grouped(decode_job(row) for rows in newest for row in rows)[:limit]
