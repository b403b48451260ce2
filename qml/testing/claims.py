"""The oracle's half for workers: claims, and what becomes of them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

import attrs

from ..values import jsontext
from ..values.errors import ConfigurationError, InvalidTransition, JobLost
from ..values.followup import Followup
from ..values.job import Job
from ..values.states import (
    MOVES,
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    StateKind,
    Succeeded,
)
from ..values.times import EPOCH, MICROSECOND
from .grouped import Grouped
from .holding import Holding
from .table import A_SERVER, EXPIRED, NOT_STARTED, WORKER_LOST, Entry, need_name

FOLLOWUPS = UUID("d6f6b3a4-1f0b-5c8e-9d3e-52a2a2f4f0c7")
"""The namespace of the ids of jobs that follow on others."""


class Claims(Holding, Grouped):
    """What a worker asks of a storage."""

    def fetch_and_lock_job(
        self,
        worker_id: str,
        queues: Sequence[str] | None = None,
        *,
        lease_seconds: float | None = None,
    ) -> Job | None:
        """The best available job, claimed."""
        taken = self.fetch_available_jobs_atomic(worker_id, 1, queues, lease_seconds=lease_seconds)
        return taken[0] if taken else None

    def fetch_available_jobs_atomic(
        self,
        worker_id: str,
        limit: int | None = None,
        queues: Sequence[str] | None = None,
        *,
        lease_seconds: float | None = None,
    ) -> list[Job]:
        """The best available jobs, claimed; 10 unless ``limit`` says otherwise."""
        need_name("worker_id", worker_id)
        if queues is not None and not queues:
            raise ConfigurationError("queues is an empty list")
        taken: list[Entry] = []
        wanted = 10 if limit is None else limit
        while best := self._best(worker_id, queues, wanted - len(taken)):
            for entry in best:
                self._claim(entry, worker_id, lease_seconds)
                if entry.expired_at(self.now()):
                    self._expire(entry, attempt=entry.job.attempt - 1)
                    entry.end()
                else:
                    taken.append(entry)
        return [entry.job for entry in taken]

    def _best(self, worker: str, queues: Sequence[str] | None, limit: int) -> list[Entry]:
        free = self._free(worker)
        wanted = [entry for entry in free if queues is None or entry.job.queue in queues]
        return self._let_through(wanted, limit)

    def _expire(self, entry: Entry, **fields: Any) -> None:
        why = EXPIRED
        if entry.job.waits and entry.job.expires_at == EPOCH:
            why = NOT_STARTED
        entry.change(state=Deleted(self.now(), why), **fields)
        self._settle(entry)

    def expire(self, limit: int = 1000) -> list[Job]:
        """End what waits and was not started in time, longest ago first."""
        now = self.now()
        late = [e for e in self.entries if e.due is not None and e.expired_at(now)]
        late.sort(key=lambda entry: entry.job.expires_at or now)
        for entry in late[:limit]:
            self._expire(entry)
        return [entry.job for entry in late[:limit]]

    def _claim(self, entry: Entry, worker: str, lease_seconds: float | None) -> None:
        entry.change(
            state=Processing(self.now(), worker, A_SERVER),
            attempt=entry.job.attempt + 1,
            fence=entry.job.fence + 1,
        )
        entry.begin(worker, self._until(lease_seconds))
        self._start(entry, self.times)
        self._put_back(entry.job.concurrency_key)
        if entry.job.unique_while == "queued":
            entry.holds_key = False

    def finish(self, job: Job, state: JobState, failure: Any = None) -> Job:
        """Write the outcome of the claim ``job`` down."""
        (outcome,) = self.finish_many([(job, state, failure)])
        if isinstance(outcome, JobLost):
            raise outcome
        return outcome

    def finish_many(self, outcomes: Sequence[tuple[Any, ...]]) -> list[Job | JobLost]:
        """The same for many, each on its own. Those whose job was changed since come last."""
        for job, state, *_ in outcomes:
            _need_claim(job)
            if state.kind not in MOVES[StateKind.PROCESSING]:
                raise InvalidTransition(f"no claim ends as {state.kind}", job_id=job.id)
        late = [self._is_changed(job) for job, *_ in outcomes]
        order = sorted(range(len(late)), key=late.__getitem__)
        done = {index: self._finish(*outcomes[index][:2]) for index in order}
        return [done[index] for index in range(len(late))]

    def _is_changed(self, claimed: Job) -> bool:
        entry = self._claimed(claimed)
        return entry is not None and entry.job.version != claimed.version

    def _finish(self, job: Job, state: JobState) -> Job | JobLost:
        entry = self._claimed(job)
        if entry is None or not entry.is_processing:
            return self._repeated(entry, job, state)
        state = _at(state, self.now())
        if isinstance(state, Failed):
            entry.fail(self.now(), state.exception, state.stack_trace)
        elif isinstance(state, AwaitingRetry):
            entry.fail(self.now(), state.last_exception)
        self._end(entry, state)
        return entry.job

    def _repeated(self, entry: Entry | None, job: Job, state: JobState) -> Job | JobLost:
        """The answer to a hand whose job is not processing: it may have sent this outcome before.
        The run of a cancelled job ends here, and with it the lease."""
        if entry is not None and entry.running:
            entry.end()
        elif entry is not None and _alike(entry.job.state, state):
            return entry.job
        return JobLost(f"the claim on job {job.id} has ended", job_id=job.id)

    def _end(self, entry: Entry, state: JobState, **fields: Any) -> None:
        entry.change(state=state, **fields)
        entry.end()
        self._settle(entry)
        job = entry.job
        if isinstance(state, Failed) and job.on_failure is not None:
            told = attrs.evolve(job.on_failure, arguments=[job.id, state.exception])
            self._follow(job, told)
        if isinstance(state, Succeeded) and job.on_success is not None:
            told = job.on_success
            if told.takes_result:
                told = attrs.evolve(told, kwargs={**told.kwargs, "result": state.result})
            self._follow(job, told)

    def _follow(self, job: Job, after: Followup) -> None:
        """Enqueue what follows on the end of a job, unless one with its id is there."""
        job_id = follower_id(job)
        if self._find(job_id) is None:
            fields = attrs.asdict(after, recurse=False)
            del fields["takes_result"]
            self.seqs += 1
            follower = Job(
                id=job_id,
                created_at=self.now(),
                max_attempts=1 + (after.max_retries or 0),
                seq=self.seqs,
                **fields,
            )
            self.entries.append(Entry(follower))

    def release(self, job: Job, delay: float | None = None) -> Job:
        """Hand a claim back; the attempt is not charged, the fence stays raised."""
        _need_claim(job)
        entry, now = self._claimed(job), self.now()
        newest = entry.job if entry else job
        state: JobState = Enqueued(now, newest.queue)
        if delay is not None:
            state = AwaitingRetry(now, self._later(delay), len(newest.failures))
        if entry is None or not entry.is_processing:
            answer = self._repeated(entry, job, state)
            if isinstance(answer, JobLost):
                raise answer
            return answer
        self._end(entry, state, attempt=entry.job.attempt - 1)
        return entry.job

    def rescue(self, limit: int = 1000) -> list[Job]:
        """Give back the jobs whose leases have lapsed, longest ago first."""
        now = self.now()
        orphans = [e for e in self.entries if e.is_processing and not e.held_at(now)]
        orphans.sort(key=lambda entry: entry.job.lease_expires_at or now)
        for entry in orphans[:limit]:
            self._rescue(entry)
        return [entry.job for entry in orphans[:limit]]

    def _rescue(self, entry: Entry) -> None:
        now, attempt = self.now(), entry.job.attempt
        entry.fail(now, WORKER_LOST)
        delay = self.retry_policy.delay(attempt)
        if attempt >= (entry.job.max_attempts or 0):
            self._end(entry, Failed(now, WORKER_LOST, "", max(0, attempt - 1)))
        elif delay:
            self._end(entry, AwaitingRetry(now, self._later(delay), attempt, WORKER_LOST))
        else:
            self._end(entry, Enqueued(now, entry.job.queue))


def follower_id(job: Job) -> str:
    """The id of the job that follows on the end of a claim: no other claim's has it."""
    micros = (job.created_at - EPOCH) // MICROSECOND
    return str(uuid5(FOLLOWUPS, f"{job.id}/{micros}/{job.fence}"))


def _need_claim(job: Job) -> None:
    if not isinstance(job.state, Processing):
        raise InvalidTransition(f"job {job.id} as given is {job.state.kind}", job_id=job.id)


def _at(state: JobState, now: Any) -> JobState:
    """The state at the storage's time, its texts readable; ``retry_at`` is the caller's."""
    times = {
        Enqueued: "enqueued_at",
        Succeeded: "succeeded_at",
        Failed: "failed_at",
        Deleted: "deleted_at",
        AwaitingRetry: "scheduled_at",
    }
    texts = {
        name: jsontext.readable(getattr(state, name), 20_000)
        for name in ("exception", "stack_trace", "last_exception", "reason")
        if getattr(state, name, None) is not None
    }
    return attrs.evolve(state, **texts, **{times[type(state)]: now})


def _alike(stored: JobState, given: JobState) -> bool:
    """Whether two outcomes say the same: kind and result, exception or reason."""
    return _said(stored) == _said(given)


def _said(state: JobState) -> tuple[str, ...]:
    names = ("result", "exception", "last_exception", "reason")
    return (state.kind, *(jsontext.dumps(getattr(state, name, None)) for name in names))
