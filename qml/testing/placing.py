"""The oracle's half for new jobs: stored, refused, or put in another's place."""

from collections.abc import Sequence
from typing import Any

import attrs

from ..values import jsontext
from ..values.errors import (
    ConfigurationError,
    JobAlreadyExists,
    SerializationError,
    UniqueKeyTaken,
)
from ..values.job import Job
from ..values.states import WAITING, Processing
from .grouped import Grouped
from .table import Entry, takes_key

Entries = list[Entry]


class Placing(Grouped):
    """What becomes of jobs that are enqueued."""

    def enqueue(self, job: Job, *, on_conflict: str = "raise") -> Job:
        """Store one job as given."""
        return self.enqueue_many([job], on_conflict=on_conflict)[0]

    def enqueue_many(self, jobs: Sequence[Job], *, on_conflict: str = "raise") -> list[Job]:
        """Store all jobs or none; or have those whose key is held stood for by its holder."""
        if on_conflict == "raise":
            return self._stored(jobs)
        which = -1 if on_conflict == "replace" else 0
        counting = [[n for n, twin in enumerate(jobs) if alike(job, twin)][which] for job in jobs]
        chosen = sorted(set(counting))
        if on_conflict == "replace":
            _need_plain(jobs)
        holders = self._holders([jobs[number] for number in chosen], on_conflict)
        held = {n: holder for n, holder in zip(chosen, holders, strict=True) if holder is not None}
        fresh = [number for number in chosen if number not in held]
        found = dict(zip(fresh, self._stored([jobs[number] for number in fresh]), strict=True))
        for number, holder in held.items():
            if on_conflict == "replace":
                self._replace(holder, jobs[number])
            found[number] = holder.job
        return [found[number] for number in counting]

    def _holders(self, jobs: Sequence[Job], on_conflict: str) -> list[Entry | None]:
        """For each job who holds its key, when nothing is in the way."""
        self._need_parents(jobs)
        ids = [entry.job.id for entry in self.entries]
        holders = [self._twin(job, self.entries) if asks(job) else None for job in jobs]
        for job, holder in zip(jobs, holders, strict=True):
            self._check_size(job)
            if job.id in ids:
                raise JobAlreadyExists(f"job {job.id} is stored", job_id=job.id)
            ids += [] if holder else [job.id]
        for holder in holders if on_conflict == "replace" else ():
            if holder is not None and not _is_replaceable(holder):
                raise UniqueKeyTaken(f"job {holder.job.id} stays", job_id=holder.job.id)
        return holders

    def _replace(self, entry: Entry, job: Job) -> None:
        """The holder is to do what the job says; its place, its fence, and a lock on it stay."""
        retries = self.retry_policy.max_retries if job.max_retries is None else job.max_retries
        given = by_the_caller(job) | {"created_at": entry.job.created_at, "failures": ()}
        if entry.job.fence:  # a "queued" job that was claimed has no key, and this is to have it
            given["unique_while"] = entry.job.unique_while
        entry.change(**given, attempt=0, max_attempts=retries + 1)

    def _stored(self, jobs: Sequence[Job]) -> list[Job]:
        """All of them, or none."""
        self._need_parents(jobs)
        added: Entries = []
        for job in jobs:
            present = self.entries + added
            if any(entry.job.id == job.id for entry in present):
                raise JobAlreadyExists(f"job {job.id} is stored", job_id=job.id)
            entry = self._entry(job, len(added))
            self._refuse_twin(entry, present)
            added.append(entry)
        parents = [self._parents(job) for job in jobs]
        self.entries += added
        self.seqs += len(added)
        for entry, ids in zip(added, parents, strict=True):
            self._join(entry, ids)
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


def asks(job: Job) -> bool:
    """Whether a job that is stored as given reserves its unique key."""
    return takes_key(job, claimed=job.fence > 0)


def alike(one: Job, other: Job) -> bool:
    """Whether two jobs of a batch are one, or ask for the same key."""
    return one is other or (asks(one) and asks(other) and one.unique_key == other.unique_key)


def _need_plain(jobs: Sequence[Job]) -> None:
    """Only a job that waits, and has to do with no other, takes another's place."""
    for job in jobs:
        if asks(job) and (job.state.kind not in WAITING or job.batch is not None or job.waits):
            raise ConfigurationError(f"job {job.id} cannot take another's place")


def _is_replaceable(entry: Entry) -> bool:
    """Whether another may take its place: it has not begun, and no other counts on it."""
    begun = entry.job.state.kind not in WAITING or entry.job.notes.steps
    return not begun and entry.ties.batch is None and entry.ties.awaits is None


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


def by_the_caller(job: Job) -> dict[str, Any]:
    """The fields of a job that its caller gives."""
    return {
        field.name: getattr(job, field.name)
        for field in attrs.fields(Job)
        if field.name not in KEPT_BY_THE_STORAGE
    }
