"""Checks of limits: how many of a key may run, and how often they may start."""

from typing import Any

import attrs

from ...values.errors import JobLost
from ...values.rate import Rate
from ...values.states import Deleted, Processing, Succeeded
from .scene import A_MICROSECOND, Scene


def _add(s: Scene, names: str, limit: int = 1, key: str = "k", **fields: Any) -> None:
    for name in names:
        s.add(name, concurrency_key=key, concurrency_limit=limit, **fields)


def _paced(s: Scene, names: str, rate: Rate, **fields: Any) -> None:
    for name in names:
        s.add(name, rate=rate, rate_key="r", **fields)


def limits_come_back(s: Scene) -> None:
    """7: what a job was given of limits comes back as it was, and stays through a claim."""
    job = s.job(concurrency_key="k", concurrency_limit=3, rate=Rate(5, 2.5, 4), rate_key="r")
    s.storage.enqueue(job)
    s.same(s.get(), attrs.evolve(job, max_attempts=s.get().max_attempts), "the stored job")
    claimed = s.claim()
    told = (claimed.concurrency_key, claimed.concurrency_limit, claimed.rate, claimed.rate_key)
    s.same(told, ("k", 3, Rate(5, 2.5, 4), "r"), "of the claimed job")


def no_more_than_the_limit_are_claimed(s: Scene) -> None:
    """7: of the jobs with a key, claims of no more than the limit are live; those kept back hide
    none behind them; available are those that a claim would take."""
    _add(s, "abcd", 2, priority=1)
    s.add("plain")
    s.same(s.ids_available(), ["a", "b", "plain"], "available")
    s.same(s.ids_claimed(1), ["a"], "the first claim")
    s.same(s.ids_available(), ["b", "plain"], "available then")
    s.same(s.ids_claimed(), ["b", "plain"], "the next claim")
    s.same(s.ids_claimed(worker="w2"), [], "a third")
    s.same(s.ids_available(), [], "available at last")


def a_key_is_counted_across_queues(s: Scene) -> None:
    """7: a key is one in all queues."""
    _add(s, "a", queue="mail")
    _add(s, "b", queue="reports")
    s.same(s.ids_claimed(queues=["reports"]), ["b"], "a claim in one queue")
    s.same(s.ids_claimed(queues=["mail"]), [], "a claim in the other")


def each_job_goes_by_its_own_limit(s: Scene) -> None:
    """7: each job goes by its own limit: it is claimed if fewer than that are live."""
    _add(s, "ab", 1)
    _add(s, "c", 2)
    s.same(s.ids_claimed(), ["a", "c"], "of limits 1, 1 and 2")


def every_end_frees_a_permit(s: Scene) -> None:
    """7: whatever ends a claim lets the next job of its key start: no permit is left behind."""
    _add(s, "abcdefgh")
    s.storage.finish(s.claim(), Succeeded())
    s.storage.finish(s.claim(), s.failed())
    s.storage.finish(s.claim(), s.retry_in(1e6))
    s.storage.finish(s.claim(), Deleted())
    s.storage.release(s.claim(), 1e6)
    s.same(s.ids_claimed(), ["f"], "after five ends")
    s.storage.delete("f")
    s.same(s.ids_claimed(), ["g"], "after a delete")
    s.storage.update(s.get("g").with_state(s.failed()))
    s.same(s.ids_claimed(), ["h"], "after an update that ended the run")


def a_cancelled_run_keeps_its_permit(s: Scene) -> None:
    """7: the run of a cancelled job goes on, and holds its permit until it has ended."""
    _add(s, "ab")
    claimed = s.claim()
    s.storage.cancel("a")
    s.same(s.ids_claimed(), [], "a claim while it goes on")
    [answer] = s.storage.finish_many([(claimed, Succeeded())])
    assert isinstance(answer, JobLost), answer
    s.same(s.ids_claimed(), ["b"], "a claim once it has ended")


def a_claim_by_hand_is_counted(s: Scene) -> None:
    """7: a job that is moved to Processing by hand asks no limit, rate or pause, and counts as any
    live claim does: none is made until there is room again."""
    _add(s, "abc", priority=1)
    _paced(s, "d", Rate(1, 10.0))
    s.storage.queues.pause("default")
    for name in "abd":
        s.storage.update(s.get(name).with_state(Processing(worker_id="hand")))
    s.storage.queues.resume("default")
    [told] = s.storage.kept_back([s.get("c")])
    assert told is not None, "nothing is said of the job that is kept back"
    assert "2 of 1" in told, told
    s.same(s.ids_claimed(), [], "a claim beside two by hand")
    s.storage.finish(s.get("a"), Succeeded())
    s.same(s.ids_claimed(), [], "a claim beside the other")
    s.storage.finish(s.get("b"), Succeeded())
    s.same(s.ids_claimed(), ["c"], "a claim once both have ended")


