"""Spans of enqueues and runs, in the SDK's own memory; and jobs that no trace knows."""

import sys
from datetime import UTC, datetime

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from qml import (
    Discard,
    Job,
    ManualClock,
    Qml,
    Retry,
    RetryPolicy,
    Snooze,
    UniqueKeyTaken,
    current_job,
)
from qml.testing import drain
from qml.tracing import KEY, Tracing
from tests.work.support import memory_storage


class Provider(TracerProvider):
    """A provider that keeps what has ended."""

    def __init__(self):
        super().__init__(shutdown_on_exit=False)
        self._kept = InMemorySpanExporter()
        self.add_span_processor(SimpleSpanProcessor(self._kept))

    def spans(self, kind=None):
        """The spans so far, in the order of their ends."""
        return [span for span in self._kept.get_finished_spans() if kind in (None, span.kind)]

    def one(self, kind):
        [span] = self.spans(kind)
        return span


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def jobs(app, provider):
    """A traced app on each storage."""
    Tracing(app, provider)
    return app


@pytest.fixture
def traced(memory_app, provider):
    Tracing(memory_app, provider)
    return memory_app


def test_a_run_links_to_its_enqueue_and_begins_a_trace_of_its_own(jobs, provider):
    job = jobs.task(name="app.mail", queue="mail")(lambda: None).enqueue()
    drain(jobs)
    sent, run = provider.spans()
    assert (sent.name, sent.kind) == ("send mail", SpanKind.PRODUCER)
    assert (run.name, run.kind) == ("process mail", SpanKind.CONSUMER)
    assert [link.context for link in run.links] == [_remote(sent)]
    assert run.parent is None
    assert run.context.trace_id != sent.context.trace_id
    assert dict(sent.attributes) == {
        "messaging.system": "qml",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "mail",
        "messaging.message.id": job.id,
        "qml.task": "app.mail",
    }
    assert dict(run.attributes) == {
        "messaging.system": "qml",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "mail",
        "messaging.message.id": job.id,
        "qml.task": "app.mail",
        "qml.attempt": 1,
        "qml.outcome": "succeeded",
    }
    assert run.status.status_code is StatusCode.UNSET


def _remote(span):
    here = span.context
    return trace.SpanContext(here.trace_id, here.span_id, True, here.trace_flags, here.trace_state)


def test_what_goes_with_a_job_is_w3cs(traced, provider):
    job = traced.task(name="t")(print).using(metadata={"mine": 1}).enqueue()
    sent = provider.one(SpanKind.PRODUCER)
    trace_id, span_id = f"{sent.context.trace_id:032x}", f"{sent.context.span_id:016x}"
    assert KEY == "otel"
    parts = ("00", trace_id, span_id, f"{sent.context.trace_flags:02x}")
    assert job.metadata == {"mine": 1, "otel": {"traceparent": "-".join(parts)}}


def test_an_enqueue_is_part_of_the_trace_around_it(traced, provider):
    task = traced.task(name="t")(print)
    with provider.get_tracer("web").start_as_current_span("request") as request:
        task.enqueue()
    assert provider.one(SpanKind.PRODUCER).parent.span_id == request.context.span_id


def test_many_jobs_are_one_span_and_each_run_links_to_it(traced, provider):
    traced.task(name="t")(lambda n: n).enqueue_many([(1,), (2,), (3,)])
    drain(traced)
    sent = provider.one(SpanKind.PRODUCER)
    assert sent.attributes["messaging.batch.message_count"] == 3
    assert sent.attributes["messaging.destination.name"] == "default"
    assert "messaging.message.id" not in sent.attributes
    runs = provider.spans(SpanKind.CONSUMER)
    assert [[link.context for link in run.links] for run in runs] == [[_remote(sent)]] * 3
    assert len({run.context.trace_id for run in runs}) == 3


def test_jobs_of_several_queues(traced, provider):
    traced.storage.enqueue_many([Job("t", queue="a"), Job("t", queue="b")])
    sent = provider.one(SpanKind.PRODUCER)
    assert sent.name == "send"
    assert sent.attributes["qml.task"] == "t"
    assert "messaging.destination.name" not in sent.attributes


