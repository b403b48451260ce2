"""A server that ends itself: after so many jobs, or grown beyond so much memory."""

import mmap
import threading

import pytest

from qml import ConfigurationError, Qml, Snooze
from qml.work import retirement
from qml.work.retirement import Retirement, resident_mb
from tests.work.support import Gate, eventually


def ran(app):
    return app.storage.get_job_counts()["succeeded"]


def made(app, number):
    """``number`` jobs, and the list to which each adds the id of its thread's run."""
    done = []
    app.task(name="t")(done.append).enqueue_many([(n,) for n in range(number)])
    return done


# -- the limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, True, 1.5, "5"])
def test_a_wrong_number_of_jobs_is_named(memory_app, wrong):
    with pytest.raises(ConfigurationError, match=r"max_jobs is .*; give a whole number, 1 or more"):
        memory_app.server(max_jobs=wrong)


@pytest.mark.parametrize("wrong", [0, -1, True, float("nan"), "5"])
def test_a_wrong_memory_is_named(memory_app, wrong):
    with pytest.raises(ConfigurationError, match=r"max_memory_mb is .*; give MB"):
        memory_app.server(max_memory_mb=wrong)


def test_a_system_that_does_not_tell_its_memory_is_named():
    def memory():
        raise FileNotFoundError("/proc/self/statm")

    with pytest.raises(ConfigurationError, match="max_memory_mb is 300, but this system has no"):
        Retirement(None, 300, memory=memory)
    assert Retirement(5, None, memory=memory).reason(5)


def test_memory_in_use_is_this_process_own():
    before = resident_mb()
    with mmap.mmap(-1, 64_000_000) as held:  # no heap, which may have room that was freed before
        held[:] = b"x" * len(held)  # until it is written to, it takes no room
        assert resident_mb() > before + 40


def test_no_more_are_claimed_than_are_left():
    limits = Retirement(10, None)
    assert limits.room(4, 48, 0) == (4, 6)
    assert limits.room(4, 48, 7) == (3, 0)
    assert limits.room(4, 48, 10) == (0, 0)
    assert limits.room(4, 48, 11) == (0, 0)
    assert Retirement(None, None).room(4, 48, 10**6) == (4, 48)


def test_memory_is_looked_at_once_a_second_and_only_after_a_job():
    seconds, looks = [0.0], []

    def memory():
        looks.append(1)
        return 301.0

    limits = Retirement(None, 300, steady=lambda: seconds[0], memory=memory)
    looks.clear()
    assert limits.reason(0) is None
    assert limits.reason(1) == "301 MB are in use, more than the 300 of max_memory_mb"
    assert limits.reason(1) is None
    seconds[0] = 0.999
    assert limits.reason(1) is None
    assert len(looks) == 1
    seconds[0] = 1.0
    assert limits.reason(1)


def test_the_limits_in_words():
    assert str(Retirement(None, None)) == ""
    assert str(Retirement(1500, None)) == "after 1,500 jobs"
    assert str(Retirement(5, 300, memory=lambda: 0.0)) == "after 5 jobs or with 300 MB in use"


def test_a_memory_that_is_exceeded_from_the_start_is_told(caplog):
    Retirement(None, 300, memory=lambda: 300.0)
    assert not caplog.text
    Retirement(None, 300, memory=lambda: 301.0)
    assert "301 MB are in use before the first job" in caplog.text


def test_without_limits_there_is_no_reason():
    assert Retirement(None, None).reason(10**9) is None
    assert Retirement(5, 300, memory=lambda: 299.9).reason(4) is None


# -- a server ------------------------------------------------------------------------------------


def test_it_runs_as_many_as_it_may_and_returns(app, caplog):
    caplog.set_level("INFO", "qml.server")
    done = made(app, 50)
    server = app.server(threads=4, max_jobs=20)
    assert server.run() is False
    assert len(done) == ran(app) == 20
    assert server.retired == "20 jobs have run here, as many as max_jobs allows"
    assert (server.interrupted, server.handed_back) == (0, 0)
    assert app.storage.get_job_counts()["enqueued"] == 30
    assert {job.attempt for job in app.storage.list("enqueued")} == {0}
    assert server.retired in caplog.text


