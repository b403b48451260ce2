"""Figures for Prometheus: what is counted, under which labels, and of a store that is away."""

import os
import re
import subprocess
import sys
import threading
import time

import pytest
from flask import Flask
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parsed

from qml import ConfigurationError, Discard, Job, Qml, Retry, StorageUnavailable, Succeeded
from qml.flask import QmlFlask
from qml.metrics import Metrics, asking, exposition
from qml.metrics.asking import Figures, Inquiry
from qml.metrics.labels import MOST, Labels
from qml.testing import drain
from tests.house.rules import REPO
from tests.work.support import MAKERS, PATIENCE, Gate, eventually, fork, memory_storage


@pytest.fixture
def jobs(app):
    """An app on each kind of storage."""
    return app


@pytest.fixture
def metrics(memory_app):
    return Metrics(memory_app, CollectorRegistry())


def scraped(metrics):
    """Every sample of a scrape, by name and labels, as Prometheus reads it."""
    body, kind = exposition(metrics)
    assert kind.startswith("text/plain")
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parsed(body.decode())
        for sample in family.samples
    }


def value(metrics, name, **labels):
    return scraped(metrics).get((name, *sorted(labels.items())))


def once(metrics, name, wanted, **labels):
    """The value, once it is the one wanted: figures of a store are good for some seconds."""
    metrics._inquiry._begin()
    assert value(metrics, name, **labels) == wanted


# -- counting ------------------------------------------------------------------------------------


def test_jobs_are_counted_by_what_happens_to_them(memory_app, metrics, clock):
    @memory_app.task(name="app.work", queue="mail", max_retries=1)
    def work(how):
        clock.advance(0.25)
        if how == "retry":
            raise Retry(delay=0)
        if how == "discard":
            raise Discard("no")
        return how

    first = work.enqueue("well")
    work.enqueue_many([("retry",), ("discard",)])
    gone = work.enqueue("never")
    memory_app.storage.cancel(gone.id)
    drain(memory_app, raises=False)
    of = {"queue": "mail", "task": "app.work"}
    told = scraped(metrics)

    def number(name, **labels):
        return told[(name, *sorted({**of, **labels}.items()))]

    assert number("qml_jobs_enqueued_total") == 4
    assert number("qml_jobs_started_total") == 4
    assert number("qml_jobs_retried_total") == 1
    for state in ("succeeded", "failed", "discarded", "cancelled"):
        assert number("qml_jobs_finished_total", state=state) == 1
    assert number("qml_job_run_seconds_count") == 4
    assert told[("qml_job_wait_seconds_count", ("queue", "mail"))] == 3  # once for each job
    assert memory_app.storage.get(first.id).metadata == {}


def test_outcomes_refused_and_jobs_rescued_are_counted(memory_app, metrics, clock):
    work = memory_app.task(name="app.work")(print)
    work.enqueue()
    claimed = memory_app.storage.fetch_and_lock_job("w1")
    clock.advance(60)
    memory_app.storage.rescue()
    memory_app.storage.finish_many([(claimed, Succeeded())])
    of = {"queue": "default", "task": "app.work"}
    assert value(metrics, "qml_jobs_rescued_total", **of) == 1
    assert value(metrics, "qml_jobs_lost_total", **of) == 1


@pytest.mark.parametrize(
    ("options", "later", "waited"),
    [({}, 3, 3), ({"run_after": 10}, 14, 4), ({"unique_key": "k"}, 0.5, 0.5)],
)
def test_waiting_counts_from_when_a_job_is_due(memory_app, metrics, clock, options, later, waited):
    memory_app.task(name="t")(print).using(**options).enqueue()
    clock.advance(later)
    memory_app.server().step()
    found = value(metrics, "qml_job_wait_seconds_sum", queue="default")
    assert found == pytest.approx(waited)


def last_of_two(jobs):
    """Two Flask apps share ``jobs``, each with a store of its own; one of them."""
    for name in "ab":
        app = Flask(name)
        app.config["QML_URL"] = "memory://"
        jobs.init_app(app)
    return app


