"""Queues that are paused: no claim takes from them, whoever asks, until they are resumed."""

from datetime import timedelta

import pytest

from qml import ConfigurationError, Job, StateKind, Succeeded


def fill(storage, **queues):
    for queue, names in queues.items():
        storage.enqueue_many([Job("t", id=name, queue=queue) for name in names])


def ids(jobs):
    return [job.id for job in jobs]


def test_a_paused_queue_is_left_alone_and_the_others_are_not(storage):
    fill(storage, mail="ab", bulk="cd")
    storage.queues.pause("mail")
    assert ids(storage.get_available_jobs()) == ["c", "d"]
    assert storage.fetch_available_jobs_atomic("w", queues=["mail"]) == []
    assert ids(storage.fetch_available_jobs_atomic("w", 1, queues=["mail", "bulk"])) == ["c"]
    assert ids(storage.fetch_available_jobs_atomic("w")) == ["d"]


def test_a_resumed_queue_goes_on_in_its_order(storage):
    fill(storage, mail="ab")
    storage.queues.pause("mail")
    fill(storage, mail="c")
    assert storage.fetch_and_lock_job("w") is None
    assert storage.queues.resume("mail")
    assert ids(storage.fetch_available_jobs_atomic("w")) == ["a", "b", "c"]


def test_doing_it_twice_is_as_good_as_once(storage):
    fill(storage, mail="a")
    storage.queues.pause("mail")
    since = storage.queues.paused()["mail"]
    storage.queues.pause("mail")
    assert storage.queues.paused() == {"mail": since}
    assert storage.queues.resume("mail")
    assert not storage.queues.resume("mail")
    assert ids(storage.fetch_available_jobs_atomic("w")) == ["a"]


def test_what_runs_goes_on_and_may_end(storage, clock):
    fill(storage, mail="ab")
    job = storage.fetch_and_lock_job("w")
    storage.queues.pause("mail")
    assert storage.renew([job]) == [True]
    done = storage.finish(job, Succeeded(total_duration_ms=1.0, result=None))
    assert done.state.kind is StateKind.SUCCEEDED


def test_what_falls_due_in_a_paused_queue_waits_as_well(storage, clock):
    job = storage.enqueue(Job("t", queue="mail"))
    claimed = storage.fetch_and_lock_job("w")
    storage.release(claimed, delay=5)
    storage.queues.pause("mail")
    clock.advance(6)
    assert storage.fetch_and_lock_job("w") is None
    storage.queues.resume("mail")
    assert storage.fetch_and_lock_job("w").id == job.id


@pytest.mark.parametrize("name", ["*", "mail/bulk", "pausé\u2028", "paused/mail", "a" * 300, "%_"])
def test_any_name_will_do(storage, name):
    fill(storage, **{name: ["a"], f"{name}x": ["b"]})
    storage.queues.pause(name)
    assert ids(storage.fetch_available_jobs_atomic("w")) == ["b"]
    storage.queues.resume(name)
    assert ids(storage.fetch_available_jobs_atomic("w")) == ["a"]


@pytest.mark.parametrize("name", ["", "a\0b", None, 7])
def test_what_is_no_name_is_refused(storage, name):
    for call in (storage.queues.pause, storage.queues.resume):
        with pytest.raises(ConfigurationError, match="queue is"):
            call(name)


def test_the_list_tells_what_is_in_them(storage, clock):
    fill(storage, mail="ab", bulk="c")
    storage.fetch_available_jobs_atomic("w", 1, queues=["mail"])
    storage.queues.pause("none yet")
    clock.advance(60)
    bulk, mail, none_yet = storage.queues.list()
    assert (bulk.name, bulk.paused_at, bulk.counts["enqueued"]) == ("bulk", None, 1)
    assert (mail.counts["enqueued"], mail.counts["processing"]) == (1, 1)
    assert none_yet.paused_at == clock.now() - timedelta(seconds=60)
    assert sum(none_yet.counts.values()) == 0


def test_jobs_say_that_their_queue_keeps_them_back(storage):
    fill(storage, mail="a", bulk="b")
    storage.queues.pause("mail")
    jobs = storage.get_many(["a", "b"])
    assert storage.kept_back(jobs) == ["queue mail is paused", None]


def test_many_that_are_kept_back_hide_none_behind_them(storage):
    """A paused queue's jobs, however many and good, hide no job behind them."""
    storage.enqueue_many([Job("t", queue="bulk", priority=9) for _ in range(1_500)])
    fill(storage, mail="a")
    storage.queues.pause("bulk")
    assert ids(storage.fetch_available_jobs_atomic("w", 3)) == ["a"]
