"""The pool: how much fits, who waits, who is replaced."""

import ctypes
import threading
from unittest.mock import Mock

import pytest

from qml import ConfigurationError, Job
from qml.work.executor import Succeeded
from qml.work.pool import AHEAD_PER_THREAD, SHORT, Pool
from qml.work.runs import Run
from tests.work.support import PATIENCE, eventually


class Interrupted(BaseException):
    """Set in a thread from outside."""


def interrupt(thread):
    set_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    assert set_in(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted)) == 1


class Bench:
    """A pool whose runs wait for the test."""

    def __init__(self, size):
        self.started, self.ended, self.back = [], [], []
        self.gates = {}
        self.cut = None  # the run whose thread is interrupted
        self.pool = Pool(size, self._execute, self._ended, self.back.append, "p")

    def _execute(self, run):
        self.started.append(run)
        gate = self.gates.get(run)
        if gate is not None:
            assert gate.wait(PATIENCE)
        if run is self.cut:
            interrupt(threading.current_thread())
        return Succeeded(None, 0.0)

    def _ended(self, run, outcome):
        self.ended.append(run)

    def runs(self, number, gated=True):
        runs = [Run(Job("t")) for _ in range(number)]
        if gated:
            self.gates |= {run: threading.Event() for run in runs}
        return runs

    def let(self, *runs):
        for run in runs:
            self.gates[run].set()

    def open_all(self):
        self.let(*self.gates)


@pytest.fixture
def make():
    made = []

    def bench(size, start=True):
        made.append(Bench(size))
        if start:
            made[-1].pool.start()
        return made[-1]

    yield bench
    for one in made:
        one.open_all()
        one.pool.close()
        eventually(lambda pool=one.pool: pool._threads == 0)


