"""Jobs in words: a table of many, and everything about one."""

import json
import math
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import zip_longest

from ..values.job import Failure, Job
from ..values.notes import LogLine, Progress
from ..values.states import (
    AwaitingRetry,
    Deleted,
    Enqueued,
    Failed,
    JobState,
    Processing,
    Scheduled,
    Succeeded,
)
from ..values.texts import lines_of, plain, table
from . import colours
from .figures import counted, exactly, milliseconds, when

LABEL = 13


def page(
    jobs: Sequence[Job],
    now: datetime,
    width: int | None,
    kept_back: Sequence[str | None] = (),
) -> list[str]:
    """A table of jobs, a line each. ``kept_back``: why those are not taken whose time has come."""
    rows = [
        (
            job.id,
            job.state.kind.value,
            job.method,
            job.queue,
            f"{job.attempt}/{job.max_attempts or '?'}",
            when(job.created_at, now),
            (blocked or note(job, now)).partition("\n")[0],
        )
        for job, blocked in zip_longest(jobs, kept_back)
    ]
    titles = ("ID", "STATE", "METHOD", "QUEUE", "TRY", "CREATED", "NOTE")
    flexible = ("METHOD", "QUEUE", "NOTE")
    optional = ("NOTE", "QUEUE", "TRY", "CREATED")
    return table(
        titles,
        rows,
        right=("TRY",),
        flexible=flexible,
        optional=optional,
        width=width,
        paint=colours.cells("STATE"),
    )


def note(job: Job, now: datetime) -> str:
    """What is worth knowing about a job's state, in a few words."""
    if job.damage is not None:
        return f"damaged: {job.damage}"
    match job.state:
        case Processing(server_name=name, worker_id=worker):
            lapsed = job.lease_expires_at is None or job.lease_expires_at <= now
            where = f"lost by {name or worker}" if lapsed else f"on {name or worker}"
            told = job.notes.progress
            return f"{where}, {_share(told)}" if told and not _is_old(told, job) else where
        case Succeeded(total_duration_ms=duration):
            return f"took {milliseconds(duration)}"
        case Failed(exception=exception):
            return exception
        case Deleted(reason=reason):
            return reason or ""
        case Scheduled(enqueue_at=moment):
            return _due(moment, now)
        case AwaitingRetry(retry_at=moment, last_exception=exception):
            return f"{_due(moment, now)}: {exception}" if exception else _due(moment, now)
    return ""


def _due(moment: datetime, now: datetime) -> str:
    return when(moment, now) if moment > now else "due"


def _share(progress: Progress) -> str:
    share = f"{math.floor(100 * progress.fraction)} %"  # 100 is said by what is done, only
    return f"{share}: {progress.message}" if progress.message else share


def _is_old(progress: Progress, job: Job) -> bool:
    """Whether an earlier attempt said it, and not the one that runs."""
    return isinstance(job.state, Processing) and progress.at < job.state.started_at


def everything(job: Job, now: datetime, kept_back: str | None = None) -> Iterator[str]:
    """All that is known about a job, in lines. ``kept_back``: why it is not taken."""
    yield _fact("id", job.id)
    yield _fact("method", job.method)
    yield from _state(job.state, now)
    if kept_back is not None:
        yield _fact("kept back", kept_back, "  ")
    if job.damage is not None:
        yield _fact("damage", job.damage)
    yield _fact("arguments", _json(job.arguments))
    yield _fact("kwargs", _json(job.kwargs))
    yield _fact("metadata", _json(job.metadata))
    yield _fact("queue", job.queue)
    yield _fact("priority", job.priority)
    yield _fact("attempts", f"{job.attempt} of {job.max_attempts or '?'}")
    yield _fact("created", exactly(job.created_at, now))
    yield from _optional(job, now)
    yield _fact("version", f"{job.version} (fence {job.fence}, place {job.seq})")
    yield from _notes(job, now)
    yield _fact("failures", len(job.failures) or "none")
    for failure in job.failures:
        yield from _failure(failure, now)


def _fact(label: str, value: object, indent: str = "") -> str:
    return f"{indent}{label:<{LABEL - len(indent)}} {plain(value)}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _state(state: JobState, now: datetime) -> Iterator[str]:
    yield _fact("state", "") + colours.word(state.kind.value)
    match state:
        case Enqueued(enqueued_at=since):
            yield _fact("since", exactly(since, now), "  ")
        case Processing(started_at=since, worker_id=worker, server_name=server):
            yield _fact("since", exactly(since, now), "  ")
            yield _fact("worker", worker, "  ")
            yield _fact("server", server or "none named", "  ")
        case Succeeded(succeeded_at=since, total_duration_ms=duration, result=result):
            yield _fact("since", exactly(since, now), "  ")
            yield _fact("took", milliseconds(duration), "  ")
            yield _fact("result", _json(result), "  ")
        case Failed(failed_at=since, exception=exception, stack_trace=trace, retry_count=retries):
            yield _fact("since", exactly(since, now), "  ")
            yield _fact("retries", retries, "  ")
            yield from _text("exception", exception)
            yield from _text("traceback", trace)
        case _:
            yield from _waiting_or_deleted(state, now)


