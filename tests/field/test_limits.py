"""Limits and batches under threads: never more than the limit, and each end counted once."""

import threading

import pytest

from qml import Failed, Job, StateKind, Succeeded
from qml.storage import batches
from tests.field.test_ownership import in_threads


def well():
    return Succeeded(total_duration_ms=1.0, result=None)


def badly():
    return Failed(exception="x", stack_trace="", retry_count=0)


def at_once(*calls):
    """Carry all calls out in threads that begin together."""
    in_threads(len(calls), lambda index: calls[index]())


class Meter:
    """How many are in at once, and how many there were at most."""

    def __init__(self):
        self.lock, self.now, self.most = threading.Lock(), 0, 0

    def __enter__(self):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *error):
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize(("limit", "keys"), [(1, 1), (3, 2)])
def test_twelve_threads_keep_to_the_limit(make_storage, limit, keys):
    """And none of 300 jobs meets an error, is left, or runs twice."""
    storage = make_storage()
    storage.enqueue_many(
        [Job("t", concurrency_key=f"k{n % keys}", concurrency_limit=limit) for n in range(300)]
    )
    meters = {f"k{n}": Meter() for n in range(keys)}
    left = threading.Semaphore(300)
    done = []

    def work(name):
        while len(done) < 300:
            job = storage.fetch_and_lock_job(name)
            if job is None:
                storage.driver.wait(0.01)
                continue
            with meters[job.concurrency_key]:
                assert left.acquire(blocking=False)
            done.append(storage.finish(job, well()).id)

    at_once(*(lambda name=f"w{n}": work(name) for n in range(12)))
    assert len(set(done)) == len(done) == 300
    assert max(meter.most for meter in meters.values()) <= limit


def test_the_last_two_of_a_batch_end_at_once(make_storage):
    storage = make_storage()
    for number in range(25):
        batch = f"b{number}"
        batches.expect(storage.driver, batch, more=True)
        storage.enqueue(Job("t", id=f"{batch} all", after_batch=batch))
        storage.enqueue(Job("t", id=f"{batch} any", after_batch=batch, needs_success=False))
        storage.enqueue_many([Job("t", batch=batch) for _ in range(2)])
        batches.expect(storage.driver, batch, more=False)
        one, other = storage.fetch_available_jobs_atomic("w", 2)
        other_ends = badly if number % 3 == 0 else well
        at_once(
            lambda one=one: storage.finish(one, well()),
            lambda other=other, ends=other_ends: storage.finish(other, ends()),
        )
        followers = storage.fetch_available_jobs_atomic("w", 5)
        names = {job.id for job in followers}
        assert names == ({f"{batch} any"} | (set() if number % 3 == 0 else {f"{batch} all"}))
        storage.finish_many([(job, well()) for job in followers])


def test_the_last_ends_while_the_batch_is_closed(make_storage):
    storage = make_storage()
    for number in range(25):
        batch = f"b{number}"
        batches.expect(storage.driver, batch, more=True)
        storage.enqueue(Job("t", id=f"{batch} all", after_batch=batch))
        storage.enqueue(Job("t", batch=batch))
        job = storage.fetch_and_lock_job("w")
        at_once(
            lambda job=job: storage.finish(job, well()),
            lambda batch=batch: batches.expect(storage.driver, batch, more=False),
        )
        follower = storage.fetch_and_lock_job("w")
        assert follower.id == f"{batch} all"
        storage.finish(follower, well())


def test_a_parent_ends_while_a_child_is_enqueued(make_storage):
    storage = make_storage()
    for number in range(25):
        storage.enqueue(Job("t", id=f"parent {number}"))
        parent = storage.fetch_and_lock_job("w")
        child = Job("t", id=f"child {number}", after=[parent.id])
        at_once(
            lambda job=parent: storage.finish(job, well()),
            lambda job=child: storage.enqueue(job),
        )
        claimed = storage.fetch_and_lock_job("w")
        assert claimed.id == child.id
        assert storage.finish(claimed, well()).state.kind is StateKind.SUCCEEDED


def test_a_finish_and_an_enqueue_of_one_key_at_once(make_storage):
    """Whichever comes first, the next claim gives the job that waits."""
    storage = make_storage()
    storage.enqueue(Job("t", concurrency_key="k", concurrency_limit=1))
    for _ in range(25):
        job = storage.fetch_and_lock_job("w")
        assert job is not None
        at_once(
            lambda job=job: storage.finish(job, well()),
            lambda: storage.enqueue(Job("t", concurrency_key="k", concurrency_limit=1)),
        )
