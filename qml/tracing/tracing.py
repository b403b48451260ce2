"""Tracing: a span around each enqueue and each run, and a link from the second to the first."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from .._version import __version__
from ..storage.arounds import Jobs, Store
from ..values.errors import JobCancelled, JobLost
from ..values.job import Job
from ..work.app import Qml
from ..work.context import CurrentJob
from ..work.control import Discard, Retry, Snooze
from ..work.executor import describe
from . import carrying
from .carrying import KEY

__all__ = ["KEY", "Tracing"]

Attributes = dict[str, str | int | float | bool]


class Tracing:
    """Traces an app's jobs: make it once, where the app is made.

    ``tracer_provider``: of OpenTelemetry, the global one unless given; without an SDK nothing is
    sent, and nothing is written into jobs. ``child``: runs are part of the trace in which their
    job was enqueued; by default each begins a trace of its own, with a link to the enqueue: a trace
    that waits for a job of next week, or has a thousand jobs in it, is one that nobody can read.

    An enqueue is a PRODUCER span, one for all jobs that are stored in one step; its context goes
    with each job in ``metadata["otel"]``, and with what follows on it. A run is a CONSUMER span,
    one for each attempt. A job that brings no context runs as ever.
    """

    def __init__(
        self, jobs: Qml, tracer_provider: TracerProvider | None = None, *, child: bool = False
    ) -> None:
        self._tracer = trace.get_tracer("qml", __version__, tracer_provider)
        self._child = child
        jobs.around_enqueue(self.enqueue)
        jobs.around(self.run)

    def enqueue(self, jobs: Jobs, store: Store) -> None:
        """Store the jobs within a span."""
        queues = {job.queue for job in jobs}
        name = f"send {jobs[0].queue}" if len(queues) == 1 else "send"
        span = self._tracer.start_span(name, kind=SpanKind.PRODUCER, attributes=_of_all(jobs))
        carrier = carrying.written(span)
        try:
            with trace.use_span(span):  # which notes what goes wrong
                stored = store([carrying.with_context(job, carrier) for job in jobs])
        except BaseException:
            span.end()
            raise
        if len(stored) == 1:
            span.set_attribute("messaging.message.id", stored[0].id)  # of a holder, perhaps
        if stored:
            span.end()
        # Otherwise another server has issued the slot: a span without an end is not sent.

    def run(self, job: CurrentJob, call: Callable[[], Any]) -> Any:
        """Run the job within a span."""
        __tracebackhide__ = True
        came = carrying.read(job.job)
        within = came if self._child else trace.set_span_in_context(trace.INVALID_SPAN, came)
        token = otel_context.attach(within)
        try:
            with self._tracer.start_as_current_span(
                f"process {job.job.queue}",
                context=within,
                kind=SpanKind.CONSUMER,
                links=[] if self._child else carrying.links(came),
                attributes={**_of(job.job), "qml.attempt": job.attempt},
                record_exception=False,
                set_status_on_exception=False,
            ) as span:
                return _told(span, call)
        finally:
            otel_context.detach(token)


def _of(job: Job) -> Attributes:
    return {
        "messaging.system": "qml",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": job.queue,
        "messaging.message.id": job.id,
        "qml.task": job.method,
        **({"qml.schedule": job.schedule} if job.schedule else {}),
    }


def _of_all(jobs: Jobs) -> Attributes:
    told = {"messaging.operation.name": "send", "messaging.operation.type": "send"}
    if len(jobs) == 1:
        return {**_of(jobs[0]), **told}
    same = ("messaging.destination.name", "qml.task", "messaging.system")
    common = {
        name: value
        for name, value in _of(jobs[0]).items()
        if name in same and all(_of(job)[name] == value for job in jobs)
    }
    return {**common, **told, "messaging.batch.message_count": len(jobs)}


def _told(span: Span, call: Callable[[], Any]) -> Any:
    """What the call returns; the span says what came of it."""
    __tracebackhide__ = True
    try:
        result = call()
    except Discard as discard:
        _say(span, "discarded", reason=discard.reason)
        raise
    except Snooze as snooze:
        _say(span, "snoozed", delay=snooze.delay)
        raise
    except JobCancelled:
        _say(span, "cancelled")
        raise
    except JobLost:
        _say(span, "lost")
        raise
    except BaseException as error:
        delay = error.delay if isinstance(error, Retry) else None
        cause = error.__cause__ if isinstance(error, Retry) else None
        _say(span, "raised", delay=delay)
        _note(span, cause or error)
        raise
    _say(span, "succeeded")
    return result


def _say(span: Span, outcome: str, reason: str | None = None, delay: float | None = None) -> None:
    span.set_attribute("qml.outcome", outcome)
    if reason is not None:
        span.set_attribute("qml.reason", reason)
    if delay is not None:
        span.set_attribute("qml.delay_seconds", delay)


def _note(span: Span, error: BaseException) -> None:
    kind = type(error)
    span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")
    with suppress(Exception):  # one that cannot be put into words is the task's, not the trace's
        span.record_exception(error)
    span.set_status(Status(StatusCode.ERROR, describe(error)))
