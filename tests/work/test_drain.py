"""A server that drains: it claims nothing more, and ends when what runs has ended."""

import os
import signal
import threading

import pytest

from qml import Qml
from qml.storage import servers
from qml.work.signals import Signals
from tests.work.support import Counting, Gate, eventually


class Running:
    """``server.run()`` in a thread, with jobs that wait at a gate."""

    def __init__(self, app, number=3, **settings):
        self.gate, self.answers = Gate(), []
        task = app.task(name="t", max_retries=0)(self.gate.wait)
        self.jobs = task.enqueue_many([()] * number)
        self.server = app.server(**{"threads": 2, "grace_seconds": 0.01} | settings)
        self.thread = threading.Thread(target=lambda: self.answers.append(self.server.run()))
        self.thread.start()
        for _ in range(2):
            self.gate.someone_waits()

    def ended(self):
        self.thread.join(30)
        assert not self.thread.is_alive()
        [answer] = self.answers
        return answer


def kinds(app, jobs):
    return [app.storage.get(job.id).state.kind.value for job in jobs]


def test_what_runs_ends_however_long_it_takes_and_the_rest_is_others(app):
    running = Running(app)
    server, waits = running.server, []
    inner = server.runs.wait_until_empty
    server.runs.wait_until_empty = lambda timeout: waits.append(timeout) or inner(timeout)
    server.drain()
    eventually(lambda: app.server(threads=1, name="other").claimer.claim(1, 0).jobs)
    assert kinds(app, running.jobs) == ["processing"] * 3  # the third is another's by now
    eventually(lambda: len(waits) >= 3 or running.answers)
    assert not running.answers  # far beyond the grace of 0.01 s
    running.gate.open()
    assert running.ended() is False
    assert kinds(app, running.jobs) == ["succeeded", "succeeded", "processing"]
    assert (server.interrupted, server.retired) == (0, None)
    assert server.worker_id not in [known["name"] for known in servers.alive(app.storage)]


def test_what_is_claimed_and_has_not_begun_is_handed_back(memory_app, monkeypatch):
    monkeypatch.setattr("qml.work.claiming.HOARDED", 60.0)  # none is handed back before
    running = Running(memory_app, 5)
    server = running.server
    waiting = server.claimer.admit(server.claimer.claim(3, 0))  # as if claimed ahead
    server.pool.put(waiting)
    server.drain()
    eventually(lambda: kinds(memory_app, running.jobs)[2:] == ["enqueued"] * 3)
    assert [memory_app.storage.get(job.id).attempt for job in running.jobs[2:]] == [0] * 3
    assert (server.handed_back, server.interrupted) == (3, 0)
    running.gate.open()
    assert running.ended() is False


def test_a_server_that_has_nothing_to_do_ends_at_once(app):
    server = app.server(poll_interval=30)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.run()))
    thread.start()
    eventually(lambda: servers.alive(app.storage))
    server.drain()
    server.drain()  # again changes nothing
    thread.join(30)
    assert answers == [False]


def test_a_drained_burst_is_not_complete(memory_app):
    running = Running(memory_app, 5)
    running.server.drain()
    running.gate.open()
    assert running.ended() is False
    assert kinds(memory_app, running.jobs)[2:] == ["enqueued"] * 3


def test_drained_before_it_starts_it_claims_nothing(memory_app):
    job = memory_app.task(name="t")(lambda: None).enqueue()
    server = memory_app.server()
    server.drain()
    assert server.step() == 0
    assert server.run(burst=True) is False
    assert kinds(memory_app, [job]) == ["enqueued"]


def test_a_stop_meanwhile_is_a_stop(memory_app):
    running = Running(memory_app, 2)
    running.server.drain()
    running.server.stop()
    assert running.ended() is False
    assert running.server.interrupted == 2
    assert kinds(memory_app, running.jobs) == ["enqueued"] * 2
    running.gate.open()


def test_one_that_retires_does_not_begin_again_when_it_is_drained(memory_app):
    running = Running(memory_app, 2, max_jobs=2)
    running.server.drain()
    running.gate.open()
    assert running.ended() is False
    assert running.server.retired is None


# -- asked from elsewhere ------------------------------------------------------------------------


