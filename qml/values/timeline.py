"""A job's timeline: what is known of its states and attempts, and when they were."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import attrs

from .figures import milliseconds
from .job import FAILURES_KEPT, Job
from .states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    Succeeded,
)


@attrs.frozen
class Moment:
    """Something that happened to a job ``at`` a time (UTC), or will.

    ``what``: "created"; a state's kind, such as "enqueued"; "attempt failed"; "forgotten" (attempts
    before it are not remembered); "progress" and "log", which its runs noted; "due", from when it
    may be claimed (that may be still to come). ``detail``: more of it in words, or "";
    ``attempt``: which it belongs to, None where that is not known."""

    at: datetime
    what: str
    detail: str = ""
    attempt: int | None = None


def timeline(job: Job) -> list[Moment]:
    """The moments of a job that its record tells of, the first one first."""
    created = Moment(job.created_at, "created", f"queue {job.queue}, priority {job.priority}")
    moments = [created, *_attempts(job), *_notes(job), *_state(job, job.state)]
    return sorted(moments, key=lambda moment: moment.at)  # stable: what is alike stays as it is


def _attempts(job: Job) -> Iterator[Moment]:
    kept = job.failures
    if len(kept) >= FAILURES_KEPT and kept[0].attempt > 1:
        before = f"failures before attempt {kept[0].attempt} are not remembered"
        yield Moment(kept[0].at, "forgotten", before)
    for failure in kept:
        by = f" ({failure.worker})" if failure.worker else ""
        yield Moment(failure.at, "attempt failed", failure.exception + by, failure.attempt)


def _notes(job: Job) -> Iterator[Moment]:
    for line in job.notes.log:
        yield Moment(line.at, "log", line.text, line.attempt)
    progress = job.notes.progress
    if progress is not None:
        message = f": {progress.message}" if progress.message else ""
        yield Moment(progress.at, "progress", f"{progress.fraction:.0%}{message}")


def _state(job: Job, state: JobState) -> Iterator[Moment]:
    """When the present state began, and what it says of what was before and is to come."""
    match state:
        case Enqueued():
            yield Moment(state.enqueued_at, state.kind.value)
        case Scheduled():
            yield Moment(state.scheduled_at, state.kind.value, state.reason or "")
            if not job.waits:  # then nobody knows when
                yield Moment(state.enqueue_at, "due")
        case AwaitingRetry():
            yield Moment(state.scheduled_at, state.kind.value, state.last_exception, job.attempt)
            yield Moment(state.retry_at, "due")
        case Processing():
            where = f"{state.worker_id} on {state.server_name}".removesuffix(" on ")
            yield Moment(state.started_at, state.kind.value, where, job.attempt)
        case Succeeded():
            yield from _success(job, state)
        case Failed():
            retries = f" after {state.retry_count} retries" if state.retry_count else ""
            yield Moment(state.failed_at, state.kind.value, state.exception + retries, job.attempt)
        case Deleted():
            yield Moment(state.deleted_at, state.kind.value, state.reason or "")


def _success(job: Job, state: Succeeded) -> Iterator[Moment]:
    took = state.total_duration_ms
    began = state.succeeded_at - timedelta(milliseconds=min(took, 1e12))
    yield Moment(began, "processing", "", job.attempt)
    yield Moment(state.succeeded_at, state.kind.value, f"ran {milliseconds(took)}", job.attempt)
