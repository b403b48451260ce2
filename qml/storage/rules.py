"""What becomes of a job: pure functions from a job, an event and the time to a guarded move."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import attrs

from ..seam import codec
from ..seam.rows import KEY_FREE, NEVER_AHEAD, NOT_AHEAD, Move, Row
from ..seam.standing import standing
from ..values import jsontext, trusted
from ..values.errors import InvalidTransition, SerializationError
from ..values.followup import Followup
from ..values.job import FAILURES_KEPT, Failure, Job
from ..values.retry import RetryPolicy
from ..values.states import (
    FINAL,
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
from ..values.times import EPOCH, from_micros, shared_moment, to_micros
from . import checks

FOLLOWUPS = UUID("d6f6b3a4-1f0b-5c8e-9d3e-52a2a2f4f0c7")
"""The namespace of the ids of jobs that follow on others."""

PARENT_FAILED = "not started: what it was to start after did not succeed"
"""Why a job was deleted that needed the success of others."""

MOST = 2**31
"""No limit: what a failure says is short, and must never stand in its way."""

_STAMP = {
    StateKind.ENQUEUED: "enqueued_at",
    StateKind.SUCCEEDED: "succeeded_at",
    StateKind.FAILED: "failed_at",
    StateKind.DELETED: "deleted_at",
    StateKind.AWAITING_RETRY: "scheduled_at",
}

_ENDS = MOVES[StateKind.PROCESSING]


def attempts_allowed(job: Job, policy: RetryPolicy) -> int:
    """How many attempts a job has: one, and its own ``max_retries`` or else the policy's."""
    return 1 + (policy.max_retries if job.max_retries is None else job.max_retries)


def move(
    job: Job,
    state: JobState,
    *,
    attempt: int | None = None,
    failures: tuple[Failure, ...] | None = None,
    max_attempts: int | None = None,
    ahead: int = NOT_AHEAD,
    key_held: int | None = None,
    ends_lease: bool = True,
    lapsed_by: int | None = None,
) -> Move:
    """The move of ``job`` to ``state``; what is not given stays, a final state frees the key."""
    return Move(  # by position: half the time of names
        job.id,
        job.seq,
        job.version,
        lapsed_by,
        *standing(state, job.retention),
        codec.encode_failures(job.failures if failures is None else failures),
        job.attempt if attempt is None else attempt,
        (job.max_attempts or 1) if max_attempts is None else max_attempts,
        ahead,
        KEY_FREE if state.kind in FINAL else key_held,
        ends_lease,
        followups(job, state),
    )


def followups(job: Job, state: JobState) -> tuple[Row, ...]:
    """The job to enqueue when a claimed one has succeeded, or failed for good."""
    if job.on_success is None and job.on_failure is None:
        return ()
    return following(job, state) if isinstance(job.state, Processing) else ()


def following(job: Job, state: JobState) -> tuple[Row, ...]:
    """What follows on this job, once it has ended so."""
    if isinstance(state, Failed) and job.on_failure is not None:
        told = attrs.evolve(job.on_failure, arguments=[job.id, state.exception])
        return (_follower(job, told, state.failed_at),)
    if isinstance(state, Succeeded) and job.on_success is not None:
        told = job.on_success
        if told.takes_result:
            told = attrs.evolve(told, kwargs={**told.kwargs, "result": state.result})
        return (_follower(job, told, state.succeeded_at),)
    return ()


def _follower(job: Job, after: Followup, when: datetime) -> Row:
    """What follows on a job that has ended. Its id is made from the claim, so that the same end
    sent twice enqueues it once; ``created_at`` tells a job from one before it with its id."""
    claim = f"{job.id}/{to_micros(job.created_at)}/{job.fence}"
    new = Job(**after.job_fields(), id=str(uuid5(FOLLOWUPS, claim)), created_at=when)
    allowed = 1 if after.max_retries is None else 1 + after.max_retries
    return codec.encode_job(new, max_attempts=allowed, lease_until=None, max_bytes=MOST)


def after(job: Job, done: Move, state: JobState) -> Job:
    """The job as stored once ``done`` was carried out."""
    changes = {
        "state": state,
        "version": job.version + 1,
        "attempt": done.attempt,
        "max_attempts": done.max_attempts,
        "failures": codec.decode_failures(done.failures),
        "lease_expires_at": None if done.ends_lease else job.lease_expires_at,
    }
    return trusted.make(Job, vars(job) | changes)


def check_outcome(job: Job, state: JobState) -> None:
    """A finish goes from Processing to what may follow it; else InvalidTransition."""
    check_is_claim(job)
    if not isinstance(state, JobState) or state.kind not in _ENDS:
        job.with_state(state)  # raises, naming what can follow


def check_is_claim(job: Job) -> None:
    """Ends of claims take the job as the claim returned it: Processing. Else InvalidTransition."""
    if not isinstance(getattr(job, "state", None), Processing):
        checks.job(job)
        raise InvalidTransition(
            f"job {job.id} ({job.method}) as given is {job.state.kind}, not processing: give the "
            "job as the claim returned it",
            job_id=job.id,
        )


def check_result(job: Job, state: JobState, max_bytes: int) -> None:
    """A result larger than allowed is a SerializationError that names the size."""
    if isinstance(state, Succeeded) and not jsontext.is_short(state.result):
        name = f"job {job.id} ({job.method}): its result"
        check_size(name, state.result, max_bytes, job_id=job.id)


