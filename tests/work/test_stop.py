"""Stopping: what ended is recorded, what did not start or end goes back uncharged."""

import signal
import threading
import time

import pytest

from qml import (
    ConfigurationError,
    JobLost,
    Qml,
    QmlError,
    SqliteStorage,
    StateKind,
    Succeeded,
    current_job,
)
from qml.drivers import listening
from qml.drivers.postgres import pool
from qml.storage import servers
from qml.work import stopping
from tests.threads import in_a_thread
from tests.work.support import Failing, Gate, Paused, eventually, fork, other_connection

LONG = 60.0


@pytest.fixture
def app(make_storage):
    return Qml(make_storage())


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.open()


def test_law4_graceful_what_runs_is_recorded_what_waits_goes_back_uncharged(app, gate, monkeypatch):
    monkeypatch.setattr("qml.work.claiming.HOARDED", LONG)  # none is handed back before the stop
    ran = []

    @app.task
    def task(n):
        ran.append(n)
        gate.wait()
        return n

    jobs = task.enqueue_many([(n,) for n in range(4)])
    server = app.server(threads=1, lease_seconds=LONG, grace_seconds=LONG).start()
    gate.someone_waits()
    more = [server.claimer.admit(server.claimer.claim(3, 0))]  # as if claimed ahead
    server.pool.put(more[0])
    stopped = threading.Thread(target=server.stop)
    stopped.start()
    eventually(lambda: app.storage.get_job_counts()["enqueued"] == 3)  # at once, not at the end
    assert stopped.is_alive()
    gate.open()
    stopped.join(20)
    first, *others = app.storage.get_many([job.id for job in jobs])
    assert (first.state.kind, first.state.result) == (StateKind.SUCCEEDED, 0)
    assert [(job.state.kind, job.attempt) for job in others] == [(StateKind.ENQUEUED, 0)] * 3
    assert ran == [0]
    assert server.handed_back == 3
    assert [job.lease_expires_at for job in app.storage.list()] == [None] * 4


def test_law5_forced_what_runs_goes_back_uncharged_and_its_late_end_is_refused(app, gate):
    looked = []

    @app.task
    def task():
        looked.append(current_job())
        gate.wait()
        return "too late"

    job = task.enqueue()
    server = app.server(threads=1, lease_seconds=LONG).start()
    gate.someone_waits()
    claimed = looked[0].job
    begun = time.monotonic()
    server.stop(grace_seconds=0)
    assert time.monotonic() - begun < 15
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.attempt, stored.fence) == (StateKind.ENQUEUED, 0, 1)
    assert stored.failures == ()
    assert server.handed_back == 1
    assert looked[0].lost
    with pytest.raises(JobLost):
        app.storage.finish(claimed, Succeeded(result="too late"))
    gate.open()
    eventually(lambda: server.pool._threads == 0)
    assert app.storage.get(job.id) == stored
    assert app.server().step() == 1  # ready at once for others
    assert app.storage.get(job.id).attempt == 1


def test_the_grace_ends_when_the_work_does(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, grace_seconds=LONG).start()
    gate.someone_waits()
    threading.Timer(0.1, gate.open).start()
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 20
    assert app.storage.get_job_counts()["succeeded"] == 1


def test_the_grace_is_given(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, grace_seconds=LONG).start()
    gate.someone_waits()
    begun = time.monotonic()
    server.stop(grace_seconds=0.3)
    assert 0.3 <= time.monotonic() - begun < 15


def test_nothing_is_claimed_after_a_stop(app):
    server = app.server(threads=4).start()
    server.stop()
    app.task(name="t")(lambda: None).enqueue()
    time.sleep(0.05)  # nothing can be waited for: nothing shall happen
    assert app.storage.get_job_counts()["enqueued"] == 1


def test_law4_leases_are_renewed_until_the_grace_is_over(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, lease_seconds=1.0, grace_seconds=LONG).start()
    gate.someone_waits()
    stopped = threading.Thread(target=server.stop)
    stopped.start()
    begun = time.monotonic()
    while time.monotonic() - begun < 2.5:
        assert app.storage.rescue() == []
        time.sleep(0.02)
    gate.open()
    stopped.join(20)
    [job] = app.storage.list()
    assert (job.state.kind, job.attempt) == (StateKind.SUCCEEDED, 1)


def test_an_outcome_on_its_way_to_the_finisher_is_waited_for(app, gate, monkeypatch):
    """The task has ended, its thread has not told the finisher yet, and the grace is over."""
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, lease_seconds=LONG).start()
    gate.someone_waits()
    ended = threading.Event()
    tell = server.pool._ended

    def slowly(run, outcome):
        ended.set()
        time.sleep(0.3)
        tell(run, outcome)

    server.pool._ended = slowly
    gate.open()
    assert ended.wait(20)
    server.stop(grace_seconds=0)
    [job] = app.storage.list()
    assert (job.state.kind, server.handed_back) == (StateKind.SUCCEEDED, 0)


