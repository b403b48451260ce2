"""Outages: told once, and nothing is rescued until all who live can have renewed their leases."""

import logging
import time
from types import SimpleNamespace

import pytest

from qml import CapacityExceeded, Job, Qml, RetryPolicy, StorageUnavailable, Succeeded
from qml.seam.rows import Verdict
from qml.work import outage as module
from qml.work import rounds as rounds_module
from qml.work.chores import RESCUE, Upkeep
from qml.work.outage import LONG, REMIND, SETTLE, Outage
from qml.work.rounds import Rounds
from tests.work.support import Failing, Gate, eventually

DOWN = StorageUnavailable("the server is away")


@pytest.fixture
def now():
    """Seconds, to be moved by hand."""
    return SimpleNamespace(seconds=1000.0)


@pytest.fixture
def said(caplog):
    """The lines an operator sees."""
    caplog.set_level(logging.DEBUG, "qml.server")

    def said():
        lines = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
        caplog.clear()
        return lines

    return said


def test_an_outage_is_told_once_now_and_then_and_at_its_end(now, said):
    outage = Outage(lambda: now.seconds)
    for _ in range(49):
        for what in ("claiming", "heartbeat"):
            outage.failed(what, DOWN, 0.5)
        now.seconds += 1
    assert said() == [
        "claiming failed: the server is away. What runs goes on and its outcome is kept; all is "
        "tried again, this in 0.5 s"
    ]
    now.seconds += REMIND
    outage.failed("heartbeat", DOWN, 5)
    outage.failed("claiming", DOWN, 5)
    seconds = 49 + REMIND
    assert said() == [
        f"heartbeat still fails, after {seconds:.0f} s of trying again: the server is away"
    ]
    outage.worked("claiming")
    outage.worked("purge")
    assert said() == []
    outage.worked("heartbeat")
    outage.worked("heartbeat")
    assert said() == [f"the store does as it is told again, after {seconds:.1f} s; going on"]


def test_a_store_that_answers_looks_and_refuses_writes_is_one_outage(now, said):
    """A replica, say: a claim that finds nothing works there."""
    outage = Outage(lambda: now.seconds)
    for _ in range(49):
        outage.worked("claiming")
        outage.failed("renewal", DOWN, 1)
        now.seconds += 1
    assert len(said()) == 1
    outage.worked("renewal")
    assert len(said()) == 1
    assert outage.settling


def test_it_settles_after_a_long_outage_only(now):
    outage = Outage(lambda: now.seconds)
    outage.failed("x", DOWN, 1)
    now.seconds += LONG - 0.1
    outage.worked("x")
    assert outage.settling is False
    outage.failed("x", DOWN, 1)
    now.seconds += LONG
    outage.worked("x")
    assert outage.settling
    assert not outage.fails("x")
    now.seconds += SETTLE - 0.1
    assert outage.settling
    now.seconds += 0.1
    assert not outage.settling


def test_it_settles_when_any_of_a_long_outage_works_again(now):
    """Renewals failed all the time, and rescue only since a lease had lapsed."""
    outage = Outage(lambda: now.seconds)
    outage.failed("renewal", DOWN, 1)
    now.seconds += 100
    outage.failed("rescue", DOWN, 1)
    outage.worked("rescue")
    assert outage.settling
    now.seconds += SETTLE
    assert not outage.settling
    assert outage.fails("renewal")


def test_what_held_everybody_up_lets_it_settle(now):
    """A paused server: nothing failed, and all leases lapsed."""
    outage = Outage(lambda: now.seconds)
    outage.held_up(LONG - 0.1)
    assert not outage.settling
    outage.held_up(LONG)
    assert outage.settling


def test_a_rest_that_was_too_long_and_a_slow_rescue_are_noticed(storage, monkeypatch):
    held_up = []
    monkeypatch.setattr(Outage, "held_up", lambda self, seconds: held_up.append(seconds))
    rounds = Rounds([], Outage())
    rounds._rest(0.01)
    assert -0.01 < held_up.pop() < 5
    clock = iter([0, 50_000_000])
    monkeypatch.setattr(rounds_module, "steady_micros", lambda: next(clock))
    rounds._rest(0.01)
    assert held_up.pop() == 50 - 0.01
    seconds = iter([0.0, 5.0, 10.0, 70.0])  # made, settled?, begun, ended
    outage = Outage(lambda: next(seconds))
    Upkeep(storage, lambda: None, outage).rescue()
    assert held_up == [60.0]


def test_a_full_store_takes_no_record_but_rescues(storage, clock):
    def beat():
        raise CapacityExceeded("full")

    outage = Outage()
    rounds, upkeep = Rounds([], outage), Upkeep(storage, beat, outage)
    outage.failed(RESCUE, DOWN, 1)
    [chore] = [chore for chore in upkeep.chores() if chore.name == RESCUE]
    storage.enqueue(Job("t"))
    storage.fetch_and_lock_job("dead")
    clock.advance(30)
    rounds._take(chore)
    assert not outage.fails(RESCUE)
    rounds._take(chore)
    assert storage.get_job_counts()["awaiting_retry"] == 1


def test_law11_who_lives_renews_before_anybody_rescues(storage, clock, now):
    outage = Outage(lambda: now.seconds)
    beats = []
    upkeep = Upkeep(storage, lambda: beats.append(storage.driver.write("beat", "1", 0)), outage)
    rounds = Rounds([], outage)
    chore = next(chore for chore in upkeep.chores() if chore.name == RESCUE)
    storage.enqueue_many([Job("t"), Job("t")])
    living, _ = storage.fetch_available_jobs_atomic("w", 2)
    clock.advance(60)  # the leases lapse in the outage
    driver = storage.driver
    storage.driver = Failing(driver, {"swap": 1, "write": 3})  # it answers looks
    for _ in range(4):
        rounds._take(chore)
        assert outage.fails(RESCUE)
        now.seconds += LONG
    storage.driver = driver
    for _ in range(3):  # rescues nothing the moment the store is back
        rounds._take(chore)
        assert outage.settling
    assert beats == [Verdict.DONE]
    assert storage.renew([living]) == [True]
    now.seconds += SETTLE
    rounds._take(chore)
    states = [job.state.kind.value for job in storage.list()]
    assert states == ["awaiting_retry", "processing"]


def test_law11_a_job_that_runs_through_an_outage_runs_once(make_storage, monkeypatch):
    """The sweep was faster than the renewal when the store came back, and jobs ran twice."""
    monkeypatch.setattr(module, "LONG", 0.3)
    monkeypatch.setattr(module, "SETTLE", 2.0)
    app = Qml(make_storage(retry=RetryPolicy(base=0)))
    gate, ran = Gate(), []

    @app.task(name="t")
    def task():
        ran.append(1)
        gate.wait()

    job = task.enqueue()
    plain = app.storage.driver
    with app.server(threads=2, lease_seconds=0.4, poll_interval=0.1) as server:
        gate.someone_waits()
        verbs = ("claim", "swap", "hold", "load", "scan", "erase", "read", "write", "list")
        app.storage.driver = Failing(plain, dict.fromkeys(verbs, 10**9))
        eventually(lambda: server.outage.fails(RESCUE))
        begun = time.monotonic()
        eventually(lambda: time.monotonic() - begun > 2 * server.lease_seconds)
        app.storage.driver = plain
        eventually(lambda: plain.load([job.id])[0].lease_until > app.storage.clock.micros())
        gate.open()
        eventually(lambda: isinstance(app.storage.get(job.id).state, Succeeded))
    assert ran == [1]
    assert app.storage.get(job.id).attempt == 1
