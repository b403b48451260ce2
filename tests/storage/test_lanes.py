"""Limits: how many of a key may run, and how often they may start."""

import attrs
import pytest

from qml import AwaitingRetry, ConfigurationError, Failed, Job, JobLost, Rate, StateKind, Succeeded


def limited(key, limit=1, **job):
    return Job("t", concurrency_key=key, concurrency_limit=limit, **job)


def ids(jobs):
    return [job.id for job in jobs]


def claim(storage, limit=10, worker="w", **options):
    return ids(storage.fetch_available_jobs_atomic(worker, limit, **options))


def well():
    return Succeeded(total_duration_ms=1.0, result=None)


def badly():
    return Failed(exception="x", stack_trace="", retry_count=0)


def retry_later(storage, job):
    storage.release(job, delay=1_000)


def cancel_and_delete(storage, job):
    storage.cancel(job.id)
    storage.delete(job.id)


def cancel_and_end(storage, job):
    storage.cancel(job.id)
    assert claim(storage) == []  # the run goes on until it hears of it
    with pytest.raises(JobLost):
        storage.finish(job, well())


WAYS_TO_END = {
    "success": lambda storage, job: storage.finish(job, well()),
    "failure": lambda storage, job: storage.finish(job, badly()),
    "retry later": retry_later,
    "deleted": lambda storage, job: storage.delete(job.id),
    "cancelled and deleted": cancel_and_delete,
    "cancelled and ended": cancel_and_end,
    "lock let go": lambda storage, job: storage.release_job_lock(job.id, "w"),
}


def test_one_at_a_time_and_those_behind_are_not_hidden(storage):
    storage.enqueue_many([limited("k", id="a"), limited("k", id="b"), Job("t", id="c")])
    assert ids(storage.get_available_jobs()) == ["a", "c"]
    assert claim(storage) == ["a", "c"]
    assert claim(storage) == []


@pytest.mark.parametrize("way", WAYS_TO_END)
def test_the_end_of_one_lets_the_next_start(storage, way):
    storage.enqueue_many([limited("k", id="a"), limited("k", id="b"), limited("k", id="c")])
    job = storage.fetch_and_lock_job("w")
    assert claim(storage) == []
    WAYS_TO_END[way](storage, job)
    assert claim(storage) == ["b"]
    assert claim(storage) == []


def test_a_lapsed_holder_holds_none_and_cannot_come_back(storage, clock):
    storage.enqueue_many([limited("k", id="a"), limited("k", id="b")])
    old = storage.fetch_and_lock_job("w", lease_seconds=10)
    clock.advance(10)
    new = storage.fetch_and_lock_job("v")
    assert new.id == "b"
    assert storage.renew([old, new]) == [False, True]
    assert not storage.try_acquire_job_lock("a", "w", 10)
    storage.finish(new, well())
    assert storage.renew([old]) == [True]  # nobody took it over, and there is room
    assert claim(storage) == []


def test_a_lapsed_claim_may_still_finish(storage, clock):
    storage.enqueue_many([limited("k", id="a"), limited("k", id="b")])
    old = storage.fetch_and_lock_job("w", lease_seconds=10)
    clock.advance(11)
    new = storage.fetch_and_lock_job("v")
    assert storage.finish(old, well()).state.kind is StateKind.SUCCEEDED
    assert claim(storage) == []
    storage.finish(new, well())


def test_a_job_due_next_week_holds_none(storage, clock):
    storage.enqueue_many([limited("k", id="a"), limited("k", id="b")])
    job = storage.fetch_and_lock_job("w")
    storage.finish(job, AwaitingRetry(clock.now(), clock.now().replace(year=2100), 1))
    assert claim(storage) == ["b"]


def test_each_job_goes_by_its_own_limit(storage):
    storage.enqueue_many(
        [limited("k", 1, id="a"), limited("k", 1, id="b"), limited("k", 3, id="c")]
    )
    assert claim(storage) == ["a", "c"]
    assert claim(storage) == []


def test_keys_are_counted_across_queues_and_tasks(storage):
    storage.enqueue_many([limited("k", id="a", queue="q1"), limited("k", id="b", queue="q2")])
    assert claim(storage, queues=["q2"]) == ["b"]
    assert claim(storage) == []


def test_the_better_job_starts_first(storage):
    storage.enqueue_many([limited("k", id="low"), limited("k", id="high", priority=5)])
    storage.enqueue(Job("t", id="plain", priority=3))
    assert claim(storage) == ["high", "plain"]


def test_deleting_what_waits_does_not_raise_the_limit(storage):
    storage.enqueue_many([limited("k", 2, id=f"{n:03}") for n in range(50)])
    assert claim(storage) == ["000", "001"]
    for n in range(2, 40):
        storage.delete(f"{n:03}")
    assert claim(storage) == []
    storage.finish(storage.get("000"), well())
    assert claim(storage) == ["040"]


