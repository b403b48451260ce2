"""A storage that notes what is asked of it, and what it answers."""

import builtins
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import attrs

from ...seam.transactions import Transaction
from ...storage.claims import Batch
from ...storage.queues import Queues
from ...storage.schedules import Schedules
from ...storage.storage import Storage
from ...values.errors import JobLost
from ...values.job import Failure, Job
from ...values.notes import Notes
from ...values.selection import JobFilter
from ...values.states import JobState, StateKind
from ...values.times import span_micros
from .facts import ended, facts, hand, sent
from .journal import Journal
from .noting import Noting, RecordedQueues, RecordedSchedules, lease, micros
from .operation import NEVER


class RecordedStorage(Storage):
    """Does all that ``storage`` does, and notes the operations that matter in a journal.

    What it does to other jobs than those of its answer is heard from its events. So of a call
    without a reply nobody knows what it did to those: which job followed on a failure, which slot
    was issued.
    """

    def __init__(self, storage: Storage, journal: Journal) -> None:
        self.driver = storage.driver
        self.retry_policy = storage.retry_policy
        self.retention = storage.retention
        self.max_job_bytes = storage.max_job_bytes
        self.clock = storage.clock
        self.hooks = storage.hooks
        self._storage = storage
        self._noted = Noting(storage, journal).noted
        self._briefest = NEVER

    # -- storing, looking ----------------------------------------------------------------------

    def enqueue_many(
        self, jobs: Iterable[Job], *, on_conflict: str = "raise"
    ) -> builtins.list[Job]:
        """Noted with each job as given and as stored; by another policy than "raise" with what was
        stored and replaced, as its events tell, and with what stands for each job."""
        given = list(jobs)
        self._note_retention(given)
        noted: Any = [facts(job) for job in given]
        verb = "enqueue"
        if on_conflict != "raise":
            verb, noted = "place", {"jobs": noted, "on_conflict": on_conflict}
        with self._noted(verb, noted) as reply:
            stored = self._storage.enqueue_many(given, on_conflict=on_conflict)
            reply["told"] = [facts(job) for job in stored]
        return stored

    def enqueue_in(self, connection: Any, jobs: Iterable[Job]) -> builtins.list[Job]:
        """Noted with the jobs as given. They may be there from then on, or later, or never: the
        commit is the caller's, and nobody hears of it."""
        given = list(jobs)
        self._note_retention(given)
        with self._noted("enqueue_in", [facts(job) for job in given]):
            return self._storage.enqueue_in(connection, given)

    def _note_retention(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            if job.retention is not None:
                own = span_micros(min(attrs.astuple(job.retention)))
                self._briefest = min(self._briefest, own)

    def get_many(self, job_ids: Sequence[str]) -> builtins.list[Job | None]:
        """Noted with what was read."""
        with self._noted("read", list(job_ids)) as reply:
            found = self._storage.get_many(job_ids)
            reply["told"] = [job and facts(job) for job in found]
        return found

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Noted as a read of the job that ended."""
        with self._noted("read", [job_id]) as reply:
            job = self._storage.wait(job_id, timeout)
            reply["told"] = [facts(job)]
        return job

    # -- claims --------------------------------------------------------------------------------

    def claim(
        self,
        worker_id: str,
        limit: int,
        queues: Sequence[str] | None = None,
        *,
        ahead: int = 0,
        lease_seconds: float | None = None,
        server_name: str = "",
    ) -> Batch:
        """Noted with the jobs that were handed out, in their order."""
        given = {"worker": worker_id, "lease": lease(lease_seconds), "limit": limit}
        with self._noted("claim", given | {"ahead": ahead}) as reply:
            batch = self._storage.claim(
                worker_id,
                limit,
                queues,
                ahead=ahead,
                lease_seconds=lease_seconds,
                server_name=server_name,
            )
            reply["told"] = [facts(job) for job in batch.jobs]
        return batch

    def try_acquire_job_lock(self, job_id: str, worker_id: str, timeout_seconds: float) -> bool:
        """Noted with the answer."""
        given = {"job": job_id, "worker": worker_id, "lease": micros(timeout_seconds)}
        with self._noted("lock", given) as reply:
            held = self._storage.try_acquire_job_lock(job_id, worker_id, timeout_seconds)
            reply["told"] = held
        return held

    def release_job_lock(self, job_id: str, worker_id: str) -> bool:
        """Noted with the answer."""
        with self._noted("unlock", {"job": job_id, "worker": worker_id}) as reply:
            reply["told"] = done = self._storage.release_job_lock(job_id, worker_id)
        return done

    def end_claims(self, worker_id: str) -> int:
        """Noted with how many leases were ended."""
        with self._noted("end_claims", worker_id) as reply:
            reply["told"] = number = self._storage.end_claims(worker_id)
        return number

    def renew(self, jobs: Sequence[Job], lease_seconds: float | None = None) -> builtins.list[bool]:
        """Noted with the answer to each claim."""
        given = {"hands": [hand(job) for job in jobs], "lease": lease(lease_seconds)}
        with self._noted("renew", given) as reply:
            reply["told"] = held = self._storage.renew(jobs, lease_seconds)
        return held

    def note_many(
        self, notes: Sequence[tuple[Job, Notes | None]], lease_seconds: float | None = None
    ) -> builtins.list[bool]:
        """Noted as a renewal, which it is."""
        given = {"hands": [hand(job) for job, _ in notes], "lease": lease(lease_seconds)}
        with self._noted("renew", given) as reply:
            reply["told"] = held = self._storage.note_many(notes, lease_seconds)
        return held

    # -- ends of claims ------------------------------------------------------------------------

    def finish_many(
        self, outcomes: Iterable[tuple[Job, JobState] | tuple[Job, JobState, Failure | None]]
    ) -> builtins.list[Job | JobLost]:
        """Noted with the outcome that was sent for each claim, and with the job as stored."""
        given = list(outcomes)
        with self._noted("finish", [sent(job, state) for job, state, *_ in given]) as reply:
            done = self._storage.finish_many(given)
            reply["told"] = [ended(end) for end in done]
        return done

    def finish_in(
        self, transaction: Transaction, job: Job, state: JobState, notes: Notes | None = None
    ) -> Job | JobLost:
        """Noted as an end of the claim that is undone if it is not the first, with its answer."""
        with self._noted("finish_in", sent(job, state)) as reply:
            done = self._storage.finish_in(transaction, job, state, notes)
            reply["told"] = [ended(done)]
        return done

    def release_many(
        self, jobs: Sequence[Job], delay: float | None = None
    ) -> builtins.list[Job | JobLost]:
        """Noted with the job as stored, for each claim."""
        given = {"hands": [hand(job) for job in jobs], "delayed": delay is not None}
        with self._noted("release", given) as reply:
            done = self._storage.release_many(jobs, delay)
            reply["told"] = [ended(end) for end in done]
        return done

    # -- other hands ---------------------------------------------------------------------------

    def update(self, job: Job) -> Job:
        """Noted with the record as sent and as stored."""
        self._note_retention([job])
        with self._noted("update", facts(job)) as reply:
            new = self._storage.update(job)
            reply["told"] = facts(new)
        return new

    def delete(self, job_id: str) -> bool:
        """Noted with the answer."""
        with self._noted("delete", job_id) as reply:
            reply["told"] = removed = self._storage.delete(job_id)
        return removed

    def cancel(self, job_id: str, reason: str | None = None) -> Job:
        """Noted with the job as stored."""
        with self._noted("cancel", job_id) as reply:
            job = self._storage.cancel(job_id, reason)
            reply["told"] = facts(job)
        return job

    def retry(self, job_id: str) -> Job:
        """Noted with the job as stored."""
        with self._noted("retry", job_id) as reply:
            job = self._storage.retry(job_id)
            reply["told"] = facts(job)
        return job

    def rescue(self, limit: int = 1000) -> builtins.list[Job]:
        """Noted with the jobs as they are after it."""
        with self._noted("rescue", None) as reply:
            rescued = self._storage.rescue(limit)
            reply["told"] = [facts(job) for job in rescued]
        return rescued

    def expire(self, limit: int = 1000) -> builtins.list[Job]:
        """Noted with the jobs as they are after it."""
        with self._noted("expire", None):
            return self._storage.expire(limit)

    def cancel_many(self, where: JobFilter, reason: str | None = None) -> int:
        """Noted with the jobs as they are after it."""
        with self._noted("cancel_many", None):
            return self._storage.cancel_many(where, reason)

    def retry_many(self, where: JobFilter) -> int:
        """Noted with the jobs as they are after it."""
        with self._noted("retry_many", None):
            return self._storage.retry_many(where)

    def delete_many(self, where: JobFilter) -> int:
        """One by one, each noted with the answer."""
        return sum(self.delete(job.id) for job in list(self._storage.select(where)))

    @property
    def queues(self) -> Queues:
        """Whose pauses are noted, and their ends."""
        return RecordedQueues(self.driver, self.clock, self._noted)

    @property
    def schedules(self) -> Schedules:
        """Whose jobs are noted."""
        return RecordedSchedules(self.driver, self.clock, self.limits, self.hooks, self._noted)

    def purge(self, limit: int = 1000) -> int:
        """Noted with how long jobs are kept, and how many were removed. A job's own retention
        counts if this process has enqueued it, then for all."""
        kept = {
            state: min(self._briefest, span_micros(getattr(self.retention, state)))
            for state in ("succeeded", "failed", "deleted")
        }
        with self._noted("purge", kept) as reply:
            reply["told"] = removed = self._storage.purge(limit)
        return removed

    # -- passed on: no question about one job, or none that matters ------------------------------

    def list(
        self,
        state_filter: object = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        queue: str | None = None,
        method: str | None = None,
    ) -> builtins.list[Job]:
        """Not noted: on some stores a long list is read in steps."""
        return self._storage.list(state_filter, limit, offset, queue=queue, method=method)

    def get_job_counts(self) -> dict[StateKind, int]:
        """Not noted: it asks about no single job."""
        return self._storage.get_job_counts()

    def get_available_jobs(self, limit: int | None = None) -> builtins.list[Job]:
        """Not noted: it asks about no single job."""
        return self._storage.get_available_jobs(limit)

    def now(self) -> datetime:
        """Not noted."""
        return self._storage.now()

    def close(self) -> None:
        """Not noted."""
        self._storage.close()

    def __repr__(self) -> str:
        return repr(self._storage)