def test_a_timeout_that_waits_for_the_store_is_not_handed_back_instead(app, gate):
    app.task(name="t", timeout_seconds=0.05, max_retries=0)(gate.wait).enqueue()
    server = app.server(threads=1, lease_seconds=LONG)
    recorded = server.finisher.put
    kept = []
    server.keeper._record = lambda *ended: kept.append(ended)
    server.start()
    gate.someone_waits()
    eventually(lambda: kept)
    threading.Timer(0.2, lambda: recorded(*kept[0])).start()
    server.stop(grace_seconds=0)
    [job] = app.storage.list()
    assert (job.state.kind, server.handed_back) == (StateKind.FAILED, 0)


@pytest.mark.parametrize("seed", range(12))
def test_law1_ended_exactly_at_the_deadline_there_is_one_outcome(memory_app, seed):
    """The run ends while the stop hands it back: recorded or handed back, never both."""
    app, gate = memory_app, Gate()
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, lease_seconds=LONG).start()
    gate.someone_waits()
    threading.Timer(0.02, gate.open).start()
    server.stop(grace_seconds=0.02 + (seed - 6) * 0.0005)
    eventually(lambda: server.pool._threads == 0)
    [job] = app.storage.list()
    if job.state.kind is StateKind.SUCCEEDED:
        assert (job.attempt, job.version) == (1, 2)
    else:
        assert (job.state.kind, job.attempt, job.version) == (StateKind.ENQUEUED, 0, 2)
    assert len(server.runs) == 0


def test_law11_a_stop_is_obeyed_while_the_store_is_down(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=2, lease_seconds=LONG).start()
    gate.someone_waits()
    app.storage.driver = Failing(
        app.storage.driver, dict.fromkeys(("claim", "swap", "hold", "load", "read", "write"), 10**9)
    )
    begun = time.monotonic()
    server.stop(grace_seconds=0)
    assert time.monotonic() - begun < 15
    assert not any(thread.is_alive() for thread in server._started)


def test_law11_a_file_that_stays_locked_holds_a_stop_up_for_a_bounded_time(
    tmp_path, gate, monkeypatch
):
    monkeypatch.setattr("qml.work.stopping.PATIENCE", 0.5)
    with SqliteStorage(tmp_path / "jobs.db", busy_timeout=0.3) as storage:
        app = Qml(storage)
        app.task(name="t")(gate.wait).enqueue_many([()] * 20)
        server = app.server(threads=20, lease_seconds=LONG).start()
        for _ in range(20):
            gate.someone_waits()
        with other_connection(tmp_path / "jobs.db") as other:
            other.execute("BEGIN IMMEDIATE")
            begun = time.monotonic()
            server.stop(grace_seconds=0)
            took = time.monotonic() - begun
            other.execute("ROLLBACK")
        assert took < 20 * 0.3  # not one busy timeout for each job
        gate.open()
        eventually(lambda: not any(thread.is_alive() for thread in server._started))


def test_law11_a_claim_without_an_answer_holds_a_stop_up_for_a_bounded_time(
    memory_app, gate, monkeypatch
):
    for bound in ("PATIENCE", "LAST_WORDS"):
        monkeypatch.setattr(f"qml.work.stopping.{bound}", 0.1)
    memory_app.storage.driver = paused = Paused(memory_app.storage.driver)
    paused.before["claim"] = gate.wait
    server = memory_app.server(threads=1).start()
    gate.someone_waits()
    stop = threading.Thread(target=server.stop, kwargs={"grace_seconds": 0})
    stop.start()
    stop.join(20)
    stopped = not stop.is_alive()
    gate.open()
    assert stopped
    eventually(lambda: not any(thread.is_alive() for thread in server._started))


def test_a_stop_from_two_threads_hands_back_once(memory_app):
    gate, twice, stops = Gate(), threading.Event(), []
    jobs = memory_app.task(name="t")(gate.wait).enqueue_many([()] * 2)
    server = memory_app.server(threads=2, lease_seconds=LONG).start()
    for _ in jobs:
        gate.someone_waits()
    real = server.hand_back

    def hand_back(runs):
        if runs and not stops:
            stops.append(threading.Thread(target=server.stop, args=(0,)))
            stops[0].start()
            twice.wait(1.0)
        elif runs:
            twice.set()
        real(runs)

    server.hand_back = hand_back
    server.stop(0)
    stops[0].join(30)
    assert (server.handed_back, server.interrupted, twice.is_set()) == (2, 2, False)
    gate.open()


def test_a_stop_within_a_stop_as_a_signal_makes_it(memory_app):
    gate, within = Gate(), []
    memory_app.task(name="t")(gate.wait).enqueue()
    server = memory_app.server(threads=1, lease_seconds=LONG).start()
    gate.someone_waits()
    real, main = server.runs.wait_until_empty, threading.current_thread()

    def interrupted(seconds):
        if threading.current_thread() is main and not within:
            within.append(True)
            server.stop(0)
        return real(seconds)

    server.runs.wait_until_empty = interrupted
    server.stop(0)
    assert within
    assert server.handed_back == 1
    gate.open()