def test_one_is_asked_through_the_store_and_the_request_goes_with_it(app):
    running = Running(app)
    [known] = eventually(lambda: servers.alive(app.storage))
    assert known["draining"] is False
    assert servers.ask_to_drain(app.storage, running.server.worker_id)
    assert servers.ask_to_drain(app.storage, running.server.worker_id)
    eventually(lambda: servers.alive(app.storage)[0]["draining"])  # it says so itself
    assert running.server.draining
    running.gate.open()
    assert running.ended() is False
    assert kinds(app, running.jobs) == ["succeeded", "succeeded", "enqueued"]
    assert app.storage.driver.list("drain/") == []


def test_who_is_not_there_is_not_asked(storage):
    assert not servers.ask_to_drain(storage, "nobody")
    assert storage.driver.list("drain/") == []


def test_a_request_to_one_that_is_gone_is_swept(storage, clock):
    servers.beat(storage, "killed", {})
    servers.ask_to_drain(storage, "killed")
    servers.beat(storage, "other", {})
    assert servers.is_to_drain(storage, "killed")  # it may live
    clock.advance(601)
    servers.beat(storage, "other", {})
    servers.beat(storage, "other", {})
    assert not servers.is_to_drain(storage, "killed")
    assert storage.driver.list("drain/") == []


def test_a_look_is_one_read_and_comes_once_a_second(memory_app):
    count = memory_app.storage.driver = Counting(memory_app.storage.driver)
    server = memory_app.server()
    [look] = [chore for chore in server.upkeep.chores() if chore.name == "look for orders"]
    assert look.period == 1.0
    with server:
        eventually(lambda: servers.alive(memory_app.storage))
    server._look_for_orders()
    assert count.calls["read"] >= 1


# -- signals -------------------------------------------------------------------------------------


@pytest.fixture
def usual():
    """SIGUSR1 as a program has it that does not care, and afterwards, too."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_sigusr1_drains(make_storage, usual):
    app, gate = Qml(make_storage()), Gate()
    jobs = app.task(name="t")(gate.wait).enqueue_many([()] * 3)
    server = app.server(threads=2, grace_seconds=0.01)

    def meanwhile():
        for _ in range(2):
            gate.someone_waits()
        os.kill(os.getpid(), signal.SIGUSR1)
        eventually(lambda: server.draining)
        gate.open()

    other = threading.Thread(target=meanwhile)
    other.start()
    assert server.run() is False
    other.join(30)
    assert kinds(app, jobs) == ["succeeded", "succeeded", "enqueued"]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_a_signal_while_it_drains_ends_it_within_its_grace(memory_app, usual):
    gate = Gate()
    jobs = memory_app.task(name="t")(gate.wait).enqueue_many([()] * 2)
    server = memory_app.server(threads=2, grace_seconds=0.01)

    def meanwhile():
        for _ in range(2):
            gate.someone_waits()
        os.kill(os.getpid(), signal.SIGUSR1)
        eventually(lambda: server.draining)
        os.kill(os.getpid(), signal.SIGTERM)

    other = threading.Thread(target=meanwhile)
    other.start()
    assert server.run() is False
    other.join(30)
    assert server.interrupted == 2
    assert kinds(memory_app, jobs) == ["enqueued"] * 2
    gate.open()


def test_a_program_that_handles_sigusr1_keeps_it(usual):
    seen = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGUSR1)
        eventually(lambda: seen)
    assert not signals.drain


def test_where_there_is_no_sigusr1_it_starts_all_the_same(memory_app, monkeypatch):
    """As on Windows."""
    monkeypatch.delattr(signal, "SIGUSR1")
    with Signals() as signals:
        assert not signals.drain
    assert memory_app.server().run(burst=True) is True


def test_in_another_thread_no_signal_is_touched(usual):
    found = []

    def enter():
        with Signals():
            found.append(signal.getsignal(signal.SIGUSR1))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join(30)
    assert found == [signal.SIG_DFL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_what_a_task_has_forked_dies_of_a_signal_as_usual(memory_app, usual):
    """A multiprocessing.Pool counts on that, and would wait for it for ever."""

    def fork():
        began, begin = os.pipe()
        child = os.fork()
        if not child:
            os.write(begin, b"!")
            signal.pause()
            os._exit(0)
        os.read(began, 1)
        os.kill(child, signal.SIGTERM)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    job = memory_app.task(name="t")(fork).enqueue()
    assert memory_app.server().run(burst=True) is True
    assert memory_app.result(job) == -signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
