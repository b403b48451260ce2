"""The rows of the oracle: a plain list in the order of enqueueing, and questions asked of it."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from ..values import trusted
from ..values.clock import ManualClock
from ..values.errors import ConfigurationError, JobNotFound
from ..values.job import FAILURES_KEPT, Failure, Job
from ..values.retry import RetryPolicy
from ..values.states import (
    FINAL,
    WAITING,
    AwaitingRetry,
    Enqueued,
    JobState,
    Processing,
    Scheduled,
)
from ..values.times import span_micros
from .ties import NO_TIES, Tally, Ties

WORKER_LOST = "WorkerLost"
"""How the oracle writes a lost worker down. A storage may say more after these letters."""

A_SERVER = "(server)"
"""The server's name in the claims of the oracle, which knows no machine."""

EXPIRED = "expired"
"""How the oracle writes down why a job was not started. A storage may say more after this."""

NOT_STARTED = "not started"
"""How it writes down that what a job was to come after did not succeed."""

LEASE_SECONDS = 30.0

EVER = datetime.min.replace(tzinfo=UTC)


@attrs.define(eq=False)
class Entry:
    """One stored job, and what a Job does not show.

    ``holder`` has the lease or lock that ``job.lease_expires_at`` ends. ``claimant`` made the
    claim that ``job.fence`` counts; it is ``running`` until it ends, also when the job was
    cancelled meanwhile. ``holds_key`` while the unique key is reserved.
    ``finished_at``: when the storage saw it reach a final state. ``ties``: with other jobs.
    """

    job: Job
    holder: str | None = None
    claimant: str | None = None
    running: bool = False
    holds_key: bool = False
    finished_at: datetime | None = None
    ties: Ties = NO_TIES

    @property
    def due(self) -> datetime | None:
        """The moment from which a claim may take the job; None = never."""
        if self.ties.sleeps:
            return None
        return EVER if self.ties.woken else due_time(self.job.state)

    @property
    def is_processing(self) -> bool:
        """Whether the job's state is Processing."""
        return isinstance(self.job.state, Processing)

    def held_at(self, now: datetime) -> bool:
        """Whether somebody holds the job."""
        return self.job.lease_expires_at is not None and self.job.lease_expires_at > now

    def claimable_by(self, worker: str | None, now: datetime) -> bool:
        """Whether a claim by ``worker`` could take the job."""
        if self.due is None or self.due > now:
            return False
        return not self.held_at(now) or self.holder == worker

    def expired_at(self, now: datetime) -> bool:
        """Whether no attempt of the job is to start any more."""
        return self.job.expires_at is not None and self.job.expires_at <= now

    def change(self, **fields: Any) -> None:
        """Change the record: the version rises. In another state it waits for no other job."""
        if fields.get("state", self.job.state) != self.job.state:
            self.ties = attrs.evolve(self.ties, sleeps=False, woken=False)
        self.job = trusted.changed(self.job, version=self.job.version + 1, **fields)

    def lease(self, holder: str | None, until: datetime | None) -> None:
        """Give, extend or end the hold on the job; the version stays."""
        self.holder = holder
        self.job = trusted.changed(self.job, lease_expires_at=until)

    def begin(self, worker: str, until: datetime) -> None:
        """A claim by ``worker`` begins."""
        self.claimant, self.running = worker, True
        self.lease(worker, until)

    def end(self) -> None:
        """The claim, and with it the lease, ends."""
        self.running = False
        self.lease(None, None)

    def fail(self, now: datetime, exception: str, traceback: str = "") -> None:
        """Write a failed attempt down."""
        failure = Failure(self.job.attempt, now, self.claimant or "", exception, traceback)
        failures = (*self.job.failures, failure)[-FAILURES_KEPT:]
        self.job = trusted.changed(self.job, failures=failures)

    def settle(self, now: datetime) -> None:
        """What follows from the state at hand: the finishing time, the key, the end of a claim."""
        kind = self.job.state.kind
        if kind in FINAL:
            self.finished_at = self.finished_at or now
            self.holds_key = False
        else:
            self.finished_at = None


def due_time(state: JobState) -> datetime | None:
    """The moment from which a claim may take a job in this state; None = never."""
    if isinstance(state, Enqueued):
        return EVER
    if isinstance(state, Scheduled):
        return state.enqueue_at
    if isinstance(state, AwaitingRetry):
        return state.retry_at
    return None


def takes_key(job: Job, *, claimed: bool) -> bool:
    """Whether a job reserves its unique key. ``claimed``: it was, at least once."""
    if job.unique_key is None or job.state.kind in FINAL:
        return False
    return job.unique_while == "unfinished" or (job.state.kind in WAITING and not claimed)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Higher priority first; a stable sort keeps the order of enqueueing."""
    return sorted(entries, key=lambda entry: -entry.job.priority)


class Table:
    """All entries, oldest first. ``paused``: queues, and since when; ``times``: for each rate key
    the microsecond up to which its starts have been given out; ``tallies``: of groups of jobs."""

    def __init__(self, clock: ManualClock | None = None, retry: RetryPolicy | None = None) -> None:
        if not isinstance(clock, ManualClock | None):
            raise ConfigurationError(f"StorageModel clock is {clock!r}; give a ManualClock")
        self.clock = clock or ManualClock()
        self.retry_policy = retry or RetryPolicy()
        self.entries: list[Entry] = []
        self.seqs = 0
        self.paused: dict[str, datetime] = {}
        self.times: dict[str | None, int] = {}
        self.tallies: dict[Hashable, Tally] = {}

    def now(self) -> datetime:
        """The clock's time."""
        return self.clock.now()

    def _later(self, seconds: float) -> datetime:
        return self.now() + timedelta(microseconds=span_micros(seconds))

    def _until(self, lease_seconds: float | None) -> datetime:
        return self._later(LEASE_SECONDS if lease_seconds is None else lease_seconds)

    def _find(self, job_id: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.job.id == job_id), None)

    def _need(self, job_id: str) -> Entry:
        entry = self._find(job_id)
        if entry is None:
            raise JobNotFound(f"no job {job_id}", job_id=job_id)
        return entry

    def _same(self, job: Job) -> Entry | None:
        """The entry that ``job`` was read from: not one enqueued later under the same id."""
        entry = self._find(job.id)
        same = entry is not None and job.seq in (None, entry.job.seq)
        return entry if same else None

    def _twin(self, job: Job, entries: Iterable[Entry]) -> Entry | None:
        """The other entry that holds the unique key of ``job``."""
        return next(
            (
                e
                for e in entries
                if e.holds_key and e.job.unique_key == job.unique_key and e.job.id != job.id
            ),
            None,
        )

    def _free(self, worker: str | None) -> list[Entry]:
        """What ``worker`` could claim if there were no limits, in the order of claims."""
        now, paused = self.now(), self.paused
        return in_order(
            entry
            for entry in self.entries
            if entry.claimable_by(worker, now) and entry.job.queue not in paused
        )

    def _pick(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        return [entry for entry in self.entries if wanted(entry)]

    def _drop(self, gone: Sequence[Entry]) -> None:
        self.entries = [entry for entry in self.entries if entry not in gone]


def page(found: list[Job], limit: int | None, offset: int | None = None) -> list[Job]:
    """``limit`` jobs from ``offset`` on."""
    start = offset or 0
    return found[start:] if limit is None else found[start : start + limit]


def need_name(what: str, name: str) -> None:
    """A ConfigurationError when a name is empty."""
    if not name:
        raise ConfigurationError(f"{what} is empty")
