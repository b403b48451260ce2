"""Retry, Discard, Snooze, and what is charged for each."""

from datetime import timedelta

import pytest

from qml import (
    ConfigurationError,
    Discard,
    Retry,
    RetryPolicy,
    Snooze,
    StateKind,
    UniqueKeyTaken,
    current_job,
)


def run(app, clock, job, seconds=10_000):
    """Run what is due; then let time pass."""
    ran = app.server().step()
    stored = app.storage.get(job.id)
    clock.advance(seconds)
    return ran, stored


def raising(app, error, **options):
    def task():
        raise error

    return app.task(**options)(task).enqueue()


# -- failures ------------------------------------------------------------------------------------


def test_delays_follow_the_policy_and_attempts_are_numbered(app, clock):
    seen = []

    @app.task(retry=RetryPolicy(max_retries=3, base=1, factor=2))
    def flaky():
        seen.append(current_job().attempt)
        raise ValueError(f"try {len(seen)}")

    job = flaky.enqueue()
    for number, delay in ((1, 1), (2, 2), (3, 4)):
        _, stored = run(app, clock, job, seconds=0)
        state = stored.state
        assert state.kind is StateKind.AWAITING_RETRY
        assert state.retry_at == clock.now() + timedelta(seconds=delay)
        assert (state.retry_count, state.last_exception) == (number, f"ValueError: try {number}")
        clock.advance(delay - 0.000001)
        assert app.server().step() == 0
        clock.advance(0.000001)
    _, stored = run(app, clock, job)
    assert seen == [1, 2, 3, 4]
    assert (stored.state.kind, stored.attempt, stored.state.retry_count) == ("failed", 4, 3)
    assert [f.attempt for f in stored.failures] == [1, 2, 3, 4]
    assert [f.exception for f in stored.failures] == [f"ValueError: try {n}" for n in (1, 2, 3, 4)]
    assert all("Traceback" in f.traceback and "in flaky" in f.traceback for f in stored.failures)
    assert run(app, clock, job)[0] == 0


def test_without_a_delay_it_runs_again_at_once_and_reads_enqueued(app, clock):
    job = raising(app, ValueError("x"), retry=RetryPolicy(max_retries=1, base=0))
    _, stored = run(app, clock, job, seconds=0)
    assert (stored.state.kind, stored.attempt, len(stored.failures)) == ("enqueued", 1, 1)
    _, stored = run(app, clock, job, seconds=0)
    assert (stored.state.kind, stored.attempt, len(stored.failures)) == ("failed", 2, 2)


def test_a_job_that_succeeds_in_the_end_remembers_its_failures(app, clock):
    @app.task
    def third_time():
        if current_job().attempt < 3:
            raise ValueError("not yet")
        return "at last"

    job = third_time.enqueue()
    for _ in range(3):
        _, stored = run(app, clock, job)
    assert (stored.state.result, stored.attempt, len(stored.failures)) == ("at last", 3, 2)


# -- Retry ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("delay", "expected"), [(None, 1), (90, 90), (0.25, 0.25), (timedelta(0).seconds, 0)]
)
def test_retry_says_when(app, clock, delay, expected):
    job = raising(app, Retry("the other side is busy", delay=delay))
    _, stored = run(app, clock, job, seconds=0)
    [failure] = stored.failures
    assert failure.exception.endswith("Retry: the other side is busy")
    assert stored.attempt == 1
    if expected:
        assert stored.state.retry_at == clock.now() + timedelta(seconds=expected)
    else:
        assert stored.state.kind is StateKind.ENQUEUED


def test_retry_from_an_error_keeps_the_cause(app, clock):
    def task():
        try:
            {}["key"]
        except KeyError as error:
            raise Retry(delay=5) from error

    job = app.task(task).enqueue()
    _, stored = run(app, clock, job)
    [failure] = stored.failures
    assert failure.exception == "KeyError: 'key'"
    assert "KeyError" in failure.traceback
    assert "Retry" in failure.traceback


def test_retry_is_an_attempt_and_ends_with_the_attempts(app, clock):
    job = raising(app, Retry(delay=1), max_retries=1)
    run(app, clock, job)
    _, stored = run(app, clock, job)
    assert (stored.state.kind, stored.attempt) == ("failed", 2)
    assert "the task asked for a retry" in stored.state.exception


# -- Discard -------------------------------------------------------------------------------------


def test_discard_ends_the_job_for_good(app, clock):
    job = raising(app, Discard("the user is gone"), unique_key="u")
    _, stored = run(app, clock, job)
    assert (stored.state.kind, stored.state.reason) == ("deleted", "the user is gone")
    assert stored.failures == ()
    assert run(app, clock, job)[0] == 0
    raising(app, Discard(), unique_key="u")  # the key is free


def test_discard_without_a_reason(app, clock):
    _, stored = run(app, clock, raising(app, Discard()))
    assert stored.state.reason == "discarded by its task"


# -- Snooze --------------------------------------------------------------------------------------


def test_snooze_is_no_attempt(app, clock):
    attempts = []

    @app.task(max_retries=0)
    def patient():
        attempts.append(current_job().attempt)
        if len(attempts) < 5:
            raise Snooze(60)
        return "now"

    job = patient.enqueue()
    for _ in range(4):
        _, stored = run(app, clock, job, seconds=0)
        assert (stored.state.kind, stored.attempt, stored.failures) == ("awaiting_retry", 0, ())
        assert stored.state.retry_at == clock.now() + timedelta(seconds=60)
        clock.advance(59.999999)
        assert app.server().step() == 0
        clock.advance(0.000001)
    _, stored = run(app, clock, job)
    assert attempts == [1] * 5
    assert (stored.state.result, stored.attempt, stored.fence) == ("now", 1, 5)


def test_snooze_for_nothing_is_ready_at_once(app, clock):
    _, stored = run(app, clock, raising(app, Snooze(0)), seconds=0)
    assert (stored.state.kind, stored.attempt) == ("enqueued", 0)


def test_a_snooze_between_failures_charges_the_failures_alone(app, clock):
    plan = [ValueError("1"), Snooze(1), ValueError("2"), Snooze(1), ValueError("3")]

    @app.task(max_retries=2)
    def task():
        raise plan.pop(0)

    job = task.enqueue()
    for _ in range(5):
        _, stored = run(app, clock, job)
    assert (stored.state.kind, stored.attempt) == ("failed", 3)
    assert [f.attempt for f in stored.failures] == [1, 2, 3]


def test_a_snoozed_job_keeps_its_unique_key(app, clock):
    job = raising(app, Snooze(10), unique_key="k")
    run(app, clock, job, seconds=0)
    with pytest.raises(UniqueKeyTaken) as taken:
        raising(app, Snooze(10), unique_key="k")
    assert taken.value.job_id == job.id


# -- what cannot be asked for --------------------------------------------------------------------


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), "5", True, 1e12])
def test_a_wrong_delay_is_refused(delay):
    with pytest.raises(ConfigurationError, match=r"Retry delay is .*; give seconds"):
        Retry(delay=delay)
    with pytest.raises(ConfigurationError, match=r"Snooze delay is .*; give seconds"):
        Snooze(delay)


def test_a_wrong_delay_fails_the_attempt_and_names_itself(app, clock):
    def task():
        raise Snooze(-5)

    _, stored = run(app, clock, app.task(max_retries=0)(task).enqueue())
    assert "Snooze delay is -5" in stored.state.exception


def test_seconds_of_a_retry_are_not_taken_for_its_message():
    with pytest.raises(ConfigurationError, match=r"Retry message is 60; .* seconds as delay=60"):
        Retry(60)
