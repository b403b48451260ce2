"""The oracle: a storage so naive that its rules can be read, for comparison with real ones.

It keeps one list. Every question is a comprehension, every order a sort. It shares no code with
qml's storages and drivers, so that a mistake in their rules shows.
"""

from datetime import timedelta

import attrs

from ..values.clock import ManualClock
from ..values.errors import ConcurrentModification, InvalidTransition, UniqueKeyTaken
from ..values.job import Job
from ..values.retention import Retention
from ..values.retry import RetryPolicy, policy_or_none
from ..values.selection import JobFilter
from ..values.states import FINAL, WAITING, Deleted, Enqueued, Processing, StateKind
from .claims import Claims
from .holdups import Holdups
from .looking import Looking
from .pausing import Queues
from .placing import Placing, by_the_caller
from .recurring import Recurring
from .table import Entry, takes_key

Jobs = list[Job]  # "list" is a method of the class below, which it inherits


class StorageModel(Claims, Placing, Looking, Holdups):
    """The storage of the contract over a list. Its clock is a ManualClock; it is for one thread.

    Every operation returns and raises what a storage returns and raises.
    """

    def __init__(
        self,
        clock: ManualClock | None = None,
        retry: RetryPolicy | None = None,
        retention: Retention | None = None,
    ) -> None:
        super().__init__(clock, policy_or_none("retry", retry))
        self.retention = retention or Retention()
        self.schedules = Recurring(self.now, self.enqueue, self.get)
        self.queues = Queues(self)

    def update(self, job: Job) -> Job:
        """Replace the record if nobody changed it since ``job`` was read."""
        entry = self._need(job.id)
        if self._same(job) is None or entry.job.version != job.version:
            raise ConcurrentModification(f"job {job.id} has changed", job_id=job.id)
        before, now = entry.job, self.now()
        after = attrs.evolve(entry, holds_key=False)
        given = by_the_caller(job)
        after.change(**{name: given[name] for name in given if name not in GROUPED})
        self._move_hold(after, was=before)
        after.job = attrs.evolve(after.job, max_attempts=_attempts(after.job))
        after.holds_key = takes_key(after.job, claimed=after.job.fence > 0)
        if after.job.state.kind != before.state.kind:
            after.finished_at = None
        after.settle(now)
        self._refuse_twin(after, self.entries)
        self.entries[self.entries.index(entry)] = after
        self._count(after)
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
        self._settle(entry)
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
        self._settle(entry)
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


GROUPED = ("batch", "place", "after", "after_batch", "needs_success")
"""What a job has to do with others is said when it is enqueued, and stays."""

RETRIED = frozenset({StateKind.FAILED, StateKind.AWAITING_RETRY, StateKind.SCHEDULED})
"""States from which ``retry`` takes a job back to Enqueued."""


def _attempts(job: Job) -> int | None:
    """The attempts a job has in all, after an update: its own wish, and one more if it waits."""
    allowed = job.max_attempts if job.max_retries is None else job.max_retries + 1
    return max(allowed or 0, job.attempt + 1) if job.state.kind in WAITING else allowed
