"""Jobs that come after others, and after batches: when they start, and what if those fail."""

import attrs
import pytest

from qml import (
    ConfigurationError,
    Deleted,
    Failed,
    Job,
    JobFilter,
    JobNotFound,
    Processing,
    Scheduled,
    StateKind,
    StorageUnavailable,
    Succeeded,
)
from qml.storage import batches
from tests.work.support import Failing, Wrapped

PARENT_FAILED = "not started: what it was to start after did not succeed"


def well(result=None):
    return Succeeded(total_duration_ms=1.0, result=result)


def badly():
    return Failed(exception="x", stack_trace="", retry_count=0)


def run(storage, **outcomes):
    """Claim what there is, and end it as told, well by default; the ids."""
    jobs = storage.fetch_available_jobs_atomic("w", 100)
    for job in jobs:
        storage.finish(job, outcomes.get(job.id, well)())
    return [job.id for job in jobs]


def kind(storage, job_id):
    return storage.get(job_id).state.kind.value


def test_it_waits_for_all(storage):
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    child = storage.enqueue(Job("t", id="c", after=["a", "b"]))
    assert isinstance(child.state, Scheduled)
    assert child.state.reason == "after 2 jobs"
    a, b = storage.fetch_available_jobs_atomic("w")
    storage.finish(a, well())
    assert storage.fetch_and_lock_job("w") is None
    assert storage.kept_back([storage.get("c")]) == ["1 left of what it comes after"]
    storage.finish(b, well())
    assert storage.kept_back([storage.get("c")]) == [None]
    assert run(storage) == ["c"]


def test_what_ended_before_is_not_waited_for(storage):
    storage.enqueue(Job("t", id="a"))
    run(storage)
    storage.enqueue(Job("t", id="c", after=["a"]))
    assert run(storage) == ["c"]


@pytest.mark.parametrize("before", [False, True])
def test_a_failure_cancels_it(storage, before):
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    if before:
        run(storage, a=badly)
    storage.enqueue(Job("t", id="c", after=["a", "b"]))
    run(storage, a=badly)
    assert run(storage) == []
    assert kind(storage, "c") == "deleted"
    assert storage.get("c").state.reason == PARENT_FAILED