def test_runs_may_be_part_of_the_trace_of_their_enqueue(memory_app, provider):
    Tracing(memory_app, provider, child=True)
    memory_app.task(name="t")(print).enqueue()
    drain(memory_app)
    sent, run = provider.spans()
    assert run.parent.span_id == sent.context.span_id
    assert run.context.trace_id == sent.context.trace_id
    assert run.links == ()


def test_each_attempt_is_a_span(traced, provider):
    def work():
        if current_job().attempt == 1:
            raise ValueError("no")

    traced.task(name="t", retry=RetryPolicy(max_retries=1, base=0))(work).enqueue()
    drain(traced, raises=False)
    first, second = provider.spans(SpanKind.CONSUMER)
    assert (first.attributes["qml.attempt"], second.attributes["qml.attempt"]) == (1, 2)
    assert first.attributes["qml.outcome"] == "raised"
    assert first.attributes["error.type"] == "builtins.ValueError"
    assert first.status.status_code is StatusCode.ERROR
    assert first.status.description == "ValueError: no"
    [event] = first.events
    assert event.attributes["exception.message"] == "no"
    assert "raise ValueError" in event.attributes["exception.stacktrace"]
    assert second.attributes["qml.outcome"] == "succeeded"
    assert first.links[0].context == second.links[0].context


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Discard("not needed"), {"qml.outcome": "discarded", "qml.reason": "not needed"}),
        (Snooze(60), {"qml.outcome": "snoozed", "qml.delay_seconds": 60.0}),
    ],
)
def test_what_a_task_says_of_itself_is_no_error(traced, provider, error, told):
    def work():
        raise error

    traced.task(name="t")(work).enqueue()
    drain(traced)
    run = provider.one(SpanKind.CONSUMER)
    assert told.items() <= dict(run.attributes).items()
    assert run.status.status_code is StatusCode.UNSET
    assert run.events == ()


def test_a_retry_tells_its_cause_and_its_delay(traced, provider):
    def work():
        try:
            raise OSError("away")
        except OSError as error:
            raise Retry(delay=30) from error

    traced.task(name="t")(work).enqueue()
    drain(traced, raises=False)
    run = provider.one(SpanKind.CONSUMER)
    assert run.attributes["qml.delay_seconds"] == 30.0
    assert run.attributes["error.type"] == "builtins.OSError"
    assert run.status.description == "OSError: away"


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("never")


def test_an_exception_without_words_is_still_the_tasks_own(traced, provider):
    def work():
        raise Unspeakable

    job = traced.task(name="t", max_retries=0)(work).enqueue()
    drain(traced, raises=False)
    assert "Unspeakable" in traced.storage.get(job.id).state.exception
    assert provider.one(SpanKind.CONSUMER).status.status_code is StatusCode.ERROR


def test_a_refused_enqueue_is_an_error_of_its_span(traced, provider):
    task = traced.task(name="t")(print).using(unique_key="k")
    first = task.enqueue()
    with pytest.raises(UniqueKeyTaken):
        task.enqueue()
    assert task.using(on_conflict="existing").enqueue().id == first.id
    _, refused, existing = provider.spans(SpanKind.PRODUCER)
    assert refused.status.status_code is StatusCode.ERROR
    assert refused.events[0].attributes["exception.type"] == "qml.UniqueKeyTaken"
    assert existing.attributes["messaging.message.id"] == first.id


def test_what_follows_links_to_the_enqueue_that_brought_it_about(jobs, provider):
    after = jobs.task(name="after")(lambda: None)
    jobs.task(name="first")(lambda: None).then(after).then(after).enqueue()
    failing = jobs.task(
        name="failing", max_retries=0, on_failure=jobs.task(name="mend")(lambda *told: None)
    )
    failing(lambda: 1 / 0).enqueue()
    drain(jobs, raises=False)
    first, second = provider.spans(SpanKind.PRODUCER)
    runs = provider.spans(SpanKind.CONSUMER)
    linked = [(run.attributes["qml.task"], run.links[0].context.span_id) for run in runs]
    assert sorted(linked) == sorted(
        [("first", first.context.span_id)]
        + [("after", first.context.span_id)] * 2
        + [("failing", second.context.span_id), ("mend", second.context.span_id)]
    )