def threads_named(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_room_counts_threads_that_run_and_runs_that_wait(make):
    bench = make(3)
    assert bench.pool.room() == (3, 0)
    runs = bench.runs(2)
    bench.pool.put(runs)
    assert bench.pool.room() == (1, 0)
    eventually(lambda: len(bench.started) == 2)
    assert bench.pool.room() == (1, 0)
    more = bench.runs(5)
    bench.pool.put(more)
    assert bench.pool.room() == (0, 0)
    bench.let(*runs)
    eventually(lambda: len(bench.started) == 5)
    assert bench.pool.room() == (0, 0)
    bench.open_all()
    eventually(lambda: len(bench.ended) == 7)
    eventually(lambda: bench.pool.room()[0] == 3)


def test_more_threads_than_the_system_has_are_refused(make, monkeypatch):
    start, started = threading.Thread.start, []

    def scarce(thread):
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", scarce)
    bench = Bench(4)
    with pytest.raises(ConfigurationError, match=r"threads is 4, .* no more than 3 here"):
        bench.pool.start()
    for thread in started:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_runs_start_in_the_order_they_were_put(make):
    bench = make(1)
    runs = bench.runs(20, gated=False)
    bench.pool.put(runs[:10])
    bench.pool.put(runs[10:])
    eventually(lambda: len(bench.ended) == 20)
    assert bench.started == runs == bench.ended


def test_each_free_thread_begins_what_waits(make):
    """Also when runs were short of late, and one thread could have been thought enough."""
    bench = make(4)
    for _ in range(3):
        bench.pool._average = 0.0
        runs = bench.runs(4)
        bench.started.clear()
        bench.pool.put(runs)
        eventually(lambda: len(bench.started) == 4)
        bench.let(*runs)
        eventually(lambda: bench.pool._idle == 4)


@pytest.mark.parametrize(("average", "woken"), [(0.0, [1]), (SHORT, [3, 2])])
def test_threads_are_woken_one_after_the_other_for_short_runs(make, average, woken, monkeypatch):
    bench, told = make(8, start=False), []
    bench.pool._average, bench.pool._idle = average, 8
    monkeypatch.setattr(bench.pool._work, "notify", lambda number=1: told.append(number))
    bench.pool.put(bench.runs(3, gated=False))
    bench.pool.put(bench.runs(2, gated=False))
    assert told == woken


def test_long_runs_are_not_claimed_ahead(make):
    bench = make(2, start=False)
    bench.pool._average = SHORT
    assert bench.pool.room() == (2, 0)


def test_short_runs_are_claimed_ahead_within_limits(make):
    bench = make(2, start=False)
    bench.pool._average = SHORT / 2
    free, ahead = bench.pool.room()
    assert free == 2
    assert 0 < ahead <= 20
    bench.pool._average = 0.0
    assert bench.pool.room() == (2, AHEAD_PER_THREAD * 2)


def test_claiming_ahead_waits_until_half_is_used_up(make):
    bench = make(1, start=False)
    bench.pool._average = 0.0
    _, most = bench.pool.room()
    assert most == AHEAD_PER_THREAD
    waiting = bench.runs(1 + most, gated=False)  # one for the thread, the rest ahead
    bench.pool.put(waiting)
    assert bench.pool.room() == (0, 0)
    for _ in range(most // 2 - 1):
        bench.pool._queue.popleft()
        assert bench.pool.room() == (0, 0)
    bench.pool._queue.popleft()
    assert bench.pool.room() == (0, most - most // 2)


def test_the_average_is_learned_and_forgotten(make):
    bench = make(1)
    quick = bench.runs(40, gated=False)
    bench.pool.put(quick)
    eventually(lambda: len(bench.ended) == 40)
    eventually(lambda: bench.pool.room()[1] > 0)
    bench.pool._average = 5.0
    assert bench.pool.room() == (1, 0)


def test_withdraw_takes_back_what_waits_and_not_what_runs(make):
    bench = make(1)
    runs = bench.runs(4)
    bench.pool.put(runs)
    eventually(lambda: bench.started == runs[:1])
    assert bench.pool.withdraw(older_than=60) == []
    runs[2].claimed_at -= 100
    assert bench.pool.withdraw(older_than=60) == [runs[2]]
    assert bench.pool.withdraw() == [runs[1], runs[3]]
    assert bench.pool.withdraw() == []
    bench.let(runs[0])
    eventually(lambda: bench.ended == runs[:1])
    assert bench.started == runs[:1]


def test_a_free_thread_wakes_who_waits_for_room(make):
    bench = make(1)
    [run] = bench.runs(1)
    bench.pool.put([run])
    eventually(lambda: bench.started)
    woken = threading.Event()

    def wait():
        while bench.pool.room() == (0, 0):
            bench.pool.wait_for_room(PATIENCE)
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    bench.let(run)
    assert woken.wait(5)
    thread.join()


def test_a_replaced_thread_leaves_the_room_whole(make):
    bench = make(2)
    late, other = bench.runs(2)
    bench.pool.put([late, other])
    eventually(lambda: len(bench.started) == 2)
    assert bench.pool.room()[0] == 0
    assert bench.pool.replace(late)
    assert late.overdue
    assert bench.pool.room()[0] == 1
    [third] = bench.runs(1)
    bench.pool.put([third])
    eventually(lambda: third in bench.started)
    bench.open_all()
    eventually(lambda: bench.back == [late])
    eventually(lambda: sorted(map(id, bench.ended)) == sorted(map(id, [other, third])))
    eventually(lambda: bench.pool.room()[0] == 2)
    eventually(lambda: bench.pool._threads == 2)


def test_a_thread_that_the_system_does_not_start_is_started_later(make, monkeypatch, caplog):
    """A late run is replaced all the same, or its outcome would never be recorded."""
    bench = make(2)
    first, second, third, fourth = bench.runs(4)
    bench.pool.put([first, second])
    eventually(lambda: len(bench.started) == 2)
    with monkeypatch.context() as scarce:
        scarce.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("no new thread")))
        assert bench.pool.replace(first)
        assert bench.pool.replace(second)
        assert bench.pool.room() == (0, 0)
    assert first.overdue
    assert caplog.text.count("no new thread") == 1
    assert bench.pool.room() == (2, 0)
    bench.pool.put([third, fourth])
    eventually(lambda: len(bench.started) == 4)


@pytest.mark.parametrize("idle", [True, False])
def test_a_thread_that_is_interrupted_when_its_task_has_ended_goes_on(make, idle, caplog):
    """By those who cut tasks off: they may come late."""
    eventually(lambda: not threads_named("p-worker"))  # of the test before
    bench = make(1)
    [thread] = threads_named("p-worker")
    first, second = bench.runs(2, gated=False)
    if idle:
        eventually(lambda: bench.pool._idle == 1)
        interrupt(thread)
    else:
        bench.cut = first
    bench.pool.put([first])
    eventually(lambda: first in bench.ended)
    eventually(lambda: bench.pool.room()[0] == 1)
    bench.pool.put([second])
    eventually(lambda: second in bench.ended)
    assert thread.is_alive()
    eventually(lambda: (bench.pool._idle, bench.pool._waking) == (1, False))
    assert caplog.text.count("interrupted") == 1


def test_a_run_that_came_back_is_not_replaced(make):
    bench = make(1)
    [run] = bench.runs(1, gated=False)
    bench.pool.put([run])
    eventually(lambda: bench.ended == [run])
    assert not bench.pool.replace(run)
    assert not run.overdue
    assert bench.pool.room()[0] == 1


def test_nobody_is_replaced_twice(make):
    bench = make(1)
    [run] = bench.runs(1)
    bench.pool.put([run])
    eventually(lambda: bench.started)
    assert bench.pool.replace(run)
    assert not bench.pool.replace(run)
    assert bench.pool._threads == 1
    assert bench.pool._running == 0


def test_many_late_threads_at_once(make):
    bench = make(4)
    for _ in range(5):
        late = bench.runs(4)
        bench.pool.put(late)
        eventually(lambda late=late: all(run in bench.started for run in late))
        assert all(bench.pool.replace(run) for run in late)
    assert bench.pool.room() == (4, 0)
    quick = bench.runs(4, gated=False)
    bench.pool.put(quick)
    eventually(lambda: len(bench.ended) == 4)
    bench.open_all()
    eventually(lambda: len(bench.back) == 20)
    assert bench.pool._threads == 4


def test_a_closed_pool_ends_its_threads_after_what_waits(make):
    bench = make(2)
    runs = bench.runs(6, gated=False)
    bench.pool.put(runs)
    bench.pool.close()
    eventually(lambda: len(bench.ended) == 6)
    eventually(lambda: bench.pool._threads == 0)


def test_a_closed_pool_starts_no_replacement(make):
    bench = make(1)
    [run] = bench.runs(1)
    bench.pool.put([run])
    eventually(lambda: bench.started)
    bench.pool.close()
    assert bench.pool.replace(run)
    assert bench.pool._threads == 0
