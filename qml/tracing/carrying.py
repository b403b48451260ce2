"""The context of a trace, carried in a job's metadata from its enqueue to its runs."""

from typing import Any

import attrs
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span

from ..values.followup import Followup
from ..values.job import Job

KEY = "otel"
"""The key in a job's metadata: an object with what the propagator writes, as a rule ``traceparent``
and ``tracestate`` of W3C."""


def written(span: Span) -> dict[str, str]:
    """A span's context as the propagator writes it; nothing when nobody traces."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    return carrier


def with_context(job: Job, carrier: dict[str, str]) -> Job:
    """The job with it, and what follows on the job, too."""
    if not carrier:
        return job
    return attrs.evolve(
        job,
        metadata={**job.metadata, KEY: carrier},
        on_success=_with(job.on_success, carrier),
        on_failure=_with(job.on_failure, carrier),
    )


def _with(after: Followup | None, carrier: dict[str, str]) -> Followup | None:
    if after is None:
        return None
    metadata = {**after.metadata, KEY: carrier}
    return attrs.evolve(after, metadata=metadata, on_success=_with(after.on_success, carrier))


def read(job: Job) -> Context:
    """The context that came with a job; an empty one when none did, or nothing that can be read."""
    found: Any = job.metadata.get(KEY)
    if not isinstance(found, dict):
        return Context()
    carrier = {name: value for name, value in found.items() if isinstance(value, str)}
    return propagate.extract(carrier, context=Context())


def links(context: Context) -> list[Link]:
    """A link to the span of a context, if there is one."""
    there = trace.get_current_span(context).get_span_context()
    return [Link(there)] if there.is_valid else []