def check_size(name: str, result: Any, max_bytes: int, *, job_id: str | None = None) -> None:
    """A result larger than allowed is a SerializationError that names the size."""
    if jsontext.is_short(result):  # 20 bytes at most
        return
    size = len(jsontext.dumps(result).encode())
    if size > max_bytes:
        raise SerializationError(
            f"{name} is {size:,} bytes of JSON, more than the {max_bytes:,} allowed; store it "
            "elsewhere and return its name",
            job_id=job_id,
        )


def stamped(state: JobState, now: int) -> JobState:
    """``state`` with the storage's time as the moment it was entered."""
    return trusted.make(type(state), {**vars(state), _STAMP[state.kind]: shared_moment(now)})


def finish(job: Job, state: JobState, failure: Failure | None, now: int) -> tuple[Move, JobState]:
    """A claimed job ends its run in ``state``; a failure is added to those it remembers."""
    state = stamped(state, now)
    failure = failure or _failure_of(job, state)
    failures = job.failures if failure is None else with_failure(job, failure, now)
    return move(job, state, failures=failures), state


def _failure_of(job: Job, state: JobState) -> Failure | None:
    if isinstance(state, Failed):
        return Failure(job.attempt, state.failed_at, "", state.exception, state.stack_trace)
    if isinstance(state, AwaitingRetry):
        return Failure(job.attempt, state.scheduled_at, "", state.last_exception, "")
    return None


def with_failure(job: Job, failure: Failure, now: int) -> tuple[Failure, ...]:
    """The failures a job remembers after this one, at the storage's time."""
    worker = job.state.worker_id if isinstance(job.state, Processing) else ""
    kept = Failure(
        attempt=failure.attempt,
        at=from_micros(now),
        worker=failure.worker or worker,
        exception=failure.exception,
        traceback=failure.traceback,
    )
    return (*job.failures, kept)[-FAILURES_KEPT:]


def release(job: Job, due: int | None, now: int) -> tuple[Move, JobState]:
    """A claimed job is handed back, its attempt not charged; claimable at ``due`` or at once."""
    state: JobState
    if due is None:
        state = Enqueued(from_micros(now), job.queue)
    else:
        state = AwaitingRetry(from_micros(now), from_micros(due), len(job.failures))
    return move(job, state, attempt=job.attempt - 1), state


def rescue(job: Job, lost_ahead: bool, policy: RetryPolicy, now: int) -> tuple[Move, JobState]:
    """What becomes of an orphan. Claimed ahead of a free thread it may never have started, so it
    is given back uncharged, once; else it is retried, or fails when its attempts are used up."""
    if lost_ahead:
        state: JobState = Enqueued(from_micros(now), job.queue)
        handed_back = move(job, state, attempt=job.attempt - 1, ahead=NEVER_AHEAD, lapsed_by=now)
        return handed_back, state
    assert isinstance(job.state, Processing)
    exception = (
        f"WorkerLost: worker {job.state.worker_id} did not renew its claim of attempt "
        f"{job.attempt} in time; it was killed, or could not reach the store"
    )
    failures = with_failure(job, Failure(job.attempt, from_micros(now), "", exception, ""), now)
    state = _next_try(job, exception, policy, now)
    return move(job, state, failures=failures, lapsed_by=now), state


def _next_try(job: Job, exception: str, policy: RetryPolicy, now: int) -> JobState:
    if job.attempt >= (job.max_attempts or 1):
        return Failed(from_micros(now), exception, "", max(0, job.attempt - 1))
    wait = policy.delay_micros(job.attempt)
    if wait == 0:
        return Enqueued(from_micros(now), job.queue)
    return AwaitingRetry(from_micros(now), from_micros(now + wait), job.attempt, exception)


def cancel(job: Job, reason: str | None, now: int) -> tuple[Move, JobState]:
    """The job becomes Deleted. A running one keeps its lease until the run has ended."""
    state = job.with_state(Deleted(from_micros(now), reason)).state
    return move(job, state, ends_lease=False), state


def expire(job: Job, now: int) -> tuple[Move, JobState]:
    """A job whose time has passed before its next attempt began; one that was claimed all the same
    has not begun it."""
    assert job.expires_at is not None
    claimed = job.state.kind is StateKind.PROCESSING
    attempt = job.attempt - claimed
    reason = f"expired: not started by {job.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    if job.waits and job.expires_at == EPOCH:
        reason = PARENT_FAILED
    elif attempt:
        reason += f" after attempt {attempt}"
    state = Deleted(from_micros(now), reason)
    return move(job, state, attempt=attempt, ends_lease=claimed), state


def is_expired(job: Job, now: int) -> bool:
    """Whether no attempt of the job is to start any more."""
    return job.expires_at is not None and job.expires_at <= from_micros(now)


def retry(job: Job, now: int) -> tuple[Move, JobState]:
    """A failed or waiting job is ready at once, with at least one attempt left."""
    if job.state.kind is StateKind.PROCESSING:
        raise InvalidTransition(
            f"job {job.id} ({job.method}) is running; it can be retried once it has ended",
            job_id=job.id,
        )
    ready = job.with_state(Enqueued(from_micros(now), job.queue))
    again = move(
        job,
        ready.state,
        max_attempts=max(job.max_attempts or 1, job.attempt + 1),
        key_held=codec.key_held(ready),
        ends_lease=False,
    )
    return again, ready.state


def is_same_outcome(stored: JobState, sent: JobState) -> bool:
    """Whether a state is the one a claim sent before, times aside."""
    if stored.kind is not sent.kind:
        return False
    if isinstance(stored, Succeeded) and isinstance(sent, Succeeded):
        return jsontext.dumps(stored.result) == jsontext.dumps(sent.result)
    told = ("exception", "last_exception", "reason")
    return all(getattr(stored, name, None) == getattr(sent, name, None) for name in told)
