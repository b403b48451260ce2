"""What a job's record says of what happened to it, short enough to write at every call."""

import hashlib
from typing import Any, NamedTuple

from ...seam.standing import due_at
from ...values import jsontext
from ...values.errors import JobLost
from ...values.job import Job
from ...values.states import JobState, Processing, StateKind
from ...values.times import to_micros

SHORT = 60
"""Letters of an outcome that are kept as they are; a longer one is told by its hash."""

_SINCE = {
    StateKind.ENQUEUED: "enqueued_at",
    StateKind.PROCESSING: "started_at",
    StateKind.SUCCEEDED: "succeeded_at",
    StateKind.FAILED: "failed_at",
    StateKind.DELETED: "deleted_at",
    StateKind.SCHEDULED: "scheduled_at",
    StateKind.AWAITING_RETRY: "scheduled_at",
}

_SAID = ("result", "exception", "last_exception", "reason")


class Ties(NamedTuple):
    """What a job shares with others; None or () where it shares nothing.

    ``key``, ``limit``: of which name how many may run at once; ``pace``, ``gap``, ``burst``: under
    which name its start counts, the microseconds from one start to the next, and how many may be
    at once; ``batch``: it is part of; ``after``, ``after_batch``: what it is to start after;
    ``unique``: the key that no other may hold, ``while_queued``: only until it begins.
    """

    key: str | None = None
    limit: int | None = None
    pace: str | None = None
    gap: int | None = None
    burst: int | None = None
    batch: str | None = None
    after: tuple[str, ...] = ()
    after_batch: str | None = None
    unique: str | None = None
    while_queued: bool = False

    @property
    def waits(self) -> bool:
        """Whether it is to start after others."""
        return bool(self.after) or self.after_batch is not None


NO_TIES = Ties()


class Facts(NamedTuple):
    """A job as a call was given it, or as a reply showed it. Times are the storage's, in
    microseconds since 1970.

    ``worker``: who runs it, while it is processing; ``until``: the end of its lease; ``due``: from
    when it may be claimed (None = it may not); ``since``: when it came into its state, as the
    state says; ``outcome``: see ``outcome``; ``lost_by``: the worker of its last failed attempt;
    ``ties``: what it shares with others, None if nothing.
    """

    id: str
    kind: str
    version: int
    attempt: int
    fence: int
    max_attempts: int | None
    seq: int | None
    worker: str | None
    until: int | None
    due: int | None
    since: int
    outcome: str
    lost_by: str | None
    queue: str = ""
    ties: Ties | None = None


def facts(job: Job) -> Facts:
    """What is noted of a job."""
    state = job.state
    return Facts(
        job.id,
        state.kind.value,
        job.version,
        job.attempt,
        job.fence,
        job.max_attempts,
        job.seq,
        state.worker_id if isinstance(state, Processing) else None,
        None if job.lease_expires_at is None else to_micros(job.lease_expires_at),
        due_at(state),
        to_micros(getattr(state, _SINCE[state.kind])),
        outcome(state),
        job.failures[-1].worker if job.failures else None,
        job.queue,
        _ties(job),
    )


def _ties(job: Job) -> Ties | None:
    rate = job.rate
    ties = Ties(
        job.concurrency_key,
        job.concurrency_limit,
        None if rate is None else job.rate_key,
        None if rate is None else rate.gap,
        None if rate is None else rate.burst,
        job.batch,
        tuple(job.after),
        job.after_batch,
        job.unique_key,
        job.unique_key is not None and job.unique_while == "queued",
    )
    return None if ties == NO_TIES else ties


def as_noted(noted: Any) -> Facts:
    """The facts that stand in a journal, where a tuple is a list."""
    found = Facts._make(noted)
    if found.ties is None:
        return found
    ties = Ties._make(found.ties)
    return found._replace(ties=ties._replace(after=tuple(ties.after)))


def outcome(state: JobState) -> str:
    """What a state says besides its kind and its times: a result, an exception or a reason."""
    said = [getattr(state, name) for name in _SAID if getattr(state, name, None) is not None]
    if not said:
        return ""
    text = jsontext.dumps(said[0])
    return text if len(text) <= SHORT else hashlib.sha256(text.encode()).hexdigest()[:16]


class Hand(NamedTuple):
    """A claim as its holder shows it: who claimed which job, and by which fence. ``worker`` None:
    the job as shown is not processing."""

    id: str
    worker: str | None
    fence: int
    seq: int | None


def hand(job: Job) -> Hand:
    """The hand that a job, as it was claimed, stands for."""
    state = job.state
    worker = state.worker_id if isinstance(state, Processing) else None
    return Hand(job.id, worker, job.fence, job.seq)


def sent(job: Job, state: JobState) -> list[Any]:
    """The end of a claim as its holder sends it: the hand, the state's kind, what it says besides,
    and when the job is due then."""
    return [hand(job), state.kind.value, outcome(state), due_at(state)]


def ended(done: Job | JobLost) -> Facts | None:
    """How the end of a claim was answered: by its job, or None for a claim that was over."""
    return None if isinstance(done, JobLost) else facts(done)
