"""Storing new jobs: all of a batch or none, and a refusal that says why."""

from collections.abc import Sequence

import attrs

from ..seam import codec, standing
from ..seam.alike import Pattern
from ..seam.driver import Driver
from ..seam.rows import Obstacle, Row, Write
from ..values import trusted
from ..values.alike import Alike
from ..values.errors import (
    ConfigurationError,
    JobAlreadyExists,
    StorageError,
    UniqueKeyTaken,
)
from ..values.job import Job
from ..values.retry import RetryPolicy
from ..values.states import Processing
from ..values.times import from_micros
from . import changes, joining, rules

PATTERNS_KEPT = 256
"""Of so many methods the last row is kept, to make others like it; then all begin anew."""

COUNTED_AT_MOST = 2**52
"""What a job may have counted when it is stored. Beyond 2**53 Redis rounds; at 2**63 PostgreSQL
refuses the claim, of this job and all others."""


@attrs.frozen
class Limits:
    """What a storage adds to a job or holds it to: the retry policy, the lease in microseconds of
    a job that is given as Processing, the size in bytes. ``patterns``: by method, of jobs that were
    stored so."""

    policy: RetryPolicy
    lease: int
    max_bytes: int
    patterns: dict[str, Pattern] = attrs.field(factory=dict, init=False)

    def pattern_of(self, new: Alike) -> Pattern | None:
        """By which the rows of these are made; None = there is none yet, or they can have none."""
        known = self.patterns.get(new.like.method)
        if known is None or (known.like is not new.like and not known.fits(new, self.max_bytes)):
            return None
        return known

    def keep(self, method: str, pattern: Pattern) -> None:
        """Have it for the next jobs of this method, if it lasts."""
        if pattern.lasts:
            if len(self.patterns) >= PATTERNS_KEPT:
                self.patterns.clear()
            self.patterns[method] = pattern


def enqueue_many(driver: Driver, jobs: Sequence[Job], now: int, limits: Limits) -> list[Job]:
    """Store all jobs, in this order, or none: JobAlreadyExists, UniqueKeyTaken."""
    if not jobs:
        return []
    stored, obstacles = insert(driver, jobs, now, limits)
    if obstacles:
        raise refusal(jobs, obstacles)
    return stored


def enqueue_alike(driver: Driver, new: Alike, limits: Limits) -> list[Job]:
    """The same of jobs that are made as they are stored, once there is a row to make theirs by."""
    pattern = limits.pattern_of(new)
    if pattern is None:
        return enqueue_many(driver, [*new], new.micros, limits)
    rows = pattern.rows(new, limits.max_bytes)
    seqs, obstacles = driver.insert(rows)
    if obstacles:
        raise refusal([*new], obstacles)
    return new.made(rows[0].max_attempts, seqs)


def insert(
    driver: Driver, jobs: Sequence[Job], now: int, limits: Limits, record: Write | None = None
) -> tuple[list[Job], Sequence[Obstacle]]:
    """Store all jobs, and the record, in one step; or say what stood in the way. JobNotFound, when
    one is to come after a job that is not there."""
    rows = _rows(jobs, now, limits)
    if [row for row in rows if row.awaits is not None]:
        return _insert_after(driver, jobs, rows, record)
    seqs, obstacles = driver.insert(rows, record) if record else driver.insert(rows)
    return ([], obstacles) if obstacles else (_all_stored(jobs, rows, seqs), ())


def _insert_after(
    driver: Driver, jobs: Sequence[Job], rows: Sequence[Row], record: Write | None
) -> tuple[list[Job], Sequence[Obstacle]]:
    """Store jobs some of which wait for others. A batch that was over between the look and the
    insert is looked at again."""
    while True:
        joined = joining.joined(driver, jobs, rows)
        seqs, obstacles = driver.insert(joined.rows, record, joined.parents)
        if not obstacles:
            return joining.as_they_are(driver, _all_stored(jobs, joined.rows, seqs)), ()
        if all(obstacle.by != "tally" for obstacle in obstacles):
            return [], obstacles


def _all_stored(jobs: Sequence[Job], rows: Sequence[Row], seqs: Sequence[int]) -> list[Job]:
    return [_as_stored(*stored) for stored in zip(jobs, rows, seqs, strict=True)]


def _as_stored(job: Job, row: Row, seq: int) -> Job:
    parts = job.__dict__.copy()  # as ``trusted.changed`` has it, in half the time
    parts["max_attempts"], parts["seq"] = row.max_attempts, seq
    parts["lease_expires_at"] = None if row.lease_until is None else from_micros(row.lease_until)
    return trusted.make(type(job), parts)


def _rows(jobs: Sequence[Job], now: int, limits: Limits) -> list[Row]:
    rows: list[Row] = []
    pattern = limits.patterns.get(jobs[0].method) if jobs else None
    for job in jobs:
        row = pattern.row(job, limits.max_bytes) if pattern else None
        if row is None:
            row = _row(job, now, limits)
            pattern = Pattern(job, row)
            limits.keep(job.method, pattern)
        rows.append(row)
    return rows


def _row(job: Job, now: int, limits: Limits) -> Row:
    _check_counters(job)
    row = codec.encode_job(
        job,
        max_attempts=rules.attempts_allowed(job, limits.policy),
        lease_until=now + limits.lease if isinstance(job.state, Processing) else None,
        max_bytes=limits.max_bytes,
    )
    if row.finished_at is None:
        # What it waits for says when it is due, whatever its state does.
        waits = row.awaits is not None and not isinstance(job.state, Processing)
        return row._replace(due_at=None) if waits else row
    # How long it is kept counts from now, by the storage's clock, whatever its state says.
    purge_at = standing.purge_at(job.state.kind, now, job.retention)
    return row._replace(finished_at=now, purge_at=purge_at)


def _check_counters(job: Job) -> None:
    """ConfigurationError for a job that was made by hand so that a store's numbers might end."""
    for name in ("version", "attempt", "fence"):
        if getattr(job, name) > COUNTED_AT_MOST:
            raise ConfigurationError(
                f"job {job.id} ({job.method}): its {name} is {getattr(job, name):,}; a job is "
                f"stored with {COUNTED_AT_MOST:,} at most, since each change adds to it"
            )


def refusal(jobs: Sequence[Job], obstacles: Sequence[Obstacle]) -> StorageError:
    """The error for a batch of which nothing was stored, by what stood in the way first."""
    first = obstacles[0]
    job = jobs[first.index]
    others = f"; {len(jobs)} jobs were given and none stored" if len(jobs) > 1 else ""
    if len(obstacles) > 1:
        others += f", {len(obstacles)} of them stood in the way"
    if first.holder in {before.id for before in jobs[: first.index]}:
        return _twice(job, first, others)
    if first.by == "key":
        share = ", or enqueue with on_conflict='existing' to have that one returned"
        return changes.key_taken(job, first.holder, share + others)
    return JobAlreadyExists(
        f"job {job.id} ({job.method}) is stored already and was left as it is{others}",
        job_id=job.id,
    )


def _twice(job: Job, obstacle: Obstacle, others: str) -> StorageError:
    """The error for a job that one before it in the same batch stands in the way of."""
    if obstacle.by == "key":
        return UniqueKeyTaken(
            f"job {job.id} ({job.method}): unique key {job.unique_key!r} is that of job "
            f"{obstacle.holder}, too, which was given with it; give one of them{others}",
            job_id=obstacle.holder,
        )
    return JobAlreadyExists(
        f"job {job.id} ({job.method}) was given twice; give each id once{others}", job_id=job.id
    )
