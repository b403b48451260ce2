"""Log records as JSON: one line each, whatever they say, and every field there is."""

import json
import logging
import threading
from datetime import UTC, datetime

import pytest

from qml import JsonFormatter, Retry


@pytest.fixture(autouse=True)
def _factory():
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.fixture
def log():
    """A logger, with the lines that a handler with this formatter writes in ``lines``."""
    log = logging.Logger("tests.json")  # nobody else's: pytest would have to report its lines
    log.lines = []
    handler = logging.Handler()
    handler.setFormatter(JsonFormatter())
    handler.emit = lambda record: log.lines.append(handler.format(record))
    log.addHandler(handler)
    return log


def read(log):
    """The one line that was written, which is one, and ASCII."""
    [line] = log.lines
    assert len(line.splitlines()) == 1
    assert line.isascii()
    return json.loads(line)


def test_a_line_outside_a_job(log):
    before = datetime.now(UTC)
    log.info("hello %s", "Ada")
    told = read(log)
    at = datetime.fromisoformat(told.pop("ts"))
    assert before.replace(microsecond=0) <= at <= datetime.now(UTC)
    assert told.pop("pid") > 0
    assert told == {
        "level": "INFO",
        "logger": "tests.json",
        "message": "hello Ada",
        "thread": threading.current_thread().name,
    }


def test_a_line_in_a_job_carries_it(log, memory_app):
    @memory_app.task(name="app.greet", queue="mail")
    def greet():
        log.info("hi")
        raise Retry(delay=0)

    job = greet.enqueue()
    server = memory_app.server(name="machine-1")
    server.step()
    server.step()
    first, second = map(json.loads, log.lines)
    told = {name: first[name] for name in ("job", "method", "attempt", "queue", "server")}
    assert told == {
        "job": job.id,
        "method": "app.greet",
        "attempt": 1,
        "queue": "mail",
        "server": "machine-1",
    }
    assert second["attempt"] == 2


@pytest.mark.parametrize(
    "text",
    [
        'quotes " and \\ and {"a": 1}',
        "lines\nand\r\nmore\u2028and\x85more",
        "\x1b[31mred\0",
        "lone \ud800 surrogate, \U0001f600",
    ],
    ids=["json", "lines", "escapes", "surrogate"],
)
def test_a_message_cannot_break_the_line(log, text):
    log.info(text)
    assert read(log)["message"] == text


def test_an_exception_and_a_stack(log):
    try:
        raise ValueError("no\nnot at all")
    except ValueError:
        log.exception("it failed", stack_info=True)
    told = read(log)
    assert told["traceback"].startswith("Traceback (most recent call last)")
    assert told["traceback"].endswith("ValueError: no\nnot at all")
    assert "test_an_exception_and_a_stack" in told["stack"]
    assert told["message"] == "it failed"


class Unreadable:
    def __repr__(self):
        raise RuntimeError("never")


def test_what_was_given_as_extra_is_kept(log):
    loop = []
    loop.append(loop)
    given = {
        "user": "ada",
        "level": "mine",
        "count": 3,
        "nested": {"a": [1, None, True]},
        "nan": float("nan"),
        "when": datetime(2030, 1, 1, tzinfo=UTC),
        "loop": loop,
        "unreadable": Unreadable(),
    }
    log.info("hi", extra=given)
    told = read(log)
    assert told["level"] == "INFO"
    assert told["extra"] == {
        "user": "ada",
        "level": "mine",
        "count": 3,
        "nested": {"a": [1, None, True]},
        "nan": "nan",
        "when": "datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        "loop": "[[...]]",
        "unreadable": "(Unreadable, which cannot be read: RuntimeError)",
    }


def test_arguments_that_do_not_fit():
    record = logging.LogRecord("x", logging.INFO, "", 0, "two: %s %s", (1,), None)
    told = json.loads(JsonFormatter().format(record))
    assert told["message"] == "two: %s %s (its arguments do not fit: TypeError)"