def test_or_it_runs_in_any_case(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"], needs_success=False))
    assert run(storage, a=badly) == ["a"]
    assert run(storage) == ["c"]


def test_a_chore_cancels_it_where_nobody_claims(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"]))
    run(storage, a=badly)
    assert [job.id for job in storage.expire()] == ["c"]
    assert kind(storage, "c") == "deleted"


def test_a_failure_goes_down_the_line(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="b", after=["a"]))
    storage.enqueue(Job("t", id="c", after=["b"]))
    storage.enqueue(Job("t", id="d", after=["c"], needs_success=False))
    run(storage, a=badly)
    for _ in range(3):
        last = run(storage)
    assert last == ["d"] or kind(storage, "d") == "succeeded"
    assert (kind(storage, "b"), kind(storage, "c")) == ("deleted", "deleted")


@pytest.mark.parametrize("way", ["cancel", "delete"])
def test_a_parent_that_goes_has_not_succeeded(storage, way):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"]))
    storage.enqueue(Job("t", id="d", after=["a"], needs_success=False))
    getattr(storage, way)("a")
    assert run(storage) == ["d"]
    assert kind(storage, "c") == "deleted"


def test_a_retry_of_a_parent_that_has_failed_changes_nothing_any_more(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"], needs_success=False))
    run(storage, a=badly)
    storage.retry("a")
    assert sorted(run(storage)) == ["a", "c"]
    assert run(storage) == []


def test_a_retry_before_the_others_ended_counts_again(storage):
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    storage.enqueue(Job("t", id="c", after=["a", "b"]))
    a, b = storage.fetch_available_jobs_atomic("w")
    storage.finish(a, badly())
    storage.retry("a")
    storage.finish(b, well())
    assert run(storage) == ["a"]
    assert run(storage) == ["c"]


def test_one_that_is_cancelled_is_not_woken(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"]))
    storage.cancel("c")
    run(storage)
    assert run(storage) == []
    assert kind(storage, "c") == "deleted"


def test_by_hand_it_may_start_before(storage):
    storage.enqueue(Job("t", id="a"))
    storage.enqueue(Job("t", id="c", after=["a"]))
    storage.retry("c")
    assert sorted(run(storage)) == ["a", "c"]
    assert run(storage) == []


def test_an_update_leaves_it_waiting(storage):
    storage.enqueue(Job("t", id="a"))
    child = storage.enqueue(Job("t", id="c", after=["a"]))
    storage.update(child.with_metadata(seen=1))
    assert run(storage) == ["a"]
    assert run(storage) == ["c"]
    assert storage.get("c").metadata == {"seen": 1}


def test_an_enqueued_job_is_returned_as_it_is_stored(storage):
    storage.enqueue(Job("t", id="a"))
    run(storage, a=badly)
    child = storage.enqueue(Job("t", id="c", after=["a"]))
    assert child == storage.get("c")
    storage.update(child.with_metadata(seen=1))
    assert run(storage) == []
    assert kind(storage, "c") == "deleted"


@pytest.mark.parametrize("state", [well(), Processing(worker_id="w", server_name="s")])
def test_what_does_not_wait_is_not_woken(storage, state):
    storage.enqueue(Job("t", id="a"))
    run(storage)
    storage.enqueue(Job("t", id="c", after=["a"], state=state))
    assert run(storage) == []


def test_an_update_leaves_what_it_belongs_to(storage):
    storage.enqueue(Job("t", id="a"))
    job = storage.enqueue(Job("t", id="c", after=["a"], batch="b", place=3))
    changed = attrs.evolve(job, after=(), batch="x", place=None, needs_success=False)
    stored = storage.update(changed)
    assert (stored.after, stored.batch, stored.place) == (("a",), "b", 3)
    assert stored == storage.get("c")
    assert batches.progress(storage.driver, "b").total == 1


def test_an_update_of_one_that_was_woken_leaves_it_due(storage, clock):
    storage.enqueue(Job("t", id="a"))
    later = Scheduled(clock.now(), clock.now().replace(year=2100))
    storage.enqueue(Job("t", id="c", after=["a"], state=later))
    run(storage)
    storage.update(storage.get("c").with_metadata(seen=1))
    assert run(storage) == ["c"]


def test_jobs_that_are_not_there_are_not_waited_for(storage):
    with pytest.raises(JobNotFound, match="is to come after job nobody") as caught:
        storage.enqueue(Job("t", id="c", after=["nobody"]))
    assert caught.value.job_id == "nobody"
    assert storage.get("c") is None


def test_jobs_and_a_batch_at_once_are_refused():
    with pytest.raises(ConfigurationError, match="give one of them"):
        Job("t", after=["a"], after_batch="b")


@pytest.mark.parametrize("wrong", ["a", [""], [1]])
def test_what_is_no_list_of_ids_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="ids of jobs"):
        Job("t", after=wrong)


def test_it_comes_back_as_it_was(storage):
    storage.enqueue(Job("t", id="a"))
    job = Job("t", after=["a"], needs_success=False, batch="x", place=3)
    storage.enqueue(job)
    assert storage.get(job.id) == job
    assert Job.from_json(job.to_json()) == job


# -- batches -------------------------------------------------------------------------------------


def members(storage, batch, number, **job):
    return storage.enqueue_many(
        [Job("t", id=f"{batch}{n}", batch=batch, place=n, **job) for n in range(number)]
    )


def follow(storage, batch):
    batches.expect(storage.driver, batch, more=True)
    storage.enqueue(Job("t", id="success", after_batch=batch))
    storage.enqueue(Job("t", id="finish", after_batch=batch, needs_success=False))


def test_what_comes_after_a_batch_comes_once_it_is_complete(storage):
    follow(storage, "b")
    members(storage, "b", 3)
    assert run(storage) == ["b0", "b1", "b2"]
    assert run(storage) == []
    storage.enqueue(Job("t", id="b3", batch="b"))
    batches.expect(storage.driver, "b", more=False)
    assert run(storage) == ["b3"]
    assert sorted(run(storage)) == ["finish", "success"]
    batches.expect(storage.driver, "b", more=False)
    assert run(storage) == []


def test_after_a_batch_that_is_over_it_starts_at_once(storage):
    members(storage, "b", 2)
    batches.expect(storage.driver, "b", more=False)
    run(storage)
    storage.enqueue(Job("t", id="c", after_batch="b"))
    assert run(storage) == ["c"]


@pytest.mark.parametrize(("needs_success", "state"), [(True, "deleted"), (False, "succeeded")])
def test_after_a_batch_that_is_over_and_had_a_failure(storage, needs_success, state):
    members(storage, "b", 3)
    batches.expect(storage.driver, "b", more=False)
    run(storage, b1=badly)
    storage.enqueue(Job("t", id="c", after_batch="b", needs_success=needs_success))
    run(storage)
    assert kind(storage, "c") == state


@pytest.mark.parametrize("outcome", [well, badly])
def test_a_batch_that_gets_over_at_that_moment(storage, outcome):
    members(storage, "b", 1)
    batches.expect(storage.driver, "b", more=False)
    last = storage.fetch_and_lock_job("w")
    driver = storage.driver

    class Meanwhile(Wrapped):
        def meet(self, verb, orders):
            if verb == "insert":
                storage.driver = driver
                storage.finish(last, outcome())

    storage.driver = Meanwhile(driver)
    storage.enqueue(Job("t", id="c", after_batch="b"))
    run(storage)
    assert kind(storage, "c") == ("succeeded" if outcome is well else "deleted")


@pytest.mark.parametrize("outcome", [well, badly])
def test_an_open_batch_that_is_closed_and_over_at_that_moment(storage, outcome):
    """More were to come when it was looked at, and at the insert all is over: nobody waits for what
    does not come any more."""
    members(storage, "b", 1)
    last = storage.fetch_and_lock_job("w")
    driver = storage.driver

    class Meanwhile(Wrapped):
        def meet(self, verb, orders):
            if verb == "insert":
                storage.driver = driver
                batches.expect(storage.driver, "b", more=False)
                storage.finish(last, outcome())

    storage.driver = Meanwhile(driver)
    storage.enqueue(Job("t", id="c", after_batch="b"))
    storage.driver = driver
    run(storage)
    assert kind(storage, "c") == ("succeeded" if outcome is well else "deleted")
    assert not batches.progress(storage.driver, "b").open


@pytest.mark.parametrize("more", [True, False])
def test_killed_before_its_look_back_a_waiting_job_is_whole(storage, more):
    """What comes after the insert is a look, and changes nothing."""
    members(storage, "b", 1)
    batches.expect(storage.driver, "b", more=more)
    driver, seen = storage.driver, []

    class Noted(Wrapped):
        def meet(self, verb, orders):
            seen.append(verb)

    storage.driver = Noted(driver)
    storage.enqueue(Job("t", id="c", after_batch="b"))
    storage.driver = driver
    assert seen == ["insert", "load"]


def test_a_member_cannot_come_after_its_own_batch():
    with pytest.raises(ConfigurationError, match="comes after it"):
        Job("t", batch="b", after_batch="b")


def test_an_empty_batch_is_over_at_once(storage):
    follow(storage, "b")
    assert run(storage) == []
    batches.expect(storage.driver, "b", more=False)
    assert sorted(run(storage)) == ["finish", "success"]


@pytest.mark.parametrize("way", ["failed", "cancelled", "deleted", "in bulk", "expired"])
def test_a_member_that_does_not_succeed(storage, clock, way):
    follow(storage, "b")
    members(storage, "b", 2, expires_at=clock.now().replace(year=2100))
    batches.expect(storage.driver, "b", more=False)
    ways = {
        "failed": lambda: run(storage, b1=badly),
        "cancelled": lambda: storage.cancel("b1"),
        "deleted": lambda: storage.delete("b1"),
        "in bulk": lambda: storage.cancel_many(JobFilter(batch="b")),
        "expired": lambda: clock.advance(3_600 * 24 * 365 * 90),
    }
    ways[way]()
    run(storage)
    assert "success" not in [*run(storage), *run(storage)]
    assert kind(storage, "finish") == "succeeded"
    assert isinstance(storage.get("success").state, Deleted)


def test_members_that_die_with_their_worker_count_when_they_end(storage, clock):
    follow(storage, "b")
    members(storage, "b", 1, max_retries=1)
    batches.expect(storage.driver, "b", more=False)
    storage.fetch_and_lock_job("w")
    clock.advance(31)
    storage.rescue()
    clock.advance(3_600)
    assert run(storage) == ["b0"]
    assert sorted(run(storage)) == ["finish", "success"]


@pytest.mark.parametrize("lost", [False, True])
def test_an_end_whose_reply_was_lost_counts_once(storage, lost):
    follow(storage, "b")
    members(storage, "b", 2)
    batches.expect(storage.driver, "b", more=False)
    job = storage.fetch_and_lock_job("w")
    driver, storage.driver = storage.driver, Failing(storage.driver, {"swap": 1})
    storage.driver.lost = {"swap"} if lost else set()
    with pytest.raises(StorageUnavailable):
        storage.finish(job, well())
    storage.driver = driver
    storage.finish(job, well())
    assert batches.progress(driver, "b").done == 1
    assert run(storage) == ["b1"]
    assert sorted(run(storage)) == ["finish", "success"]


def test_progress(storage):
    follow(storage, "b")
    members(storage, "b", 4)
    jobs = storage.fetch_available_jobs_atomic("w", 3)
    storage.finish(jobs[0], well())
    storage.finish(jobs[1], badly())
    progress = batches.progress(storage.driver, "b")
    assert (progress.total, progress.done, progress.failed) == (4, 2, 1)
    assert progress.counts[StateKind.PROCESSING] == 1
    assert str(progress) == "2 of 4 done, 1 failed"
    assert progress.open
    assert not progress.finished


def test_a_filter_may_name_a_batch(storage):
    members(storage, "x", 3)
    members(storage, "y", 2)
    assert storage.count(JobFilter(batch="x")) == 3
    assert [job.id for job in storage.select(JobFilter(batch="y"))] == ["y1", "y0"]
    assert storage.cancel_many(JobFilter(batch="x")) == 3
    assert storage.delete_many(JobFilter(batch="x", states=["deleted"])) == 3
    assert run(storage) == ["y0", "y1"]


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("outcome", [well, badly])
def test_an_id_that_comes_again_waits_for_its_own_parents_only(storage, is_cancelled, outcome):
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    storage.enqueue(Job("t", id="c", after=["a"]))
    if is_cancelled:
        storage.cancel("c")
    storage.delete("c")
    storage.enqueue(Job("t", id="c", after=["b"]))
    assert storage.kept_back([storage.get("c")]) == ["1 left of what it comes after"]
    a, b = storage.fetch_available_jobs_atomic("w")
    storage.finish(a, outcome())
    assert storage.fetch_and_lock_job("w") is None
    storage.finish(b, well())
    assert run(storage) == ["c"]


def test_and_is_not_held_up_by_those_of_the_one_before(storage):
    storage.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    storage.enqueue(Job("t", id="c", after=["a", "b"]))
    storage.delete("c")
    storage.enqueue(Job("t", id="c", after=["b"]))
    a, b = storage.fetch_available_jobs_atomic("w")
    storage.finish(b, well())
    assert run(storage) == ["c"]
    storage.finish(a, badly())
    assert kind(storage, "c") == "succeeded"


def test_what_a_batch_woke_is_not_said_to_wait_for_those_that_join_it_later(storage):
    storage.enqueue(Job("t", id="a", batch="n"))
    storage.enqueue(Job("t", id="c", after_batch="n"))
    batches.expect(storage.driver, "n", more=False)
    run(storage)
    storage.enqueue(Job("t", id="d", batch="n"))
    assert storage.kept_back([storage.get("c")]) == [None]
    assert run(storage) == ["c", "d"]
