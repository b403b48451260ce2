"""Chores on stored jobs: rescue of orphans, purge of what is old."""

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import AHEAD, Finished, Lapsed, Verdict
from ..values.config import Retention
from ..values.job import Job
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


def purge(driver: Driver, retention: Retention, now: int, limit: int) -> int:
    """Remove finished jobs whose time is over, at most ``limit``."""
    removed = 0
    for state in ("succeeded", "deleted", "failed"):
        kept = span_micros(getattr(retention, state))
        if removed < limit:
            removed += driver.erase(Finished(state, now - kept), limit - removed)
    return removed
