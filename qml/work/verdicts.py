"""From what came of a run to the state its job goes to: a pure function."""

from datetime import datetime, timedelta

from ..values import trusted
from ..values.job import Failure, Job
from ..values.retry import RetryPolicy
from ..values.states import AwaitingRetry, Deleted, Enqueued, Failed, JobState, Succeeded
from . import executor
from .executor import Discarded, Raised


def next_state(
    job: Job, outcome: "executor.Succeeded | Raised | Discarded", policy: RetryPolicy, now: datetime
) -> tuple[JobState, Failure | None]:
    """The state an outcome leads to, and the failure to remember. A failed attempt is followed by
    another while there are attempts left: after the delay it asked for, or else the policy's."""
    if isinstance(outcome, executor.Succeeded):
        parts = {
            "succeeded_at": now,
            "total_duration_ms": outcome.duration_ms,
            "result": outcome.result,
        }
        return trusted.make(Succeeded, parts), None
    if isinstance(outcome, Discarded):
        return Deleted(now, outcome.reason), None
    failure = Failure(job.attempt, now, "", outcome.exception, outcome.traceback)
    if outcome.final or job.attempt >= (job.max_attempts or 1):
        retries = max(0, job.attempt - 1)
        return Failed(now, outcome.exception, outcome.traceback, retries), failure
    delay = policy.delay(job.attempt) if outcome.delay is None else outcome.delay
    if delay == 0:
        return Enqueued(now, job.queue), failure
    retry_at = now + timedelta(seconds=delay)
    return AwaitingRetry(now, retry_at, job.attempt, outcome.exception), failure
