"""What an update or a retry by hand leaves as it was: locks, leases, retention; and attempts."""

from datetime import timedelta

import attrs
import pytest

from qml import (
    ConcurrentModification,
    Deleted,
    Enqueued,
    Failed,
    InvalidTransition,
    Job,
    JobNotFound,
    Succeeded,
)
from qml.values.followup import Followup
from qml.values.retention import Retention
from qml.values.states import Processing
from tests.work.support import Paused

DAY = 86_400


def claimed(storage, **job):
    storage.enqueue(Job("t", **{"id": "a"} | job))
    return storage.fetch_and_lock_job("w1")


def failed(storage, **job):
    return storage.finish(claimed(storage, **job), Failed(exception="E"))


def only_for(storage, worker):
    """The job is held by ``worker``, and by nobody else."""
    assert storage.fetch_and_lock_job("another") is None
    return storage.fetch_and_lock_job(worker) is not None


# -- locks and leases ----------------------------------------------------------------------------


def test_a_lock_outlasts_a_retry(storage):
    failed(storage)
    assert storage.try_acquire_job_lock("a", "w2", 60)
    ready = storage.retry("a")
    assert ready.lease_expires_at == storage.now() + timedelta(seconds=60)
    assert only_for(storage, "w2")


def test_a_lock_outlasts_an_update(storage):
    job = storage.enqueue(Job("t", id="a"))
    assert storage.try_acquire_job_lock("a", "w2", 60)
    until = storage.now() + timedelta(seconds=60)
    assert storage.update(job.with_metadata(a=1)).lease_expires_at == until
    assert only_for(storage, "w2")


def test_a_lease_outlasts_an_update_of_the_record_and_a_cancel_by_it(storage):
    lease = claimed(storage).lease_expires_at
    job = storage.update(storage.get("a").with_metadata(a=1))
    assert job.lease_expires_at == lease
    assert storage.update(job.with_state(Deleted())).lease_expires_at == lease


def test_an_update_that_ends_the_run_ends_its_lease(storage):
    job = claimed(storage)
    back = storage.update(job.with_state(Enqueued(queue="default")))
    assert back.lease_expires_at is None
    assert storage.get("a") == back
    assert storage.fetch_and_lock_job("another").fence == 2


def test_an_update_that_starts_nothing_leases_nothing(storage):
    job = storage.enqueue(Job("t", id="a"))
    updated = storage.update(job.with_metadata(a=1))
    assert (updated.lease_expires_at, updated.attempt, updated.fence) == (None, 0, 0)


def test_an_update_to_processing_is_a_claim(storage):
    job = storage.enqueue(Job("t", id="a"))
    started = storage.update(job.with_state(Processing(worker_id="w1", server_name="s")))
    assert started.lease_expires_at == storage.now() + timedelta(seconds=30)
    assert (started.attempt, started.fence, started.version) == (1, 1, 1)
    again = storage.update(started.with_metadata(a=1))
    assert (again.attempt, again.fence) == (1, 1)
    assert storage.finish(again, Succeeded()).attempt == 1


# -- attempts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("retries", [0, 1, 7])
def test_an_update_sets_how_often_a_job_may_be_tried(storage, retries):
    job = storage.enqueue(Job("t", id="a", max_retries=3))
    updated = storage.update(attrs.evolve(job, max_retries=retries))
    assert updated.max_attempts == retries + 1
    assert storage.get("a").max_attempts == retries + 1


def test_what_the_policy_gave_stays_through_an_update(storage):
    job = storage.enqueue(Job("t", id="a"))
    assert storage.update(job.with_metadata(a=1)).max_attempts == job.max_attempts > 1


def test_an_update_that_makes_ready_leaves_an_attempt(storage):
    job = failed(storage, max_retries=0)
    ready = storage.update(job.with_state(Enqueued(queue="default")))
    assert (ready.attempt, ready.max_attempts) == (1, 2)


def test_an_update_of_what_runs_or_has_ended_gives_no_attempt(storage):
    job = claimed(storage, max_retries=0)
    assert storage.update(job.with_metadata(a=1)).max_attempts == 1
    done = storage.finish(job, Failed(exception="E"))
    assert storage.update(done.with_metadata(a=2)).max_attempts == 1


def test_a_retry_leaves_an_attempt(storage):
    job = failed(storage, max_retries=0)
    ready = storage.retry("a")
    assert (job.max_attempts, ready.attempt, ready.max_attempts) == (1, 1, 2)
    assert storage.get("a").max_attempts == 2


def test_a_retry_keeps_the_attempts_that_are_left(storage):
    job = failed(storage, max_retries=4)
    assert storage.retry("a").max_attempts == job.max_attempts == 5


# -- retention -----------------------------------------------------------------------------------


def test_retention_goes_on_through_an_update(storage, clock):
    job = storage.finish(claimed(storage), Succeeded())
    clock.advance(6 * DAY)
    storage.update(job.with_metadata(a=1))
    clock.advance(DAY)
    assert storage.purge() == 1


def test_retention_begins_anew_in_another_final_state(storage, clock):
    job = storage.finish(claimed(storage), Succeeded())
    clock.advance(6 * DAY)
    storage.update(job.with_state(Deleted()))
    clock.advance(DAY)
    assert storage.purge() == 0
    clock.advance(6 * DAY)
    assert storage.purge() == 1


OWN = Retention(succeeded=100, deleted=200, failed=300)


