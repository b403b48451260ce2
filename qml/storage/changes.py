"""Changes by other hands than a claim's: update, cancel, retry."""

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from ..seam.codec import decode_job, encode_job
from ..seam.driver import Driver
from ..seam.rows import AHEAD, NOT_AHEAD, PROCESSING, Move, Rewrite, Row, Verdict, as_rewritten
from ..seam.standing import purge_at
from ..values.errors import ConcurrentModification, JobNotFound, UniqueKeyTaken
from ..values.job import Job
from ..values.states import FINAL, Deleted, JobState, Processing
from . import rules

Rule = Callable[[Job], tuple[Move, JobState]]

Planned = tuple[Job, Move, JobState]


def apply(driver: Driver, job_id: str, rule: Rule) -> Job:
    """Change the stored job by ``rule``, which is asked again when another hand was faster."""
    while True:
        [row] = driver.load([job_id])
        if row is None:
            raise not_found(job_id)
        job = decode_job(row)
        move, state = rule(job)
        [verdict] = driver.swap([move])
        if verdict is Verdict.DONE:
            return rules.after(job, move, state)
        if verdict is Verdict.TAKEN:
            _check_key(driver, job)


def carry_out(driver: Driver, planned: Sequence[Planned]) -> list[Job | None]:
    """Change these jobs in one step; for each the stored job, or None where another hand was
    faster, and nothing was changed."""
    verdicts = driver.swap([move for _, move, _ in planned]) if planned else []
    return [
        rules.after(job, move, state) if verdict is Verdict.DONE else None
        for (job, move, state), verdict in zip(planned, verdicts, strict=True)
    ]


def not_found(job_id: str) -> JobNotFound:
    """The error for an id that no job has."""
    return JobNotFound(
        f"job {job_id} does not exist: it was deleted, purged, or never stored here", job_id=job_id
    )


def _check_key(driver: Driver, job: Job) -> None:
    """UniqueKeyTaken, if another job still holds the key of this one."""
    holder = driver.holder(job.unique_key or "")
    if holder not in (None, job.id):
        raise key_taken(job, holder)


def key_taken(job: Job, holder: str, note: str = "") -> UniqueKeyTaken:
    """The error for a job whose unique key another holds."""
    return UniqueKeyTaken(
        f"job {job.id} ({job.method}): unique key {job.unique_key!r} is held by job {holder}; wait "
        f"for that one to end, or cancel it{note}",
        job_id=holder,
    )


def update(driver: Driver, job: Job, now: int, lease: int, max_bytes: int) -> Job:
    """Write the whole record, if the stored one is still the version that ``job`` was read as."""
    while True:
        [row] = driver.load([job.id])
        if row is None:
            raise not_found(job.id)
        if row.version != job.version or (job.seq is not None and job.seq != row.seq):
            raise _modified(job, row)
        rewrite = _rewrite(job, row, now, lease, max_bytes)
        [verdict] = driver.swap([rewrite])
        if verdict is Verdict.DONE:
            return decode_job(as_rewritten(row, rewrite))
        if verdict is Verdict.TAKEN:
            _check_key(driver, job)


def _rewrite(job: Job, row: Row, now: int, lease: int, max_bytes: int) -> Rewrite:
    new = _changed(job, row, now, lease, max_bytes)
    return Rewrite(
        seq=row.seq,
        version=row.version,
        row=new,
        keeps_lease=_keeps_lease(job, row),
        keeps_payload=job.damage is not None or new.payload == row.payload,
    )


_GROUPED = ("batch", "place", "after", "after_batch", "needs_success")


def _grouped(job: Job, row: Row) -> dict[str, Any]:
    """What a job has to do with others is said once, when it is enqueued, and counted by then."""
    stored = decode_job(row)
    whole = stored if stored.damage is None else job
    return {name: getattr(whole, name) for name in _GROUPED}


def _modified(job: Job, row: Row) -> ConcurrentModification:
    return ConcurrentModification(
        f"job {job.id} ({job.method}): version {job.version} was read, and the stored job has "
        f"changed since (it was last seen {row.state}, version {row.version}); get it again and "
        "apply the change to that",
        job_id=job.id,
    )


def _keeps_lease(job: Job, row: Row) -> bool:
    """A lock on a waiting job, a claim that goes on, and a cancelled run keep what they hold."""
    if isinstance(job.state, Processing):
        return row.state == PROCESSING
    return row.state != PROCESSING or isinstance(job.state, Deleted)


def _changed(job: Job, row: Row, now: int, lease: int, max_bytes: int) -> Row:
    stays = isinstance(job.state, Processing)
    started = stays and row.state != PROCESSING
    attempt = row.attempt + started
    allowed = row.max_attempts if job.max_retries is None else job.max_retries + 1
    if job.state.kind not in FINAL and not isinstance(job.state, Processing):
        allowed = max(allowed, attempt + 1)
    new = encode_job(
        attrs.evolve(job, version=row.version + 1, fence=row.fence + started, **_grouped(job, row)),
        max_attempts=allowed,
        lease_until=now + lease if started else None,
        max_bytes=max_bytes,
    )
    finished = new.finished_at
    if finished is not None:
        finished = row.finished_at if row.state == new.state else now
    same_state = (new.state, new.detail) == (row.state, row.detail)
    return new._replace(
        seq=row.seq,
        due_at=row.due_at if same_state else new.due_at,  # what it waited for may have set it
        attempt=attempt,
        ahead=row.ahead if stays or row.ahead != AHEAD else NOT_AHEAD,
        worker=new.worker or row.worker,
        finished_at=finished,
        purge_at=purge_at(job.state.kind, finished, job.retention),
    )
