"""Chores on stored jobs: rescue of orphans, purge of what is old."""

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import AHEAD, Expired, Finished, Lapsed, Overdue
from ..values.job import Job
from ..values.retention import Retention
from ..values.retry import RetryPolicy
from ..values.times import span_micros
from . import changes, rules


def rescue(driver: Driver, policy: RetryPolicy, now: int, limit: int) -> list[Job]:
    """Take lapsed jobs from their workers. Each is guarded by its version and by its lease: who
    finished or renewed since the look keeps his job."""
    planned = [
        (job, *rules.rescue(job, row.ahead == AHEAD, policy, now))
        for row in driver.scan(Lapsed(now, limit))
        for job in [decode_job(row)]
    ]
    return [job for job in changes.carry_out(driver, planned) if job is not None]


def expire(driver: Driver, now: int, limit: int) -> list[Job]:
    """End waiting jobs that were not started in time; one that somebody changes meanwhile is left
    to him, and to the next time."""
    late = map(decode_job, driver.scan(Expired(now, limit)))
    planned = [(job, *rules.expire(job, now)) for job in late]
    return [job for job in changes.carry_out(driver, planned) if job is not None]


def purge(driver: Driver, retention: Retention, now: int, limit: int) -> int:
    """Remove finished jobs whose time is over, at most ``limit``."""
    removed = driver.erase(Overdue(now), limit)
    for state in ("succeeded", "deleted", "failed"):
        kept = span_micros(getattr(retention, state))
        if removed < limit:
            removed += driver.erase(Finished(state, now - kept), limit - removed)
    return removed