def test_a_flask_app_of_several_has_its_own_figures(caplog):
    with QmlFlask() as jobs:
        task = jobs.task(name="t")(print)
        metrics = Metrics(jobs, CollectorRegistry())
        app = last_of_two(jobs)
        with app.app_context():
            task.enqueue()
            drain(jobs)
            assert value(metrics, "qml_job_wait_seconds_count", queue="default") == 1
            assert value(metrics, "qml_jobs", queue="default", state="succeeded") == 1
    assert not caplog.records


def test_the_store_of_a_server_that_runs_here_has_the_gauges():
    with QmlFlask() as jobs:
        metrics = Metrics(jobs, CollectorRegistry())
        app = last_of_two(jobs)
        with app.app_context():
            server = jobs.server(threads=1)
        with server:
            assert value(metrics, "qml_store_up") == 1


def test_waiting_of_what_is_not_known_any_more_is_not_observed(memory_app, metrics, clock):
    task = memory_app.task(name="t")(print)
    first = task.enqueue()
    task.using(run_after=[first]).enqueue()  # due when the first has ended
    drain(memory_app)
    assert value(metrics, "qml_job_wait_seconds_count", queue="default") == 1


def test_run_time_is_in_seconds(memory_app, metrics):
    memory_app.task(name="t")(lambda: time.sleep(0.05)).enqueue()
    drain(memory_app)
    found = value(metrics, "qml_job_run_seconds_sum", queue="default", task="t")
    assert 0.05 <= found < 5


# -- labels --------------------------------------------------------------------------------------


def test_labels_are_bounded_whatever_is_enqueued(memory_app, metrics):
    memory_app.task(name="known")(print)
    hostile = ['x"} 1\nqml_store_up 7', "\\", "x" * 10_000]
    queues = [*hostile, *(f"q{n}" for n in range(2 * MOST))]
    memory_app.storage.enqueue_many(
        [Job(f"m{n}", queue=queue) for n, queue in enumerate(queues)] + [Job("known")]
    )
    told = scraped(metrics)
    seen = {dict(labels).get("queue") for _, *labels in told} - {None}
    assert len(seen) == MOST + 1
    assert {dict(labels).get("task") for _, *labels in told} - {None} == {"known", "other"}
    assert told[("qml_store_up",)] == 1
    enqueued = sum(number for (name, *_), number in told.items() if name.endswith("enqueued_total"))
    there = sum(number for (name, *_), number in told.items() if name == "qml_jobs")
    assert enqueued == there == len(queues) + 1


def test_nothing_names_a_job_a_worker_or_a_host(memory_app, metrics):
    job = memory_app.task(name="t")(print).enqueue()
    server = memory_app.server(name="my-machine")
    server.step()
    body, _ = exposition(metrics)
    for name in (job.id, server.worker_id, server.name):
        assert name not in body.decode()


def test_names_and_units_are_prometheus_own(metrics):
    names = {
        family.name: family
        for family in parsed(exposition(metrics)[0].decode())
        if not family.name.endswith("_created")
    }
    for name, family in names.items():
        assert re.fullmatch(r"qml_[a-z_]+", name)
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert name.endswith("_seconds")
        if family.type == "gauge":
            assert not name.endswith("_total")


# -- of the store --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MAKERS)
def test_gauges_of_the_store(kind, tmp_path, clock):
    with MAKERS[kind](tmp_path, clock=clock) as storage:
        jobs = Qml(storage)
        metrics = Metrics(jobs, CollectorRegistry())
        assert value(metrics, "qml_oldest_due_job_age_seconds") == 0
        work = jobs.task(name="t", queue="mail")(print)
        work.using(run_after=100).enqueue()
        work.using(run_after=10).enqueue()
        clock.advance(5)
        work.enqueue()
        storage.fetch_and_lock_job("w1", ["mail"], lease_seconds=1)
        work.enqueue()
        clock.advance(20)
        once(metrics, "qml_jobs", 1, queue="mail", state="enqueued")
        told = scraped(metrics)
        assert told[("qml_jobs", ("queue", "mail"), ("state", "scheduled"))] == 2
        assert told[("qml_jobs", ("queue", "mail"), ("state", "processing"))] == 1
        assert told[("qml_jobs", ("queue", "mail"), ("state", "failed"))] == 0
        assert told[("qml_oldest_due_job_age_seconds",)] == 20
        assert told[("qml_lapsed_leases",)] == 1
        assert told[("qml_servers",)] == 0
        assert told[("qml_store_up",)] == 1


