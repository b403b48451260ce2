"""New jobs that come after others: whom they wait for, and what if those have ended by now."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.grouping import batch_tally
from ..seam.rows import SUCCEEDED, Page, Row
from ..seam.tallies import Parents, is_dormant
from ..values.errors import JobNotFound, StorageUnavailable
from ..values.job import Job
from ..values.states import FINAL

FAILED = tuple(kind.value for kind in FINAL if kind.value != SUCCEEDED)


class Joined(NamedTuple):
    """The rows to insert, and the parents of those that wait: jobs, or a batch that was not over
    when it was looked at, and must not be over at the insert."""

    rows: list[Row]
    parents: list[Parents]


def joined(driver: Driver, jobs: Sequence[Job], rows: Sequence[Row]) -> Joined:
    """What to insert; JobNotFound for a parent that is not stored. Who comes after a batch that is
    over waits for nothing any more: one of its jobs stands for it, one that failed if any did."""
    _check(driver, jobs)
    found = Joined(list(rows), [])
    for index, (job, row) in enumerate(zip(jobs, rows, strict=True)):
        if not job.waits or not is_dormant(row):
            continue
        parents = job.after
        if job.after_batch is not None:
            if driver.tally(batch_tally(job.after_batch)) is not None:
                found.parents.append(Parents(index, None))
            else:
                parents = _of_the_past(driver, job.after_batch)
        if parents:
            # No other's, ever: parents may still count for one with this id that was removed.
            found.rows[index] = row._replace(awaits=f"job/{job.id}/{uuid4().hex}")
            found.parents.append(Parents(index, parents))
    return found


def _check(driver: Driver, jobs: Sequence[Job]) -> None:
    ids = list({parent for job in jobs for parent in job.after})
    found = {row.id for row in driver.load(ids) if row is not None} if ids else set()
    for job in jobs:
        for parent in job.after:
            if parent not in found:
                raise JobNotFound(
                    f"job {job.id} ({job.method}) is to come after job {parent}, which is not "
                    "stored: never, or not any more; enqueue that one first",
                    job_id=parent,
                )


def _of_the_past(driver: Driver, batch: str) -> tuple[str, ...]:
    """A job of a batch that is over; none where nothing is known of the batch: it may come."""
    for states in (FAILED, None):
        for row in driver.scan(Page(states=states, batch=batch, limit=1)):
            return (row.id,)
    return ()


def as_they_are(driver: Driver, stored: list[Job]) -> list[Job]:
    """New jobs as they stand: what some come after may be over, and have changed them."""
    try:
        rows = driver.load([job.id for job in stored if job.waits])
    except StorageUnavailable:
        return stored  # they are stored, for all that
    newest = {row.id: decode_job(row) for row in rows if row is not None}
    return [newest.get(job.id, job) for job in stored]