def test_thousands_that_are_kept_back_hide_none(storage):
    storage.enqueue_many([limited("k", priority=9, id=f"{n:05}") for n in range(2_500)])
    storage.enqueue(Job("t", id="plain"))
    assert claim(storage) == ["00000", "plain"]
    assert claim(storage) == []


def test_jobs_claimed_ahead_are_none_that_have_limits(storage):
    storage.enqueue_many([limited("k", 9, id="a"), limited("k", 9, id="b"), Job("t", id="c")])
    batch = storage.claim("w", 1, ahead=5)
    assert ids(batch.jobs) == ["a", "c"]


def test_a_rate_spreads_the_starts(storage, clock):
    storage.enqueue_many([Job("t", rate="2/s", rate_key="r", id=name) for name in "abc"])
    storage.enqueue(Job("t", id="plain"))
    assert claim(storage) == ["a", "plain"]
    clock.advance(0.499)
    assert claim(storage) == []
    clock.advance(0.001)
    assert claim(storage) == ["b"]
    clock.advance(100)
    assert claim(storage) == ["c"]


def test_a_burst_after_a_quiet_time(storage, clock):
    rate = Rate(10, 60.0, burst=3)
    storage.enqueue_many([Job("t", rate=rate, rate_key="r", id=f"{n}") for n in range(6)])
    assert claim(storage) == ["0", "1", "2"]
    clock.advance(6)
    assert claim(storage) == ["3"]
    clock.advance(6 * 2)
    assert claim(storage) == ["4", "5"]


def test_a_claim_says_when_the_next_may_start(storage, clock):
    storage.enqueue_many([Job("t", rate="1/min", rate_key="r", id=name) for name in "ab"])
    batch = storage.claim("w", 10)
    assert ids(batch.jobs) == ["a"]
    assert (storage.claim("w", 10).next_due - clock.now()).total_seconds() == 60


def test_starts_of_all_jobs_of_a_key_count(storage, clock):
    storage.enqueue(Job("t", rate="1/s", rate_key="r", queue="q1", id="a"))
    storage.enqueue(Job("u", rate="1/s", rate_key="r", queue="q2", id="b"))
    assert claim(storage) == ["a"]
    assert claim(storage) == []
    clock.advance(1)
    assert claim(storage) == ["b"]


def test_no_window_has_more_starts_than_the_rate_says(storage, clock):
    storage.enqueue_many([Job("t", rate="7/s", rate_key="r") for _ in range(60)])
    starts = []
    while len(starts) < 60:
        starts += [clock.micros()] * len(claim(storage, 3))
        clock.advance(0.013)
    for first in starts:
        assert sum(first <= start < first + 1_000_000 for start in starts) <= 7


def test_what_has_expired_uses_up_no_start(storage, clock):
    late = [Job("t", rate="1/h", rate_key="r", expires_at=clock.now()) for _ in range(20)]
    storage.enqueue_many([*late, Job("t", rate="1/h", rate_key="r", id="good")])
    assert claim(storage) == ["good"]


def test_what_keeps_a_job_back_is_told(storage, clock):
    storage.enqueue_many([limited("user:7", id="a"), limited("user:7", id="b")])
    storage.enqueue_many([Job("t", rate="1/min", rate_key="mail", id=name) for name in "cd"])
    claim(storage)
    a, b, c, d = storage.kept_back(storage.get_many(list("abcd")))
    assert (a, c) == (None, None)
    assert b == "concurrency key user:7: 1 of 1 claimed"
    assert d.startswith("rate 1/min of mail: next start at ")


def test_an_update_may_set_limits_and_lift_them(storage):
    _, b = storage.enqueue_many([limited("k", id="a"), limited("k", id="b")])
    storage.update(attrs.evolve(b, concurrency_key=None, concurrency_limit=None))
    assert claim(storage) == ["a", "b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency_key": "k"},
        {"concurrency_limit": 1},
        {"rate": "1/s"},
        {"rate_key": "k"},
        {"concurrency_key": "k", "concurrency_limit": 0},
        {"rate": "20 per second", "rate_key": "k"},
        {"rate": "0/s", "rate_key": "k"},
    ],
)
def test_half_a_limit_is_none(wrong):
    with pytest.raises(ConfigurationError):
        Job("t", **wrong)


def test_limits_come_back_as_they_were(storage):
    job = Job("t", concurrency_key="k", concurrency_limit=3, rate=Rate(5, 2.5, 4), rate_key="r")
    storage.enqueue(job)
    assert storage.get(job.id) == job
    assert Job.from_json(job.to_json()) == job
