"""While a server has nothing to do it wakes up as seldom as it may; who has to be awake, is."""

import os
import signal
import socket
import threading

import pytest

from qml import ConfigurationError, StorageUnavailable
from qml.storage import claims
from qml.work import signals
from qml.work.claiming import SOON
from qml.work.outage import Outage
from qml.work.rounds import Chore, Rounds
from qml.work.runs import Run
from qml.work.signals import Signals
from tests.work.support import Gate, eventually

LONG = 400.0  # of which a keeper sleeps an eighth, longer than any test waits


class Keeping:
    """A keeper that sleeps until it is woken."""

    def __init__(self):
        self.sleeps, self.woken = True, 0

    def wake(self):
        self.sleeps, self.woken = False, self.woken + 1


class Claiming:
    """A server whose claim loop runs in the calling thread, through ``waits``: each is called
    instead of one wait for hints, with the seconds."""

    def __init__(self, app, monkeypatch, **options):
        self.task = app.task(name="t")(lambda: None)
        self.server = app.server(threads=2, **options)
        self.keeping = self.server.keeping = Keeping()
        self.pauses, self.woken = [], []
        monkeypatch.setattr(app.storage.driver, "wait", self._wait)

    def loop(self, *waits):
        self._waits = [*waits, self.server._stopping.set]
        self.server._claiming.loop()

    def _wait(self, seconds):
        self.pauses.append(seconds)
        self.woken.append(self.keeping.woken)
        self._waits.pop(0)()


# -- the main thread -----------------------------------------------------------------------------


def test_who_runs_a_server_sleeps_until_there_is_a_reason(memory_app, monkeypatch):
    server, waits, looks = memory_app.server(threads=1), [], []
    real, claim = Signals.wait, server.claimer.claim
    monkeypatch.setattr(Signals, "wait", lambda found: waits.append(1) or real(found))
    monkeypatch.setattr(server.claimer, "claim", lambda *args: looks.append(1) or claim(*args))
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: len(looks) >= 3)
    assert len(waits) == 1
    server.ask_to_stop()
    thread.join(30)
    assert not thread.is_alive()


def test_a_signal_wakes_whichever_thread_gets_it():
    with Signals() as found:
        thread = threading.Thread(target=lambda: signal.raise_signal(signal.SIGTERM))
        thread.start()
        while not found.count:
            found.wait()
        thread.join()
    assert found.count == 1
    assert signal.set_wakeup_fd(-1) == -1


def test_a_run_that_is_refused_takes_nothing_from_the_other(memory_app):
    server, told = memory_app.server(threads=1), []

    def again():
        eventually(lambda: server.running and server.health().ready)
        with pytest.raises(ConfigurationError, match="was started before"):
            server.run()
        told.append(True)
        signal.raise_signal(signal.SIGTERM)

    thread = threading.Thread(target=again)
    thread.start()
    server.run()
    thread.join()
    assert told
    assert server.signalled
    assert signal.set_wakeup_fd(-1) == -1


def test_a_signal_that_comes_as_it_begins_to_listen(monkeypatch):
    real = signal.signal

    def at_once(number, handler):
        before = real(number, handler)
        if number == signal.SIGINT and not found.count:
            signal.raise_signal(signal.SIGTERM)
        return before

    found = Signals()
    monkeypatch.setattr(signals.signal, "signal", at_once)
    with found:
        assert found.count == 1
        found._bell[0].settimeout(10)  # it would sleep for ever
        assert found._bell[0].recv(1) == bytes([signal.SIGTERM])


def test_what_handles_a_signal_may_wake_whom_it_has_interrupted():
    with Signals() as found:

        def interrupted():
            with found._lock:
                found.wake()

        thread = threading.Thread(target=interrupted)
        thread.start()
        thread.join(10)
        found._bell[0].settimeout(10)
        assert found._bell[0].recv(1) == b"!"


def test_what_wakes_it_before_it_sleeps_is_not_lost():
    with Signals() as found:
        for _ in range(100_000):  # more than fit
            found.wake()
        found.wait()
    found.wake()
    found.wait()  # it is over


def test_a_program_keeps_its_own_way_to_hear_of_signals(monkeypatch):
    monkeypatch.setattr(signals, "POLL", 0.01)
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno())
    try:
        with Signals() as found:
            os.kill(os.getpid(), signal.SIGTERM)
            while not found.count:
                found.wait()
            found.wait()  # returns, though nobody rings
        assert signal.set_wakeup_fd(-1) == theirs.fileno()
        assert ours.recv(1) == bytes([signal.SIGTERM])
    finally:
        signal.set_wakeup_fd(-1)
        ours.close()
        theirs.close()


