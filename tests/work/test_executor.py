"""The executor: whatever a task does, there is an outcome, and it can be written down."""

import os
import re
import sys
import threading

import attrs
import pytest

from qml import Discard, Job, JobFailed, Retry, Snooze, SqliteStorage, Succeeded, current_job
from qml.work import executor
from qml.work.executor import Discarded, Raised, Snoozed, describe, execute
from qml.work.failing import Fate
from qml.work.runs import Run

LIMIT = 1000


@attrs.frozen
class Callee:
    """What an executor needs of a task."""

    function: object
    retry = None
    middleware = ()

    def fate(self, error, attempt):
        return Fate()


def outcome_of(function, *arguments, **job):
    task = Callee(function)
    run = Run(Job("t", list(arguments), **job))
    return execute(run, {"t": task}, LIMIT)


def raising(error, cause=None):
    def task():
        raise error from cause

    return outcome_of(task)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


class Deadly(Exception):
    def __str__(self):
        raise SystemExit


class Wordy(Exception):
    def __str__(self):
        return 5  # noqa: PLE0307


class MyError(Exception):
    __module__ = None


class HalfRetry(Retry):
    def __init__(self):
        pass


class HalfSnooze(Snooze):
    def __init__(self):
        pass


class HalfDiscard(Discard):
    def __init__(self):
        pass


def test_a_value_is_a_success():
    outcome = outcome_of(lambda a: [a, (1, 2)], 5)
    assert outcome.result == [5, [1, 2]]
    assert 0 <= outcome.duration_ms < 5000


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no"), "ValueError: no"),
        (ValueError(), "ValueError"),
        (KeyError("a"), "KeyError: 'a'"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (BaseExceptionGroup("two", [ValueError("x"), KeyboardInterrupt()]), "BaseExceptionGroup"),
        (Mute(), "its text could not be made: RuntimeError"),
        (Deadly(), "its text could not be made: SystemExit"),
        (Wordy(), "its text could not be made: TypeError"),
        (MyError("x"), "MyError: x"),
        (HalfSnooze(), "HalfSnooze"),
        (HalfDiscard(), "HalfDiscard"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_whatever_is_raised_is_a_failed_attempt(error, text):
    outcome = raising(error)
    assert isinstance(outcome, Raised)
    assert text in outcome.exception
    assert (outcome.delay, outcome.final) == (None, False)
    assert isinstance(outcome.traceback, str)


def test_a_retry_that_lacks_its_delay_is_a_failed_attempt():
    outcome = raising(HalfRetry())
    assert isinstance(outcome, Raised)
    assert outcome.delay is None


def test_a_traceback_begins_in_the_task():
    def task():
        raise ValueError("deep")

    outcome = outcome_of(task)
    assert outcome.traceback.startswith("Traceback")
    assert outcome.traceback.rstrip().endswith("ValueError: deep")
    assert executor.__file__ not in outcome.traceback
    assert __file__ in outcome.traceback


def test_a_traceback_tells_the_cause():
    outcome = raising(ValueError("outer"), cause=KeyError("inner"))
    assert "inner" in outcome.traceback
    assert "direct cause" in outcome.traceback


def test_endless_recursion_is_a_failed_attempt():
    def task():
        return task()

    assert raising(RecursionError()).exception == "RecursionError"
    assert "RecursionError" in outcome_of(task).exception


def test_what_a_task_asks_for():
    assert raising(Snooze(5)) == Snoozed(5.0)
    assert raising(Discard("gone")) == Discarded("gone")
    assert raising(Retry("wait", delay=3)).delay == 3
    assert raising(Retry("wait")).delay is None


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (object(), "the task's result is an object, which JSON cannot keep"),
        ({1, 2}, "the task's result is a set"),
        ([1, {"a": b"x"}], r"the task's result\[1\]\['a'\] is a bytes"),
        (float("inf"), "is inf, which JSON does not have"),
        ("\ud800", "lone surrogate"),
        ({1: 2}, "keys of JSON objects are text"),
        ("x" * LIMIT, "is 1,002 bytes of JSON, more than the 1,000 allowed"),
    ],
    ids=["object", "set", "bytes", "inf", "surrogate", "key", "size"],
)
def test_a_result_that_cannot_be_kept_fails_the_attempt_and_says_so(result, says):
    outcome = outcome_of(lambda: result)
    assert isinstance(outcome, Raised)
    assert "SerializationError: " in outcome.exception
    assert re.search(says, outcome.exception)


def test_a_result_that_contains_itself():
    loop = []
    loop.append(loop)
    assert "SerializationError" in outcome_of(lambda: loop).exception


def test_a_wrong_number_of_arguments_fails_the_attempt():
    assert "TypeError" in outcome_of(lambda: 1, 2, 3).exception


def test_a_damaged_job_is_final():
    outcome = outcome_of(lambda: 1, damage="payload not readable")
    assert outcome.final
    assert "damaged: payload not readable" in outcome.exception


def test_an_unknown_method_is_no_final_failure_and_names_the_known():
    outcome = execute(Run(Job("gone.task")), {"b": None, "a": None}, LIMIT)
    assert outcome.exception.startswith("UnknownMethod: no task 'gone.task' in this server")
    assert "it has: a, b." in outcome.exception
    assert not outcome.final
    assert "it has: none." in execute(Run(Job("x")), {}, LIMIT).exception


def test_describe_names_the_module_of_an_error():
    assert describe(JobFailed("x")) == f"{JobFailed.__module__}.JobFailed: x"


# -- no outcome ends a thread --------------------------------------------------------------------

WORST = {
    "exit": lambda: sys.exit(1),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "mute": Mute(),
    "deadly": Deadly(),
    "half retry": HalfRetry(),
    "half snooze": HalfSnooze(),
    "half discard": HalfDiscard(),
    "surrogate": ValueError("\ud800\0"),
}


@pytest.mark.parametrize("kind", WORST)
def test_the_thread_goes_on(app, kind):
    worst, names = WORST[kind], []

    @app.task(max_retries=0)
    def bad():
        names.append(threading.current_thread().name)
        if callable(worst):
            worst()
        raise worst

    @app.task
    def good():
        names.append(threading.current_thread().name)
        return threading.get_ident()

    first, job, last = bad.enqueue(), good.enqueue(), bad.enqueue()
    with app.server(threads=1, name="only"):
        app.result(job, timeout=20)
        for failed in (first, last):
            with pytest.raises(JobFailed):
                app.result(failed, timeout=20)
    assert names == ["only-worker"] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_process_that_its_task_forked_ends_with_the_task(capfd):
    def task():
        other = os.fork()
        return os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if other else "a copy"

    ours = os.getpid()
    outcome = outcome_of(task)
    if os.getpid() != ours:
        os._exit(0)
    assert outcome.result == 1
    assert "os._exit()" in capfd.readouterr().err


def test_an_outcome_is_not_confused_with_a_state():
    assert executor.Succeeded is not Succeeded


def test_the_executor_sees_no_storage(monkeypatch):
    monkeypatch.setattr(SqliteStorage, "__init__", None)
    assert outcome_of(lambda: current_job().id, id="me").result == "me"
