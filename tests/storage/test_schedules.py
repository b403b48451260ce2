"""Recurring jobs on every store: what others do between a look and a write, and what is refused."""

import logging
import threading
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from qml import (
    ConfigurationError,
    Cron,
    Every,
    Job,
    Schedule,
    SerializationError,
    StorageUnavailable,
    UniqueKeyTaken,
)
from qml.seam import schedules as codec
from qml.storage.schedules import PREFIX, slot_id
from qml.testing import ManualClock
from tests.work.support import Counting, Failing, Paused

HOUR = 3_600
RULE = Every(HOUR)


def added(storage, name="s", rule=RULE, **options):
    storage.schedules.add(name, rule, Job("t"), **options)
    return storage.schedules.known(name)


def ids(jobs):
    return [job.id for job in jobs]


# -- the slot and its job are one step -----------------------------------------------------------


def test_law8_an_issue_is_one_write(storage, clock):
    known = added(storage)
    clock.advance(HOUR)
    storage.driver = counting = Counting(storage.driver)
    assert len(storage.schedules.issue(known)) == 1
    assert (counting.calls["insert"], counting.calls["write"], counting.calls["swap"]) == (1, 0, 0)


@pytest.mark.parametrize("lost", [True, False], ids=["reply", "call"])
def test_law8_a_crash_at_any_point_issues_a_slot_once(storage, clock, lost):
    """Before the write neither is there, after it both are: the next server finds either."""
    known = added(storage)
    clock.advance(HOUR)
    storage.driver = failing = Failing(storage.driver, {"insert": 1})
    failing.lost = {"insert"} if lost else set()
    with pytest.raises(StorageUnavailable):
        storage.schedules.issue(known)
    moved = storage.schedules.get("s").next_slot > clock.now()
    assert (moved, len(storage.list())) == (lost, int(lost))
    storage.schedules.issue(storage.schedules.known("s"))
    assert len(storage.list()) == 1
    clock.advance(HOUR)
    assert len(storage.schedules.issue(storage.schedules.known("s"))) == 1


def test_law8_a_slot_whose_job_was_made_to_wait_is_issued_once(storage, clock):
    storage.enqueue(Job("t", id="first"))
    storage.hooks.around_enqueue(
        lambda jobs, store: store([attrs.evolve(job, after=("first",)) for job in jobs])
    )
    known = added(storage)
    clock.advance(HOUR)
    [job] = storage.schedules.issue(known)
    assert job.after == ("first",)
    assert storage.schedules.get("s").last_job == job.id
    assert storage.schedules.issue(storage.schedules.known("s")) == []


def test_two_servers_at_one_instant_issue_one_job(storage, clock):
    """The other one is faster, between this one's look and its write."""
    known = added(storage)
    clock.advance(HOUR)
    faster = []
    pause = storage.driver = Paused(storage.driver)
    pause.before["insert"] = lambda: faster.extend(storage.schedules.issue(known))
    assert storage.schedules.issue(known) == []
    assert ids(storage.list()) == ids(faster)
    assert len(faster) == 1
    assert storage.schedules.known("s").version == known.version + 1


@pytest.mark.parametrize("change", ["pause", "remove", "other rule", "other job"])
def test_what_people_change_meanwhile_stands(storage, clock, change):
    """The guard of the record: neither a job of the old schedule, nor the old schedule itself."""
    known = added(storage)
    clock.advance(HOUR)
    acts = {
        "pause": lambda: storage.schedules.pause("s"),
        "remove": lambda: storage.schedules.remove("s"),
        "other rule": lambda: added(storage, rule=Every(2 * HOUR)),
        "other job": lambda: storage.schedules.add("s", RULE, Job("other")),
    }
    pause = storage.driver = Paused(storage.driver)
    pause.before["insert"] = acts[change]
    assert storage.schedules.issue(known) == []
    assert storage.list() == []
    found = storage.schedules.get("s")
    told = {
        "pause": lambda: found.paused,
        "remove": lambda: found is None,
        "other rule": lambda: found.rule.seconds == 2 * HOUR,
        "other job": lambda: found.job.method == "other",
    }
    assert told[change]()


