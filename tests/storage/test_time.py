"""Schedules, expiry, notes, follow-ups, retention, bulk: guard by guard, on every store."""

from datetime import timedelta

import attrs
import pytest

from qml import (
    Deleted,
    Failed,
    Job,
    JobLost,
    Retention,
    RetryPolicy,
    StateKind,
    StorageUnavailable,
    Succeeded,
)
from qml.seam.rows import After
from qml.testing import FaultyDriver, WrappedDriver
from qml.values.followup import Followup
from qml.values.notes import NO_NOTES
from qml.values.schedule import Every, Schedule
from qml.values.selection import JobFilter

BRIEF = Retention(succeeded=10, deleted=20, failed=30)


def add(storage, job_id="a", **fields):
    return storage.enqueue(Job("task", id=job_id, created_at=storage.now(), **fields))


def later(storage, seconds):
    return storage.now() + timedelta(seconds=seconds)


def kind(storage, job_id="a"):
    return storage.get(job_id).state.kind


class Watched(WrappedDriver):
    """Something is done after each call of a verb."""

    def __init__(self, driver, verb, after):
        super().__init__(driver)
        self.verb, self.after = verb, after

    def around(self, verb, order, call):
        answer = call()
        if verb == self.verb:
            self.after()
        return answer


# -- expiry -------------------------------------------------------------------------------------


def test_a_job_is_started_until_its_time_and_not_at_it(storage):
    add(storage, "a", expires_at=later(storage, 10))
    add(storage, "b", expires_at=later(storage, 10))
    storage.clock.advance(10 - 1e-6)
    assert storage.fetch_and_lock_job("w").id == "a"
    storage.clock.advance(1e-6)
    assert storage.get_available_jobs() == []
    assert storage.fetch_and_lock_job("w") is None
    ended = storage.get("b")
    assert ended.state.kind == StateKind.DELETED
    assert ended.state.reason.startswith("expired: not started by 2030-01-01 00:00:10 UTC")
    assert (ended.attempt, ended.lease_expires_at) == (0, None)


def test_a_claim_that_comes_upon_what_is_late_takes_others_in_its_place(storage):
    for name in "abcd":
        expires = later(storage, 10) if name in "ac" else None
        add(storage, name, expires_at=expires)
    storage.clock.advance(10)
    assert [job.id for job in storage.fetch_available_jobs_atomic("w", 2)] == ["b", "d"]


def test_the_chore_ends_what_waits_at_its_time(storage):
    add(storage, "a", expires_at=later(storage, 10))
    add(storage, "b", expires_at=later(storage, 10 + 1e-6))
    running = storage.fetch_and_lock_job("w")
    storage.clock.advance(10)
    assert storage.expire() == []  # a runs, b has a microsecond
    assert kind(storage, "b") == "enqueued"
    storage.release(running)
    assert [job.id for job in storage.expire()] == ["a"]


def test_a_late_claim_is_let_go_though_another_hand_comes_in_between(storage):
    """Found by all schedules of two hands: the run that never was kept its lease."""

    def cancel():
        watched.after = lambda: None
        storage.driver = inner
        storage.cancel("a")
        storage.driver = watched

    add(storage, expires_at=later(storage, 10))
    storage.clock.advance(10)
    inner = storage.driver
    storage.driver = watched = Watched(inner, "claim", cancel)
    assert storage.fetch_and_lock_job("w") is None
    storage.driver = inner
    assert storage.get("a").lease_expires_at is None
    assert storage.try_acquire_job_lock("a", "other", 10.0)


def test_a_late_claim_that_is_given_more_time_meanwhile_goes_back(storage):
    def give_time():
        watched.after = lambda: None
        storage.driver = inner
        storage.update(attrs.evolve(storage.get("a"), expires_at=None))
        storage.driver = watched

    add(storage, expires_at=later(storage, 10))
    storage.clock.advance(10)
    inner = storage.driver
    storage.driver = watched = Watched(inner, "claim", give_time)
    job = storage.fetch_and_lock_job("w")
    storage.driver = inner
    assert (job.id, job.attempt, job.expires_at) == ("a", 1, None)


# -- retention of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "seconds"), [(Succeeded(), 10), (Deleted(), 20), (Failed(exception="no"), 30)]
)
def test_a_job_is_kept_as_long_as_it_says(storage, state, seconds):
    add(storage, retention=BRIEF)
    storage.finish(storage.fetch_and_lock_job("w"), state)
    storage.clock.advance(seconds - 1e-6)
    assert storage.purge() == 0
    storage.clock.advance(1e-6)
    assert storage.purge() == 1


def test_a_longer_time_than_others_is_kept_too(storage):
    month = Retention(succeeded=30 * 86_400, deleted=1, failed=1)
    for name in "ab":
        add(storage, name, retention=month if name == "a" else None)
        storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    storage.clock.advance(8 * 86_400)
    assert storage.purge() == 1
    assert kind(storage) == "succeeded"


