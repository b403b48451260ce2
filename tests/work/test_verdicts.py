"""From an outcome to a state: a pure function."""

from datetime import UTC, datetime, timedelta

import pytest

from qml import AwaitingRetry, Deleted, Enqueued, Failed, Job, RetryPolicy
from qml import Succeeded as SucceededState
from qml.work.executor import Discarded, Raised, Succeeded
from qml.work.verdicts import next_state

NOW = datetime(2030, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(base=2, factor=3, cap=10)
ERROR = Raised("ValueError: x", "trace")


def job(attempt, allowed):
    return Job("t", queue="q", attempt=attempt, max_attempts=allowed)


def test_success_and_discard_are_no_failures():
    assert next_state(job(1, 1), Succeeded([1], 2.5), POLICY, NOW) == (
        SucceededState(NOW, 2.5, [1]),
        None,
    )
    assert next_state(job(1, 9), Discarded("gone"), POLICY, NOW) == (Deleted(NOW, "gone"), None)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 2), (2, 6), (3, 10), (9, 10)])
def test_a_failure_waits_by_the_policy(attempt, delay):
    state, failure = next_state(job(attempt, 10), ERROR, POLICY, NOW)
    assert state == AwaitingRetry(NOW, NOW + timedelta(seconds=delay), attempt, "ValueError: x")
    assert (failure.attempt, failure.exception, failure.traceback) == (
        attempt,
        "ValueError: x",
        "trace",
    )


@pytest.mark.parametrize(("attempt", "allowed"), [(1, 1), (3, 3), (4, 3), (1, None)])
def test_the_last_attempt_fails_for_good(attempt, allowed):
    state, failure = next_state(job(attempt, allowed), ERROR, POLICY, NOW)
    assert state == Failed(NOW, "ValueError: x", "trace", attempt - 1)
    assert failure.attempt == attempt


def test_an_attempt_may_be_left():
    assert isinstance(next_state(job(2, 3), ERROR, POLICY, NOW)[0], AwaitingRetry)


def test_a_final_failure_ends_it_although_attempts_are_left():
    final = Raised("SerializationError: damaged", "", final=True)
    assert isinstance(next_state(job(1, 9), final, POLICY, NOW)[0], Failed)


def test_the_delay_asked_for_goes_before_the_policys():
    asked = Raised("Retry: x", "", delay=77)
    state, _ = next_state(job(1, 9), asked, POLICY, NOW)
    assert state.retry_at == NOW + timedelta(seconds=77)


@pytest.mark.parametrize("outcome", [Raised("e", "", delay=0), ERROR])
def test_without_a_delay_it_is_ready_in_its_queue(outcome):
    state, failure = next_state(job(1, 9), outcome, RetryPolicy(base=0), NOW)
    assert state == Enqueued(NOW, "q")
    assert failure is not None