# -- signals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_a_second_one_hands_back(app, gate, number):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, lease_seconds=LONG, grace_seconds=LONG)
    before = signal.getsignal(number)
    draining = []

    def send():
        gate.someone_waits()
        signal.raise_signal(number)
        eventually(server._stopping.is_set)
        draining.append(app.storage.get_job_counts()["processing"])
        signal.raise_signal(number)

    sender = threading.Thread(target=send)
    sender.start()
    begun = time.monotonic()
    server.run()
    sender.join(20)
    assert time.monotonic() - begun < 25
    assert draining == [1]
    [job] = app.storage.list()
    assert (job.state.kind, job.attempt) == (StateKind.ENQUEUED, 0)
    assert signal.getsignal(number) is before


def test_a_signal_lets_running_jobs_end(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, grace_seconds=LONG)

    def send():
        gate.someone_waits()
        signal.raise_signal(signal.SIGTERM)
        eventually(server._stopping.is_set)
        gate.open()

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    assert app.storage.get_job_counts()["succeeded"] == 1


def test_asked_to_stop_it_does_as_after_a_first_signal(app, gate):
    running = app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, grace_seconds=LONG)

    def ask():
        gate.someone_waits()
        server.ask_to_stop()
        app.tasks["t"].enqueue()  # is not claimed any more
        gate.open()

    asker = threading.Thread(target=ask)
    asker.start()
    assert server.run() is False
    asker.join(20)
    assert not server.signalled
    assert app.storage.get(running.id).state.kind == "succeeded"
    assert app.storage.get_job_counts()["enqueued"] == 1


def test_a_server_tells_whether_a_signal_ended_it(app, gate):
    app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=1, grace_seconds=LONG)

    def send():
        gate.someone_waits()
        signal.raise_signal(signal.SIGTERM)
        gate.open()

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    assert server.signalled


def test_a_server_runs_in_any_thread_and_without_unix_signals(app, monkeypatch):
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM"):
        monkeypatch.delattr(signal, name, raising=False)
    job = app.task(name="t")(lambda: 5).enqueue()
    server = app.server(threads=1)
    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert app.result(job, timeout=20) == 5
    assert signal.getsignal(signal.SIGTERM) is before
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_the_patience_of_a_stop_is_written_down():
    """The storage is closed within it, too: who kills a process that does not end counts on it."""
    assert (stopping.PATIENCE, stopping.LAST_WORDS) == (10.0, 1.0)
    parts = (stopping.PATIENCE * stopping.SHARE, stopping.LAST_WORDS)
    assert sum(parts) + listening.PATIENCE + pool.PATIENCE <= stopping.PATIENCE


def test_many_claims_are_handed_back_in_one_step(app, monkeypatch):
    """One transaction, and not one for each; what is not ours any more stops no other."""
    jobs = app.task(name="t")(lambda: None).enqueue_many([()] * 5)
    server = app.server(threads=5)
    runs = server.claimer.admit(server.claimer.claim(5, 0))
    app.storage.delete(jobs[0].id)
    swaps = []
    swap = app.storage.driver.swap
    monkeypatch.setattr(
        app.storage.driver, "swap", lambda changes: swaps.append(len(changes)) or swap(changes)
    )
    server.hand_back(runs)
    assert swaps == [5]
    assert [job.attempt for job in app.storage.list("enqueued")] == [0] * 4
    assert all(run.lost for run in runs)
    assert len(server.runs) == 0
    assert (server.handed_back, server.interrupted) == (5, 0)


@pytest.mark.parametrize("wrong", ["x", -1, float("nan")])
def test_a_wrong_grace_is_refused_and_the_server_goes_on(memory_app, wrong):
    with memory_app.server(threads=1) as server:
        with pytest.raises(
            ConfigurationError, match=r"grace_seconds is .*; give seconds, 0 or more"
        ):
            server.stop(wrong)
        assert server.running


@pytest.mark.parametrize("wrong", [5, "a\0b", "\ud800"], ids=ascii)
def test_a_name_that_no_store_keeps_is_refused_when_the_server_is_made(memory_app, wrong):
    with pytest.raises(QmlError, match="name"):
        memory_app.server(name=wrong)


@pytest.mark.parametrize("where", ["task", "failed", "claimed"])
def test_a_task_or_a_hook_that_stops_its_server_does_not_wait_for_itself(app, caplog, where):
    server = app.server(threads=1, grace_seconds=10)

    @app.task(max_retries=0)
    def fails():
        if where == "task":
            server.stop()
        raise ValueError

    if where != "task":
        app.on(where)(lambda event: server.stop())
    job = fails.enqueue()
    server.start()
    eventually(lambda: not any(thread.is_alive() for thread in server._started))
    stored = app.storage.get(job.id)
    assert stored.state.kind in (["failed"] if where != "claimed" else ["failed", "enqueued"])
    assert "a hook failed" not in caplog.text
    assert "handed back" not in caplog.text
    eventually(lambda: not servers.alive(app.storage))


def test_a_forked_child_that_stops_its_parents_server_waits_for_none_of_its_threads(app):
    """They are not there, and what they held when it was forked nobody gives back."""
    with app.server(threads=1) as server:

        def stop():
            signal.alarm(20)
            server.stop()

        with server.pool._lock:
            assert in_a_thread(lambda: fork(stop)) == 0
        assert server.running
