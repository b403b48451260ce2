"""Pages of jobs by a filter: keyed, so that each is as quick as the first, and in bounded steps."""

import attrs

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Page, Row
from ..values.errors import ConfigurationError
from ..values.job import Job
from ..values.selection import JobFilter
from . import selecting

MOST = 1_000
"""Jobs on a page."""


@attrs.frozen
class JobPage:
    """Some ``jobs``, the newest enqueued first; ``next``: what to give as ``after`` for those that
    come then, None = none do; ``looked_at``: how many jobs were looked at for it. Where a filter
    looks within jobs, a page may be short, or empty, and still have a next one."""

    jobs: tuple[Job, ...]
    next: str | None
    looked_at: int


def page(
    driver: Driver, where: JobFilter, now: int, limit: int, after: str | None, look_at_most: int
) -> JobPage:
    """A page of the jobs that a filter names at ``now``."""
    below = None if after is None else _seq(after)
    if where.ids is not None:
        return _named(selecting.named(driver, where, now), limit, below)
    if not where.looks_within:
        rows = driver.scan(selecting.page(where)._replace(limit=limit + 1, below=below))
        more = _cursor(rows[limit - 1]) if len(rows) > limit else None
        return JobPage(tuple(map(decode_job, rows[:limit])), more, len(rows[:limit]))
    return _searched(driver, where, now, limit, below, look_at_most)


def _named(jobs: list[Job], limit: int, below: int | None) -> JobPage:
    left = [job for job in jobs if below is None or (job.seq or 0) < below]
    more = str(left[limit - 1].seq) if len(left) > limit else None
    return JobPage(tuple(left[:limit]), more, len(left[:limit]))


def _searched(
    driver: Driver, where: JobFilter, now: int, limit: int, below: int | None, most: int
) -> JobPage:
    found: list[Job] = []
    looked_at, row = 0, None
    for rows in selecting.steps(driver, selecting.page(where)._replace(below=below), most=most):
        for row in rows:
            job = decode_job(row)
            looked_at += 1
            if where.passes(job, now):
                found.append(job)
                if len(found) == limit:
                    return JobPage(tuple(found), _more(driver, where, row), looked_at)
    more = _more(driver, where, row) if row and looked_at == most else None
    return JobPage(tuple(found), more, looked_at)


def _more(driver: Driver, where: JobFilter, last: Row) -> str | None:
    """Where to go on after this row; None when there is none to look at."""
    rest: Page = selecting.page(where)._replace(limit=1, below=last.seq)
    return _cursor(last) if driver.scan(rest) else None


def _cursor(row: Row) -> str:
    return str(row.seq)


def _seq(after: object) -> int:
    if isinstance(after, str) and after.isascii() and after.isdigit() and len(after) < 19:
        return int(after)
    raise ConfigurationError(f"after is {after!r}; give the next of the page before, or None")
