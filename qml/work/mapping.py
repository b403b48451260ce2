"""The durable map: a task called for many inputs, and its results in their order.

Each input is a job of a batch, whose id is made from the batch's name, the input's place and the
call itself. So a script that is run again with the same name finds what is done and goes on.
"""

import itertools
import json
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import attrs

from ..seam.rows import Verdict
from ..storage import batches
from ..storage.storage import Storage
from ..values.errors import (
    ConfigurationError,
    InvalidTransition,
    JobAlreadyExists,
    JobNotFound,
    QmlError,
    StorageUnavailable,
)
from ..values.job import Job
from ..values.states import FINAL, StateKind
from .enduring import Enduring

CHUNK = 200
"""Jobs enqueued, or looked at, in one step."""

PREFIX = "map/"


class Mapped(Protocol):
    """What a map needs of its task."""

    name: str

    def call(self, value: Any) -> Job:
        """The job of one input, not stored yet."""
        ...


@attrs.frozen(kw_only=True)
class Plan:
    """How a map goes about it. ``window``: jobs in the store, at most, that have not ended or whose
    results were not given out; None = all of them. ``retry_failed``: run those again that failed
    before. ``forget``: remove jobs whose results were given out. ``named``: it may be run again."""

    window: int | None = 1_000
    retry_failed: bool = False
    forget: bool = False
    named: bool = True

    def __attrs_post_init__(self) -> None:
        if self.window is not None and (type(self.window) is not int or self.window < 1):
            raise ConfigurationError(
                f"window is {self.window!r}; give a whole number, 1 or more, or None for no limit"
            )


class Place(NamedTuple):
    """One input's number, from 0, and the id of its job."""

    number: int
    job_id: str


class Feed:
    """The inputs of a map on their way into the store, a window at a time. ``enduring`` carries its
    calls through an outage."""

    def __init__(
        self,
        storage: Storage,
        task: Mapped,
        batch: str,
        inputs: Iterable[Any],
        plan: Plan,
        enduring: Enduring,
    ) -> None:
        self._storage = storage
        self._enduring = enduring
        self._task = task
        self._batch = batch
        self._inputs = enumerate(inputs)
        self._plan = plan
        self.begun = enduring(forgotten_below, storage, batch)
        """The first input whose job is not forgotten."""
        self.waiting: deque[Place] = deque()
        self._given: list[Place] = []
        self.over = False

    def fill(self) -> None:
        """Enqueue what there is room for; those that are stored already are left as they are."""
        while not self.over and (room := self._room()):
            chunk = list(itertools.islice(self._inputs, min(CHUNK, room)))
            self.over = len(chunk) < min(CHUNK, room)
            jobs = [self._job(place, value) for place, value in chunk if place >= self.begun]
            self._store(jobs)
            self.waiting += [Place(job.place or 0, job.id) for job in jobs]

    def _room(self) -> int:
        window = self._plan.window
        return CHUNK if window is None else window - len(self.waiting)

    def _job(self, place: int, value: Any) -> Job:
        try:
            job = self._task.call(value)
        except QmlError as error:
            error.add_note(f"it is input {place:,} of batch {self._batch}")
            raise
        call = [job.arguments, job.kwargs]
        job_id = batches.member_id(self._batch, place, job.method, call)
        return attrs.evolve(job, id=job_id, batch=self._batch, place=place)

    def _store(self, jobs: list[Job]) -> None:
        while jobs:
            known = self._enduring(self._storage.get_many, [job.id for job in jobs])
            self._again([job for job in known if job is not None])
            new = [job for job, stored in zip(jobs, known, strict=True) if stored is None]
            try:
                self._enduring(self._storage.enqueue_many, new)
                return
            except JobAlreadyExists:
                continue  # another run of the same script, or this one and the answer got lost

    def _again(self, known: Iterable[Job]) -> None:
        for job in known if self._plan.retry_failed else ():
            if job.state.kind is StateKind.FAILED:  # Deleted is for good
                with suppress(InvalidTransition):  # another run of it was faster
                    self._enduring(self._storage.retry, job.id)

    def ended(self) -> Iterator[tuple[Place, Job]]:
        """The first inputs whose jobs have ended, in their order; what comes behind one that has
        not is left. JobNotFound when a job is gone."""
        while self.waiting:
            head = [*itertools.islice(self.waiting, CHUNK)]
            jobs = self._enduring(self._storage.get_many, [place.job_id for place in head])
            for place, job in zip(head, jobs, strict=True):
                if job is None:
                    raise _gone(self._batch, place)
                if job.state.kind not in FINAL:
                    return
                self.waiting.popleft()
                yield place, job
            self.fill()

    def gave(self, place: Place) -> None:
        """The result at this place was given out, as were all before it."""
        if self._plan.forget:
            self._given.append(place)
            if len(self._given) >= CHUNK:
                self.forget()

    def forget(self) -> None:
        """Remove the jobs whose results were given out; a later run begins behind them. In an
        outage that is left for the next time."""
        if self._given:
            with suppress(StorageUnavailable):
                _write_mark(self._storage, self._batch, self._given[-1].number + 1)
                ids = [place.job_id for place in self._given]
                self._storage.driver.erase(ids, len(ids))
                self._given = []


def forgotten_below(storage: Storage, batch: str) -> int:
    """The first input whose job may be stored: those before it are done and removed."""
    record = storage.driver.read(PREFIX + batch)
    return 0 if record is None else int(json.loads(record.body)["below"])


def forget(storage: Storage, batch: str) -> None:
    """Have the next map with this name begin at the first input."""
    while (record := storage.driver.read(PREFIX + batch)) is not None:
        storage.driver.write(record.name, None, record.version)


def _write_mark(storage: Storage, batch: str, below: int) -> None:
    while True:
        record = storage.driver.read(PREFIX + batch)
        known = 0 if record is None else int(json.loads(record.body)["below"])
        body = json.dumps({"below": max(known, below)})
        version = 0 if record is None else record.version
        if storage.driver.write(PREFIX + batch, body, version) is Verdict.DONE:
            return


def _gone(batch: str, place: Place) -> JobNotFound:
    return JobNotFound(
        f"job {place.job_id}, input {place.number:,} of batch {batch}, was removed before its "
        "result was read: its retention is over, or somebody deleted it. Run the map again to "
        "have it run anew, with a longer retention",
        job_id=place.job_id,
    )
