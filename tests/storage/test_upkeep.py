"""Chores on stored jobs that hold nobody up: they do as much as they are told, and no more."""

import pytest

from qml import AwaitingRetry, Deleted, Enqueued, Failed, Job, RetryPolicy, StateKind, Succeeded
from qml.testing import ManualClock
from qml.values.retention import Retention
from tests.work.support import Paused

OUTCOMES = (Succeeded(), Deleted(), Failed(exception="E"))


@pytest.fixture
def finished(storage, clock):
    """Three jobs of each final state, whose retention is over."""
    for outcome in OUTCOMES * 3:
        storage.enqueue(Job("t"))
        storage.finish(storage.fetch_and_lock_job("w1"), outcome)
    clock.advance(86_400 * 400)


@pytest.mark.parametrize("limit", [0, 1, 2, 4, 8])
def test_a_purge_removes_no_more_than_it_is_told(storage, finished, limit):
    assert storage.purge(limit) == limit
    assert len(storage.list()) == 9 - limit
    assert storage.purge() == 9 - limit


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 8])
def test_a_purge_with_jobs_of_both_sorts_removes_no_more(storage, finished, clock, limit):
    """Those with a retention of their own, and those that go by their state."""
    for _ in range(4):
        storage.enqueue(Job("t", retention=Retention(succeeded=10, deleted=10, failed=10)))
        storage.finish(storage.fetch_and_lock_job("w1"), Succeeded())
    clock.advance(10)
    assert storage.purge(limit) == limit
    assert len(storage.list()) == 13 - limit
    assert storage.purge() == 13 - limit


def test_each_state_has_its_own_retention(make_storage):
    clock = ManualClock()
    storage = make_storage(clock, retention=Retention(succeeded=10, deleted=20, failed=30))
    for outcome in OUTCOMES:
        storage.enqueue(Job("t"))
        storage.finish(storage.fetch_and_lock_job("w1"), outcome)
    left = [StateKind.SUCCEEDED, StateKind.DELETED, StateKind.FAILED]
    for seconds in (10, 20, 30):
        clock.advance(10 - 0.000_001)
        assert storage.purge() == 0
        clock.advance(0.000_001)
        assert storage.purge() == 1, seconds
        left.pop(0)
        assert [job.state.kind for job in storage.list()][::-1] == left


def test_a_rescue_takes_no_more_than_it_is_told(make_storage):
    clock = ManualClock()
    storage = make_storage(clock, retry=RetryPolicy(base=0))
    storage.enqueue_many([Job("t", id=str(number)) for number in range(5)])
    storage.fetch_available_jobs_atomic("w1", 5)
    clock.advance(30)
    assert [len(storage.rescue(2)) for _ in range(4)] == [2, 2, 1, 0]


# -- what was claimed ahead of free threads ------------------------------------------------------


@pytest.fixture
def ahead(storage, clock):
    """Of three claimed jobs one was for a free thread; then all leases lapse."""
    storage.enqueue_many([Job("t", id=name, max_retries=1, queue="q") for name in "abc"])
    storage.claim("w1", 1, ahead=2, lease_seconds=10)
    clock.advance(10)


def test_law4_what_may_never_have_started_is_not_charged(storage, ahead):
    rescued = {job.id: job for job in storage.rescue()}
    assert {name: job.attempt for name, job in rescued.items()} == {"a": 1, "b": 0, "c": 0}
    assert {name: len(job.failures) for name, job in rescued.items()} == {"a": 1, "b": 0, "c": 0}
    assert rescued["b"].state == rescued["c"].state == Enqueued(storage.now(), "q")
    assert storage.get_many(["a", "b", "c"]) == [rescued[name] for name in "abc"]


def test_law4_once_lost_it_is_not_claimed_ahead_again(storage, clock, ahead):
    storage.rescue()
    assert storage.claim("w2", 0, ahead=3).jobs == []
    again = storage.claim("w2", 1, ahead=3, lease_seconds=10).jobs
    assert [(job.id, job.attempt, job.fence) for job in again] == [("b", 1, 2)]
    clock.advance(10)
    [lost] = [job for job in storage.rescue() if job.id == "b"]
    assert (lost.attempt, len(lost.failures)) == (1, 1)  # charged this time


