"""What servers did, minute by minute: counted in memory, written now and then, summed over all."""

from datetime import UTC, datetime, timedelta

import pytest

from qml import Failed, Job, Qml, RetryPolicy, StorageUnavailable, connect
from qml.storage import activity as records
from qml.testing import ManualClock
from qml.values.activity import Minute
from qml.values.errors import ConfigurationError
from qml.work.activity import Activity
from tests.work.support import Counting, Failing

BEGIN = datetime(2030, 1, 1, 12, 58, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    return ManualClock(BEGIN)


@pytest.fixture
def app(make_storage, clock):
    jobs = Qml(make_storage(clock=clock), retry=RetryPolicy(max_retries=1, base=90, jitter=0))

    jobs.task(name="well")(lambda: None)

    @jobs.task(name="badly")
    def badly():
        raise ValueError("no")

    yield jobs
    jobs.close()


def enqueue(app, method, number=1):
    app.storage.enqueue_many([Job(method, max_retries=1) for _ in range(number)])


def told(storage, minutes=60):
    """Minutes in which something was done, as figures by their time of day."""
    return {
        f"{one.at:%H:%M}": (one.succeeded, one.failed, one.retrying, one.seconds)
        for one in storage.activity(minutes)
        if one != Minute(one.at)
    }


def test_what_ran_is_told_by_minute(app, clock):
    server = app.server(threads=4)
    enqueue(app, "badly")
    server.step()
    clock.advance(60)
    enqueue(app, "well", 2)
    server.step()
    clock.advance(60)
    server.step()  # the second attempt of the first
    assert told(app.storage) == {}
    server.activity.write()
    figures = told(app.storage)
    assert {at: counts[:3] for at, counts in figures.items()} == {
        "12:58": (0, 0, 1),
        "12:59": (2, 0, 0),
        "13:00": (0, 1, 0),
    }


def test_minutes_come_oldest_first_and_without_gaps(storage, clock):
    minutes = storage.activity(3)
    assert minutes == [Minute(datetime(2030, 1, 1, 12, 56 + n, tzinfo=UTC)) for n in range(3)]
    assert len(storage.activity()) == 60
    assert len(storage.activity(1_440)) == 1_440


@pytest.mark.parametrize("minutes", [0, 1_441, 1.5, None])
def test_a_day_at_most_is_told(storage, minutes):
    with pytest.raises(ConfigurationError, match="give a whole number from 1 to 1,440"):
        storage.activity(minutes)


def ended(storage, number, seconds=0.0):
    """Jobs that have failed, each after so many seconds."""
    return [(Job("t").with_state(Failed(exception="E")), seconds) for _ in range(number)]


def test_all_servers_are_summed_also_those_that_have_ended(storage):
    for number in range(3):
        server = Activity(storage, f"server/{number}")
        server.add(ended(storage, number + 1, 0.25))
        server.write()
    [minute] = storage.activity(1)
    assert (minute.failed, minute.seconds) == (6, 1.5)


def test_only_news_is_written_and_an_idle_server_writes_nothing(storage, clock):
    storage.driver = counting = Counting(storage.driver)
    server = Activity(storage, "s")
    server.write()
    assert counting.calls["write"] == 0
    for _ in range(3):
        server.add(ended(storage, 1))
    server.write()
    server.write()
    server.add([])
    server.write()
    assert counting.calls["write"] == 1
    server.add(ended(storage, 1))
    server.write()
    assert counting.calls["write"] == 2
    assert storage.activity(1)[0].failed == 4
    assert counting.calls["read"] == 0


def test_hours_have_records_of_their_own_and_lose_nothing_at_the_turn(storage, clock):
    server = Activity(storage, "s")
    for _ in range(6):
        server.add(ended(storage, 1))
        clock.advance(1_800)
        server.write()
    assert [len(record.body) for record in storage.driver.list(records.PREFIX)] == [18, 35, 35, 18]
    assert len(server._hours) == 2
    assert sum(minute.failed for minute in storage.activity(240)) == 6


def test_an_outage_loses_no_figure(storage):
    storage.driver = failing = Failing(storage.driver, {"write": 2})
    server = Activity(storage, "s")
    server.add(ended(storage, 1))
    with pytest.raises(StorageUnavailable):
        server.write()
    server.add(ended(storage, 1))
    failing.lost.add("write")  # this time it was stored, and nobody heard of it
    with pytest.raises(StorageUnavailable):
        server.write()
    server.add(ended(storage, 1))
    server.write()  # finds that the record is another than it knew
    server.write()
    assert storage.activity(1)[0].failed == 3


def test_old_records_are_removed_whoever_wrote_them(storage, clock):
    gone = Activity(storage, "gone")
    gone.add(ended(storage, 1))
    gone.write()
    heir = Activity(storage, "heir")
    clock.advance(24 * 3_600)
    heir.remove_old()
    assert storage.activity(1_440)[0] == Minute(BEGIN.replace(second=0) + timedelta(minutes=1))
    assert len(storage.driver.list(records.PREFIX)) == 1  # the hour may still be asked for
    clock.advance(2 * 3_600)
    heir.remove_old()
    assert storage.driver.list(records.PREFIX) == []


@pytest.mark.parametrize("body", ["7", "{}", '{"61": [1, 1, 1, 1]}', '{"1": 7}', '{"a": [1]}', "{"])
def test_damaged_figures_are_left_out(storage, clock, body):
    storage.driver.write("activity/2030-01-01T12/s", body, 0)
    assert told(storage) == {}


def test_a_server_tells_at_its_end_and_a_rescue_is_counted(make_storage, clock):
    app = Qml(make_storage(clock=clock))
    done = app.task(name="done")(lambda: None)
    lost = app.storage.enqueue(Job("lost", max_retries=0))
    app.storage.fetch_and_lock_job("dead", lease_seconds=1)
    clock.advance(2)
    with app.server(threads=1) as server:
        job = done.enqueue()
        app.storage.wait(job.id, timeout=30)
        app.storage.wait(lost.id, timeout=30)
    assert server.worker_id not in {r.name for r in app.storage.driver.list("server/")}
    [minute] = app.storage.activity(1)
    assert (minute.succeeded, minute.failed) == (1, 1)
    app.close()


def test_a_copy_leaves_the_figures_where_they_are(tmp_path):
    from qml.storage.copying import copy

    with connect(f"sqlite:///{tmp_path}/a.db") as one, connect(f"sqlite:///{tmp_path}/b.db") as two:
        server = Activity(one, "s")
        server.add(ended(one, 1))
        server.write()
        assert copy(one, two).complete
        assert told(two) == {}
