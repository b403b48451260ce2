"""What follows on a failure: once, in the same step, whoever else is there."""

import random

import attrs
import pytest

from qml import ConfigurationError, Failed, Job, JobLost, Rate, RetryPolicy
from qml.testing import ManualClock
from qml.values.followup import Followup
from qml.values.jobfields import LONGEST
from tests.work.support import Counting, Failing, Paused

MEND = Followup("mend")


def claimed(storage, **job):
    storage.enqueue(Job("t", **{"id": "a", "on_failure": MEND} | job))
    return storage.fetch_and_lock_job("w")


def followers(storage):
    return [job for job in storage.list() if job.method == "mend"]


def fail(storage, job, why="E"):
    return storage.finish(job, Failed(exception=why))


def test_law8_it_costs_no_step_of_its_own(storage):
    job = claimed(storage)
    storage.driver = counting = Counting(storage.driver)
    fail(storage, job)
    assert counting.calls == {"swap": 1}
    assert len(followers(storage)) == 1


@pytest.mark.parametrize("lost", [True, False], ids=["reply", "call"])
def test_law9_a_finish_whose_reply_is_lost_is_followed_once(storage, lost):
    job = claimed(storage)
    storage.driver = failing = Failing(storage.driver, {"swap": 1})
    failing.lost = {"swap"} if lost else set()
    for _ in range(3):
        try:
            fail(storage, job)
        except Exception:
            assert len(followers(storage)) == lost
    assert len(followers(storage)) == 1


def test_a_record_that_changed_meanwhile_is_followed_as_it_is_by_then(storage):
    """The end is tried anew on the newest record."""
    job = claimed(storage)
    other = attrs.evolve(storage.get("a"), on_failure=Followup("other", queue="q"))
    pause = storage.driver = Paused(storage.driver)
    pause.before["swap"] = lambda: storage.update(other)
    fail(storage, job)
    assert followers(storage) == []
    [follower] = [job for job in storage.list() if job.method == "other"]
    assert (follower.queue, follower.arguments) == ("q", ["a", "E"])


def test_law5_who_comes_too_late_is_not_followed(storage, clock):
    """The rescue has seen the lapsed lease, and before it takes the job the worker fails."""
    job = claimed(storage, max_retries=0)
    clock.advance(30)
    pause = storage.driver = Paused(storage.driver)
    pause.between["scan"] = lambda: fail(storage, job, "by the worker")
    assert storage.rescue() == []
    [follower] = followers(storage)
    assert follower.arguments == ["a", "by the worker"]


def test_law5_so_it_is_the_other_way_round(storage, clock):
    job = claimed(storage, max_retries=0)
    clock.advance(30)
    pause = storage.driver = Paused(storage.driver)
    pause.before["swap"] = storage.rescue
    with pytest.raises(JobLost):
        fail(storage, job, "by the worker")
    [follower] = followers(storage)
    assert follower.arguments[1].startswith("WorkerLost")


def test_a_follower_whose_id_is_taken_is_left_out_and_the_end_stands(storage):
    job = claimed(storage)
    fail(storage, job)
    [follower] = followers(storage)
    storage.delete("a")
    storage.delete(follower.id)
    storage.enqueue(Job("mine", id=follower.id, queue="another"))
    storage.enqueue(attrs.evolve(job, state=Job("t").state, fence=0, version=0, attempt=0))
    again = storage.fetch_and_lock_job("w", ["default"])
    assert fail(storage, again).state.kind == "failed"
    assert storage.get(follower.id).method == "mine"


def test_the_next_job_of_that_id_is_followed_too(storage, clock):
    """An id is used again once its job is gone, and so is its fence; its follower may still be."""
    for number in range(3):
        clock.advance(1)
        job = claimed(storage, created_at=clock.now(), priority=9)
        assert job.fence == 1
        fail(storage, job, str(number))
        storage.delete("a")
    assert sorted(job.arguments[1] for job in followers(storage)) == ["0", "1", "2"]


def test_a_full_memory_store_takes_it_all_the_same():
    from qml import MemoryStorage

    storage = MemoryStorage(max_jobs=1, clock=ManualClock())
    fail(storage, claimed(storage))
    assert len(followers(storage)) == 1


def test_a_large_exception_is_passed_on_shortened(storage):
    fail(storage, claimed(storage), "ValueError: " + "x\0\ud800" * 2_000_000)
    [follower] = followers(storage)
    assert follower.arguments[1] == storage.get("a").state.exception
    assert len(follower.arguments[1]) < 100_000


def test_a_follower_has_attempts_of_its_own(make_storage):
    storage = make_storage(ManualClock(), retry=RetryPolicy(max_retries=9))
    for number, retries in enumerate([None, 0, 4]):
        after = Followup("mend", max_retries=retries)
        fail(storage, claimed(storage, id=str(number), on_failure=after, priority=9))
    assert sorted(job.max_attempts for job in followers(storage)) == [1, 1, 5]


@pytest.mark.parametrize(
    "wrong", [{"priority": 2**40}, {"priority": 1.5}, {"max_retries": -1}, {"timeout_seconds": 0}]
)
def test_what_could_not_be_enqueued_is_refused_before_the_job_is(wrong):
    """Or the job could never be ended."""
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Job("t", on_failure=Followup("mend", **wrong))


def incompressible(size):
    """Text of so many bytes that no index makes shorter."""
    draw = random.Random(size)
    return "".join(chr(draw.randrange(33, 127)) for _ in range(size))


LANE = {"queue": 1_000, "concurrency_key": 800, "rate_key": 700}


@pytest.mark.parametrize("lengths", [{"method": LONGEST}, {"queue": LONGEST}, LANE])
def test_names_as_long_as_may_be_are_stored_when_the_job_has_ended(storage, lengths):
    names = {name: incompressible(length) for name, length in lengths.items()}
    given = {"method": "mend", **names} | ({"concurrency_limit": 1} if len(names) > 1 else {})
    after = Followup(**given, rate=Rate(1) if "rate_key" in names else None)
    fail(storage, claimed(storage, on_failure=after))
    [follower] = [job for job in storage.list() if job.id != "a"]
    assert (follower.method, follower.queue) == (after.method, after.queue)


@pytest.mark.parametrize("name", ["method", "queue", "concurrency_key"])
def test_longer_names_are_refused_before_the_job_is(name):
    """PostgreSQL refused them at the end of the job, which could not be recorded; nor could a
    rescue be, of this job or any other."""
    limit = 1 if name == "concurrency_key" else None
    given = {"method": "mend", name: "ä" * (LONGEST // 2 + 1), "concurrency_limit": limit}
    for role in ("on_failure", "on_success"):
        for after in (Followup(**given), Followup("first", on_success=Followup(**given))):
            with pytest.raises(ConfigurationError, match=r"2,5\d\d bytes, more than the 2,500"):
                Job("t", **{role: after})
