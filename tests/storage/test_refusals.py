"""What refusals tell: which job, what became of it, and what to do; and what is refused."""

import pytest

from qml import (
    AwaitingRetry,
    ConfigurationError,
    Enqueued,
    Failed,
    InvalidTransition,
    Job,
    JobAlreadyExists,
    JobLost,
    MemoryStorage,
    Succeeded,
    UniqueKeyTaken,
)
from qml.storage import claims
from qml.testing import ManualClock
from qml.values.errors import SerializationError
from qml.values.job import Failure
from tests.work.support import Wrapped


def claimed(storage, job_id="a", worker="w1", **job):
    storage.enqueue(Job("t", id=job_id, **job))
    return storage.fetch_and_lock_job(worker)


def lost(storage, job):
    """What the end of a claim that is over is told."""
    with pytest.raises(JobLost) as refusal:
        storage.finish(job, Succeeded())
    assert refusal.value.job_id == job.id
    [answer] = storage.release_many([job])
    assert (str(answer), answer.job_id) == (str(refusal.value), job.id)
    return str(answer)


def test_a_job_that_was_deleted(storage):
    job = claimed(storage)
    storage.delete("a")
    told = lost(storage, job)
    assert told.startswith("job a (t): the claim of w1 (fence 1) is over; the job was deleted. ")
    assert told.endswith("what this run did outside qml may have happened")


def test_a_job_that_was_enqueued_anew(storage):
    job = claimed(storage)
    storage.delete("a")
    storage.enqueue(Job("t", id="a"))
    assert "; the job was deleted. Nothing was recorded; " in lost(storage, job)


def test_a_job_that_another_claim_holds(storage):
    job = claimed(storage)
    storage.release(job)
    storage.fetch_and_lock_job("w2")
    told = lost(storage, job)
    assert "; the job is now processing, held by w2 (fence 2). Nothing was recorded" in told


def test_a_job_that_has_ended(storage):
    job = claimed(storage)
    storage.cancel("a")
    assert "; the job is now deleted. Nothing was recorded" in lost(storage, job)


class Restless(Wrapped):
    """A store where another changes the record before every swap."""

    def meet(self, verb, orders):
        if verb == "swap":
            [row] = self.driver.load(["a"])
            assert self.driver.swap([orders[0]._replace(version=row.version, state="processing")])


def test_a_record_that_changes_all_the_time(storage, monkeypatch):
    monkeypatch.setattr(claims, "TRIES", 7)
    job = claimed(storage)
    storage.driver = Restless(storage.driver)
    with pytest.raises(JobLost, match="job a changed 7 times while it was ended") as refusal:
        storage.finish(job, Succeeded())
    assert refusal.value.job_id == "a"


# -- new jobs ------------------------------------------------------------------------------------


def refused(storage, *jobs):
    with pytest.raises((JobAlreadyExists, UniqueKeyTaken)) as refusal:
        storage.enqueue_many(jobs)
    return str(refusal.value)


def test_what_stands_in_the_way_of_new_jobs(storage):
    storage.enqueue(Job("t", id="a", unique_key="k"))
    one = Job("t", id="a")
    assert refused(storage, one) == "job a (t) is stored already and was left as it is"
    told = refused(storage, Job("t"), one)
    assert told.endswith("left as it is; 2 jobs were given and none stored")
    told = refused(storage, one, Job("t"), Job("t", unique_key="k"))
    assert told.endswith("; 3 jobs were given and none stored, 2 of them stood in the way")
    told = refused(storage, Job("t", id="b", unique_key="k"))
    assert told.endswith(
        "'k' is held by job a; wait for that one to end, or cancel it, or enqueue with "
        "on_conflict='existing' to have that one returned"
    )
    assert len(storage.list()) == 1


# -- claims, some of which are none --------------------------------------------------------------


def test_renewals_are_answered_in_their_order(storage):
    first, second = claimed(storage, "a"), claimed(storage, "b")
    waiting = storage.enqueue(Job("t", id="c"))
    gone = claimed(storage, "d", queue="c")
    storage.delete(gone.id)
    given = [waiting, first, gone, waiting, second]
    assert storage.renew(given) == [False, True, False, False, True]
    assert storage.renew([waiting]) == [False]


@pytest.mark.parametrize("end", ["finish", "release"])
def test_what_is_no_claim_has_no_end(storage, end):
    job = storage.enqueue(Job("t", id="a"))
    ends = {
        "finish": lambda: storage.finish(job, Succeeded()),
        "release": lambda: storage.release(job),
    }
    with pytest.raises(InvalidTransition, match="as given is enqueued, not processing") as refusal:
        ends[end]()
    assert refusal.value.job_id == "a"
    assert storage.get("a") == job


