"""Why a job that is ready is not taken: what its queue, its limits and others say."""

from collections.abc import Mapping, Sequence
from itertools import compress

from ..seam.driver import Driver
from ..seam.rows import PAUSED
from ..seam.tallies import is_dormant
from ..values.job import Job
from ..values.states import Enqueued, Scheduled, StateKind
from ..values.times import from_micros, to_micros
from .limits import Closed, Gates


def reasons(driver: Driver, jobs: Sequence[Job], now: int) -> list[str | None]:
    """For each job what keeps it back at ``now``; None = nothing does, or its time is to come."""
    gates = Gates(driver, jobs, now)
    paused = {record.name.removeprefix(PAUSED) for record in driver.list(PAUSED)}
    ready = [_is_ready(job, now) for job in jobs]
    others = _others(driver, {job.id: job for job in compress(jobs, ready) if job.waits})
    return [
        (others.get(job.id) or _reason(job, gates, paused)) if is_ready else None
        for job, is_ready in zip(jobs, ready, strict=True)
    ]


def _reason(job: Job, gates: Gates, paused: set[str]) -> str | None:
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


def _others(driver: Driver, jobs: Mapping[str, Job]) -> dict[str, str]:
    """By id, of those that still wait for others, how much of that is left."""
    found: dict[str, str] = {}
    rows = driver.load(list(jobs)) if jobs else []
    for job, row in zip(jobs.values(), rows, strict=True):
        tally = driver.tally(row.awaits or "") if row is not None and is_dormant(row) else None
        if tally is not None:
            of = "what it comes after" if job.after_batch is None else f"batch {job.after_batch}"
            more = ", and more to come" if tally.open else ""
            found[job.id] = f"{tally.left:,} left of {of}{more}"
    return found


def _told(job: Job, closed: Closed) -> str:
    parts = []
    if closed.live is not None:
        limit = f"{closed.live:,} of {closed.lane.permits:,} claimed"
        parts.append(f"concurrency key {closed.lane.permit}: {limit}")
    if closed.opens_at is not None:
        next_start = f"next start at {from_micros(closed.opens_at):%H:%M:%S.%f} UTC"
        parts.append(f"rate {job.rate} of {closed.lane.pace}: {next_start}")
    return "; ".join(parts)
