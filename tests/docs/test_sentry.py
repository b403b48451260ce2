"""The recipe for Sentry in docs/metrics.rst, as printed, with a transport that sends nothing."""

import textwrap

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport

from qml import Discard, Qml, RetryPolicy, Snooze
from qml.testing import drain
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "metrics.rst").read_text(encoding="utf-8")


class Kept(Transport):
    """Keeps the events that Sentry would be sent."""

    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event is not None:
            self.events.append(event)


@pytest.fixture
def jobs(clock):
    with Qml("memory://", clock=clock, retry=RetryPolicy(max_retries=1, base=0)) as jobs:
        block = PAGE.partition("\nSentry\n---")[2].partition(".. code-block:: python\n")[2]
        code = textwrap.dedent(block.partition("\nArguments are not sent")[0])
        exec(compile(code, "recipe", "exec"), {"jobs": jobs})
        yield jobs


@pytest.fixture
def clock():
    from qml import ManualClock

    return ManualClock()


@pytest.fixture
def events():
    kept = Kept()
    client = sentry_sdk.Client(
        dsn="https://key@sentry.invalid/1",
        transport=kept,
        default_integrations=False,
        auto_enabling_integrations=False,
    )
    before = sentry_sdk.get_global_scope().client
    sentry_sdk.get_global_scope().set_client(client)
    yield kept.events
    sentry_sdk.get_global_scope().set_client(before)


def failing(error):
    def work(secret):
        raise error

    return work


def test_the_last_attempt_is_reported_once_with_its_job(jobs, events):
    job = jobs.task(name="shop.pay", queue="money")(failing(ValueError("no"))).enqueue("4111")
    drain(jobs, raises=False)
    [event] = events
    assert event["exception"]["values"][-1]["type"] == "ValueError"
    assert event["tags"]["qml.task"] == "shop.pay"
    assert event["contexts"]["job"] == {"id": job.id, "attempt": 2, "queue": "money"}


@pytest.mark.parametrize("error", [Discard("no"), Snooze(60)])
def test_what_a_task_asks_for_is_not_reported(jobs, events, error):
    jobs.task(name="t", max_retries=0)(failing(error)).enqueue("x")
    drain(jobs, raises=False)
    assert events == []


def test_a_lost_worker_is_reported(jobs, events, clock):
    jobs.task(name="shop.pay", max_retries=0)(print).enqueue()
    jobs.storage.fetch_and_lock_job("w1")
    clock.advance(60)
    jobs.storage.rescue()
    [event] = events
    assert event["message"].startswith("shop.pay: WorkerLost")
    assert event["level"] == "error"


def test_scopes_do_not_leak_from_job_to_job(jobs, events):
    jobs.task(name="first")(lambda: sentry_sdk.set_tag("mine", "first")).enqueue()
    jobs.task(name="second", max_retries=0)(failing(ValueError("no"))).enqueue("x")
    drain(jobs, raises=False)
    [event] = events
    assert "mine" not in event["tags"]