def test_servers_and_their_threads(memory_app, metrics):
    gate = Gate()
    memory_app.task(name="wait")(gate.wait).enqueue()
    assert value(metrics, "qml_threads") == 0
    with memory_app.server(threads=3), memory_app.server(threads=2):
        gate.someone_waits()
        told = scraped(metrics)
        assert told[("qml_threads",)] == 5
        assert told[("qml_threads_busy",)] == 1
        assert told[("qml_threads_late",)] == 0
        eventually(lambda: len(memory_app.storage.driver.list("server/")) == 2)
        once(metrics, "qml_servers", 2)
        gate.open()
    told = scraped(metrics)
    assert told[("qml_threads",)] == told[("qml_threads_busy",)] == 0


def test_a_queue_that_was_emptied_is_told_as_empty(memory_app, metrics):
    job = memory_app.storage.enqueue(Job("t", queue="mail"))
    once(metrics, "qml_jobs", 1, queue="mail", state="enqueued")
    memory_app.storage.delete(job.id)
    once(metrics, "qml_jobs", 0, queue="mail", state="enqueued")


# -- a store that is away, slow or silent --------------------------------------------------------


FIGURES = Figures({("q", "enqueued"): 1}, 0.0, 0, 0)


class Store:
    """A storage as far as an inquiry asks one; ``asked`` counts, ``gate`` holds it up."""

    def __init__(self):
        self.driver = self
        self.asked = 0
        self.error = None
        self.silent = self.slow = None

    def time(self):
        self.asked += 1
        if self.silent:
            self.silent.wait(PATIENCE)
        if self.error:
            raise self.error
        return 0

    def figures(self, storage):
        if self.slow:
            self.slow.wait(PATIENCE)
        return FIGURES


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def inquiry(store):
    return Inquiry(lambda: store, store.figures)


def test_an_answer_is_good_for_some_seconds(inquiry, store):
    assert inquiry.figures() == (True, FIGURES)
    assert inquiry.figures() == (True, FIGURES)
    assert store.asked == 1


def test_where_asking_takes_long_it_is_asked_less_often(inquiry, store, monkeypatch):
    monkeypatch.setattr(asking, "FRESH", 0.0)
    inquiry.figures()
    monkeypatch.setattr(asking, "SHARE", 1e-9)
    assert inquiry.figures() == (True, FIGURES)
    assert store.asked == 1


def test_a_store_that_is_away_and_back(inquiry, store):
    store.error = StorageUnavailable("away")
    assert inquiry.figures() == (False, None)
    store.error = None
    assert inquiry.figures() == (True, FIGURES)


def test_what_was_known_is_not_told_of_a_store_that_is_away(inquiry, store, monkeypatch):
    monkeypatch.setattr(asking, "FRESH", 0.0)
    monkeypatch.setattr(asking, "SHARE", 1e9)
    inquiry.figures()
    store.error = RuntimeError("whatever it is")
    assert inquiry.figures() == (False, None)


def test_a_store_that_says_nothing_holds_nobody_up(inquiry, store):
    store.silent = threading.Event()
    begun = time.monotonic()
    assert inquiry.figures(0.05) == (False, None)
    for _ in range(100):  # the patience of the first is that of all
        assert inquiry.figures(0.05) == (False, None)
    assert time.monotonic() - begun < 2
    store.silent.set()
    assert eventually(lambda: inquiry.figures(0.05)[0])
    assert store.asked <= 2


def test_a_store_that_counts_slowly_is_up(inquiry, store):
    store.slow = threading.Event()
    assert eventually(lambda: inquiry.figures(0.05) == (True, None))
    store.slow.set()
    assert eventually(lambda: inquiry.figures(0.05) == (True, FIGURES))


