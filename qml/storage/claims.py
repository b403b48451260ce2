"""Claims: made in one step, and ended only by the hand that holds them.

A claim is a job as it was handed out: same worker and same fence (law 5). The usual end costs one
``swap`` and no load: the version is the one the claim made. Where it changed meanwhile, by an
update of the record say, the job is read and the rule asked again, if the claim still holds.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import attrs

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.notes import encode
from ..seam.rows import AHEAD, PROCESSING, Claim, Hold, Move, Page, Row, Verdict
from ..seam.standing import decode_state, encode_claim
from ..values.errors import JobLost, StorageUnavailable
from ..values.job import Failure, Job
from ..values.notes import Notes
from ..values.states import Deleted, JobState, Processing
from ..values.times import LAST, from_micros
from . import checks, rules
from .selecting import steps

TRIES = 100
"""How often a claim's end is tried anew when others change the record all the time."""

SWEEPS = 100
"""How often a claim that came upon nothing but expired jobs looks for others."""

Rule = Callable[[Job], tuple[Move, JobState]]


class Batch(NamedTuple):
    """Claimed jobs, best first, and when the next waiting job falls due (None = none waits)."""

    jobs: list[Job]
    next_due: datetime | None


def order(
    worker_id: str,
    queues: Sequence[str] | None,
    *,
    now: int,
    lease: int,
    limits: tuple[int, int],
    server_name: str,
) -> Claim:
    """The claim to make: ``limits`` are how many for free threads, and how many ahead of them."""
    worker = checks.worker_name(worker_id)
    limit, ahead = limits
    return Claim(
        worker=worker,
        now=now,
        lease_until=now + lease,
        limit=limit,
        ahead=ahead,
        queues=checks.queue_names(queues),
        detail=encode_claim(now, checks.server_name(server_name)),
    )


def take(driver: Driver, claim: Claim) -> tuple[Batch, list[Job]]:
    """Carry the claim out, in one atomic step. Jobs that were not started in time are ended, which
    are told besides, and others claimed in their place."""
    kept: list[Job] = []
    expired: list[Job] = []
    due: int | None = claim.now  # come again at once, should this be cut short
    for _ in range(SWEEPS):
        try:
            rows, next_due = driver.claim(claim)
            jobs = _decoded(rows, claim)
            late = [job for job in jobs if rules.is_expired(job, claim.now)]
            if not late:
                kept, due = [*kept, *jobs], next_due
                break
            fresh = [job for job in jobs if not rules.is_expired(job, claim.now)]
            kept, claim = [*kept, *fresh], _rest(claim, rows, fresh)
            expired += _expired(driver, late, claim.now)
        except StorageUnavailable:
            if not kept:
                raise
            break  # or nobody would know of the claims that were made
    return Batch(kept, None if due is None or due > LAST else from_micros(due)), expired


def _expired(driver: Driver, late: Sequence[Job], now: int) -> list[Job]:
    """End claims that came too late, whatever others did to the jobs meanwhile; those that were."""
    done = end(driver, [(job, lambda newest: _too_late(newest, now)) for job in late], now)
    return [job for job in done if isinstance(job, Job) and isinstance(job.state, Deleted)]


def _too_late(job: Job, now: int) -> tuple[Move, JobState]:
    """One that was given more time by an update meanwhile goes back."""
    if rules.is_expired(job, now):
        return rules.expire(job, now)
    return rules.release(job, None, now)


def _decoded(rows: Sequence[Row], claim: Claim) -> list[Job]:
    state = decode_state(PROCESSING, claim.detail, claim.worker) if rows else None
    return [decode_job(row, state) for row in rows]


def _rest(claim: Claim, rows: Sequence[Row], fresh: Sequence[Job]) -> Claim:
    """What is left of a claim once these jobs are kept."""
    kept = {job.id for job in fresh}
    limit = claim.limit - sum(row.ahead != AHEAD for row in rows if row.id in kept)
    return claim._replace(limit=limit, ahead=claim.limit + claim.ahead - len(fresh) - limit)


class Outcome(NamedTuple):
    """What a claimed job should become."""

    job: Job
    state: JobState
    failure: Failure | None = None


def finish_many(driver: Driver, outcomes: Sequence[Outcome], now: int) -> list[Job | JobLost]:
    """Record outcomes in one batch; a lost claim's changes nothing and is answered by a JobLost."""
    for outcome in outcomes:
        rules.check_outcome(outcome.job, outcome.state)
    return end(driver, [(outcome.job, _rule(outcome, now)) for outcome in outcomes], now)


