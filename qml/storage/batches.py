"""Batches: named groups of jobs, whose end other jobs wait for."""

from collections.abc import Iterator
from uuid import UUID, uuid5

import attrs

from ..seam.driver import Driver
from ..seam.grouping import batch_tally
from ..seam.onlooking import Batches
from ..seam.rows import Page, Verdict
from ..values import jsontext
from ..values.job import Job
from ..values.states import FINAL, StateKind

BATCHES = UUID("5b0a7f0e-0f0c-5d2b-8a52-9d9d2b3f7a11")
"""The namespace of the ids of a batch's jobs: the same call of the same batch has the same id,
whoever enqueues it, and however often."""

PREFIX = "batch/"


@attrs.frozen
class BatchProgress:
    """How far a batch is: ``counts``, its jobs by state; ``open``, whether more may still be
    enqueued into it."""

    counts: dict[StateKind, int]
    open: bool

    @property
    def total(self) -> int:
        """How many jobs it has by now."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many have ended, well or not."""
        return sum(self.counts[kind] for kind in FINAL)

    @property
    def failed(self) -> int:
        """How many have failed for good, or were deleted."""
        return self.counts[StateKind.FAILED] + self.counts[StateKind.DELETED]

    @property
    def finished(self) -> bool:
        """Whether all have ended, and none is to come."""
        return not self.open and self.done == self.total

    def __str__(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.done:,} of {self.total:,} done{failed}"


def member_id(batch: str, place: int, method: str, call: object) -> str:
    """The id of the job at a place of a batch; another call there is another job."""
    return str(uuid5(BATCHES, jsontext.dumps([batch, place, method, call])))


def follower_id(batch: str, role: str, life: int) -> str:
    """The id of the job that waits for a batch, in this role and this life of its name."""
    parts = [batch, role, life] if life else [batch, role]
    return str(uuid5(BATCHES, jsontext.dumps(parts)))


def life(driver: Driver, batch: str) -> int:
    """Which life of its name a batch is: 0, unless jobs that came after one that was deleted are
    still there, and their ids are not free."""
    record = driver.read(PREFIX + batch)
    return int(record.body) if record is not None else 0


def begin_life(driver: Driver, batch: str, number: int) -> None:
    """Have the next batch of this name be this life of it."""
    verdict = Verdict.STALE
    while verdict is Verdict.STALE:
        record = driver.read(PREFIX + batch)
        if record is None and not number:
            return
        body = str(number) if number else None
        verdict = driver.write(PREFIX + batch, body, record.version if record else 0)


def expect(driver: Driver, batch: str, more: bool) -> None:
    """Say that more jobs of the batch are to come, or that there are no more: then it is over once
    all have ended, and what waits for it falls due in that same step."""
    driver.tally(batch_tally(batch), more)
    if not more:
        driver.notify()  # of an empty batch, or one whose jobs were faster


def progress(driver: Driver, batch: str) -> BatchProgress:
    """How far the batch is."""
    tally = driver.tally(batch_tally(batch))
    counts = driver.count(Page(batch=batch), "state")
    by_kind = {kind: counts.get(kind.value, 0) for kind in StateKind}
    return BatchProgress(by_kind, tally is not None and tally.open)


def names(driver: Driver, start: str, limit: int) -> list[str]:
    """Of the batches that have jobs the names from ``start`` on, in their order."""
    return [row.batch for row in driver.scan(Batches(start, limit)) if row.batch is not None]


def in_order(jobs: Iterator[Job]) -> list[Job]:
    """The jobs of a batch by their place; those that have none last, as they were enqueued."""
    return sorted(jobs, key=lambda job: (job.place is None, job.place or 0, job.seq or 0))