def test_the_thread_ends_when_nobody_asks_and_comes_back(inquiry, store, monkeypatch):
    monkeypatch.setattr(asking, "IDLE", 0.01)
    monkeypatch.setattr(asking, "FRESH", 0.0)
    monkeypatch.setattr(asking, "SHARE", 1e9)
    inquiry.figures()
    eventually(lambda: inquiry._thread is None)
    assert inquiry.figures() == (True, FIGURES)
    assert store.asked == 2


def test_a_scrape_of_an_app_without_its_store(tmp_path):
    jobs = Qml("sqlite:////no/such/folder/jobs.db")
    metrics = Metrics(jobs, CollectorRegistry())
    jobs.task(name="t")(print)
    told = scraped(metrics)
    assert told[("qml_store_up",)] == 0
    assert told[("qml_threads",)] == 0
    assert not any(name in ("qml_jobs", "qml_servers") for name, *_ in told)


# -- processes, registries -----------------------------------------------------------------------


def test_a_forked_process_counts_from_zero(memory_app, metrics, monkeypatch):
    monkeypatch.setattr(asking, "FRESH", 0.0)  # the child has to ask for itself
    monkeypatch.setattr(asking, "SHARE", 1e9)
    task = memory_app.task(name="t")(print)
    task.enqueue_many([()] * 3)
    scraped(metrics)  # its thread runs in the parent

    def child():
        of = {"queue": "default", "task": "t"}
        assert value(metrics, "qml_jobs_enqueued_total", **of) is None
        task.enqueue()
        assert value(metrics, "qml_jobs_enqueued_total", **of) == 1
        assert value(metrics, "qml_store_up") == 1

    assert fork(child) == 0
    assert value(metrics, "qml_jobs_enqueued_total", queue="default", task="t") == 3


def test_forking_while_others_count(memory_app, metrics):
    task, over = memory_app.task(name="t")(print), threading.Event()

    def enqueue():
        while not over.is_set():
            memory_app.storage.delete(task.enqueue().id)  # there is not room for all

    threads = [threading.Thread(target=enqueue) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [fork(lambda: exposition(metrics) and os.getpid()) for _ in range(10)] == [0] * 10
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_one_registry_has_the_figures_of_one_app(memory_app, tmp_path, metrics):
    with memory_storage(tmp_path) as other:
        app = Qml(other)
        with pytest.raises(ConfigurationError, match="a registry of its own"):
            Metrics(app, metrics.registry)
        Metrics(app, CollectorRegistry())
    task = memory_app.task(name="t")(print)
    task.enqueue()
    assert value(metrics, "qml_jobs_enqueued_total", queue="default", task="t") == 1


def test_the_default_registry_and_those_that_were_made(memory_app, tmp_path, metrics):
    assert Metrics.of(memory_app) is metrics
    with memory_storage(tmp_path) as other:
        app = Qml(other)
        made = Metrics.of(app)
        assert Metrics.of(app) is made
        names = {name for name, *_ in scraped(made)}
        assert "qml_store_up" in names


def test_labels_of_queues_are_kept_for_those_that_have_one():
    labels = Labels({})
    first = [labels.queue(f"q{n}") for n in range(MOST)]
    assert labels.queue("late") == "other"
    assert first == [labels.queue(f"q{n}") for n in range(MOST)]


SHARED = """
import os
from prometheus_client import CollectorRegistry, generate_latest, multiprocess
from qml import Qml
from qml.metrics import Metrics
from tests.work.support import fork

with Qml("memory://") as jobs:
    metrics = Metrics(jobs)
    task = jobs.task(name="t")(print)
    task.enqueue_many([()] * 3)
    assert fork(lambda: task.enqueue()) == 0
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    print(generate_latest(registry).decode())
"""


def test_forked_processes_that_share_what_they_count(tmp_path):
    """The library's own way for one port that many processes answer in turn."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SHARED],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert 'qml_jobs_enqueued_total{queue="default",task="t"} 4.0' in done.stdout