def test_many_threads_and_many_slots_one_job_each(storage, clock):
    names = [str(number) for number in range(5)]
    for name in names:
        added(storage, name)
    faults = []

    def serve():
        try:
            for name in names:
                storage.schedules.issue(storage.schedules.known(name))
        except Exception as fault:  # shown by the test's own thread
            faults.append(fault)

    for _ in range(3):
        clock.advance(HOUR)
        threads = [threading.Thread(target=serve) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []
    slots = [(job.schedule, job.slot) for job in storage.list()]
    assert len(slots) == len(set(slots)) == 15


# -- changes beside each other -------------------------------------------------------------------


def test_a_change_meets_one_that_was_faster(storage, clock):
    added(storage)
    pause = storage.driver = Paused(storage.driver)
    pause.before["write"] = lambda: storage.schedules.add("s", RULE, Job("other"))
    assert storage.schedules.pause("s").job.method == "other"
    found = storage.schedules.get("s")
    assert (found.paused, found.job.method) == (True, "other")


def test_two_that_add_a_schedule_at_once_have_one(storage, clock):
    """Both servers of a deploy make it known; the second keeps the place that the first gave it."""
    pause = storage.driver = Paused(storage.driver)

    def meanwhile():
        added(storage)
        clock.advance(60)

    pause.before["write"] = meanwhile
    mine = storage.schedules.add("s", RULE, Job("t"))
    assert storage.schedules.get("s") == mine
    assert mine.next_slot == clock.now() + timedelta(seconds=HOUR - 60)


def test_a_remove_meets_a_change(storage, clock):
    added(storage)
    pause = storage.driver = Paused(storage.driver)
    pause.before["write"] = lambda: storage.schedules.pause("s")
    assert storage.schedules.remove("s")
    assert storage.schedules.list() == []


def test_one_removed_and_added_anew_is_another(storage, clock):
    """Its record goes on from where it was, so that no server takes one for the other."""
    known = added(storage)
    storage.schedules.remove("s")
    again = added(storage, rule=Every(2 * HOUR))
    assert again.version > known.version
    clock.advance(HOUR)
    assert storage.schedules.issue(known) == []
    assert storage.schedules.known("s") == again


# -- slots ---------------------------------------------------------------------------------------


def test_the_id_of_a_slot_is_the_same_wherever_it_is_issued(make_storage, clock):
    """So that of a schedule that was removed and added again no slot has two jobs."""
    start = clock.now()
    storage = make_storage(clock)
    rule = Every(HOUR, start)
    added(storage, rule=rule)
    clock.advance(HOUR)
    [job] = storage.schedules.issue(storage.schedules.known("s"))
    other = make_storage(ManualClock(start))
    added(other, rule=rule)
    other.clock.advance(HOUR + 50)
    [same] = other.schedules.issue(other.schedules.known("s"))
    assert (same.id, same.slot) == (job.id, job.slot)


def test_a_slot_that_was_issued_before_is_said(storage, clock, caplog):
    rule = Every(HOUR, clock.now())
    known = added(storage, rule=rule)
    clock.advance(HOUR)
    [job] = storage.schedules.issue(known)
    before = attrs.evolve(known.schedule, next_slot=job.slot)
    storage.schedules.remove("s")
    version = storage.driver.read(f"{PREFIX}s").version
    storage.driver.write(f"{PREFIX}s", codec.encode(before), version)  # as in an older copy
    with caplog.at_level(logging.WARNING, "qml.schedules"):
        assert storage.schedules.issue(storage.schedules.known("s")) == []
    assert storage.schedules.get("s").skipped == f"it was issued before, as job {job.id}"
    assert "schedule s has no job for" in caplog.text


def test_of_many_missed_slots_a_thousand_come_at_a_time(storage, clock):
    added(storage, rule=Every(1), catch_up="all")
    clock.advance(2_500)
    counts = []
    while jobs := storage.schedules.issue(storage.schedules.known("s")):
        assert jobs == sorted(jobs, key=lambda job: job.slot)
        counts.append(len(jobs))
    assert counts == [1_000, 1_000, 500]
    assert len({job.slot for job in storage.list()}) == 2_500


def test_one_of_many_whose_id_is_taken_stops_no_other(storage, clock):
    known = added(storage, catch_up="all")
    second = known.schedule.next_slot + timedelta(hours=1)
    storage.enqueue(Job("mine", id=slot_id("s", second)))
    clock.advance(3 * HOUR)
    issued = storage.schedules.issue(known)
    assert [job.slot for job in issued] == [
        second - timedelta(hours=1),
        second + timedelta(hours=1),
    ]
    found = storage.schedules.get("s")
    assert found.last_slot == issued[-1].slot
    assert "issued before" in found.skipped


def test_a_daily_rule_keeps_its_hour_through_the_year(make_storage):
    """Berlin's noon is at 11 in winter and at 10 in summer, by UTC."""
    clock = ManualClock(datetime(2027, 1, 1, tzinfo=UTC))
    storage = make_storage(clock)
    added(storage, rule=Cron("0 12 * * *", "Europe/Berlin"), catch_up="all")
    clock.advance(365 * 86_400)
    jobs = storage.schedules.issue(storage.schedules.known("s"))
    assert len(jobs) == 365
    hours = [job.slot.hour for job in jobs]
    assert (hours[0], hours[180], set(hours)) == (11, 10, {10, 11})


# -- what is refused -----------------------------------------------------------------------------


def test_a_job_that_could_not_be_stored_is_refused_when_it_is_added(make_storage, clock):
    """And not at each slot, where it would be in the way of other schedules."""
    storage = make_storage(clock, max_job_bytes=1_000)
    with pytest.raises(SerializationError, match="more than the 1,000 allowed"):
        storage.schedules.add("s", RULE, Job("t", ["x" * 1_000]))
    assert storage.schedules.list() == []


@pytest.mark.parametrize("name", ["method", "queue", "unique_key"])
def test_names_that_not_every_store_can_index_are_refused_before_the_slots(storage, name):
    """PostgreSQL refused each of its jobs, and the schedules behind it were not looked at."""
    job = Job(**{"method": "t", name: "ä" * 1_251})
    with pytest.raises(ConfigurationError, match="2,502 bytes"):
        storage.schedules.add("long", Every(60), job)
    assert storage.schedules.get("long") is None


def test_so_is_its_own_name(storage):
    """PostgreSQL refused its record, with a word about jobs' ids and queues; others took it."""
    with pytest.raises(ConfigurationError, match="Job schedule: 2,502 bytes, more than the 2,500"):
        storage.schedules.add("ä" * 1_251, Every(60), Job("t"))
    assert storage.schedules.list() == []


@pytest.mark.parametrize("verb", ["pause", "resume", "trigger"])
def test_an_unknown_name_is_named(storage, verb):
    with pytest.raises(ConfigurationError, match="no schedule 'nightly'"):
        getattr(storage.schedules, verb)("nightly")


def test_a_trigger_whose_key_is_held_is_refused(storage, clock):
    storage.schedules.add("s", RULE, Job("t", unique_key="k"))
    holder = storage.schedules.trigger("s")
    with pytest.raises(UniqueKeyTaken) as taken:
        storage.schedules.trigger("s")
    assert taken.value.job_id == holder.id


def test_a_record_that_cannot_be_read_stops_no_other(storage, clock, caplog):
    added(storage, "a")
    added(storage, "c")
    storage.driver.write(f"{PREFIX}b", '{"rule": {"cron": "99 * * * *"}}', 0)
    storage.driver.write(f"{PREFIX}d", "[]", 0)
    with caplog.at_level(logging.ERROR, "qml.schedules"):
        assert [one.name for one in storage.schedules.list()] == ["a", "c"]
    assert f"record {PREFIX}b cannot be read" in caplog.text


def test_other_records_are_no_schedules(storage, clock):
    storage.driver.write("server/x", "{}", 0)
    added(storage)
    assert [one.name for one in storage.schedules.list()] == ["s"]


@pytest.mark.parametrize("name", ["nightly/a", "%_", "ключ 😀", "x" * 500])
def test_any_name_will_do(storage, clock, name):
    added(storage, name)
    added(storage, name[:-1] + "!")
    clock.advance(HOUR)
    [job] = storage.schedules.issue(storage.schedules.known(name))
    assert job.schedule == name
    assert storage.schedules.remove(name)
    assert len(storage.schedules.list()) == 1


def test_a_schedule_is_an_immutable_value(storage, clock):
    known = added(storage)
    assert isinstance(known.schedule, Schedule)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        known.schedule.paused = True


def test_law13_the_record_of_a_removed_one_has_an_end(storage, clock):
    for name in ("old", "new", "back", "late"):
        storage.schedules.add(name, Every(60), Job("m"))
    storage.schedules.remove("old")
    storage.schedules.remove("back")
    clock.advance(86_400)
    storage.schedules.remove("new")
    storage.schedules.add("back", Every(60), Job("m"))
    clock.advance(1)
    storage.schedules.remove("late")
    names = [record.name for record in storage.driver.list("schedule/")]
    assert names == ["schedule/back", "schedule/late", "schedule/new"]