def test_what_a_task_does_is_part_of_its_runs_trace(traced, provider):
    later = traced.task(name="later")(print)

    def work():
        with provider.get_tracer("app").start_as_current_span("query"):
            later.enqueue()

    traced.task(name="t")(work).enqueue()
    traced.server().step()
    run = provider.one(SpanKind.CONSUMER)
    [query] = [span for span in provider.spans() if span.name == "query"]
    assert query.parent.span_id == run.context.span_id
    inner = [s for s in provider.spans(SpanKind.PRODUCER) if s.attributes["qml.task"] == "later"]
    assert inner[0].parent.span_id == query.context.span_id
    assert trace.get_current_span() is trace.INVALID_SPAN  # nothing is left behind


def test_baggage_comes_along(traced):
    seen = []
    token = attach(baggage.set_baggage("user", "ada"))
    try:
        traced.task(name="t")(lambda: seen.append(baggage.get_baggage("user"))).enqueue()
    finally:
        detach(token)
    drain(traced)
    assert seen == ["ada"]


# -- jobs that no trace knows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"otel": None},
        {"otel": "text"},
        {"otel": {"traceparent": 7, "tracestate": ["a"]}},
        {"otel": {"traceparent": "00-zz-zz-01"}},
        {"otel": {"traceparent": "x" * 100_000, "baggage": "%%%=;;;"}},
    ],
)
def test_a_job_without_a_context_runs_in_a_trace_of_its_own(memory_app, provider, metadata):
    job = memory_app.storage.enqueue(Job("t", metadata=metadata))
    Tracing(memory_app, provider)
    memory_app.task(name="t")(lambda: 1)
    drain(memory_app)
    assert memory_app.storage.get(job.id).state.kind == "succeeded"
    run = provider.one(SpanKind.CONSUMER)
    assert (run.links, run.parent) == ((), None)


def test_without_an_sdk_nothing_is_written_and_all_works(memory_app):
    Tracing(memory_app, trace.NoOpTracerProvider())
    first = memory_app.task(name="t")(lambda: 1)
    job = first.then(first).enqueue()
    assert job.metadata == {}
    drain(memory_app)
    assert [job.metadata for job in memory_app.storage.list()] == [{}, {}]
    assert memory_app.storage.get(job.id).state.kind == "succeeded"


# -- schedules, processes ------------------------------------------------------------------------


def test_a_slot_that_another_server_issued_is_no_span(tmp_path, provider):
    clock = ManualClock(datetime(2030, 1, 1, 12, tzinfo=UTC))
    with memory_storage(tmp_path, clock=clock) as storage:
        jobs = Qml(storage)
        Tracing(jobs, provider)
        jobs.cron("*/5 * * * *")(jobs.task(name="tick")(lambda: None))
        jobs.server().tick()
        clock.advance(301)
        [known] = [
            known
            for record in storage.schedules.records()
            if (known := storage.schedules.known(record.name.removeprefix("schedule/")))
        ]
        assert len(storage.schedules.issue(known)) == 1
        assert storage.schedules.issue(known) == []
        drain(jobs)
    sent, run = provider.spans()
    assert sent.attributes["qml.schedule"] == run.attributes["qml.schedule"] == "tick"
    assert run.links[0].context == _remote(sent)


APART = """
from opentelemetry.sdk.trace import TracerProvider
from qml import Qml, RetryPolicy
from qml.tracing import Tracing

jobs = Qml("memory://", retry=RetryPolicy(max_retries=0))
Tracing(jobs, TracerProvider(shutdown_on_exit=False))

@jobs.task(process=True)
def where():
    from opentelemetry import trace
    return trace.get_current_span().name
"""


def test_a_task_in_a_process_of_its_own_has_its_span_there(tmp_path, monkeypatch):
    (tmp_path / "traced_apart.py").write_text(APART)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        import traced_apart

        with traced_apart.jobs as jobs, jobs.server(threads=1):
            job = traced_apart.where.enqueue()
            assert jobs.result(job, timeout=60) == "process default"
    finally:
        sys.modules.pop("traced_apart", None)


def test_a_traceback_begins_in_the_task(traced):
    @traced.task
    def fail():
        raise ValueError

    job = fail.using(max_retries=0).enqueue()
    drain(traced, raises=False)
    first = traced.storage.get(job.id).state.stack_trace.splitlines()[1]
    assert first.strip().startswith(f'File "{__file__}"')