def test_a_retention_of_its_own_goes_on_through_an_update(storage, clock):
    job = storage.finish(claimed(storage, retention=OWN), Succeeded())
    clock.advance(60)
    storage.update(job.with_metadata(a=1))
    clock.advance(40 - 0.000_001)
    assert storage.purge() == 0
    clock.advance(0.000_001)
    assert storage.purge() == 1


def test_it_begins_anew_in_another_final_state(storage, clock):
    job = storage.finish(claimed(storage, retention=OWN), Succeeded())
    clock.advance(60)
    storage.update(job.with_state(Deleted(storage.now() - timedelta(days=400))))
    clock.advance(200 - 0.000_001)
    assert storage.purge() == 0
    clock.advance(0.000_001)
    assert storage.purge() == 1


def test_an_update_gives_what_has_ended_another_retention(storage, clock):
    """It counts from the end, not from the update."""
    job = storage.finish(claimed(storage), Succeeded())
    clock.advance(60)
    job = storage.update(attrs.evolve(job, retention=OWN))
    clock.advance(40)
    assert storage.purge() == 1
    storage.enqueue(Job("t", id="b", state=Succeeded(), retention=OWN))
    storage.update(attrs.evolve(storage.get("b"), retention=None))
    clock.advance(DAY)
    assert storage.purge() == 0
    clock.advance(6 * DAY)
    assert storage.purge() == 1


def test_an_update_writes_what_is_set_once(storage):
    """What stands behind the arguments: retention, what follows, schedule and slot."""
    job = storage.enqueue(Job("t", ["a"], id="a", on_failure=Followup("mend"), schedule="s"))
    new = attrs.evolve(job, on_failure=None, schedule=None, slot=storage.now(), retention=OWN)
    assert storage.update(new) == attrs.evolve(new, version=1) == storage.get("a")


# -- refusals ------------------------------------------------------------------------------------


def test_refusals_name_the_job_and_say_what_to_do(storage):
    job = claimed(storage)
    storage.cancel("a")
    with pytest.raises(
        ConcurrentModification, match=r"job a \(t\): version 1 was read.*deleted, v"
    ) as stale:
        storage.update(job)
    storage.delete("a")
    with pytest.raises(JobNotFound, match="job a does not exist") as gone:
        storage.update(job)
    assert [stale.value.job_id, gone.value.job_id] == ["a", "a"]
    claimed(storage)
    with pytest.raises(InvalidTransition, match=r"job a \(t\) is running; it can be") as running:
        storage.retry("a")
    assert running.value.job_id == "a"


@pytest.mark.parametrize("operation", ["cancel", "retry"])
def test_what_does_not_exist_is_named(storage, operation):
    with pytest.raises(JobNotFound, match="job nobody does not exist") as gone:
        getattr(storage, operation)("nobody")
    assert gone.value.job_id == "nobody"


def test_the_record_remembers_who_claimed_it_last(storage):
    job = claimed(storage)
    storage.update(job.with_state(Failed(exception="by hand")))
    assert storage.driver.load(["a"])[0].worker == "w1"


def test_an_update_leaves_what_is_damaged_for_somebody_to_look_at(storage):
    """What cannot be read is replaced in the job, but not in the store."""
    storage.enqueue(Job("t", ["precious"], id="a"))
    [row] = storage.driver.load(["a"])
    storage.driver.erase(["a"], 1)
    storage.driver.insert([row._replace(payload="{precious")])
    job = storage.get("a")
    assert (job.damage is not None, job.arguments) == (True, [])
    updated = storage.update(job.with_metadata(seen=1))
    assert updated.metadata == {"seen": 1}
    assert storage.driver.load(["a"])[0].payload == "{precious"


def test_an_update_writes_new_arguments(storage):
    job = storage.enqueue(Job("t", ["old"], id="a"))
    assert storage.update(attrs.evolve(job, arguments=["new"])).arguments == ["new"]
    assert storage.get("a").arguments == ["new"]


# -- another hand is faster ----------------------------------------------------------------------


def meanwhile(storage, change):
    """Have ``change`` come after the next operation's look, and before its write."""
    pause = storage.driver = Paused(storage.driver)
    pause.before["swap"] = lambda: change(storage)


def test_an_update_that_comes_too_late_is_refused(storage):
    job = storage.enqueue(Job("t", id="a"))
    meanwhile(storage, lambda s: s.update(job.with_metadata(first=1)))
    with pytest.raises(ConcurrentModification, match="job a"):
        storage.update(job.with_metadata(second=1))
    stored = storage.get("a")
    assert (stored.metadata, stored.version) == ({"first": 1}, 1)


def test_a_cancel_is_of_the_job_as_it_is_by_then(storage):
    job = storage.enqueue(Job("t", id="a"))
    meanwhile(storage, lambda s: s.update(job.with_metadata(first=1)))
    gone = storage.cancel("a", "not wanted")
    assert (gone.state.reason, gone.metadata, gone.version) == ("not wanted", {"first": 1}, 2)
    assert storage.get("a") == gone


def test_a_retry_is_refused_when_the_job_runs_by_then(storage):
    failed(storage)
    meanwhile(storage, lambda s: (s.retry("a"), s.fetch_and_lock_job("w2")))
    with pytest.raises(InvalidTransition):
        storage.retry("a")
    assert storage.get("a").state.worker_id == "w2"


def test_a_retry_goes_back_to_its_own_queue(storage):
    failed(storage, queue="q")
    assert storage.retry("a").state == Enqueued(storage.now(), "q")
