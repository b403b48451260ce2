"""A claim is among a server's runs, and so renewed, until its outcome is recorded."""

import threading
from datetime import timedelta

import pytest

from qml import Job
from qml.work.chores import Keeper
from qml.work.executor import Snoozed, Succeeded
from qml.work.pool import SHORT, Pool
from qml.work.runs import Run, Runs
from tests.work.support import PATIENCE, Paused, eventually

OUTCOMES = {"finish": Succeeded(None, 0.0), "snooze": Snoozed(1.0)}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_law4_held_while_its_outcome_is_written(memory_app, outcome):
    memory_app.task(name="t")(lambda: None)
    server = memory_app.server(threads=1)
    memory_app.storage.enqueue(Job("t"))
    [run] = server.claimer.admit(server.claimer.claim(1, 0))
    pause = memory_app.storage.driver = Paused(memory_app.storage.driver)
    held = []
    pause.before["swap"] = lambda: held.append(run in server.runs)
    pause.between["swap"] = lambda: held.append(run in server.runs)
    server.finisher.record([(run, OUTCOMES[outcome])])
    assert held == [True, True]
    assert run not in server.runs


def test_law4_it_is_renewed_again_and_again(memory_app, clock):
    storage, runs, seconds = memory_app.storage, Runs(), [0.0]
    storage.enqueue(Job("t", id="a"))
    run = Run(storage.fetch_and_lock_job("w1", lease_seconds=8), lambda: seconds[0])
    runs.add([run])
    keeper = Keeper(storage, runs, None, None, 8.0, lambda: seconds[0])
    for _ in range(20):
        seconds[0] += 2
        clock.advance(2)
        keeper.renew()
        assert storage.get("a").lease_expires_at == clock.now() + timedelta(seconds=8)


@pytest.mark.parametrize("how", ["stepped", "started"])
def test_law4_a_lease_counts_from_before_the_claim_was_asked_for(memory_app, how):
    """Its answer comes when the lease is over: the claim is asked for before its task begins."""
    seconds, begins = [0.0], []
    memory_app.task(name="t")(lambda: None)
    server = memory_app.server(threads=1, lease_seconds=30)
    server.steady = lambda: seconds[0]
    inner = server.claimer.may_begin
    server.claimer.may_begin = lambda run: begins.append(inner(run)) or begins[-1]
    slow = memory_app.storage.driver = Paused(memory_app.storage.driver)
    job = memory_app.storage.enqueue(Job("t"))

    def late():
        seconds[0] += 30
        memory_app.storage.delete(job.id)

    slow.between["claim"] = late
    if how == "stepped":
        server.step()
    else:
        with server:
            eventually(lambda: begins)
    assert begins == [False]


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def pool(gate):
    """One thread, whose runs wait at the gate."""
    pool = Pool(1, lambda run: gate.wait(PATIENCE), lambda *ended: None, lambda run: None, "p")
    pool.start()
    yield pool
    gate.set()
    pool.close()
    eventually(lambda: pool._threads == 0)


def test_law10_the_end_of_a_run_wakes_who_already_waits_for_room(pool, gate):
    pool.put([Run(Job("t"))])
    eventually(lambda: pool._running == 1)
    pool._average = 1.0
    woken = threading.Event()

    def wait():
        pool.wait_for_room(PATIENCE * 10)
        woken.set()

    threading.Thread(target=wait, daemon=True).start()
    eventually(lambda: pool._change._waiters)
    gate.set()
    assert woken.wait(PATIENCE)


@pytest.mark.parametrize("factor", [1, 1.5, 4])
def test_not_even_many_threads_take_long_runs_ahead(factor):
    pool = Pool(16, lambda run: None, lambda *ended: None, lambda run: None, "p")
    pool._average = SHORT * factor
    assert pool.room() == (16, 0)
