"""Events: each transition is told, once it is stored, and a hook that fails harms nothing."""

import logging
from datetime import timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    ConfigurationError,
    Deleted,
    Enqueued,
    Every,
    Failed,
    Job,
    JobAlreadyExists,
    JobFilter,
    JobLost,
    RetryPolicy,
    Scheduled,
    StorageUnavailable,
    Succeeded,
)
from qml.storage.hooks import Event, EventKind, Hooks
from qml.testing import ManualClock
from qml.values.followup import Followup
from tests.threads import in_a_thread
from tests.work.support import Counting, Failing


@pytest.fixture
def told(storage):
    """The events so far, as (kind, id)."""
    events = []
    storage.hooks.on(None, lambda event: events.append((event.kind.value, event.job.id)))
    return events


def claimed(storage, name="a", **job):
    storage.enqueue(Job("t", id=name, **job))
    return storage.fetch_and_lock_job("w")


def after(storage, seconds):
    return storage.now() + timedelta(seconds=seconds)


def retry_in(storage, seconds):
    return AwaitingRetry(retry_at=after(storage, seconds), last_exception="E")


ENDS = {
    "succeeded": lambda s: Succeeded(),
    "failed": lambda s: Failed(exception="E"),
    "discarded": lambda s: Deleted(reason="not needed"),
    "retrying": lambda s: retry_in(s, 60),
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_run_from_beginning_to_end(storage, told, kind):
    job = claimed(storage)
    stored = storage.finish(job, ENDS[kind](storage))
    assert told == [("enqueued", "a"), ("claimed", "a"), (kind, "a")]
    assert storage.get("a") == stored


def test_a_retry_at_once_is_a_retry(storage, told):
    storage.finish(claimed(storage), Enqueued())
    assert told[-1] == ("retrying", "a")


def test_what_other_hands_do(storage, told, clock):
    storage.release(claimed(storage))
    job = storage.fetch_and_lock_job("w")
    storage.finish(job, Failed(exception="E"))
    storage.retry("a")
    storage.cancel("a")
    told_of_a = [kind for kind, _ in told[2:]]
    assert told_of_a == ["released", "claimed", "failed", "retried", "cancelled"]


def test_a_lapsed_claim_is_rescued_and_its_hand_lost(storage, told, clock):
    job = claimed(storage)
    clock.advance(30)
    storage.rescue()
    with pytest.raises(JobLost):
        storage.finish(job, Succeeded())
    assert told[2:] == [("rescued", "a"), ("lost", "a")]


def test_one_that_is_given_up_is_failed_too_and_followed(make_storage):
    clock = ManualClock()
    storage = make_storage(clock, retry=RetryPolicy(max_retries=0))
    events = []
    storage.hooks.on(None, events.append)
    claimed(storage, on_failure=Followup("mend"))
    clock.advance(30)
    storage.rescue()
    assert [event.kind for event in events[2:]] == ["rescued", "failed", "enqueued"]
    [follower] = [job for job in storage.list() if job.method == "mend"]
    assert (events[-1].job.id, events[-1].job.arguments) == (follower.id, follower.arguments)


def test_what_follows_on_a_failure_is_enqueued(storage, told):
    storage.finish(claimed(storage, on_failure=Followup("mend")), Failed(exception="E"))
    [follower] = [job for job in storage.list() if job.method == "mend"]
    assert told[2:] == [("failed", "a"), ("enqueued", follower.id)]


def test_what_expires_is_told_by_whoever_comes_upon_it(storage, told, clock):
    for name in "abc":
        storage.enqueue(Job("t", id=name, expires_at=after(storage, 5)))
    clock.advance(5)
    assert len(storage.expire(1)) == 1
    assert storage.fetch_and_lock_job("w") is None
    assert told[3:] == [("expired", "a"), ("expired", "b"), ("expired", "c")]


def test_bulk_tells_each_and_hints_once(storage, told):
    storage.enqueue_many([Job("t", id=str(number)) for number in range(20)])
    storage.driver = counting = Counting(storage.driver)
    hints = []
    notify, counting.notify = counting.notify, lambda: (hints.append(1), notify())
    assert storage.cancel_many(JobFilter()) == 20
    assert sorted(told[20:]) == sorted(("cancelled", str(number)) for number in range(20))
    assert len(hints) == 1


def test_what_a_schedule_issues_is_enqueued(storage, told, clock):
    storage.schedules.add("s", Every(60), Job("t"))
    clock.advance(60)
    [issued] = storage.schedules.issue(storage.schedules.known("s"))
    triggered = storage.schedules.trigger("s")
    assert told == [("enqueued", issued.id), ("enqueued", triggered.id)]


def test_a_batch_tells_each_of_its_own(storage, told):
    storage.enqueue_many([Job("t", id=name) for name in "abc"])
    jobs = storage.fetch_available_jobs_atomic("w", 3)
    storage.delete("b")
    storage.finish_many(
        [(jobs[0], Succeeded()), (jobs[1], Succeeded()), (jobs[2], Failed(exception="E"))]
    )
    assert told[6:] == [("succeeded", "a"), ("lost", "b"), ("failed", "c")]


def test_what_was_refused_is_not_told(storage, told):
    storage.enqueue(Job("t", id="a"))
    with pytest.raises(JobAlreadyExists):
        storage.enqueue_many([Job("t", id="b"), Job("t", id="a")])
    assert told == [("enqueued", "a")]


@pytest.mark.parametrize("lost", [True, False], ids=["reply", "call"])
def test_an_end_whose_reply_is_lost_is_told_once_it_is_known(storage, told, lost):
    job = claimed(storage)
    storage.driver = failing = Failing(storage.driver, {"swap": 1})
    failing.lost = {"swap"} if lost else set()
    with pytest.raises(StorageUnavailable):
        storage.finish(job, Succeeded())
    assert told[2:] == []
    storage.finish(job, Succeeded())
    assert told[2:] == [("succeeded", "a")]


def test_onlookers_tell_nothing(storage, told):
    job = claimed(storage)
    del told[:]
    storage.renew([job])
    storage.note(job, job.notes)
    storage.try_acquire_job_lock("a", "w", 5)
    storage.get("a")
    storage.list()
    list(storage.select(JobFilter()))
    storage.purge()
    storage.rescue()
    storage.expire()
    assert told == []


def test_an_event_has_the_job_as_it_is_now(storage, clock):
    events = []
    storage.hooks.on("claimed", events.append)
    clock.advance(3)
    job = claimed(storage)
    assert events == [Event(EventKind.CLAIMED, job, clock.now())]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        events[0].kind = EventKind.LOST


def test_a_hook_comes_when_the_store_has_it(storage):
    seen = []
    storage.hooks.on("enqueued", lambda event: seen.append(storage.get(event.job.id)))
    job = storage.enqueue(Job("t"))
    assert seen == [job]


def test_a_hook_may_use_the_storage(storage, told):
    storage.hooks.on("failed", lambda event: storage.retry(event.job.id))
    storage.finish(claimed(storage), Failed(exception="E"))
    assert storage.get("a").state.kind == "enqueued"
    assert told[2:] == [("failed", "a"), ("retried", "a")]


@pytest.mark.parametrize(
    "error", [RuntimeError, SystemExit, KeyboardInterrupt, pytest.fail.Exception]
)
def test_a_hook_that_raises_harms_neither_job_nor_caller_nor_other_hooks(storage, caplog, error):
    def bad(event):
        raise error("no such thing")

    events = []
    storage.hooks.on(None, bad)
    storage.hooks.on(None, events.append)
    with caplog.at_level(logging.ERROR, "qml.hooks"):
        job = in_a_thread(lambda: storage.finish(claimed(storage), Succeeded()))
    assert storage.get("a") == job
    assert [event.kind for event in events] == ["enqueued", "claimed", "succeeded"]
    assert caplog.text.count(f"{error.__name__}: no such thing") == 3
    assert "a hook failed on claimed of job a (t); the job is not harmed" in caplog.text


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_signal_in_a_hook_is_no_fault_of_the_hook(storage, error):
    """It comes in the main thread, be it Ctrl-C or a handler that calls sys.exit()."""

    def slow(event):
        raise error

    storage.hooks.on("enqueued", slow)
    with pytest.raises(error):
        storage.enqueue(Job("t", id="a"))
    assert storage.get("a").state.kind == "enqueued"


def test_each_kind_goes_to_those_who_asked(storage, clock):
    events = {kind: [] for kind in EventKind}
    for kind, kept in events.items():
        storage.hooks.on(kind.value, kept.append)
    storage.enqueue(Job("t", id="late", expires_at=after(storage, 5), state=waiting(storage)))
    storage.finish(claimed(storage, "succeeds"), Succeeded())
    storage.finish(claimed(storage, "is discarded"), Deleted())
    storage.finish(claimed(storage, "fails"), Failed(exception="E"))
    storage.finish(claimed(storage, "is retried"), retry_in(storage, 600))
    storage.release(claimed(storage, "is released"), 600)
    storage.cancel("is released")
    storage.retry("fails")
    storage.cancel("fails")
    storage.update(storage.get("is retried").with_metadata(seen=True))
    job = claimed(storage, "is lost")
    clock.advance(30)
    storage.rescue()
    storage.expire()
    with pytest.raises(JobLost):
        storage.finish(job, Succeeded())
    assert {kind.value: len(kept) for kind, kept in events.items()} == {
        "enqueued": 7,
        "claimed": 6,
        "succeeded": 1,
        "retrying": 1,
        "failed": 1,
        "discarded": 1,
        "released": 1,
        "lost": 1,
        "rescued": 1,
        "cancelled": 2,
        "expired": 1,
        "retried": 1,
        "updated": 1,
    }
    assert all(event.kind is kind for kind, kept in events.items() for event in kept)


def waiting(storage):
    return Scheduled(enqueue_at=after(storage, 3_600))


def test_an_unknown_kind_is_refused_and_the_known_ones_listed():
    with pytest.raises(ConfigurationError, match="no event 'enqueue'; give one of enqueued, claim"):
        Hooks().on("enqueue", print)


def test_nobody_asked_and_nothing_is_made_for_it():
    hooks = Hooks()
    assert not hooks

    def jobs():
        raise AssertionError("nobody needs them")
        yield

    hooks.tell(EventKind.CLAIMED, jobs(), lambda: None)


def test_those_who_joined_are_told_until_they_leave():
    mine, others, events = Hooks(), Hooks(), []
    others.on("claimed", events.append)
    clock = ManualClock()
    with mine.joined(others), mine.joined(others):
        assert mine
        mine.tell(EventKind.CLAIMED, [Job("t")], clock.now)
    mine.tell(EventKind.CLAIMED, [Job("t")], clock.now)
    assert len(events) == 2
    assert not mine
