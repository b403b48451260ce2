"""Unique keys: one holder, free at each end, never in its own way."""

import functools

import pytest

from qml import (
    AwaitingRetry,
    Enqueued,
    Failed,
    Job,
    JobLost,
    Qml,
    RetryPolicy,
    Scheduled,
    Snooze,
    StateKind,
    Succeeded,
    UniqueKeyTaken,
)
from tests.field.test_ownership import in_threads
from tests.work.support import Paused


def keyed(**settings):
    return Job("t", unique_key="k", **settings)


def is_free(storage):
    try:
        storage.delete(storage.enqueue(keyed()).id)
        return True
    except UniqueKeyTaken:
        return False


def test_law8_of_many_enqueues_of_one_key_one_is_stored_and_its_arguments_stay(make_storage):
    """rq 1701: a second enqueue overwrote the first one's arguments."""
    storages = [make_storage()]
    if make_storage.kind != "memory":
        storages.append(make_storage())

    def enqueue(index):
        try:
            return storages[index % len(storages)].enqueue(Job("t", [index], unique_key="k"))
        except UniqueKeyTaken as error:
            return error.job_id

    answers = in_threads(32, enqueue)
    [winner] = [answer for answer in answers if isinstance(answer, Job)]
    assert answers.count(winner.id) == 31  # every other is told who holds the key
    [stored] = storages[0].list()
    assert stored == winner
    assert stored.arguments == [answers.index(winner)]


ENDS = {
    "succeeded": lambda s, job: s.finish(s.fetch_and_lock_job("w"), Succeeded(result=1)),
    "failed": lambda s, job: s.finish(s.fetch_and_lock_job("w"), Failed(exception="E")),
    "cancelled": lambda s, job: s.cancel(job.id),
    "cancelled while it runs": lambda s, job: s.fetch_and_lock_job("w") and s.cancel(job.id),
    "deleted": lambda s, job: s.delete(job.id),
    "deleted while it runs": lambda s, job: s.fetch_and_lock_job("w") and s.delete(job.id),
    "failed by an update": lambda s, job: s.update(s.get(job.id).with_state(Failed())),
}


@pytest.mark.parametrize("end", ENDS)
def test_law13_a_key_is_free_at_once_at_every_end(storage, end):
    """arq 432, asynq 275, huey 663: a key outlived its job."""
    job = storage.enqueue(keyed())
    assert not is_free(storage)
    ENDS[end](storage, job)
    assert is_free(storage)


def test_law13_a_key_is_free_when_the_last_attempt_was_lost(storage, clock):
    storage.enqueue(keyed(max_retries=0))
    storage.fetch_and_lock_job("dead")
    clock.advance(31)
    assert not is_free(storage)
    storage.rescue()
    assert is_free(storage)


def test_law13_a_purge_leaves_no_key(storage, clock):
    storage.enqueue(keyed())
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    clock.advance(8 * 86_400)
    assert storage.purge() == 1
    assert is_free(storage)


def test_law5_a_stale_hand_frees_no_successors_key(storage, clock):
    storage.enqueue(keyed(max_retries=0))
    stale = storage.fetch_and_lock_job("w")
    clock.advance(31)
    storage.rescue()
    successor = storage.enqueue(keyed())
    with pytest.raises(JobLost):
        storage.finish(stale, Succeeded())
    storage.delete(stale.id)
    with pytest.raises(UniqueKeyTaken) as taken:
        storage.enqueue(keyed())
    assert taken.value.job_id == successor.id


WAYS = {
    "scheduled": lambda s, clock: s.enqueue(
        keyed(state=Scheduled(clock.now(), clock.now().replace(second=5)))
    ),
    "retried": lambda s, clock: (
        s.enqueue(keyed()),
        s.finish(s.fetch_and_lock_job("w"), AwaitingRetry(retry_at=clock.now(), retry_count=1)),
    ),
    "retried at once": lambda s, clock: (
        s.enqueue(keyed()),
        s.finish(s.fetch_and_lock_job("w"), Enqueued()),
    ),
    "snoozed": lambda s, clock: (s.enqueue(keyed()), s.release(s.fetch_and_lock_job("w"), 5)),
    "rescued": lambda s, clock: (
        s.enqueue(keyed()),
        s.fetch_and_lock_job("dead"),
        clock.advance(31),
        s.rescue(),
    ),
    "retried by hand": lambda s, clock: (
        s.enqueue(keyed()),
        s.retry(s.finish(s.fetch_and_lock_job("w"), Failed()).id),
    ),
}


