"""The oracle's half for hands that hold jobs: renewals, notes, locks."""

from collections.abc import Sequence

import attrs

from ..values.job import Job
from ..values.notes import Notes
from ..values.states import Processing
from .limited import Limited
from .table import Entry, need_name


class Holding(Limited):
    """How a claim or a lock goes on, and how a lock ends."""

    def _claimed(self, job: Job) -> Entry | None:
        """The entry whose latest claim is the one that ``job`` shows."""
        entry, state = self._same(job), job.state
        if entry is None or not isinstance(state, Processing):
            return None
        mine = entry.claimant == state.worker_id and entry.job.fence == job.fence
        return entry if mine else None

    def renew(self, jobs: Sequence[Job], lease_seconds: float | None = None) -> list[bool]:
        """Extend the leases of claims that have not ended."""
        return self.note_many([(job, None) for job in jobs], lease_seconds)

    def note(self, job: Job, notes: Notes, lease_seconds: float | None = None) -> bool:
        """Write down what the run of the claim ``job`` says of itself, and renew its lease."""
        return self.note_many([(job, notes)], lease_seconds)[0]

    def note_many(
        self, news: Sequence[tuple[Job, Notes | None]], lease_seconds: float | None = None
    ) -> list[bool]:
        """The same for many, each on its own."""
        return [self._note(job, notes, lease_seconds) for job, notes in news]

    def _note(self, job: Job, notes: Notes | None, lease_seconds: float | None) -> bool:
        entry = self._claimed(job)
        if entry is None or not entry.running or not self._may_live_again(entry):
            return False
        lapsed = not entry.held_at(self.now())
        entry.lease(entry.holder, self._until(lease_seconds))
        if lapsed:
            self._put_back(entry.job.concurrency_key)
        if notes is not None and entry.is_processing:
            entry.job = attrs.evolve(entry.job, notes=notes)
        return True

    def try_acquire_job_lock(self, job_id: str, worker_id: str, timeout_seconds: float) -> bool:
        """Hold a job, in whatever state, against other workers."""
        need_name("worker_id", worker_id)
        entry, now = self._find(job_id), self.now()
        if entry is None or (entry.held_at(now) and entry.holder != worker_id):
            return False
        if entry.is_processing and not self._may_live_again(entry):
            return False
        lapsed = not entry.held_at(now)
        if lapsed:
            self._take_over(entry, worker_id)
        entry.lease(worker_id, self._later(timeout_seconds))
        if lapsed and entry.is_processing:
            self._put_back(entry.job.concurrency_key)
        return True

    def _take_over(self, entry: Entry, worker: str) -> None:
        """The lock begins anew: a lapsed claim passes to the worker, a cancelled run has ended."""
        state = entry.job.state
        if isinstance(state, Processing):
            entry.change(fence=entry.job.fence + 1, state=attrs.evolve(state, worker_id=worker))
            entry.claimant = worker
        else:
            entry.running = False

    def release_job_lock(self, job_id: str, worker_id: str) -> bool:
        """End a lock or lease that ``worker_id`` holds now."""
        entry, now = self._find(job_id), self.now()
        if entry is None or not entry.held_at(now) or entry.holder != worker_id:
            return False
        entry.lease(entry.holder, now if entry.is_processing else None)
        entry.running = entry.is_processing
        return True

    def end_claims(self, worker_id: str) -> int:
        """End the leases of what a dead worker runs; how many had not lapsed."""
        need_name("worker_id", worker_id)
        now = self.now()
        mine = [e for e in self.entries if e.is_processing and e.claimant == worker_id]
        live = [entry for entry in mine if entry.held_at(now)]
        for entry in live:
            entry.lease(entry.holder, now)
        return len(live)
