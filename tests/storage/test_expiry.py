"""Jobs that were not started in time: whoever comes upon them ends them, and loses nothing else."""

from datetime import timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Deleted,
    Job,
    JobLost,
    Scheduled,
    StateKind,
    StorageUnavailable,
    Succeeded,
)
from tests.work.support import Failing, Paused


def after(clock, seconds):
    return clock.now() + timedelta(seconds=seconds)


def late(storage, clock, count, **job):
    """So many jobs that have expired, the first in line."""
    soon = clock.now()
    jobs = [
        Job("t", id=f"late {n}", priority=9, expires_at=soon, created_at=soon, **job)
        for n in range(count)
    ]
    return storage.enqueue_many(jobs)


def ids(jobs):
    return [job.id for job in jobs]


def test_a_claim_takes_others_in_place_of_all_that_has_expired(storage, clock):
    late(storage, clock, 25)
    storage.enqueue_many([Job("t", id=name) for name in "abc"])
    assert ids(storage.fetch_available_jobs_atomic("w", 2)) == ["a", "b"]
    counts = storage.get_job_counts()
    assert (counts["deleted"], counts["processing"], counts["enqueued"]) == (25, 2, 1)


def test_a_claim_that_finds_nothing_else_says_when_to_come_again(storage, clock):
    late(storage, clock, 3)
    storage.enqueue(Job("t", state=Scheduled(enqueue_at=after(clock, 5))))
    batch = storage.claim("w", 10)
    assert batch.jobs == []
    assert (batch.next_due - clock.now()).total_seconds() == 5


def test_what_a_claim_ends_says_why_and_keeps_its_attempts(storage, clock):
    [job] = late(storage, clock, 1, metadata={"m": 1}, unique_key="k")
    assert storage.fetch_and_lock_job("w") is None
    gone = storage.get(job.id)
    assert isinstance(gone.state, Deleted)
    assert gone.state.reason.startswith("expired: not started by 20")
    assert (gone.attempt, gone.failures, gone.metadata) == (0, (), {"m": 1})
    assert gone.lease_expires_at is None
    assert storage.driver.holder("k") is None


def test_the_reason_counts_the_attempts_there_were(storage, clock):
    job = storage.enqueue(Job("t", expires_at=after(clock, 10)))
    retry = AwaitingRetry(retry_at=after(clock, 5))
    storage.finish(storage.fetch_and_lock_job("w"), retry)
    clock.advance(10)
    assert ids(storage.expire()) == [job.id]
    assert storage.get(job.id).state.reason.endswith(" after attempt 1")


def test_free_threads_get_what_jobs_ahead_of_them_left(storage, clock):
    """Of a claim for one free thread and two ahead the expired ones count for neither."""
    late(storage, clock, 2)
    storage.enqueue_many([Job("t", id=name) for name in "abcd"])
    batch = storage.claim("w", 1, ahead=2)
    assert ids(batch.jobs) == ["a", "b", "c"]
    rows = storage.driver.load(["a", "b", "c"])
    assert sorted(row.ahead for row in rows) == [0, 1, 1]


def test_an_orphan_that_expired_is_rescued_and_not_started_again(storage, clock):
    job = storage.enqueue(Job("t", expires_at=after(clock, 10)))
    claimed = storage.fetch_and_lock_job("w")
    clock.advance(30)
    assert storage.expire() == []  # it runs, for all that anybody knows
    [rescued] = storage.rescue()
    assert isinstance(rescued.state, AwaitingRetry)
    assert ids(storage.expire()) == [job.id]
    with pytest.raises(JobLost):
        storage.finish(claimed, Succeeded())


def test_a_lock_is_left_to_its_holder(storage, clock):
    [job] = late(storage, clock, 1)
    assert storage.try_acquire_job_lock(job.id, "w", 60)
    [gone] = storage.expire()
    assert not storage.try_acquire_job_lock(job.id, "another", 60)
    assert storage.get(job.id) == gone


def test_who_changes_a_job_after_the_look_keeps_it(storage, clock):
    """An expire has seen it, and comes too late."""
    first, second = late(storage, clock, 2)
    longer = attrs.evolve(first, expires_at=after(clock, 60))
    pause = storage.driver = Paused(storage.driver)
    pause.between["scan"] = lambda: storage.update(longer)
    assert ids(storage.expire()) == [second.id]
    assert storage.get(first.id).state.kind is StateKind.ENQUEUED


def test_a_claim_leaves_alone_what_was_cancelled_meanwhile(storage, clock):
    [job] = late(storage, clock, 1)
    pause = storage.driver = Paused(storage.driver)
    pause.between["claim"] = lambda: storage.cancel(job.id, "not wanted")
    assert storage.fetch_and_lock_job("w") is None
    assert storage.get(job.id).state.reason == "not wanted"


def test_what_was_claimed_is_handed_out_though_the_store_fails_then(storage, clock):
    """Or nobody would know of it until its lease has lapsed."""
    [old] = late(storage, clock, 1)
    storage.enqueue(Job("t", id="a"))
    storage.driver = Failing(storage.driver, {"swap": 1})
    batch = storage.claim("w", 2)
    assert ids(batch.jobs) == ["a"]
    assert batch.next_due == clock.now()  # there may be more
    clock.advance(30)
    [rescued] = [job for job in storage.rescue() if job.id == old.id]
    storage.expire()
    assert storage.get(rescued.id).state.kind is StateKind.DELETED


def test_a_failure_with_nothing_in_hand_is_told(storage, clock):
    late(storage, clock, 1)
    storage.driver = Failing(storage.driver, {"swap": 1})
    with pytest.raises(StorageUnavailable):
        storage.fetch_and_lock_job("w")


def test_available_looks_beyond_a_page_of_what_has_expired(storage, clock):
    late(storage, clock, 70)
    storage.enqueue_many([Job("t", id=name) for name in "abc"])
    assert ids(storage.get_available_jobs(1)) == ["a"]
    assert ids(storage.get_available_jobs(3)) == ["a", "b", "c"]
    assert ids(storage.get_available_jobs(4)) == ["a", "b", "c"]
    assert storage.get_available_jobs(0) == []


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 9])
def test_expire_takes_no_more_than_it_is_told(storage, clock, limit):
    late(storage, clock, 5)
    assert len(storage.expire(limit)) == min(limit, 5)
    assert storage.get_job_counts()["enqueued"] == 5 - min(limit, 5)
