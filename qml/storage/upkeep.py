"""Chores on stored jobs: rescue of orphans, purge of what is old."""

from collections.abc import Iterable

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import AHEAD, Expired, Finished, Lapsed, Overdue, Verdict
from ..values.job import Job
from ..values.retention import Retention
from ..values.retry import RetryPolicy
from ..values.times import span_micros
from . import rules


def rescue(driver: Driver, policy: RetryPolicy, now: int, limit: int) -> list[Job]:
    """Take lapsed jobs from their workers. Each is guarded by its version and by its lease: who
    finished or renewed since the look keeps his job."""
    rows = driver.scan(Lapsed(now, limit))
    jobs = [decode_job(row) for row in rows]
    planned = [
        rules.rescue(job, row.ahead == AHEAD, policy, now)
        for row, job in zip(rows, jobs, strict=True)
    ]
    verdicts = driver.swap([move for move, _ in planned]) if planned else []
    return [
        rules.after(job, move, state)
        for job, (move, state), verdict in zip(jobs, planned, verdicts, strict=True)
        if verdict is Verdict.DONE
    ]


def expire(driver: Driver, now: int, limit: int) -> list[Job]:
    """End waiting jobs that were not started in time; one that somebody changes meanwhile is left
    to him, and to the next time."""
    return ended(driver, map(decode_job, driver.scan(Expired(now, limit))), now)


def ended(driver: Driver, jobs: Iterable[Job], now: int) -> list[Job]:
    """End these jobs, whose time has passed, if nobody changed them since; those that were."""
    planned = [(job, *rules.expire(job, now)) for job in jobs]
    verdicts = driver.swap([move for _, move, _ in planned]) if planned else []
    return [
        rules.after(job, move, state)
        for (job, move, state), verdict in zip(planned, verdicts, strict=True)
        if verdict is Verdict.DONE
    ]


def purge(driver: Driver, retention: Retention, now: int, limit: int) -> int:
    """Remove finished jobs whose time is over, at most ``limit``."""
    removed = driver.erase(Overdue(now), limit)
    for state in ("succeeded", "deleted", "failed"):
        kept = span_micros(getattr(retention, state))
        if removed < limit:
            removed += driver.erase(Finished(state, now - kept), limit - removed)
    return removed
