"""The facts about a job that its page lists beside its arguments."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from ..values.figures import milliseconds
from ..values.job import Job
from ..values.states import Processing, Succeeded
from ..values.timeline import Moment, timeline
from . import paths
from .redaction import Shown
from .rendering import WORDS, moment

Fact = tuple[str, Any]


def facts(shown: Shown, now: datetime) -> Iterator[Fact]:
    """What is known of a job, in the order in which it is read."""
    job = shown.job
    yield "queue", _link(job.queue, "jobs", queue=job.queue)
    yield "method", _link(job.method, "jobs", method=job.method)
    yield from _state(job)
    yield "attempts", f"{job.attempt:,} of {job.max_attempts or '?'}"
    yield "priority", f"{job.priority:,}"
    yield "enqueued", moment(job.created_at, now)
    if job.lease_expires_at is not None:
        word = "lapsed" if job.lease_expires_at <= now else "ends"
        yield "lease", Markup("{} {}").format(word, moment(job.lease_expires_at, now))
    yield from _settings(shown, now)
    yield from _shared(shown)
    yield from _origin(job, now)
    yield "version", f"{job.version:,}, fence {job.fence:,}"


def _link(text: str, page: str, **parameters: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(paths.to(page, **parameters), text)


def _state(job: Job) -> Iterator[Fact]:
    state = job.state
    if isinstance(state, Processing):
        yield "worker", _link(state.worker_id, "servers")
        if state.server_name and state.server_name != state.worker_id:
            yield "server", state.server_name
    if isinstance(state, Succeeded):
        yield "took", milliseconds(state.total_duration_ms)


def _settings(shown: Shown, now: datetime) -> Iterator[Fact]:
    job = shown.job
    if job.timeout_seconds is not None:
        yield "time limit", f"{job.timeout_seconds:g} s"
    if job.job_type is not None:
        yield "type", shown.text(job.job_type)
    if job.expires_at is not None:
        yield "expires", moment(job.expires_at, now)


def _shared(shown: Shown) -> Iterator[Fact]:
    job = shown.job
    if job.unique_key is not None:
        yield "unique key", f"{shown.text(job.unique_key)} (while {job.unique_while})"
    if job.concurrency_key is not None:
        yield "at most", f"{job.concurrency_limit:,} of {shown.text(job.concurrency_key)}"
    if job.rate is not None:
        yield "rate", f"{job.rate} of {shown.text(job.rate_key or '')}"
    if job.batch is not None:
        link = _link(job.batch, "batches", batch=job.batch)
        yield "batch", link if job.place is None else link + escape(f", input {job.place:,}")


def _origin(job: Job, now: datetime) -> Iterator[Fact]:
    if job.schedule is not None:
        yield "schedule", _link(job.schedule, "schedules")
    if job.slot is not None:
        yield "slot", moment(job.slot, now)
    if job.on_success is not None:
        yield "then", f"{job.on_success.method} (queue {job.on_success.queue})"
    if job.on_failure is not None:
        yield "on failure", f"{job.on_failure.method} (queue {job.on_failure.queue})"


def history(shown: Shown) -> list[tuple[datetime, str, str, str]]:
    """What happened to a job, the last first: when, in a word, of which state, and more."""
    told = [m for m in timeline(shown.job) if m.what not in ("log", "progress")]
    return [(m.at, _words(m), _kind(m), shown.text(m.detail)) for m in reversed(told)]


_STATES = {kind.value: word for kind, word in WORDS.items()}


def _words(moment: Moment) -> str:
    word = _STATES.get(moment.what, moment.what)
    return word if moment.attempt is None else f"{word} (attempt {moment.attempt:,})"


def _kind(moment: Moment) -> str:
    others = {"attempt failed": "failed", "due": "scheduled"}
    return moment.what if moment.what in _STATES else others.get(moment.what, "created")
