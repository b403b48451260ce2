"""Bulk operations: thousands of jobs in steps that hold nobody up, whatever others do meanwhile."""

import attrs
import pytest

from qml import ConfigurationError, Job, JobFilter, StateKind, Succeeded
from qml.storage import selecting
from tests.work.support import Counting, Paused

MANY = 5_000


@pytest.fixture
def many(storage):
    """Jobs of two queues, alternating."""
    for start in range(0, MANY, 1_000):
        storage.enqueue_many(
            [
                Job("t", id=f"{n:04}", queue="mail" if n % 2 else "reports", metadata={"n": n % 10})
                for n in range(start, start + 1_000)
            ]
        )
    return storage


def test_thousands_are_counted_cancelled_and_deleted(many):
    mail = JobFilter(queue="mail")
    assert many.count(mail) == MANY // 2  # first, to know what one is about to do
    many.driver = counting = Counting(many.driver)
    assert many.cancel_many(mail, "not wanted") == MANY // 2
    assert max(counting.swaps) <= selecting.AT_ONCE
    assert sum(counting.swaps) == MANY // 2
    assert many.cancel_many(mail) == 0
    deleted = JobFilter(states="deleted", metadata={"n": 3})
    assert many.count(deleted) == MANY // 10
    assert many.delete_many(deleted) == MANY // 10
    left = {StateKind.DELETED: MANY * 4 // 10, StateKind.ENQUEUED: MANY // 2}
    assert {kind: count for kind, count in many.get_job_counts().items() if count} == left


def test_what_others_do_meanwhile_hides_nothing_and_shows_nothing_twice(many):
    """Between two pages jobs are enqueued, removed and claimed."""
    select = many.select(JobFilter())
    first = [next(select) for _ in range(selecting.AT_ONCE)]
    many.enqueue_many([Job("t", id=f"new {number}") for number in range(600)])
    many.delete_many(JobFilter(metadata={"n": 7}))
    claimed = {job.id for job in many.fetch_available_jobs_atomic("w", 600)}
    rest = [job.id for job in select]
    seen = [job.id for job in first] + rest
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=True)
    gone = {f"{n:04}" for n in range(MANY) if n % 10 == 7}
    assert set(rest) == {f"{n:04}" for n in range(MANY - selecting.AT_ONCE)} - gone
    assert claimed < set(seen)


def ids(storage, state):
    return {job.id for job in storage.list(state)}


@pytest.fixture
def few(storage):
    storage.enqueue_many([Job("t", id=name, queue="mail") for name in "abcd"])
    return storage


def test_a_cancel_takes_each_job_as_it_is_by_then(few):
    """After the look one was claimed, one has ended, one was deleted, one went to another queue."""

    def meanwhile():
        few.fetch_and_lock_job("w")
        few.finish(few.fetch_and_lock_job("w"), Succeeded())
        few.delete("c")
        few.update(attrs.evolve(few.get("d"), queue="reports"))

    pause = few.driver = Paused(few.driver)
    pause.between["scan"] = meanwhile
    assert few.cancel_many(JobFilter(queue="mail"), "not wanted") == 1
    assert ids(few, "deleted") == {"a"}
    assert few.get("a").lease_expires_at is not None  # its run is told, and has not ended
    assert (few.get("b").state.kind, few.get("d").state.kind) == ("succeeded", "enqueued")


def test_a_cancel_of_what_waits_leaves_what_runs_by_then(few):
    pause = few.driver = Paused(few.driver)
    pause.between["scan"] = lambda: few.fetch_and_lock_job("w")
    assert few.cancel_many(JobFilter(states="enqueued")) == 3
    assert few.get("a").state.kind == "processing"


def test_a_delete_leaves_what_has_changed_by_then(few):
    """One that was retried, or has begun, is not the job that was meant."""
    pause = few.driver = Paused(few.driver)
    pause.between["scan"] = lambda: few.fetch_and_lock_job("w")
    assert few.delete_many(JobFilter(states="enqueued")) == 3
    assert [job.id for job in few.list()] == ["a"]
    assert few.get("a").state.kind == "processing"


def test_another_cancel_beside_it_counts_its_own(few):
    counts = []
    pause = few.driver = Paused(few.driver)
    pause.between["scan"] = lambda: counts.append(few.cancel_many(JobFilter()))
    counts.append(few.cancel_many(JobFilter()))
    assert counts == [4, 0]


def test_a_count_of_columns_reads_no_job(few):
    few.driver = counting = Counting(few.driver)
    assert few.count(JobFilter(states=["enqueued", "failed"], queue="mail", method="t")) == 4
    assert counting.calls == {"count": 1}


def test_a_select_reads_no_page_before_it_is_asked(few):
    few.driver = counting = Counting(few.driver)
    select = few.select(JobFilter())
    assert counting.calls == {}
    assert next(select).id == "d"
    assert counting.calls == {"scan": 1}


def test_no_state_is_no_job(few):
    nothing = JobFilter(states=[])
    assert few.count(nothing) == 0
    assert list(few.select(nothing)) == []
    assert few.cancel_many(nothing) == few.delete_many(nothing) == 0
    assert len(few.list()) == 4


def test_texts_and_ages(make_storage, clock):
    storage = make_storage(clock)
    for number, name in enumerate(["Ada", "Grace", 'Ada \u00e4"x"']):
        job = Job("t", [{"to": name}], {"n": 10 + number}, id=str(number), created_at=storage.now())
        storage.enqueue(job)
        clock.advance(60)

    def ids_of(**filters):
        return [job.id for job in storage.select(JobFilter(**filters))]

    assert ids_of(text="ada") == ["2", "0"]
    assert ids_of(text='\u00c4"X') == ["2"]
    assert ids_of(text="11") == ["1"]
    assert ids_of(newer_than=120) == ["2"]  # the second is exactly as old
    assert ids_of(older_than=120) == ["1", "0"]
    assert ids_of(newer_than=121, older_than=61) == ["1"]
    assert storage.count(JobFilter(text="ada", newer_than=100)) == 1
    assert storage.cancel_many(JobFilter(text="grace")) == 1
    assert storage.delete_many(JobFilter(newer_than=100)) == 1
    assert ids_of() == ["1", "0"]


def test_ids(few):
    """They are looked up, and not searched for."""
    few.driver = counting = Counting(few.driver)
    assert [job.id for job in few.select(JobFilter(ids=["a", "none", "d", "a"]))] == ["d", "a"]
    assert counting.calls == {"load": 1}
    assert few.count(JobFilter(ids=["a", "d"], states="failed")) == sum(
        few.get(name).state.kind == "failed" for name in "ad"
    )
    first = few.page(JobFilter(ids=list("abcd")), limit=3)
    rest = few.page(JobFilter(ids=list("abcd")), limit=3, after=first.next)
    assert [job.id for job in (*first.jobs, *rest.jobs)] == list("dcba")
    assert rest.next is None
    assert few.count(JobFilter(ids=[])) == 0
    assert few.delete_many(JobFilter(ids=["b", "c"])) == 2
    assert [job.id for job in few.list()] == ["d", "a"]


@pytest.mark.parametrize("ids", ["abc", [1], 7, [None]])
def test_ids_that_are_none(ids):
    with pytest.raises(ConfigurationError, match="JobFilter ids"):
        JobFilter(ids=ids)