# -- the keeper ----------------------------------------------------------------------------------


def test_the_keeper_sleeps_while_nothing_is_held(memory_app):
    server = memory_app.server(lease_seconds=80)
    assert server.keeper.idle() == 10
    [job] = memory_app.task(name="t")(print).enqueue_many([()])
    server.runs.add([Run(job)])
    assert server.keeper.idle() == 0


def test_a_keeper_that_sleeps_is_awake_while_a_job_runs(memory_app):
    gate = Gate()
    with memory_app.server(threads=1, lease_seconds=LONG) as server:
        eventually(lambda: server.keeping.sleeps)
        for _ in range(2):
            memory_app.task(name="t")(gate.wait).enqueue()
            gate.someone_waits()
            eventually(lambda: not server.keeping.sleeps)
            gate.open()
            eventually(lambda: server.keeping.sleeps)
            gate = Gate()
            memory_app.tasks.pop("t")


def test_a_start_wakes_no_keeper_and_a_run_that_goes_on_does(memory_app, monkeypatch):
    claiming = Claiming(memory_app, monkeypatch)
    claiming.loop(claiming.task.enqueue, list, list)
    poll = claiming.server.poll_interval
    assert claiming.pauses == [poll, SOON, poll, poll]
    assert claiming.woken == [0, 0, 1, 1]


def test_a_keeper_is_woken_for_what_runs_when_claiming_ends(memory_app, monkeypatch):
    claiming = Claiming(memory_app, monkeypatch)
    claiming.loop(claiming.task.enqueue)
    assert (claiming.woken, claiming.keeping.woken) == ([0, 0], 1)


def test_a_keeper_is_woken_for_what_runs_when_claiming_fails(memory_app, monkeypatch):
    claiming = Claiming(memory_app, monkeypatch, queues={"default": 1, "other": 1})
    server, take, seen = claiming.server, claiming.server.claimer.take, []

    def fail(free, ahead, queues):
        if queues == ("other",):
            raise StorageUnavailable("down")
        return take(free, ahead, queues)

    def pause(seconds):
        seen.append(claiming.keeping.woken)
        server._stopping.set()

    claiming.task.enqueue()
    monkeypatch.setattr(server.claimer, "take", fail)
    monkeypatch.setattr(server._stopping, "wait", pause)
    server._claiming.loop()
    assert seen == [1]


# -- rounds --------------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch):
    naps = []
    monkeypatch.setattr(Rounds, "_rest", lambda self, seconds: naps.append(seconds) or self.stop())
    return naps


def test_rounds_rest_as_long_as_they_are_idle(naps):
    for idle in (0.0, 2.0, 20.0):
        rounds = Rounds([Chore("a", 5.0, lambda: None)], Outage(), lambda idle=idle: idle)
        rounds.loop()
        assert rounds.sleeps == (idle > 0)
    assert [round(seconds) for seconds in naps] == [5, 5, 20]


def test_what_failed_is_tried_again_though_there_is_nothing_to_do(naps):
    def fail():
        raise StorageUnavailable("down")

    rounds = Rounds([Chore("a", 5.0, fail)], Outage(), lambda: LONG)
    rounds.loop()
    assert not rounds.sleeps
    assert naps[0] < 1


def test_what_begins_while_rounds_look_whether_they_may_sleep_wakes_them():
    taken = []

    def idle():
        assert rounds.sleeps  # who comes now sees it
        rounds.wake()
        return LONG

    rounds = Rounds([Chore("a", 0.0, lambda: taken.append(1))], Outage(), idle)
    thread = threading.Thread(target=rounds.loop)
    thread.start()
    eventually(lambda: len(taken) >= 3)
    rounds.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_it_is_awake_while_the_claim_of_another_share_takes_long(memory_app, monkeypatch):
    gate = Gate()
    task = memory_app.task(name="t", timeout_seconds=0.05)(gate.wait)
    server, held = memory_app.server(queues={"a": 1, "b": 1}, lease_seconds=LONG), []
    claim, failed = server.claimer.claim, threading.Event()

    def slow(free, ahead, queues=None):
        if held:
            failed.wait(20)
        held.extend(jobs := claim(free, ahead, queues).jobs)
        return claims.Batch(jobs, None)

    with server:
        eventually(lambda: server.keeping.sleeps)
        monkeypatch.setattr(server.claimer, "claim", slow)
        job = task.using(queue="a").enqueue()
        eventually(lambda: memory_app.storage.get(job.id).failures, 15)
        failed.set()
        gate.open()