def test_a_failure_remembers_whose_attempt_it_was(storage):
    for outcome, traceback in (
        (Failed(exception="E: x", stack_trace="trace"), "trace"),
        (AwaitingRetry(retry_at=storage.now(), last_exception="E: x"), ""),
    ):
        job = storage.finish(claimed(storage), outcome)
        assert job.failures == (Failure(1, storage.now(), "w1", "E: x", traceback),)
        assert storage.get("a") == job
        storage.delete("a")


def test_a_result_that_is_too_large_is_named(make_storage, clock):
    storage = make_storage(clock, max_job_bytes=100)
    job = claimed(storage)
    with pytest.raises(SerializationError) as refusal:
        storage.finish(job, Succeeded(result="x" * 99))
    assert str(refusal.value).startswith("job a (t): its result is 101 bytes of JSON, more than")
    assert refusal.value.job_id == "a"
    assert storage.finish(job, Succeeded(result="x" * 98)).state.result == "x" * 98


def test_what_is_released_goes_back_to_its_own_queue(storage):
    job = claimed(storage, queue="q")
    assert storage.release(job).state == Enqueued(storage.now(), "q")


def test_a_release_with_a_delay_counts_the_failures_so_far(storage, clock):
    claimed(storage, max_retries=5)
    clock.advance(30)
    storage.rescue()
    clock.advance(60)
    back = storage.release(storage.fetch_and_lock_job("w1"), 5)
    assert isinstance(back.state, AwaitingRetry)
    assert (back.state.retry_count, back.attempt) == (1, 1)


# -- what is given -------------------------------------------------------------------------------


@pytest.fixture
def memory():
    """What is given is looked at before any driver sees it."""
    with MemoryStorage(clock=ManualClock()) as storage:
        yield storage


@pytest.mark.parametrize("wrong", [-1, 1.0, True, "1"])
@pytest.mark.parametrize("name", ["limit", "offset"])
def test_a_number_is_whole_and_not_below_0(memory, name, wrong):
    with pytest.raises(ConfigurationError, match=f"^{name} is {wrong!r}; give a whole number, 0"):
        memory.list(**{name: wrong})
    assert memory.list(**{name: 0}) == []


@pytest.mark.parametrize("name", ["queue", "method"])
def test_a_filter_is_text(memory, name):
    with pytest.raises(ConfigurationError, match=f"^{name} is 5; give text, or None for all"):
        memory.list(**{name: 5})
    with pytest.raises(SerializationError, match=f"^{name} holds the lone surrogate"):
        memory.list(**{name: "\ud800"})


@pytest.mark.parametrize("wrong", ["", None, 5, "a\0b"])
def test_a_worker_is_text(memory, wrong):
    with pytest.raises(ConfigurationError, match=r"^worker_id is .*; give text"):
        memory.fetch_and_lock_job(wrong)
    with pytest.raises(SerializationError, match=r"^worker_id holds the lone surrogate"):
        memory.fetch_and_lock_job("\ud800")


@pytest.mark.parametrize("wrong", ["mail", 5, [], [""], ["a", 5], [None]])
def test_queues_are_a_list_of_names(memory, wrong):
    with pytest.raises(ConfigurationError, match=r"^queues is .*; give "):
        memory.fetch_and_lock_job("w1", wrong)


@pytest.mark.parametrize("wrong", [0, -1, True, "1", float("nan"), float("inf"), 1e11])
def test_a_lease_is_a_span(memory, wrong):
    with pytest.raises(
        ConfigurationError,
        match=r"^lease_seconds is .*; give seconds, more than 0 and less than 1e11$",
    ):
        memory.fetch_and_lock_job("w1", lease_seconds=wrong)
    with pytest.raises(ConfigurationError, match=r"^timeout_seconds is .*; give seconds, more"):
        memory.try_acquire_job_lock("a", "w1", wrong)


@pytest.mark.parametrize("wrong", [-1, True, "1", float("nan")])
def test_a_delay_may_be_0_and_not_below(memory, wrong):
    job = claimed(memory)
    with pytest.raises(ConfigurationError, match=r"^delay is .*; give seconds, 0 or more"):
        memory.release(job, wrong)
    assert memory.release(job, 0).state.kind == "awaiting_retry"
    assert memory.fetch_and_lock_job("w1").fence == 2