@pytest.mark.parametrize("name", ["a", "b"])
def test_law4_who_renews_after_the_look_keeps_his_job(storage, clock, ahead, name):
    """The rescue has seen the lapsed leases, and comes too late for one of them."""
    claim = storage.get(name)
    pause = storage.driver = Paused(storage.driver)
    renewed = []
    pause.between["scan"] = lambda: renewed.extend(storage.renew([claim]))
    rescued = [job.id for job in storage.rescue()]
    assert renewed == [True]
    assert sorted(rescued) == sorted({"a", "b", "c"} - {name})
    stored = storage.get(name)
    assert (stored.state, stored.version) == (claim.state, claim.version)


def test_law4_the_mark_outlasts_an_update(storage, ahead):
    storage.update(storage.get("b").with_metadata(seen=1))
    rescued = {job.id: job for job in storage.rescue()}
    assert (rescued["b"].attempt, rescued["b"].failures) == (0, ())


# -- what becomes of an orphan -------------------------------------------------------------------


def orphan(make_storage, policy, **job):
    clock = ManualClock()
    storage = make_storage(clock, retry=policy)
    storage.enqueue(Job("t", queue="q", **job))
    storage.fetch_and_lock_job("w1")
    clock.advance(30)
    [rescued] = storage.rescue()
    assert storage.get(rescued.id) == rescued
    return storage, rescued


def test_without_a_delay_it_is_ready_in_its_queue(make_storage):
    storage, rescued = orphan(make_storage, RetryPolicy(base=0))
    assert rescued.state == Enqueued(storage.now(), "q")


def test_the_shortest_delay_is_a_delay(make_storage):
    storage, rescued = orphan(make_storage, RetryPolicy(base=0.000_001))
    assert isinstance(rescued.state, AwaitingRetry)
    assert (rescued.state.retry_at - storage.now()).total_seconds() == 0.000_001
    assert rescued.state.retry_count == 1


@pytest.mark.parametrize("attempts", [1, 3])
def test_what_failed_for_good_says_how_often_it_was_retried(make_storage, attempts):
    clock = ManualClock()
    storage = make_storage(clock, retry=RetryPolicy(base=0))
    storage.enqueue(Job("t", max_retries=attempts - 1))
    for _ in range(attempts):
        storage.fetch_and_lock_job("w1")
        clock.advance(30)
        [rescued] = storage.rescue()
    assert isinstance(rescued.state, Failed)
    assert (rescued.state.retry_count, rescued.state.stack_trace) == (attempts - 1, "")
    assert [failure.traceback for failure in rescued.failures] == [""] * attempts


def test_the_claims_of_a_dead_worker_end_at_once_and_nobody_elses(storage, clock):
    storage.enqueue_many([Job("t") for _ in range(6)])
    dead, lives = [storage.fetch_available_jobs_atomic(name, 2) for name in ("dead", "lives")]
    [done, left] = dead
    storage.finish(done, Succeeded())
    [locked, free] = storage.list("enqueued")
    assert storage.try_acquire_job_lock(locked.id, "dead", 60)
    assert storage.end_claims("dead") == 1
    assert [job.id for job in storage.rescue()] == [left.id]
    assert storage.renew([left, *lives]) == [False, True, True]
    [taken] = storage.fetch_available_jobs_atomic("w", 9)
    assert taken.id == free.id  # the lock holds until its time
    assert storage.get(done.id).state.kind == "succeeded"
    assert storage.end_claims("dead") == 0


def test_a_claim_that_was_ended_may_still_record_until_it_is_rescued(storage):
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("dead")
    assert storage.end_claims("dead") == 1
    assert storage.finish(job, Succeeded()).state.kind == "succeeded"
    assert storage.rescue() == []


def test_a_job_whose_claim_another_has_locked_meanwhile_stays_his(storage, clock):
    storage.enqueue(Job("t"))
    storage.fetch_and_lock_job("dead")
    clock.advance(31)
    [job] = storage.list()
    assert storage.try_acquire_job_lock(job.id, "lives", 60)
    assert storage.end_claims("dead") == 0
    assert storage.rescue() == []
