"""Recurring jobs as an app declares them and its servers issue them."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from qml import ConfigurationError, Cron, Every, InvalidArguments, ManualClock, Qml, current_job
from qml.testing import FaultyDriver
from qml.values.errors import SerializationError, StorageUnavailable

from .support import MAKERS, eventually

START = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=MAKERS)
def storage(request, tmp_path):
    with MAKERS[request.param](tmp_path, clock=ManualClock(START)) as storage:
        yield storage


@pytest.fixture
def clock(storage):
    return storage.clock


def app_of(storage, rule="*/5 * * * *", **options):
    """An app with one schedule, whose task notes its slots."""
    jobs = Qml(storage)
    jobs.slots = []

    @jobs.cron(rule, **options)
    @jobs.task(name="tick")
    def tick():
        jobs.slots.append(current_job().slot)

    return jobs


def run(jobs):
    """One look of a new server, and all it finds to do."""
    server = jobs.server(threads=4)
    server.tick()
    while server.step():
        pass
    return jobs.slots


def at(hour, minute=0, second=0):
    return datetime(2030, 1, 1, hour, minute, second, tzinfo=UTC)


# -- declaring -----------------------------------------------------------------------------------


def test_declaring_opens_nothing(tmp_path):
    jobs = Qml(f"sqlite:///{tmp_path}/jobs.db")
    jobs.cron("* * * * *")(jobs.task(print))
    jobs.every(5, name="n")(jobs.task(print))
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_decorator_that_leaves_the_task_or_makes_one():
    jobs = Qml("memory://")
    task = jobs.task(name="t")(lambda: 5)
    assert jobs.every(60)(task) is task
    made = jobs.every(timedelta(hours=1), name="other")(lambda: 7)
    assert made() == 7
    assert made.name in jobs.tasks


def test_what_does_not_fit_is_refused_where_it_is_declared():
    jobs = Qml("memory://")
    task = jobs.task(name="t")(lambda a: a)
    with pytest.raises(InvalidArguments):
        jobs.every(60)(task)
    with pytest.raises(ConfigurationError, match="catch_up is 'some'"):
        jobs.every(60, args=[1], catch_up="some")(task)
    with pytest.raises(ConfigurationError, match="unknown option queue of a schedule"):
        jobs.every(60, args=[1], queue="q")(task)
    with pytest.raises(SerializationError, match=r"arguments\[0\]"):
        jobs.every(60, args=[object()])(task)
    with pytest.raises(
        ConfigurationError, match="schedule t of task t with run_after: a slot's job"
    ):
        jobs.every(60, args=[1])(task.using(run_after=5))
    with pytest.raises(ConfigurationError, match=r"Every seconds is 1e\+300; give seconds, 0.1"):
        jobs.every(1e300)
    with pytest.raises(ConfigurationError, match="schedule: 2,501 bytes, more than the 2,500"):
        jobs.every(60, args=[1], name="n" * 2_501)(task)
    with pytest.raises(ConfigurationError, match="queue and keys: 2,501 bytes"):
        jobs.every(60, args=[1], name="long")(task.using(queue="q" * 2_501))
    assert jobs.declared == {}
    with pytest.raises(ConfigurationError, match="Cron"):
        jobs.cron("* * *")
    with pytest.raises(ConfigurationError, match="Every seconds"):
        jobs.every(0)


def test_two_schedules_of_one_name_are_refused_and_one_declared_again_is_not():
    jobs = Qml("memory://")
    task = jobs.task(name="t")(print)
    jobs.every(60)(task)
    jobs.every(60)(task)
    with pytest.raises(ConfigurationError, match="two schedules are called 't'"):
        jobs.every(61)(task)
    jobs.every(61, name="other")(task)
    assert [*jobs.declared] == ["t", "other"]


# -- issuing -------------------------------------------------------------------------------------


def test_one_job_for_each_slot_which_it_knows(storage, clock):
    jobs = app_of(storage)
    assert run(jobs) == []
    for _ in range(3):
        clock.advance(300)
        run(jobs)
    assert jobs.slots == [at(12, 5), at(12, 10), at(12, 15)]
    assert {job.schedule for job in storage.list(method="tick")} == {"tick"}


def test_nothing_is_issued_early_and_what_is_late_is_issued(storage, clock):
    jobs = app_of(storage)
    run(jobs)
    clock.advance(299.75)  # a timer that wakes 250 ms early
    assert run(jobs) == []
    clock.advance(1.75)  # and one that was held up for 1.5 s
    assert run(jobs) == [at(12, 5)]


@pytest.mark.parametrize(("catch_up", "count"), [("none", 0), ("one", 1), ("all", 48)])
def test_slots_that_were_missed(storage, clock, catch_up, count):
    jobs = app_of(storage, catch_up=catch_up)
    run(jobs)
    clock.advance(4 * 3600)
    slots = run(jobs)
    assert len(slots) == count
    assert slots[-1:] == [at(16)][:count]
    clock.advance(300)
    assert run(jobs)[count:] == [at(16, 5)]


def test_a_restart_within_the_minute_issues_nothing_twice(storage, clock):
    jobs = app_of(storage, "* * * * *")
    run(jobs)
    clock.advance(65)
    run(jobs)
    clock.advance(35)
    assert run(jobs) == [at(12, 1)]


def test_registering_again_keeps_the_place_and_a_changed_rule_starts_anew(storage, clock):
    run(app_of(storage))
    clock.advance(299)
    run(app_of(storage))
    assert storage.schedules.get("tick").next_slot == at(12, 5)
    clock.advance(2)
    changed = app_of(storage, "*/7 * * * *")
    assert run(changed) == []
    assert storage.schedules.get("tick").next_slot == at(12, 7)


def test_registering_again_writes_nothing(storage):
    run(app_of(storage))
    [before] = storage.schedules.records()
    run(app_of(storage))
    assert storage.schedules.records() == [before]


def test_arguments_that_changed_are_those_of_the_next_job(storage, clock):
    jobs = Qml(storage)
    seen = []
    task = jobs.task(name="t")(seen.append)
    for value in "ab":
        jobs.declared.clear()
        jobs.every(60, args=[value])(task)
        jobs.server().tick()
    clock.advance(60)
    jobs.slots = seen
    assert run(jobs) == ["b"]


def test_what_code_does_not_declare_any_more_is_not_issued(storage, clock):
    run(app_of(storage))
    jobs = Qml(storage)
    jobs.slots = []
    jobs.task(name="tick")(lambda: jobs.slots.append(1))
    clock.advance(400)
    assert run(jobs) == []
    assert storage.list() == []


def test_what_was_added_at_run_time_is_issued_by_who_has_the_task(storage, clock):
    jobs = Qml(storage)
    jobs.slots = []
    task = jobs.task(name="t")(lambda: jobs.slots.append(current_job().slot))
    jobs.schedules.add("by hand", Every(60), task.job())
    clock.advance(60)
    stranger = Qml(storage)
    stranger.slots = []
    run(stranger)
    assert storage.list() == []
    assert run(jobs) == [at(12, 1)]


def test_a_pause_holds_and_a_removal_ends(storage, clock):
    jobs = app_of(storage)
    run(jobs)
    jobs.schedules.pause("tick")
    clock.advance(3600)
    assert run(jobs) == []
    jobs.schedules.resume("tick")
    assert run(jobs) == []  # what fell into the pause is not made up for
    clock.advance(300)
    assert run(jobs) == [at(13, 5)]
    server = jobs.server()
    server.tick()
    assert jobs.schedules.remove("tick")
    clock.advance(300)
    server.tick()
    assert storage.get_job_counts()["enqueued"] == 0


def test_a_job_now_leaves_the_place(storage, clock):
    jobs = app_of(storage)
    run(jobs)
    clock.advance(10)
    jobs.schedules.trigger("tick")
    assert run(jobs) == [at(12, 0, 10)]
    clock.advance(290)
    assert run(jobs)[1:] == [at(12, 5)]


def test_without_overlap_a_slot_is_skipped_while_its_predecessor_runs(storage, clock, caplog):
    jobs = app_of(storage, overlap=False)
    run(jobs)
    clock.advance(300)
    jobs.server().tick()
    clock.advance(300)
    jobs.server().tick()
    [first] = storage.list(method="tick")
    assert f"the job before, {first.id}, has not ended" in storage.schedules.get("tick").skipped
    assert "12:10" in caplog.text
    assert run(jobs) == [at(12, 5)]
    clock.advance(300)
    assert run(jobs) == [at(12, 5), at(12, 15)]


def test_schedules_of_one_minute_are_spread(storage, clock):
    jobs = Qml(storage)
    task = jobs.task(name="t")(print)
    for number in range(60):
        jobs.cron("* * * * *", name=f"s{number}", spread=30)(task)
    server = jobs.server()
    server.tick()
    clock.advance(60)
    issued = []
    for _ in range(31):
        server.tick()
        issued.append(storage.get_job_counts()["enqueued"])
        clock.advance(1)
    steps = [after - before for before, after in itertools.pairwise(issued)]
    assert issued[-1] == 60
    assert max(issued[0], *steps) <= 10
    assert {job.slot for job in storage.list()} == {at(12, 1)}


def test_one_that_cannot_be_read_or_made_stops_no_other(storage, clock, caplog):
    storage.driver.write("schedule/a", '{"rule": 5}', 0)
    jobs = app_of(storage)
    jobs.declared["b"] = lambda: Cron("nonsense")
    run(jobs)
    clock.advance(300)
    assert run(jobs) == [at(12, 5)]
    assert "schedule/a cannot be read" in caplog.text
    assert "schedule b issues nothing now" in caplog.text


# -- outages and threads -------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("verb", ["insert", "list", "read", "write"])
def test_a_call_that_fails_is_made_up_for_and_issues_nothing_twice(storage, clock, verb, after):
    storage.driver = faulty = FaultyDriver(storage.driver)
    jobs = app_of(storage)
    server = jobs.server()
    for round_ in range(3):
        (faulty.lose_reply if after else faulty.fail)(verb)
        for _ in range(3):
            try:
                server.timetable.issue()
            except StorageUnavailable:
                continue
        if round_ < 2:
            clock.advance(300)
    while server.step():
        pass
    assert jobs.slots == [at(12, 5), at(12, 10)]


def test_a_running_server_issues_in_time_and_says_when_it_wants_to(tmp_path):
    with MAKERS["sqlite"](tmp_path) as storage:
        jobs = Qml(storage)
        slots = []
        jobs.every(0.2, name="often")(
            jobs.task(name="t")(lambda: slots.append((current_job().slot, storage.now())))
        )
        with jobs.server(threads=2), jobs.server(threads=2):
            eventually(lambda: len(slots) >= 5)
        assert all(now >= slot for slot, now in slots)
        assert len({slot for slot, _ in slots}) == len(slots)


def test_it_says_how_long_until_the_next(storage, clock):
    jobs = app_of(storage, spread=0)
    timetable = jobs.server().timetable
    assert timetable.issue() == 1.0
    clock.advance(299.25)
    assert timetable.issue() == pytest.approx(0.75)


def test_a_slot_that_comes_before_the_next_look_is_not_missed(storage, clock):
    jobs = Qml(storage)
    jobs.every(0.25, name="often")(jobs.task(name="t")(print))
    timetable = jobs.server().timetable
    assert timetable.issue() == pytest.approx(0.25)
    clock.advance(0.25)
    assert timetable.issue() == pytest.approx(0.25)
    clock.advance(0.3)
    assert timetable.issue() == pytest.approx(0.2)
    assert timetable.issued == 2


def test_schedules_are_gone_through_when_one_has_changed_or_is_due(storage, clock, monkeypatch):
    jobs = app_of(storage, spread=0)
    jobs.schedules.add("by hand", Every(60), jobs.tasks["tick"].job())
    timetable, passes = jobs.server().timetable, []
    issue_due = timetable._issue_due
    monkeypatch.setattr(timetable, "_issue_due", lambda now: passes.append(now) or issue_due(now))

    def passed():
        passes.clear()
        timetable.issue()
        return len(passes)

    assert [passed() for _ in range(3)] == [1, 0, 0]
    clock.advance(59)
    assert passed() == 0
    clock.advance(1)
    assert [passed() for _ in range(3)] == [1, 1, 0]
    assert timetable.issued == 1
    jobs.schedules.pause("by hand")
    assert [passed() for _ in range(2)] == [1, 0]


def test_what_is_due_is_issued_once_its_task_is_known(storage, clock):
    jobs = Qml(storage)
    job = Qml("memory://").task(name="later")(print).job()
    jobs.schedules.add("by hand", Every(60), job)
    jobs.schedules.add("another", Every(3_600), job)
    timetable = jobs.server().timetable
    for _ in range(3):
        timetable.issue()
        clock.advance(40)
    assert storage.list() == []
    jobs.task(name="later")(print)
    timetable.issue()
    assert [job.schedule for job in storage.list()] == ["by hand"]


def test_a_burst_runs_what_is_due_when_it_comes(tmp_path):
    """As a crontab of the system would have it: one burst now and then, and no server between."""
    with MAKERS["sqlite"](tmp_path) as storage:
        jobs = Qml(storage)
        slots = []
        jobs.every(1, name="often", catch_up="all")(
            jobs.task(name="t")(lambda: slots.append(current_job().slot))
        )
        assert jobs.server(threads=2).run(burst=True)
        before = len(slots)
        eventually(lambda: storage.schedules.get("often").next_at < storage.now())
        assert jobs.server(threads=2).run(burst=True)
        assert len(slots) > before


def test_very_many_are_looked_at_less_often(tmp_path):
    with MAKERS["memory"](tmp_path, clock=ManualClock(START)) as storage:
        jobs = Qml(storage)
        task = jobs.task(name="t")(print)
        for number in range(1_500):
            storage.schedules.add(f"s{number}", Every(3_600), task.job())
        assert jobs.server().timetable.issue() == 5.0
        storage.clock.advance(3_599)
        assert jobs.server().timetable.issue() == 1.0  # and never past a slot
