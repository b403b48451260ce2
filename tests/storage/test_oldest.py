"""Since when the oldest job of a queue waits, whatever it waits for."""

from datetime import timedelta

from qml import Job, Scheduled, Succeeded
from qml.seam.onlooking import Oldest


def oldest(storage, name="default"):
    found = {queue.name: queue.oldest for queue in storage.queues.list()}
    return found.get(name)


def add(storage, name, **parts):
    return storage.enqueue(Job("t", id=name, created_at=storage.now(), **parts))


def test_nobody_waits(storage):
    job = add(storage, "a")
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    assert oldest(storage) is None
    later = Scheduled(enqueue_at=storage.now() + timedelta(days=1))
    storage.enqueue(Job("t", state=later))
    assert oldest(storage) is None
    assert job.queue == "default"


def test_the_first_of_any_priority(storage, clock):
    begin = storage.now()
    for number, priority in enumerate([5, -3, 7, -3, 5]):
        add(storage, str(number), priority=priority)
        clock.advance(60)
    assert oldest(storage) == begin
    storage.cancel("0")
    assert oldest(storage) == begin + timedelta(seconds=60)
    storage.cancel("1")
    assert oldest(storage) == begin + timedelta(seconds=120)


def test_each_queue_by_itself_also_a_paused_one(storage, clock):
    begin = storage.now()
    add(storage, "a", queue="mail")
    clock.advance(60)
    add(storage, "b", queue="bulk")
    storage.queues.pause("mail")
    assert oldest(storage, "mail") == begin
    assert oldest(storage, "bulk") == begin + timedelta(seconds=60)


def test_what_falls_due_waits_from_then_on_whether_a_claim_saw_it_or_not(storage, clock):
    due = storage.now() + timedelta(seconds=60)
    for name in "ab":
        add(storage, name, state=Scheduled(enqueue_at=due))
    assert oldest(storage) is None
    clock.advance(90)
    assert oldest(storage) == due
    storage.fetch_and_lock_job("w")
    assert oldest(storage) == due
    storage.fetch_and_lock_job("w")
    assert oldest(storage) is None


def test_what_fell_due_hides_no_job_that_waits_longer(storage, clock):
    begin = storage.now()
    add(storage, "later", state=Scheduled(enqueue_at=begin + timedelta(seconds=10)))
    add(storage, "now")
    clock.advance(60)
    assert oldest(storage) == begin


def test_what_a_limit_keeps_back_waits_too(storage, clock):
    begin = storage.now()
    for name in "abc":
        add(storage, name, concurrency_key="k", concurrency_limit=1)
        clock.advance(60)
    storage.fetch_available_jobs_atomic("w", 5)
    assert oldest(storage) == begin + timedelta(seconds=60)


def test_a_job_that_is_tried_again_waits_since_then(storage, clock):
    add(storage, "a")
    claimed = storage.fetch_and_lock_job("w")
    clock.advance(60)
    storage.release(claimed)
    assert oldest(storage) == storage.now()


def test_many_priorities_are_bounded_the_lowest_are_seen(storage, clock):
    begin = storage.now()
    storage.enqueue_many([Job("t", priority=-500, created_at=begin)])
    clock.advance(60)
    storage.enqueue_many([Job("t", priority=n, created_at=storage.now()) for n in range(400)])
    assert oldest(storage) == begin
    assert len(storage.driver.scan(Oldest(storage.clock.micros()))) <= 402
