"""Queues of a store: paused and resumed while servers run, and what is in them."""

import builtins
from datetime import datetime

import attrs

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.onlooking import Oldest
from ..seam.rows import PAUSED, Page, Verdict
from ..values import jsontext
from ..values.clock import Clock
from ..values.errors import SerializationError
from ..values.job import Job
from ..values.states import StateKind, due_since
from ..values.times import from_micros
from . import checks


@attrs.frozen
class Queue:
    """A queue by ``name``; ``paused_at``: since when it is paused (aware UTC; None = it is not);
    ``counts``: its jobs by state; ``oldest``: since when the job waits that has been due for the
    longest (None = none is due): of each priority the first in line is asked, and a job that came
    after others since it was enqueued."""

    name: str
    paused_at: datetime | None
    counts: dict[StateKind, int]
    oldest: datetime | None = None


@attrs.frozen
class Waiting:
    """A ``job`` that is due, ``since`` when (aware UTC)."""

    since: datetime
    job: Job


class Queues:
    """The queues of one store. Every claim, on whatever server, goes by the pauses at its moment.
    StorageUnavailable when the store does not answer."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver = driver
        self._clock = clock

    def pause(self, name: str) -> None:
        """Have no job of the queue claimed any more, until ``resume``; what runs goes on. A queue
        may be paused before it has a job. Doing so twice is as good as once."""
        record = PAUSED + checks.queue_name(name)
        body = jsontext.dumps({"since": self._clock.micros()})
        self._driver.write(record, body, 0)  # STALE: it is paused, and stays so since when it was

    def resume(self, name: str) -> bool:
        """Go on with a queue, at once. False: it was not paused."""
        record = PAUSED + checks.queue_name(name)
        while (known := self._driver.read(record)) is not None:
            if self._driver.write(record, None, known.version) is Verdict.DONE:
                self._driver.notify()
                return True
        return False

    def paused(self) -> dict[str, datetime]:
        """The queues that are paused, and since when (UTC)."""
        records = self._driver.list(PAUSED)
        return {one.name.removeprefix(PAUSED): _since(one.body) for one in records}

    def list(self) -> "builtins.list[Queue]":
        """Every queue that has jobs or is paused, by name."""
        paused = self.paused()
        counts = {kind: self._driver.count(Page((kind.value,)), "queue") for kind in StateKind}
        names = sorted({*paused}.union(*counts.values()))
        oldest = self.longest_waiting()
        return [
            Queue(
                name,
                paused.get(name),
                {kind: counts[kind].get(name, 0) for kind in StateKind},
                oldest[name].since if name in oldest else None,
            )
            for name in names
        ]

    def longest_waiting(self) -> dict[str, Waiting]:
        """Of each queue where a job is due the one that has been so for the longest, as
        ``Queue.oldest`` tells it."""
        now = self._clock.micros()
        found: dict[str, Waiting] = {}
        for row in self._driver.scan(Oldest(now)):
            job = decode_job(row)
            since = min(_due_since(job), from_micros(now))
            if row.queue not in found or since < found[row.queue].since:
                found[row.queue] = Waiting(since, job)
        return found


def _due_since(job: Job) -> datetime:
    """Since when a job is due; one that cannot be read, since it was made."""
    since = None if job.damage else due_since(job.state)
    return since or job.created_at


def _since(body: str) -> datetime:
    try:
        return from_micros(jsontext.loads(body)["since"])
    except (SerializationError, KeyError, TypeError, ValueError, OverflowError):
        return from_micros(0)
