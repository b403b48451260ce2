"""The oracle: a storage so naive that its rules can be read, for comparison with real ones.

It keeps one list. Every question is a comprehension, every order a sort. It shares no code with
qml's storages and drivers, so that a mistake in their rules shows.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs

from ..values import jsontext
from ..values.clock import ManualClock
from ..values.errors import (
    ConcurrentModification,
    InvalidTransition,
    JobAlreadyExists,
    SerializationError,
    UniqueKeyTaken,
)
from ..values.job import Job
from ..values.retention import Retention
from ..values.retry import RetryPolicy
from ..values.selection import JobFilter
from ..values.states import FINAL, WAITING, Deleted, Enqueued, Processing, StateKind
from .claims import Claims
from .looking import Looking
from .recurring import Recurring
from .table import Entry, takes_key

Entries = list[Entry]
Jobs = list[Job]  # "list" is a method of the class below, which it inherits


class StorageModel(Claims, Looking):
    """The storage of the contract over a list. Its clock is a ManualClock; it is for one thread.

    Every operation returns and raises what a storage returns and raises.
    """

    def __init__(
        self,
        clock: ManualClock | None = None,
        retry: RetryPolicy | None = None,
        retention: Retention | None = None,
    ) -> None:
        super().__init__(clock, retry)
        self.retention = retention or Retention()
        self.schedules = Recurring(self.now, self.enqueue, self.get)

    def enqueue(self, job: Job) -> Job:
        """Store one job as given."""
        return self.enqueue_many([job])[0]

    def enqueue_many(self, jobs: Sequence[Job]) -> Jobs:
        """Store all jobs or none."""
        added: Entries = []
        for job in jobs:
            present = self.entries + added
            if any(entry.job.id == job.id for entry in present):
                raise JobAlreadyExists(f"job {job.id} is stored", job_id=job.id)
            entry = self._entry(job, len(added))
            self._refuse_twin(entry, present)
            added.append(entry)
        self.entries += added
        self.seqs += len(added)
        return [entry.job for entry in added]

    def _entry(self, job: Job, index: int) -> Entry:
        self._check_size(job)
        retries = self.retry_policy.max_retries if job.max_retries is None else job.max_retries
        entry = Entry(attrs.evolve(job, max_attempts=retries + 1, seq=self.seqs + index + 1))
        entry.lease(None, None)
        if isinstance(job.state, Processing):
            entry.begin(job.state.worker_id, self._until(None))
        entry.holds_key = takes_key(job, claimed=False)
        entry.settle(self.now())
        return entry

    def _check_size(self, job: Job) -> None:
        size = sum(
            len(jsontext.dumps(part).encode()) for part in (job.arguments, job.kwargs, job.metadata)
        )
        if size > jsontext.MAX_BYTES:
            raise SerializationError(f"job {job.id} is {size:,} bytes", job_id=job.id)

    def _refuse_twin(self, entry: Entry, present: Sequence[Entry]) -> None:
        twin = self._twin(entry.job, present)
        if entry.holds_key and twin is not None:
            raise UniqueKeyTaken(f"job {twin.job.id} holds the key", job_id=twin.job.id)

    def update(self, job: Job) -> Job:
        """Replace the record if nobody changed it since ``job`` was read."""
        entry = self._need(job.id)
        if self._same(job) is None or entry.job.version != job.version:
            raise ConcurrentModification(f"job {job.id} has changed", job_id=job.id)
        before, now = entry.job, self.now()
        after = Entry(before, entry.holder, entry.claimant, entry.running, False, entry.finished_at)
        after.change(**_by_the_caller(job))
        self._move_hold(after, was=before)
        after.job = attrs.evolve(after.job, max_attempts=_attempts(after.job))
        after.holds_key = takes_key(after.job, claimed=after.job.fence > 0)
        if after.job.state.kind != before.state.kind:
            after.finished_at = None
        after.settle(now)
        self._refuse_twin(after, self.entries)
        self.entries[self.entries.index(entry)] = after
        return after.job

    def _move_hold(self, entry: Entry, was: Job) -> None:
        state = entry.job.state
        before, after = isinstance(was.state, Processing), isinstance(state, Processing)
        if isinstance(state, Processing) and before:
            state = attrs.evolve(state, worker_id=entry.holder or "")
            entry.job = attrs.evolve(entry.job, state=state)
        elif isinstance(state, Processing):
            entry.job = attrs.evolve(entry.job, attempt=was.attempt + 1, fence=was.fence + 1)
            entry.begin(state.worker_id, self._until(None))
        elif before and not after and not isinstance(state, Deleted):
            entry.end()

    def delete(self, job_id: str) -> bool:
        """Remove the record, whatever its state."""
        gone = self._pick(lambda entry: entry.job.id == job_id)
        self._drop(gone)
        return bool(gone)

    def delete_many(self, where: JobFilter) -> int:
        """Remove all that a filter names."""
        return sum(self.delete(job.id) for job in self.select(where))

    def cancel(self, job_id: str, reason: str | None = None) -> Job:
        """To Deleted; a run under way keeps its lease until it ends."""
        entry = self._need(job_id)
        entry.job.with_state(Deleted(self.now(), reason))
        entry.change(state=Deleted(self.now(), reason))
        entry.finished_at = None
        entry.settle(self.now())
        return entry.job

    def cancel_many(self, where: JobFilter, reason: str | None = None) -> int:
        """Cancel all that a filter names, of which there is a way to Deleted."""
        if where.states is None:
            where = attrs.evolve(where, states=set(StateKind) - FINAL)
        named = self.select(where)
        gone = [job for job in named if job.state.kind is not StateKind.DELETED]
        return len([self.cancel(job.id, reason) for job in gone])

    def retry(self, job_id: str) -> Job:
        """By hand: back to Enqueued, with an attempt more when none is left."""
        entry = self._need(job_id)
        if entry.job.state.kind not in RETRIED:
            raise InvalidTransition(f"job {job_id} is {entry.job.state.kind}", job_id=job_id)
        after = attrs.evolve(entry.job, state=Enqueued(self.now(), entry.job.queue))
        revived = Entry(
            after, holds_key=entry.holds_key or takes_key(after, claimed=after.fence > 0)
        )
        self._refuse_twin(revived, self.entries)
        attempts = max(entry.job.max_attempts or 0, entry.job.attempt + 1)
        entry.change(state=after.state, max_attempts=attempts)
        entry.holds_key = revived.holds_key
        entry.settle(self.now())
        return entry.job

    def retry_many(self, where: JobFilter) -> int:
        """Retry all that a filter names, the newest first, of which there is a way back."""
        if where.states is None:
            where = attrs.evolve(where, states=[StateKind.FAILED])
        return sum(self._retries(job.id) for job in self.select(where))

    def _retries(self, job_id: str) -> bool:
        try:
            return bool(self.retry(job_id))
        except (InvalidTransition, UniqueKeyTaken):
            return False

    def purge(self, limit: int = 1000) -> int:
        """Forget what finished long enough ago, longest ago first."""
        old = [entry for entry in self.entries if self._is_over(entry)]
        old.sort(key=lambda entry: entry.finished_at or self.now())
        self._drop(old[:limit])
        return len(old[:limit])

    def _is_over(self, entry: Entry) -> bool:
        retention = entry.job.retention or self.retention
        kept = {
            StateKind.SUCCEEDED: retention.succeeded,
            StateKind.DELETED: retention.deleted,
            StateKind.FAILED: retention.failed,
        }.get(entry.job.state.kind)
        if kept is None or entry.finished_at is None:
            return False
        return entry.finished_at + timedelta(seconds=kept) <= self.now()

    def close(self) -> None:
        """Nothing to let go of."""


RETRIED = frozenset({StateKind.FAILED, StateKind.AWAITING_RETRY, StateKind.SCHEDULED})
"""States from which ``retry`` takes a job back to Enqueued."""

KEPT_BY_THE_STORAGE = (
    "id",
    "version",
    "attempt",
    "fence",
    "max_attempts",
    "seq",
    "notes",
    "damage",
    "lease_expires_at",
)


def _attempts(job: Job) -> int | None:
    """The attempts a job has in all, after an update: its own wish, and one more if it waits."""
    allowed = job.max_attempts if job.max_retries is None else job.max_retries + 1
    return max(allowed or 0, job.attempt + 1) if job.state.kind in WAITING else allowed


def _by_the_caller(job: Job) -> dict[str, Any]:
    return {
        field.name: getattr(job, field.name)
        for field in attrs.fields(Job)
        if field.name not in KEPT_BY_THE_STORAGE
    }