def a_lapsed_claim_holds_no_permit(s: Scene) -> None:
    """7: a permit is free as soon as the lease has lapsed, to the microsecond, rescued or not."""
    _add(s, "ab")
    s.claim(lease=10)
    s.clock.advance(10 - A_MICROSECOND)
    s.same(s.ids_claimed(), [], "a claim a microsecond before")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_available(), ["b"], "available then")
    s.same(s.ids_claimed(), ["b"], "a claim then")


def a_lapsed_claim_comes_back_only_if_there_is_room(s: Scene) -> None:
    """7: a claim that has lapsed is renewed, noted or locked again only if its key has room."""
    _add(s, "ab")
    old = s.claim("w1", lease=10)
    s.clock.advance(10)
    new = s.claim("w2")
    s.same(new.id, "b", "who started in its place")
    with s.unchanged():
        s.same(s.storage.renew([old]), [False], "the renewal of the lapsed claim")
        s.same(s.storage.note(old, old.notes), False, "its note")
        s.same(s.storage.try_acquire_job_lock("a", "w1", 60), False, "a lock over it")
    s.same(s.storage.renew([new]), [True], "the renewal of the other")
    s.storage.finish(new, Succeeded())
    s.same(s.storage.renew([old]), [True], "its renewal when there is room")


def a_rate_spreads_the_starts(s: Scene) -> None:
    """7: a rate lets one start every so often, to the microsecond, whatever their queue; those
    kept back hide none behind them."""
    _paced(s, "ab", Rate(2, 1.0), priority=1)
    _paced(s, "c", Rate(2, 1.0), queue="reports")
    s.add("plain", priority=-1)
    s.same(s.ids_available(), ["a", "plain"], "available")
    s.same(s.ids_claimed(), ["a", "plain"], "the first claim")
    s.clock.advance(0.5 - A_MICROSECOND)
    s.same(s.ids_claimed(), [], "a claim a microsecond early")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_claimed(), ["b"], "a claim then")
    s.clock.advance(0.25)
    s.same(s.ids_claimed(), [], "a claim too early")
    s.clock.advance(100)
    s.same(s.ids_claimed(), ["c"], "a claim long after")


def a_burst_may_start_at_once(s: Scene) -> None:
    """7: after a quiet time as many may start at once as the burst says, and no more."""
    _paced(s, "abcdef", Rate(1, 10.0, burst=3))
    s.same(s.ids_claimed(), ["a", "b", "c"], "the first claim")
    s.clock.advance(10)
    s.same(s.ids_claimed(), ["d"], "a claim after one gap")
    s.clock.advance(20)
    s.same(s.ids_claimed(), ["e", "f"], "a claim after two more")


def a_start_that_is_handed_back_counts(s: Scene) -> None:
    """7: a start counts, however it ends; a job that expired before it began has not started."""
    _paced(s, "ab", Rate(1, 10.0), expires_at=s.later(15))
    s.storage.release(s.claim())
    s.same(s.ids_claimed(), [], "a claim at once")
    s.clock.advance(15)
    _paced(s, "c", Rate(1, 10.0))
    s.same(s.ids_available(), ["c"], "available beside two that have expired")
    s.same(s.ids_claimed(), ["c"], "a claim that comes upon them")


def a_retry_is_a_start(s: Scene) -> None:
    """7: a retry is one more start."""
    _paced(s, "ab", Rate(1, 10.0))
    s.storage.finish(s.claim(), s.retry_in(10))
    s.clock.advance(10)
    s.same(s.ids_claimed(), ["a"], "a claim when its retry is due")
    s.clock.advance(10 - A_MICROSECOND)
    s.same(s.ids_claimed(), [], "a claim a microsecond early")
    s.clock.advance(A_MICROSECOND)
    s.same(s.ids_claimed(), ["b"], "a claim then")


def what_a_limit_keeps_back_says_so(s: Scene) -> None:
    """7: a job that its limits keep back says so, and how many are claimed; others say nothing."""
    _add(s, "ab")
    _paced(s, "c", Rate(1, 10.0))
    s.claim()
    a, b, c = s.storage.kept_back([s.get(name) for name in "abc"])
    s.same((a, c), (None, None), "of the job that runs, and of one that may start")
    assert b is not None, "nothing is said of the job that is kept back"
    assert "1 of 1" in b, b
    s.claim()
    [told] = s.storage.kept_back([s.add("d", rate=Rate(1, 10.0), rate_key="r")])
    assert told is not None, "nothing is said of the job that its rate keeps back"
    assert f"{s.later(10):%H:%M:%S}" in told, told
