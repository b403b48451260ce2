"""run(burst=True): until nothing runs here and nothing is due within a minute."""

import threading
import time
from datetime import timedelta

import pytest

from qml import Qml, Retry, RetryPolicy, Snooze, StateKind, current_job
from qml.work.burst import nothing_soon
from tests.work.support import Gate, Wrapped, eventually


@pytest.fixture
def app(make_storage):
    """With the store's own clock: a burst has to end by itself."""
    return Qml(make_storage(retry=RetryPolicy(max_retries=2, base=0.05, factor=1)))


def burst(app, **settings):
    begun = time.monotonic()
    server = app.server(**{"threads": 2, "poll_interval": 600, "name": "burst"} | settings)
    server.run(burst=True)
    return time.monotonic() - begun


def test_a_burst_with_nothing_to_do_ends_at_once(app):
    assert burst(app) < 5


def test_a_burst_does_all_there_is_and_what_that_makes(app):
    @app.task
    def countdown(n):
        if n:
            countdown.enqueue(n - 1)

    countdown.enqueue_many([(5,), (20,), (0,)])
    assert burst(app) < 10
    counts = app.storage.get_job_counts()
    assert counts["succeeded"] == 5 + 1 + 20 + 1 + 1 == sum(counts.values())


class Claims(Wrapped):
    """Says how often the claim loop looked, and when it waits."""

    looks = 0

    def __init__(self, driver):
        super().__init__(driver)
        self.waits = threading.Event()

    def meet(self, verb, orders):
        self.looks += verb == "claim"
        if verb == "wait":
            self.waits.set()


def test_a_burst_ends_though_the_last_hint_comes_before_the_last_run_is_struck_off(memory_app):
    """The claim loop looks at that hint, finds the run still there, and waits."""
    task = memory_app.task(name="t")(lambda: None)
    driver = memory_app.storage.driver = Claims(memory_app.storage.driver)
    server = memory_app.server(threads=1, poll_interval=600)
    inner = server.runs.remove

    def remove_late(runs):
        looks = driver.looks
        eventually(lambda: driver.looks > looks and driver.waits.is_set())
        inner(runs)

    def record(batch, record=server.finisher.record):
        driver.waits.clear()
        server.runs.remove = remove_late
        record(batch)
        server.runs.remove = inner

    server.finisher.record = record
    task.enqueue()
    gives_up = threading.Timer(10, server.stop)
    gives_up.start()
    assert server.run(burst=True) is True
    gives_up.cancel()


def test_a_burst_waits_for_retries_that_are_due_soon(app):
    @app.task
    def flaky():
        if current_job().attempt < 3:
            raise ValueError
        return "at last"

    job = flaky.enqueue()
    burst(app)
    assert app.result(job, timeout=0) == "at last"


@pytest.mark.parametrize("wait", ["retry", "snooze", "schedule"])
def test_a_burst_waits_for_what_is_due_within_a_minute(app, wait):
    calls = []

    @app.task
    def task():
        calls.append(1)
        if len(calls) == 1 and wait == "retry":
            raise Retry(delay=0.3)
        if len(calls) == 1 and wait == "snooze":
            raise Snooze(0.3)

    job = task.using(run_after=0.3 if wait == "schedule" else None).enqueue()
    assert 0.2 <= burst(app) < 20  # enqueueing took a little
    assert app.storage.get(job.id).state.kind is StateKind.SUCCEEDED


@pytest.mark.parametrize("wait", ["retry", "snooze", "schedule"])
def test_a_burst_does_not_wait_for_what_is_due_later(app, wait):
    @app.task
    def task():
        if wait == "retry":
            raise Retry(delay=61)
        if wait == "snooze":
            raise Snooze(61)

    job = task.using(run_after=61 if wait == "schedule" else None).enqueue()
    assert burst(app) < 20
    expected = "scheduled" if wait == "schedule" else "awaiting_retry"
    assert app.storage.get(job.id).state.kind == expected


def test_a_burst_does_not_wait_for_others_work(app):
    app.task(name="t")(lambda: None).enqueue()
    assert app.storage.fetch_and_lock_job("somebody else") is not None
    assert burst(app) < 20
    assert app.storage.get_job_counts()["processing"] == 1