@pytest.mark.parametrize("scope", ["unfinished", "queued"])
@pytest.mark.parametrize("way", WAYS)
def test_law8_a_key_is_never_in_the_way_of_its_own_job(storage, clock, way, scope, monkeypatch):
    """River 619, pg-boss 535: a key conflicted with itself when its job was promoted."""
    of_scope = functools.partial(Job, "t", unique_key="k", unique_while=scope)
    monkeypatch.setitem(globals(), "keyed", of_scope)
    WAYS[way](storage, clock)
    clock.advance(100)
    job = storage.fetch_and_lock_job("w")
    assert job is not None
    assert storage.finish(job, Succeeded()).state.kind is StateKind.SUCCEEDED
    assert is_free(storage)


def test_law8_two_of_one_key_that_wait_for_a_retry_stop_no_claim(storage, clock):
    """pg-boss 535: two retryable twins made the statement fail; no job was ever fetched again."""
    twins = []
    for _ in range(2):  # "queued" frees the key at the claim
        twins.append(storage.enqueue(keyed(unique_while="queued")))
        storage.fetch_and_lock_job("w")
    clock.advance(31)
    assert len(storage.rescue()) == 2
    storage.enqueue(keyed(unique_while="queued"))
    clock.advance(100)
    assert len(storage.fetch_available_jobs_atomic("w")) == 3
    clock.advance(31)
    assert len(storage.rescue()) == 3


def test_law8_a_failed_job_whose_key_a_twin_took_says_so_when_it_is_retried(storage):
    job = storage.enqueue(keyed())
    storage.finish(storage.fetch_and_lock_job("w"), Failed(exception="E"))
    twin = storage.enqueue(keyed())
    before = storage.get(job.id)
    with pytest.raises(UniqueKeyTaken):
        storage.retry(job.id)
    assert storage.get(job.id) == before
    storage.cancel(twin.id)
    assert storage.retry(job.id).state.kind is StateKind.ENQUEUED


@pytest.mark.parametrize("first", ["finish", "enqueue"])
def test_law8_finish_and_enqueue_of_one_key_in_any_order(make_storage, clock, first):
    """Solid Queue 456: a job was left blocked until maintenance came round."""
    storage = make_storage(clock=clock)
    storage.enqueue(keyed())
    held = storage.fetch_and_lock_job("w")
    paused = storage.driver = Paused(storage.driver)
    stored = []

    def enqueue():
        try:
            stored.append(storage.enqueue(keyed()))
        except UniqueKeyTaken:
            stored.append(None)

    (paused.between if first == "finish" else paused.before)["swap"] = enqueue
    storage.finish(held, Succeeded())
    assert (stored[0] is None) == (first == "enqueue")
    if stored[0] is None:
        enqueue()
    assert storage.fetch_and_lock_job("w").id == stored[-1].id


def test_law8_a_snoozing_task_keeps_its_key_from_first_to_last(app, clock):
    calls = []

    @app.task(name="t")
    def task():
        calls.append(is_free(app.storage))
        if len(calls) < 3:
            raise Snooze(5)

    task.using(unique_key="k").enqueue()
    for _ in range(3):
        app.server().step()
        clock.advance(5)
    assert calls == [False] * 3
    assert is_free(app.storage)


def test_a_key_is_freed_before_the_waiter_hears(make_storage):
    app = Qml(make_storage(retry=RetryPolicy(base=0)))
    task = app.task(name="t")(lambda: 1).using(unique_key="k")
    with app.server(threads=2):
        for _ in range(30):
            assert app.result(task.enqueue(), timeout=20) == 1
