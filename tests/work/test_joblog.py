"""Ordinary log lines say in which job they were written."""

import logging
import threading

import pytest

from qml import current_job
from qml.work import joblog

FORMAT = "%(levelname)s [%(qml_job)s %(qml_method)s] %(message)s"


@pytest.fixture(autouse=True)
def _factory():
    """As in a process that has made no server yet."""
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(before)


@pytest.fixture
def lines():
    """What a handler of the user's, with a format of theirs, writes."""
    written = []

    class Handler(logging.Handler):
        def emit(self, record):
            written.append(self.format(record))

    handler, logger = Handler(), logging.getLogger("tests.app")
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def say(text, **options):
    logging.getLogger("tests.app").info(text, **options)


def test_a_line_in_a_job_carries_it_and_one_outside_a_dash(memory_app, lines):
    app = memory_app
    app.task(name="app.greet")(lambda: say("hello"))
    server = app.server()
    say("before")
    first, second = app.tasks["app.greet"].enqueue_many([(), ()])
    server.step()
    say("after")
    assert lines == [
        "INFO [- -] before",
        f"INFO [{first.id} app.greet] hello",
        f"INFO [{second.id} app.greet] hello",
        "INFO [- -] after",
    ]


def test_a_record_says_which_attempt_where(memory_app):
    app, records = memory_app, []

    @app.task(queue="mail")
    def task():
        make = logging.getLogRecordFactory()
        records.append(make("x", logging.INFO, "f", 1, "text", (), None))

    task.enqueue()
    app.server(name="web-1").step()
    [record] = records
    assert (record.qml_attempt, record.qml_queue, record.qml_server) == (1, "mail", "web-1")


def test_threads_of_a_server_do_not_mix_their_jobs_up(memory_app, lines):
    app, barrier = memory_app, threading.Barrier(4)

    @app.task
    def task(number):
        barrier.wait(30)
        say(f"{number} is {current_job().id}")

    jobs = task.enqueue_many([(number,) for number in range(4)])
    with app.server(threads=4):
        for job in jobs:
            app.result(job, timeout=30)
    method = jobs[0].method
    assert sorted(lines) == sorted(
        f"INFO [{job.id} {method}] {number} is {job.id}" for number, job in enumerate(jobs)
    )


def test_it_is_wrapped_once_however_many_servers_are_made(memory_app):
    memory_app.server()
    factory = logging.getLogRecordFactory()
    memory_app.server()
    assert logging.getLogRecordFactory() is factory


def test_the_factory_that_was_there_goes_on(memory_app):
    made = []

    def theirs(*args, **kwargs):
        record = logging.LogRecord(*args, **kwargs)
        record.theirs = True
        made.append(record)
        return record

    logging.setLogRecordFactory(theirs)
    memory_app.server()
    made.clear()
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "text", (), None)
    assert made == [record]
    assert (record.theirs, record.qml_job, record.qml_method) == (True, "-", "-")


def test_one_that_was_put_on_top_is_left_there(memory_app):
    memory_app.server()
    ours = logging.getLogRecordFactory()

    def theirs(*args, **kwargs):
        return ours(*args, **kwargs)

    logging.setLogRecordFactory(theirs)
    memory_app.server()
    assert logging.getLogRecordFactory() is theirs


def test_names_that_users_give_their_own_are_free(memory_app, lines):
    """``logging`` refuses a line whose extras name what the record has already."""
    memory_app.server()
    say("mine", extra={"job_id": 7, "job_method": "m", "job": "j", "method": "m"})
    assert lines == ["INFO [- -] mine"]


def test_where_in_words():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "text", (), None)
    assert joblog.where(record) == ""
    joblog.install()
    record = logging.getLogger("x").makeRecord("x", logging.INFO, "f", 1, "text", (), None)
    assert joblog.where(record) == ""
    record.qml_job, record.qml_method = "an-id", "app.task"
    assert joblog.where(record) == "an-id app.task"