# -- notes --------------------------------------------------------------------------------------


def test_only_the_run_that_holds_the_job_writes_its_notes(storage):
    add(storage)
    first = storage.fetch_and_lock_job("w")
    storage.release(first)
    second = storage.fetch_and_lock_job("w")
    said = NO_NOTES.with_progress(0.5, "half", storage.now())
    assert not storage.note(first, NO_NOTES.with_progress(0.1, "stale", storage.now()))
    assert storage.note(second, said)
    assert storage.get("a").notes == said
    assert storage.get("a").version == second.version
    assert storage.finish(second, Succeeded()).state.kind == "succeeded"
    assert storage.get("a").notes == said


# -- what follows on a failure ------------------------------------------------------------------


def fails(storage, **fields):
    add(storage, on_failure=Followup("tell"), max_retries=0, **fields)
    claimed = storage.fetch_and_lock_job("w")
    return claimed, Failed(exception="no")


def followers(storage):
    return [job for job in storage.list() if job.method == "tell"]


def test_a_failure_and_what_follows_are_one_step(storage):
    def look():
        rows = storage.driver.driver.scan(After(0, 10))
        seen.append([row.method for row in rows if row.state in ("failed", "enqueued")])

    seen = []
    claimed, failed = fails(storage)
    storage.driver = Watched(storage.driver, "swap", look)
    storage.finish(claimed, failed)
    assert seen == [["task", "tell"]]
    [after] = followers(storage)
    assert after.arguments == ["a", "no"]


def test_an_end_sent_twice_is_followed_once(storage):
    claimed, failed = fails(storage)
    storage.driver = faulty = FaultyDriver(storage.driver)
    faulty.lose_reply("swap")
    with pytest.raises(StorageUnavailable):
        storage.finish(claimed, failed)
    storage.finish(claimed, failed)
    assert len(followers(storage)) == 1


def test_the_job_enqueued_anew_has_a_follower_of_its_own(storage):
    for _ in range(2):
        storage.finish(*fails(storage))
        for job in followers(storage):
            storage.try_acquire_job_lock(job.id, "nobody", 1000.0)
        storage.delete("a")
        storage.clock.advance(1)
    assert len(followers(storage)) == 2


def test_a_rescue_that_gives_up_is_followed_too(storage):
    fails(storage)
    storage.clock.advance(30)
    storage.rescue()
    assert [job.arguments[0] for job in followers(storage)] == ["a"]


def test_what_is_cancelled_or_tried_again_is_not_followed(make_storage, clock):
    storage = make_storage(clock, retry=RetryPolicy(max_retries=1, base=0))
    claimed, _ = fails(storage)
    storage.cancel("a")
    with pytest.raises(JobLost):
        storage.finish(claimed, Failed(exception="no"))
    add(storage, "b", on_failure=Followup("tell"), max_retries=1)
    storage.fetch_and_lock_job("w")
    storage.clock.advance(30)
    storage.rescue()
    assert followers(storage) == []


# -- in bulk ------------------------------------------------------------------------------------


def test_a_bulk_asks_again_for_who_was_faster(storage):
    """One that has ended since the look is not cancelled: the filter names none that have."""

    def finish():
        watched.after = lambda: None
        storage.driver = inner
        storage.finish(claimed, Succeeded())
        storage.driver = watched

    add(storage, "a")
    add(storage, "b")
    claimed = storage.fetch_and_lock_job("w")
    inner = storage.driver
    storage.driver = watched = Watched(inner, "scan", finish)
    assert storage.cancel_many(JobFilter()) == 1
    assert [kind(storage, name) for name in "ab"] == ["succeeded", "deleted"]


def test_a_bulk_goes_through_all_pages(storage):
    storage.enqueue_many([Job("task", id=f"{n}", queue="xy"[n % 2]) for n in range(1_100)])
    assert storage.count(JobFilter(queue="x")) == 550
    assert storage.cancel_many(JobFilter(queue="x")) == 550
    assert storage.get_job_counts()[StateKind.ENQUEUED] == 550


def test_what_was_cancelled_never_comes_back(storage):
    add(storage)
    claimed = storage.fetch_and_lock_job("w")
    assert storage.cancel_many(JobFilter(states="processing")) == 1
    with pytest.raises(JobLost):
        storage.finish(claimed, Failed(exception="no"))
    storage.clock.advance(1_000)
    assert storage.rescue() == []
    assert storage.fetch_and_lock_job("w") is None


# -- schedules ----------------------------------------------------------------------------------


def schedule(storage, **options):
    options = {"rule": Every(60), "name": "s"} | options
    job = Job("task", id="like", created_at=storage.now())
    return storage.schedules.put(Schedule(job=job, **options))


