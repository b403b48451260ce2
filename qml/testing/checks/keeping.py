"""Checks of what is kept and how long: JSON, failures, unique keys, retention."""

from contextlib import suppress
from typing import Any

import attrs

from ...values.errors import JobLost, UniqueKeyTaken
from ...values.states import Deleted, Enqueued, Succeeded
from .scene import A_MICROSECOND, Scene

DAY = 86_400


def _deep(levels: int) -> Any:
    value: Any = []
    for level in range(levels):
        value = [value] if level % 2 else {"": value}
    return value


JSON_VALUES = (
    [None, True, False, 0, 1, -1, 1.0, 0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308],
    [2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**4000 + 7],
    ["", "\0", "a\0b", "é", "😀", "\u2028", "\ufeff", "\\u0000", "null", "'", '"', "\x7f", "\x1f"],
    [[], {}, [[]], [{}], {"": {"": []}}, {"\0": "\0"}, {"😀": [None]}],
    {"z": 1, "a": 2, "m": {"y": 0, "b": 0}},
    _deep(200),
)


def every_json_value_comes_back(s: Scene) -> None:
    """1: every JSON value comes back equal and of the same type: arguments, kwargs, metadata,
    result; big integers, -0.0, NUL, empty texts and keys, nesting, the order of keys."""
    for number, value in enumerate(JSON_VALUES):
        given: dict[str, Any] = {
            "arguments": [value],
            "kwargs": {"k": value},
            "metadata": {"m": value},
        }
        job = s.job(str(number), max_retries=0, **given)
        s.storage.enqueue(job)
        s.same(s.get(job.id), attrs.evolve(job, max_attempts=1), f"stored value {number}")
        claimed = s.claim()
        s.same(claimed.arguments, [value], f"claimed value {number}")
        s.storage.finish(claimed, Succeeded(result=value))
        expected = Succeeded(s.clock.now(), 0, value)
        found = s.get(job.id)
        s.same(found, attrs.evolve(found, state=expected, **given), f"result {number}")


def a_tuple_is_kept_as_a_list(s: Scene) -> None:
    """1: a tuple is stored as a list."""
    s.add(arguments=[(1, (2,))])
    s.same(s.get().arguments, [[1, [2]]], "the arguments")


def microseconds_survive(s: Scene) -> None:
    """Law 6: fractions of a second survive everywhere."""
    s.clock.advance(0.123457)
    s.add("a", state=s.due_in(0.000003))
    s.same(s.get().created_at, s.clock.now(), "created_at")
    s.clock.advance(0.000003)
    claimed = s.claim(lease=0.000007)
    s.same(claimed.lease_expires_at, s.later(0.000007), "the end of the lease")
    stored = s.storage.finish(claimed, s.retry_in(0.000011))
    s.same(stored.state, attrs.evolve(s.retry_in(0.000011)), "the moment of the retry")
    s.same(stored.failures[0].at, s.clock.now(), "the moment of the failure")


def a_failure_can_always_be_written(s: Scene) -> None:
    """1: exception text with NUL, lone surrogates or 5 MB is kept readable and shortened."""
    for number, text in enumerate(
        ["KeyError: a\0b", "KeyError: \ud800", "KeyError: " + "x" * 5_000_000]
    ):
        s.add(str(number))
        outcome = s.failed(text) if number else s.retry_in(60, text)
        s.storage.finish(s.claim(), outcome)
        kept = s.get(str(number)).failures[0].exception
        assert kept.startswith("KeyError: "), f"unreadable: {kept[:40]!r}"
        assert len(kept) < 1_000_000, f"{len(kept):,} characters were kept"
        kept.encode()


def failures_are_remembered(s: Scene) -> None:
    """1: a failed attempt is remembered with number, time, worker and exception: the last 20."""
    s.add(max_retries=100)
    for attempt in range(1, 23):
        stored = s.storage.finish(s.claim(f"w{attempt}"), s.retry_in(0, f"E{attempt}"))
        newest = stored.failures[-1]
        found = (newest.attempt, newest.at, newest.worker, newest.exception)
        s.same(found, (attempt, s.clock.now(), f"w{attempt}", f"E{attempt}"), "the newest failure")
    s.same([f.attempt for f in s.get().failures], [*range(3, 23)], "the attempts remembered")
    s.storage.finish(s.claim(), Succeeded())
    s.same(len(s.get().failures), 20, "failures after a success")


def a_key_is_held_until_the_end(s: Scene) -> None:
    """7: a unique key is held in every state that is not final; the error names the holder."""

    def check(when: str) -> None:
        error = s.refuses(UniqueKeyTaken, s.storage.enqueue, s.job("twin", unique_key="k"))
        s.same(error.job_id, "a", f"the holder {when}")

    s.add(unique_key="k", state=s.due_in(5), max_retries=9)
    check("while scheduled")
    s.clock.advance(5)
    s.storage.release(s.claim())
    check("after a release")
    s.storage.finish(s.claim(), s.retry_in(0))
    check("while it awaits its retry")
    s.claim()
    check("while it runs")
    s.clock.advance(30)
    check("when its lease has lapsed")
    s.storage.rescue()
    check("after its rescue")
    s.storage.retry("a")
    check("after a retry by hand")