def _waiting_or_deleted(state: JobState, now: datetime) -> Iterator[str]:
    match state:
        case Deleted(deleted_at=since, reason=reason):
            yield _fact("since", exactly(since, now), "  ")
            yield from _text("reason", reason or "none given")
        case Scheduled(scheduled_at=since, enqueue_at=due, reason=reason):
            yield _fact("since", exactly(since, now), "  ")
            yield _fact("due", exactly(due, now), "  ")
            if reason:
                yield from _text("reason", reason)
        case AwaitingRetry(
            scheduled_at=since, retry_at=due, retry_count=retries, last_exception=exception
        ):
            yield _fact("since", exactly(since, now), "  ")
            yield _fact("due", exactly(due, now), "  ")
            yield _fact("retries", retries, "  ")
            yield from _text("exception", exception)


def _text(label: str, text: str, indent: str = "  ") -> Iterator[str]:
    """A text that may have several lines, each below the first."""
    for number, line in enumerate(lines_of(text) if text else []):
        yield _fact("" if number else label, line, indent).rstrip()


def _optional(job: Job, now: datetime) -> Iterator[str]:
    """What most jobs do not have."""
    if job.lease_expires_at is not None:
        ended = "lapsed" if job.lease_expires_at <= now else "held until"
        yield _fact("lease", f"{ended} {exactly(job.lease_expires_at, now)}")
    if job.max_retries is not None:
        yield _fact("max retries", job.max_retries)
    if job.timeout_seconds is not None:
        yield _fact("time limit", f"{job.timeout_seconds:g} s")
    if job.job_type is not None:
        yield _fact("type", job.job_type)
    if job.unique_key is not None:
        yield _fact("unique key", f"{job.unique_key} (while {job.unique_while})")
    yield from _together(job)
    if job.expires_at is not None:
        yield _fact("expires", exactly(job.expires_at, now))
    if job.schedule is not None:
        yield _fact("schedule", job.schedule)
    if job.slot is not None:
        yield _fact("slot", exactly(job.slot, now))
    if job.on_failure is not None:
        yield _fact("on failure", f"{job.on_failure.method} (queue {job.on_failure.queue})")
    if job.on_success is not None:
        yield _fact("then", f"{job.on_success.method} (queue {job.on_success.queue})")


def _together(job: Job) -> Iterator[str]:
    """What it shares with other jobs."""
    if job.concurrency_key is not None:
        yield _fact("concurrency", f"{job.concurrency_key}, at most {job.concurrency_limit}")
    if job.rate is not None:
        yield _fact("rate", f"{job.rate} of {job.rate_key}")
    if job.batch is not None:
        place = "" if job.place is None else f", input {job.place:,}"
        yield _fact("batch", f"{job.batch}{place}")
    if job.waits:
        whom = f"batch {job.after_batch}" if job.after_batch is not None else ", ".join(job.after)
        yield _fact("after", f"{whom} ({'if it succeeds' if job.needs_success else 'in any case'})")


def _notes(job: Job, now: datetime) -> Iterator[str]:
    """What its runs said of themselves."""
    progress = job.notes.progress
    if progress is not None:
        whose = " (an earlier attempt)" if _is_old(progress, job) else ""
        yield _fact("progress", f"{_share(progress)}{whose}")
        yield _fact("since", exactly(progress.at, now), "  ")
    if job.notes.log:
        yield _fact("log", counted(len(job.notes.log), "line"))
    for line in job.notes.log:
        yield from _line(line)
    if job.notes.steps:
        yield _fact("steps", f"{len(job.notes.steps):,} done")
    for name, result in job.notes.steps.items():
        yield _fact(plain(name), _json(result), "  ")


def _line(line: LogLine) -> Iterator[str]:
    first, *more = lines_of(line.text)
    moment = line.at.isoformat(" ", "milliseconds").partition("+")[0]
    yield f"  {moment}  attempt {line.attempt}  {first}".rstrip()
    yield from (f"    {rest}".rstrip() for rest in more)


def _failure(failure: Failure, now: datetime) -> Iterator[str]:
    yield ""
    by = f", on {failure.worker}" if failure.worker else ""
    yield plain(f"attempt {failure.attempt}, {exactly(failure.at, now)}{by}")
    for line in lines_of(failure.exception):
        yield f"  {line}".rstrip()
    for line in lines_of(failure.traceback) if failure.traceback else []:
        yield f"    {line}".rstrip()
