"""What the log says of jobs: that an attempt has failed, why, and what comes next."""

import json
import logging

import pytest

from qml import Discard, JsonFormatter, RetryPolicy, Snooze
from qml.cli.logs import Lines


@pytest.fixture
def site(memory_app, clock, caplog):
    """A server that is stepped, and what it has logged of jobs since."""
    caplog.set_level(logging.INFO, "qml.jobs")
    return Site(memory_app, clock, caplog)


class Site:
    def __init__(self, app, clock, caplog):
        self.app, self.clock, self.caplog = app, clock, caplog
        self.server = app.server()

    def run(self, job):
        """The records of one step."""
        self.caplog.clear()
        assert self.server.step() == 1
        return [record for record in self.caplog.records if record.name == "qml.jobs"]


def fail():
    raise ValueError("no such page")


def work():
    pass


POLICY = RetryPolicy(max_retries=1, base=5, jitter=0)


def test_an_attempt_that_failed_says_when_the_next_follows_and_the_last_that_it_is(site):
    job = site.app.task(name="fetch", retry=POLICY)(fail).enqueue()
    [first] = site.run(job)
    assert first.levelno == logging.WARNING
    assert first.getMessage() == (
        f"job {job.id} (fetch) failed in attempt 1 of 2, and is tried again in 5.0 s: "
        "ValueError: no such page"
    )
    site.clock.advance(5)
    [second] = site.run(job)
    assert second.levelno == logging.ERROR
    assert second.getMessage() == (
        f"job {job.id} (fetch) failed in attempt 2 of 2, and is not tried again: "
        "ValueError: no such page"
    )
    for record in (first, second):
        shown = logging.Formatter("%(message)s").format(record)
        assert "\nTraceback (most recent call last):\n" in shown
        assert shown.endswith(
            'in fail\n    raise ValueError("no such page")\nValueError: no such page'
        )


def test_a_delay_of_nothing_is_at_once(site):
    job = site.app.task(name="t", retry=RetryPolicy(max_retries=1, base=0))(fail).enqueue()
    [record] = site.run(job)
    assert "is tried again at once: ValueError" in record.getMessage()


def test_what_is_hopeless_is_not_tried_again(site):
    job = site.app.task(name="t", max_retries=3, give_up_on=ValueError)(fail).enqueue()
    [record] = site.run(job)
    assert "failed in attempt 1 of 4, and is not tried again" in record.getMessage()
    assert record.levelno == logging.ERROR


def snooze():
    raise Snooze(5)


def discard():
    raise Discard("not needed")


@pytest.mark.parametrize("function", [work, snooze, discard])
def test_what_goes_as_it_should_is_not_worth_a_line(site, function):
    site.app.task(name="t")(function).enqueue()
    assert site.run(None) == []


def test_a_success_after_a_failure_is_none(site):
    answers = iter([fail, work])

    def task():
        return next(answers)()

    job = site.app.task(name="t", retry=POLICY)(task).enqueue()
    assert len(site.run(job)) == 1
    site.clock.advance(5)
    assert site.run(job) == []
    assert site.app.storage.get(job.id).failures


def test_with_debug_each_run_has_its_line(site):
    site.caplog.set_level(logging.DEBUG, "qml.jobs")
    job = site.app.task(name="t")(work).enqueue()
    [record] = site.run(job)
    assert record.levelno == logging.DEBUG
    assert record.getMessage().startswith(f"job {job.id} (t) succeeded after ")


def test_a_run_whose_claim_is_over_says_no_more_than_that(site):
    """Its failure counts for nothing."""

    def task():
        site.app.storage.delete(job.id)
        fail()

    job = site.app.task(name="t")(task).enqueue()
    assert site.run(job) == []


def test_the_record_carries_the_job_as_lines_within_it_do(site):
    job = site.app.task(name="t")(fail).enqueue()
    [record] = site.run(job)
    said = json.loads(JsonFormatter().format(record))
    assert (said["job"], said["method"], said["attempt"]) == (job.id, "t", 1)
    assert said["level"] == "WARNING"
    assert said["traceback"].startswith("Traceback (most recent call last):\n")


def test_the_command_line_names_the_job_once(site):
    job = site.app.task(name="t")(fail).enqueue()
    [record] = site.run(job)
    first, *more = Lines().format(record).splitlines()
    assert first.count(job.id) == 1
    assert more[0] == "    Traceback (most recent call last):"


class Broken(logging.Handler):
    """Which raises, as one may that sends records away and does not care for errors."""

    def __init__(self, error):
        super().__init__()
        self.error, self.calls = error, 0

    def emit(self, record):
        self.calls += 1
        raise self.error


@pytest.mark.parametrize("error", [ConnectionError("no log server"), SystemExit(3)])
def test_a_handler_that_raises_has_nothing_recorded_again_and_ends_no_thread(
    memory_app, capsys, error
):
    """Not that of whoever records outcomes: all jobs wait for it."""
    broken = Broken(error)
    log = logging.getLogger("qml.jobs")
    log.addHandler(broken)
    try:
        with memory_app.server(threads=1):
            job = memory_app.task(name="t", max_retries=0)(fail).enqueue()
            memory_app.storage.wait(job.id, timeout=10)
            other = memory_app.task(name="u")(work).enqueue()
            assert memory_app.storage.wait(other.id, timeout=10).state.kind == "succeeded"
    finally:
        log.removeHandler(broken)
    assert broken.calls == 1
    said = f"qml: what came of job {job.id} (t) is recorded, but the log did not take it: "
    assert said + type(error).__name__ in capsys.readouterr().err


def test_who_does_not_want_it_turns_it_off(site):
    site.app.task(name="t")(fail).enqueue()
    logging.getLogger("qml.jobs").setLevel(logging.CRITICAL)
    assert site.run(None) == []