def _rule(outcome: Outcome, now: int) -> Rule:
    return lambda job: rules.finish(job, outcome.state, outcome.failure, now)


def or_raise(done: Job | JobLost) -> Job:
    """The stored job; a JobLost is raised."""
    if isinstance(done, JobLost):
        raise done
    return done


def end(driver: Driver, ends: Sequence[tuple[Job, Rule]], now: int) -> list[Job | JobLost]:
    """Let each rule end its claim, all in one swap."""
    planned = [(job, *rule(job)) for job, rule in ends]
    verdicts = driver.swap([move for _, move, _ in planned])
    return [
        rules.after(job, move, state)
        if verdict is Verdict.DONE
        else _end_anew(driver, job, rule, now)
        for (job, rule), (_, move, state), verdict in zip(ends, planned, verdicts, strict=True)
    ]


def _end_anew(driver: Driver, claimed: Job, rule: Rule, now: int) -> Job | JobLost:
    for _ in range(TRIES):
        [row] = driver.load([claimed.id])
        if row is None or not is_same_claim(row, claimed):
            return JobLost(_lost(claimed, row), job_id=claimed.id)
        if row.state != PROCESSING:
            return _ended_before(driver, claimed, row, rule, now)
        job = _on_newest(claimed, row)
        move, state = rule(job)
        if driver.swap([move]) == [Verdict.DONE]:
            return rules.after(job, move, state)
    return JobLost(f"job {claimed.id} changed {TRIES} times while it was ended", job_id=claimed.id)


def _on_newest(claimed: Job, row: Row) -> Job:
    """The record as it is now, with the lease and the claim's own view of who holds it."""
    return attrs.evolve(decode_job(row), state=claimed.state)


def _ended_before(driver: Driver, claimed: Job, row: Row, rule: Rule, now: int) -> Job | JobLost:
    """The same claim, but its job is not processing any more: a repeat, or a cancelled run."""
    if row.lease_until is not None and row.locked_by is None:
        # Cancelled: the run has ended now, and with it its lease, lapsed or not. STALE: another
        # has locked the row since, and the lease is over all the same.
        claim = (row.seq or 0, row.fence)
        driver.let_go(row.id, row.worker or "", min(now, row.lease_until - 1), claim)
    else:
        stored = decode_job(row)
        _, sent = rule(claimed)
        if rules.is_same_outcome(stored.state, sent):
            return stored
    return JobLost(_lost(claimed, row), job_id=claimed.id)


def is_same_claim(row: Row, job: Job) -> bool:
    """Whether the last claim of the row is the one that handed out ``job``."""
    return (
        isinstance(job.state, Processing)
        and row.worker == job.state.worker_id
        and row.fence == job.fence
        and (job.seq is None or row.seq == job.seq)
    )


def _lost(job: Job, row: Row | None) -> str:
    worker = job.state.worker_id if isinstance(job.state, Processing) else "?"
    if row is None or (job.seq is not None and row.seq != job.seq):
        fate = "the job was deleted"
    else:
        fate = f"the job is now {row.state}"
        if row.state == PROCESSING:
            fate += f", held by {row.worker} (fence {row.fence})"
    return (
        f"job {job.id} ({job.method}): the claim of {worker} (fence {job.fence}) is over; {fate}. "
        "Nothing was recorded; what this run did outside qml may have happened"
    )


def renew(
    driver: Driver, news: Sequence[tuple[Job, Notes | None]], now: int, until: int
) -> list[bool]:
    """Extend the leases of claims, and write their notes; False for one that no longer holds its
    job."""
    holds = {
        index: Hold(job.id, job.seq, job.state.worker_id, job.fence, now, until, told(notes))
        for index, (job, notes) in enumerate(news)
        if isinstance(job.state, Processing)
    }
    answers = [False] * len(news)
    for index, verdict in zip(holds, driver.hold(list(holds.values())), strict=True):
        answers[index] = verdict is Verdict.DONE
    return answers


def end_leases(driver: Driver, worker: str, now: int) -> int:
    """End the leases of all processing rows that a worker claimed last; how many. Locks stay."""
    ended = 0
    for rows in steps(driver, Page((PROCESSING,))):
        for row in rows:
            if row.worker == worker and row.locked_by is None:
                claim = (row.seq or 0, row.fence)
                ended += driver.let_go(row.id, worker, now, claim) is Verdict.DONE
    return ended


def told(notes: Notes | None) -> str | None:
    """Notes as a hold carries them; None = no news."""
    return None if notes is None else encode(notes)
