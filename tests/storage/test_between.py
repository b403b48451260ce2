"""What others do between the two calls that some operations make of a driver."""

import attrs
import pytest

from qml import Failed, InvalidTransition, Job, JobLost, JobNotFound, Succeeded
from tests.work.support import Paused


@pytest.fixture
def paused(storage):
    storage.driver = Paused(storage.driver)
    return storage.driver


def test_the_late_end_of_a_cancelled_run_leaves_its_workers_lock(storage, paused, clock):
    """Law 5: the hand is stale, whoever it belongs to."""
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w")
    storage.cancel("a")
    clock.advance(60)
    paused.between["load"] = lambda: storage.try_acquire_job_lock("a", "w", 60)
    with pytest.raises(JobLost):
        storage.finish(claimed, Succeeded())
    assert not storage.try_acquire_job_lock("a", "another", 60)


@pytest.mark.parametrize("removal", ["delete", "purge"])
def test_an_update_of_what_is_removed_meanwhile_says_so(storage, paused, clock, removal):
    job = storage.enqueue(Job("t", id="a"))
    if removal == "purge":
        job = storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
        clock.advance(400 * 86_400)
    remove = {"delete": lambda: storage.delete("a"), "purge": storage.purge}[removal]
    paused.before["swap"] = remove
    with pytest.raises(JobNotFound):
        storage.update(attrs.evolve(job, metadata={"n": 1}))


def test_a_key_that_becomes_free_meanwhile_is_taken_by_a_retry(storage, paused):
    storage.enqueue(Job("t", id="a", unique_key="k"))
    storage.finish(storage.fetch_and_lock_job("w"), Failed(exception="x"))
    storage.enqueue(Job("t", id="b", unique_key="k", unique_while="queued"))
    paused.between["swap"] = lambda: storage.fetch_and_lock_job("w")  # frees the key of b
    assert storage.retry("a").state.kind == "enqueued"
    assert storage.driver.holder("k") == "a"


def test_a_key_that_becomes_free_meanwhile_is_taken_by_an_update(storage, paused):
    storage.enqueue(Job("t", id="b", unique_key="k", unique_while="queued"))
    job = storage.enqueue(Job("t", id="a"))
    paused.between["swap"] = lambda: storage.fetch_and_lock_job("w")
    storage.update(attrs.evolve(job, unique_key="k"))
    assert storage.driver.holder("k") == "a"


def test_a_job_is_not_in_its_own_way(storage, paused):
    """Another retry of the same job was faster, and holds the key for it."""
    storage.enqueue(Job("t", id="a", unique_key="k"))
    storage.finish(storage.fetch_and_lock_job("w"), Failed(exception="x"))
    storage.enqueue(Job("t", id="b", unique_key="k", unique_while="queued"))

    def meanwhile():
        storage.fetch_and_lock_job("w")
        storage.retry("a")

    paused.between["swap"] = meanwhile
    with pytest.raises(InvalidTransition):
        storage.retry("a")


def test_the_late_end_of_a_cancelled_run_leaves_its_workers_next_claim(storage, paused, clock):
    """The job was deleted and enqueued again, and the claim of that has the same fence."""
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w")
    storage.cancel("a")

    def meanwhile():
        storage.delete("a")
        storage.enqueue(Job("t", id="a"))
        assert storage.fetch_and_lock_job("w").fence == claimed.fence

    paused.between["load"] = meanwhile
    with pytest.raises(JobLost):
        storage.finish(claimed, Succeeded())
    clock.advance(29)
    assert storage.rescue() == []