def test_a_burst_does_not_wait_for_a_job_that_another_has_locked(app):
    job = app.task(name="t")(lambda: None).enqueue()
    assert app.storage.try_acquire_job_lock(job.id, "somebody else", 600)
    assert burst(app) < 20
    assert app.storage.get(job.id).state.kind is StateKind.ENQUEUED


def test_a_burst_does_not_wait_for_jobs_of_other_queues(app):
    task = app.task(name="t")(lambda: None)
    task.using(queue="b", run_after=30).enqueue()
    task.using(queue="b").enqueue()
    mine = task.using(queue="a", run_after=0.2).enqueue()
    task.using(queue="a", run_after=61).enqueue()
    assert burst(app, queues=["a"]) < 20
    assert app.storage.get(mine.id).state.kind is StateKind.SUCCEEDED
    assert app.storage.get_job_counts()["enqueued"] == 1


@pytest.mark.parametrize("queues", [None, ["default"], {"default": 1}])
def test_a_burst_waits_for_starts_that_a_rate_allows_soon(app, queues):
    task = app.task(name="t", rate="5/s")(lambda: None)
    task.enqueue_many([()] * 3)
    settings = {"queues": queues, "threads": None if isinstance(queues, dict) else 2}
    assert burst(app, **settings) < 20
    assert app.storage.get_job_counts()["succeeded"] == 3


def test_what_a_rate_lets_go_just_after_the_claim_is_claimed_yet(memory_app, clock):
    memory_app.task(name="t", rate="1/s")(lambda: None).enqueue_many([()] * 2)
    server, storage = memory_app.server(queues=["default"]), memory_app.storage
    asked = storage.now()
    assert storage.claim("w", 2, ["default"]).jobs
    batch = storage.claim("w", 2, ["default"])
    clock.advance(1)
    assert nothing_soon(server, batch, asked) is False


def test_a_burst_does_not_wait_for_starts_that_a_rate_allows_later(app):
    app.task(name="t", rate="5/h")(lambda: None).enqueue_many([()] * 2)
    assert burst(app, queues=["default"]) < 20
    assert app.storage.get_job_counts()["enqueued"] == 1


def test_a_burst_waits_for_what_runs_here(app):
    gate = Gate()
    jobs = [app.task(name="slow")(gate.wait).enqueue(), app.task(name="quick")(lambda: 1).enqueue()]
    thread = threading.Thread(target=lambda: burst(app))
    thread.start()
    gate.someone_waits()
    eventually(lambda: app.storage.get(jobs[1].id).state.kind is StateKind.SUCCEEDED)
    thread.join(0.3)
    assert thread.is_alive()
    gate.open()
    thread.join(20)
    assert not thread.is_alive()
    assert app.storage.get(jobs[0].id).state.kind is StateKind.SUCCEEDED


def test_a_burst_returns_when_a_failure_was_the_last(app):
    job = app.task(max_retries=0)(lambda: 1 / 0).enqueue()
    burst(app)
    assert app.storage.get(job.id).state.kind is StateKind.FAILED


def test_a_burst_can_be_stopped(app):
    gate = Gate()
    app.task(name="slow")(gate.wait).enqueue()
    server = app.server(threads=1)
    thread = threading.Thread(target=lambda: server.run(burst=True))
    thread.start()
    gate.someone_waits()
    server.stop(grace_seconds=0)
    thread.join(20)
    assert not thread.is_alive()
    gate.open()
    assert app.storage.get_job_counts()["enqueued"] == 1


def test_the_limit_of_a_minute_is_the_storages(make_storage, clock):
    app = Qml(make_storage(clock=clock))
    soon = app.task(name="t")(lambda: None).using(run_after=timedelta(seconds=60)).enqueue()
    thread = threading.Thread(target=lambda: burst(app, poll_interval=0.02))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    clock.advance(60)
    thread.join(20)
    assert not thread.is_alive()
    assert app.storage.get(soon.id).state.kind is StateKind.SUCCEEDED
