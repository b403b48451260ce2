"""Why a job that is ready is not taken: what its queue, its limits and others say."""

from collections.abc import Sequence

from ..seam.driver import Driver
from ..seam.grouping import awaited
from ..seam.rows import PAUSED
from ..values.job import Job
from ..values.states import Enqueued, Scheduled, StateKind
from ..values.times import from_micros, to_micros
from .limits import Closed, Gates


def reasons(driver: Driver, jobs: Sequence[Job], now: int) -> list[str | None]:
    """For each job what keeps it back at ``now``; None = nothing does, or its time is to come."""
    gates = Gates(driver, jobs, now)
    paused = {record.name.removeprefix(PAUSED) for record in driver.list(PAUSED)}
    return [_reason(driver, job, now, gates, paused) for job in jobs]


def _reason(driver: Driver, job: Job, now: int, gates: Gates, paused: set[str]) -> str | None:
    if not _is_ready(job, now):
        return None
    waits_for = _waits_for(driver, job)
    if waits_for is not None:
        return waits_for
    if job.queue in paused:
        return f"queue {job.queue} is paused"
    closed = gates.closed(job)
    return None if closed is None else _told(job, closed)


def _is_ready(job: Job, now: int) -> bool:
    state = job.state
    if isinstance(state, Scheduled):
        return to_micros(state.enqueue_at) <= now
    if state.kind is StateKind.AWAITING_RETRY:
        return to_micros(state.retry_at) <= now  # type: ignore[attr-defined]
    return isinstance(state, Enqueued)


def _waits_for(driver: Driver, job: Job) -> str | None:
    if not isinstance(job.state, Scheduled) or not job.waits:
        return None
    tally = driver.tally(awaited(job) or "")
    if tally is None:
        return None
    of = f"batch {job.after_batch}" if job.after_batch is not None else "what it comes after"
    return f"{tally.left:,} left of {of}" + (", and more to come" if tally.open else "")


def _told(job: Job, closed: Closed) -> str:
    parts = []
    if closed.live is not None:
        limit = f"{closed.live:,} of {closed.lane.permits:,} claimed"
        parts.append(f"concurrency key {closed.lane.permit}: {limit}")
    if closed.opens_at is not None:
        next_start = f"next start at {from_micros(closed.opens_at):%H:%M:%S.%f} UTC"
        parts.append(f"rate {job.rate} of {closed.lane.pace}: {next_start}")
    return "; ".join(parts)