def issue(storage, after=0.0, known=None):
    """The seconds of the slots that are issued."""
    began = storage.schedules.get("s").rule.start
    storage.clock.advance(after)
    jobs = storage.schedules.issue(known or storage.schedules.known("s"))
    return [(job.slot - began).total_seconds() for job in jobs]


@pytest.mark.parametrize(
    ("catch_up", "issued"), [("one", [240]), ("all", [60, 120, 180, 240]), ("none", [])]
)
def test_what_was_missed_is_made_up_for_as_said(storage, catch_up, issued):
    schedule(storage, catch_up=catch_up)
    assert issue(storage, 59.999999) == []
    assert issue(storage, 200) == issued
    assert issue(storage, 40) == []
    assert issue(storage, 0.000001) == [300]


def test_what_is_a_little_late_was_not_missed(storage):
    schedule(storage, catch_up="none")
    assert issue(storage, 60 + 59) == [60]


def test_a_spread_delays_each_slot_and_leaves_none_out(storage):
    spread = schedule(storage, spread=86_400.0, rule=Every(60), catch_up="all")
    delay = spread.offset.total_seconds()
    assert delay > 600
    assert issue(storage, 60 + delay - 1e-3) == []
    assert issue(storage, 1e-3) == [60]
    assert issue(storage, 120) == [120, 180]


def test_registered_again_a_schedule_keeps_place_and_pause(storage):
    schedule(storage, catch_up="all")
    storage.clock.advance(70)
    storage.schedules.pause("s")
    schedule(storage, catch_up="all", overlap=True, spread=0.0)
    assert storage.schedules.get("s").paused
    assert issue(storage) == []
    assert storage.schedules.get("s").next_slot == later(storage, -10)
    storage.schedules.resume("s")
    assert storage.schedules.get("s").next_slot == later(storage, 50)


def test_registered_again_after_its_slot_it_issues_it(storage):
    schedule(storage)
    storage.clock.advance(70)
    schedule(storage, catch_up="all")
    assert issue(storage) == [60]


def test_a_pause_is_not_made_up_for(storage):
    schedule(storage, catch_up="all")
    storage.schedules.pause("s")
    assert issue(storage, 200) == []
    storage.schedules.resume("s")
    assert issue(storage) == []
    assert issue(storage, 40) == [240]


def test_two_servers_issue_a_slot_once(storage):
    schedule(storage)
    storage.clock.advance(60)
    known = storage.schedules.known("s")
    assert issue(storage, known=known) == [60]
    assert issue(storage, known=known) == []
    assert len(storage.list()) == 1


def test_a_slot_whose_reply_was_lost_is_issued_once(storage):
    schedule(storage, catch_up="all")
    storage.clock.advance(120)
    inner = storage.driver
    storage.driver = faulty = FaultyDriver(inner)
    faulty.lose_reply("insert")
    with pytest.raises(StorageUnavailable):
        issue(storage)
    storage.driver = inner
    assert issue(storage) == []
    assert len(storage.list()) == 2
    assert issue(storage, 60) == [180]


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_change_between_the_look_and_the_issue_counts(storage, change):
    schedule(storage)
    storage.clock.advance(60)
    known = storage.schedules.known("s")
    getattr(storage.schedules, change)("s")
    assert storage.schedules.issue(known) == []
    assert storage.list() == []
    left = storage.schedules.get("s")
    assert left is None if change == "remove" else left.paused


def test_slots_and_their_place_are_one_step(storage):
    def look():
        records = storage.driver.driver.list("schedule/")
        seen.append((len(storage.driver.driver.scan(After(0, 10))), records[0].version))

    seen = []
    schedule(storage, catch_up="all")
    inner = storage.driver
    storage.driver = Watched(inner, "insert", look)
    assert issue(storage, 120) == [60, 120]
    storage.driver = inner
    assert seen == [(2, 2)]


def test_the_same_slot_has_the_same_job_whoever_issues_it(storage):
    """Also where a schedule was removed and comes back with its old times."""
    began = storage.now()
    schedule(storage, rule=Every(60, began), catch_up="all")
    assert issue(storage, 60) == [60]
    storage.schedules.remove("s")
    old = schedule(storage, rule=Every(60, began), catch_up="all")
    body = attrs.evolve(old, next_slot=began + timedelta(seconds=60))
    known = storage.schedules.known("s")
    storage.schedules._write(body, known.version)
    assert issue(storage, 60) == [120]
    assert len(storage.list()) == 2


def test_none_overlaps_and_the_series_goes_on(storage):
    schedule(storage, overlap=False)
    assert issue(storage, 60) == [60]
    running = storage.fetch_and_lock_job("w", lease_seconds=1000)
    assert issue(storage, 60) == []
    assert "has not ended" in storage.schedules.get("s").skipped
    storage.finish(running, Succeeded())
    assert issue(storage, 60) == [180]