def a_final_state_frees_the_key(s: Scene) -> None:
    """7: final states free the key at once; cancel, delete and purge too."""
    for outcome in (Succeeded(), s.failed(), Deleted()):
        s.storage.finish(s.running(unique_key="k"), outcome)
        s.storage.delete(s.add("next", unique_key="k").id)
        s.storage.delete("a")
    s.running(unique_key="k")
    s.storage.cancel("a")
    s.add("b", unique_key="k")
    s.storage.cancel("b")
    s.add("c", unique_key="k")
    s.storage.delete("c")
    s.add("d", unique_key="k")


def a_queued_key_is_free_once_claimed(s: Scene) -> None:
    """7: unique_while="queued" holds the key until the first claim, and never again."""
    s.add(unique_key="k", unique_while="queued", state=s.due_in(5))
    twin = s.job("twin", unique_key="k", unique_while="queued")
    s.same(s.refuses(UniqueKeyTaken, s.storage.enqueue, twin).job_id, "a", "the holder")
    s.clock.advance(5)
    claimed = s.claim()
    s.storage.enqueue(twin)
    s.storage.finish(claimed, s.failed())
    s.storage.retry("a")
    s.storage.update(s.get().with_metadata(n=1))
    s.storage.delete("twin")
    s.storage.enqueue(attrs.evolve(twin, id="b"))
    s.storage.release(s.claim())
    s.same(s.storage.fetch_and_lock_job("w1") is None, False, "another claim")


def a_stale_hand_frees_no_key(s: Scene) -> None:
    """7, law 5: a stale hand never frees a successor's key."""
    stale = s.running(unique_key="k")
    s.storage.cancel("a")
    s.add("b", unique_key="k")
    for outcome in (Succeeded(), s.failed(), Enqueued(s.clock.now())):
        with suppress(JobLost):
            s.storage.finish(stale, outcome)
    s.storage.delete("a")
    error = s.refuses(UniqueKeyTaken, s.storage.enqueue, s.job("c", unique_key="k"))
    s.same(error.job_id, "b", "the holder")


def a_retry_whose_key_is_taken_is_refused(s: Scene) -> None:
    """7: a retry whose key a twin took is UniqueKeyTaken and changes nothing; so is an update."""
    s.storage.finish(s.running(unique_key="k"), s.failed())
    s.add("b", unique_key="k", state=s.due_in(60))
    s.same(s.refuses(UniqueKeyTaken, s.storage.retry, "a").job_id, "b", "the holder")
    back = s.get().with_state(Enqueued(s.clock.now()))
    s.same(s.refuses(UniqueKeyTaken, s.storage.update, back).job_id, "b", "the holder")
    s.storage.delete("b")
    s.storage.retry("a")


def purge_waits_for_the_retention(s: Scene) -> None:
    """7, law 13: succeeded and deleted jobs go after 7 days, failed ones after 90; others never."""
    s.storage.finish(s.running("succeeded"), Succeeded())
    s.storage.finish(s.running("failed"), s.failed())
    s.add("deleted", unique_key="k")
    s.storage.cancel("deleted")
    s.running("running")
    s.add("enqueued")
    s.clock.advance(7 * DAY - A_MICROSECOND)
    s.same(s.storage.purge(), 0, "purge a microsecond before 7 days")
    s.clock.advance(A_MICROSECOND)
    s.same(s.storage.purge(), 2, "purge after 7 days")
    s.clock.advance(83 * DAY - A_MICROSECOND)
    s.same(s.storage.purge(), 0, "purge a microsecond before 90 days")
    s.clock.advance(A_MICROSECOND)
    s.same(s.storage.purge(), 1, "purge after 90 days")
    s.same([job.id for job in s.storage.list()], ["enqueued", "running"], "what is left")


def purge_has_a_limit(s: Scene) -> None:
    """2: purge removes at most ``limit``, and says how many it removed."""
    for name in "abc":
        s.storage.finish(s.running(name), Succeeded())
        s.clock.advance(1)
    s.clock.advance(7 * DAY)
    s.same(s.storage.purge(2), 2, "purge(2)")
    s.same([job.id for job in s.storage.list()], ["c"], "what is left")


def retention_counts_by_the_storage(s: Scene) -> None:
    """Law 6: retention uses the storage's time, never a state's."""
    long_ago, far = s.later(-400 * DAY), s.later(400 * DAY)
    s.add("given", state=Succeeded(long_ago))
    s.storage.finish(s.running("finished"), Succeeded(far))
    s.add("updated")
    s.claim()
    s.storage.update(s.get("updated").with_state(Succeeded(long_ago)))
    s.same(s.storage.purge(), 0, "purge at once")
    s.clock.advance(7 * DAY)
    s.same(s.storage.purge(), 3, "purge after 7 days")
