"""What went wrong lately: the newest jobs that failed or await a retry, grouped by their errors."""

from collections.abc import Iterator

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Page
from ..values.errorgroups import ErrorGroup, grouped
from ..values.job import Job
from ..values.states import StateKind

AT_ONCE = 200
"""Jobs read in one step: each may carry twenty tracebacks."""

STATES = (StateKind.FAILED.value, StateKind.AWAITING_RETRY.value)


def errors(driver: Driver, limit: int, look_at_most: int) -> list[ErrorGroup]:
    """The groups of errors, the one that happened last first."""
    return grouped(_newest(driver, look_at_most))[:limit]


def _newest(driver: Driver, most: int) -> Iterator[Job]:
    below = None
    while most > 0:
        step = min(AT_ONCE, most)
        rows = driver.scan(Page(STATES, limit=step, below=below))
        yield from map(decode_job, rows)
        if len(rows) < step:
            return
        below, most = rows[-1].seq, most - step