def test_burst_after_burst_runs_each_job_once(make_storage):
    app = Qml(make_storage())
    done, servers = made(app, 50), 0
    while not app.server(threads=4, max_jobs=8).run(burst=True):
        servers += 1
        assert len(done) == 8 * servers
    assert servers == 6
    assert sorted(done) == list(range(50))
    assert {job.attempt for job in app.storage.list()} == {1}


def test_memory_ends_it_after_the_first_job(make_storage):
    app = Qml(make_storage())
    done = made(app, 3)
    server = app.server(threads=1, max_memory_mb=1)  # Python alone takes more
    assert server.run() is False
    assert 1 <= len(done) <= 3
    assert ran(app) == len(done)
    assert "MB are in use, more than the 1 of max_memory_mb" in server.retired


def test_it_waits_for_what_runs_however_long(make_storage):
    app, gate, quick = Qml(make_storage()), Gate(), []
    app.task(name="slow")(gate.wait).enqueue()
    app.task(name="quick")(lambda: quick.append(1)).enqueue_many([()] * 8)
    server = app.server(threads=2, max_jobs=4, grace_seconds=0)
    thread = threading.Thread(target=server.run)
    thread.start()
    gate.someone_waits()
    eventually(lambda: len(quick) == 3)
    assert server.retired is None
    assert thread.is_alive()
    gate.open()
    thread.join(30)
    assert not thread.is_alive()
    assert ran(app) == 4
    assert server.retired


def test_what_runs_when_its_memory_is_too_much_may_end(make_storage, monkeypatch):
    used = [0.0]
    monkeypatch.setattr(retirement, "LOOK", 0.0)
    app, gate = Qml(make_storage()), Gate()
    app.task(name="slow")(gate.wait).enqueue()
    grow = app.task(name="grow")(lambda: used.__setitem__(0, 500.0))
    server = app.server(threads=2, grace_seconds=0, max_memory_mb=400)
    server.retirement = Retirement(None, 400, memory=lambda: used[0])
    thread = threading.Thread(target=server.run)
    thread.start()
    gate.someone_waits()
    grow.enqueue()
    eventually(lambda: server.retired)
    waits = grow.enqueue()
    assert thread.is_alive()
    gate.open()
    thread.join(30)
    assert not thread.is_alive()
    assert ran(app) == 2
    assert app.storage.get(waits.id).state.kind == "enqueued"


def test_a_stop_meanwhile_is_a_stop(make_storage):
    app, gate = Qml(make_storage()), Gate()
    job = app.task(name="slow")(gate.wait).enqueue()
    server = app.server(threads=2, max_jobs=5)
    server.retirement = Retirement(1, None)
    server.finisher.recorded = 1  # as after another job
    server.retirement.room = lambda free, ahead, taken: (free, ahead)
    reason, server.retirement.reason = server.retirement.reason, lambda ended: None
    thread = threading.Thread(target=server.run)
    thread.start()
    gate.someone_waits()
    server.retirement.reason = reason
    eventually(lambda: server.retired)
    server.stop(grace_seconds=0)
    thread.join(30)
    assert not thread.is_alive()
    assert server.retired is None  # so that nothing begins again
    assert app.storage.get(job.id).state.kind == "enqueued"
    gate.open()


def test_what_is_no_outcome_does_not_count(app, clock):
    tries = []

    @app.task
    def task():
        tries.append(1)
        if len(tries) <= 5:
            raise Snooze(0)

    task.enqueue()
    server = app.server(threads=1, max_jobs=1)
    server.run()
    assert len(tries) == 6
    assert server.retired


def test_one_that_was_started_is_at_rest_and_says_so(app):
    done = made(app, 5)
    with app.server(threads=2, max_jobs=2) as server:
        eventually(lambda: server.retired and not server._started[-1].is_alive())
        assert len(done) == 2
    assert server.retired


def test_steps_by_hand_keep_to_the_limit_too(memory_app):
    memory_app.task(name="work")(lambda: None).enqueue_many([()] * 5)
    server = memory_app.server(threads=2, max_jobs=3)
    assert [server.step(), server.step(), server.step()] == [2, 1, 0]
