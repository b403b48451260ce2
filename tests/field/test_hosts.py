"""Hosts: forks, spawned processes, other platforms, several processes on one file."""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter

import pytest

from qml import Job, MemoryStorage, Qml, SqliteStorage, Succeeded
from tests.field.tasks import make
from tests.work.support import eventually, fork

FORKS = 200 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 25
ROUNDS = 120 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 15

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
quiet = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


def work_through(storage, number):
    """Enqueue, claim, finish: a child's way of using a storage."""
    for _ in range(number):
        storage.enqueue(Job("t"))
        job = storage.fetch_and_lock_job(f"w{os.getpid()}")
        if job is not None:
            storage.finish(job, Succeeded(result=os.getpid()))


# -- forks -----------------------------------------------------------------------------------------


@needs_fork
@quiet
def test_law1_a_storage_is_used_on_both_sides_of_many_forks(tmp_path):
    """djrq 123, q1 422: a connection opened before the fork was used by both."""
    with SqliteStorage(tmp_path / "jobs.db", durability="normal") as storage:
        work_through(storage, 1)
        stop, errors = threading.Event(), []

        def keep_busy():
            try:
                while not stop.is_set():
                    work_through(storage, 1)
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=keep_busy) for _ in range(2)]
        for thread in threads:
            thread.start()
        codes = [fork(lambda: work_through(storage, 1)) for _ in range(FORKS)]
        stop.set()
        for thread in threads:
            thread.join(60)
        assert errors == []
        assert codes == [0] * FORKS
        while job := storage.fetch_and_lock_job("rest"):
            storage.finish(job, Succeeded(result=0))
        jobs = storage.list()
        assert {job.state.kind.value for job in jobs} == {"succeeded"}
        assert {job.attempt for job in jobs} == {1}
        by = Counter(job.state.result for job in jobs)
        assert len(set(by) - {0, os.getpid()}) >= FORKS // 2  # the children did work


@needs_fork
@quiet
def test_law1_a_child_that_ends_drops_no_lock_of_its_parent(tmp_path):
    """SQLite's locks are the process's: a child that closes the file must not free the parent's."""
    path = tmp_path / "jobs.db"
    with SqliteStorage(path) as storage, SqliteStorage(path) as other:
        storage.enqueue(Job("t"))
        assert fork(storage.close) == 0
        entered, go, order = threading.Event(), threading.Event(), []

        def hold(connection):
            entered.set()
            assert go.wait(30)
            order.append("parent")

        holder = threading.Thread(target=lambda: storage.driver._connections.write(hold))
        holder.start()
        assert entered.wait(30)
        writer = threading.Thread(target=lambda: (other.enqueue(Job("t")), order.append("other")))
        writer.start()
        writer.join(0.3)
        assert writer.is_alive()
        go.set()
        holder.join(30)
        writer.join(30)
        assert order == ["parent", "other"]


@needs_fork
@quiet
def test_a_memory_storage_goes_its_own_way_in_a_child():
    with MemoryStorage() as storage:
        storage.enqueue(Job("mine"))

        def child():
            assert [job.method for job in storage.list()] == ["mine"]
            storage.enqueue(Job("child's"))
            assert len(storage.list()) == 2

        assert fork(child) == 0
        assert [job.method for job in storage.list()] == ["mine"]


@needs_fork
@quiet
def test_a_forked_child_runs_a_server_of_its_own(tmp_path):
    """As a web server does that forks its workers after the app was imported and used."""
    app = make(tmp_path)
    job = app.tasks["note"].enqueue()
    assert fork(lambda: app.server(threads=2).run(burst=True)) == 0
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.attempt) == ("succeeded", 1)
    app.tasks["note"].enqueue()
    app.server(threads=1).run(burst=True)
    assert app.storage.get_job_counts()["succeeded"] == 2
    app.close()


# -- spawned ---------------------------------------------------------------------------------------


def _spawned(path, number):
    with SqliteStorage(path, durability="normal") as storage:
        work_through(storage, number)


def test_law1_spawned_processes_share_a_file(tmp_path):
    path = tmp_path / "jobs.db"
    with SqliteStorage(path) as storage:
        context = multiprocessing.get_context("spawn")
        children = [context.Process(target=_spawned, args=(path, 20)) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join(60)
        assert [child.exitcode for child in children] == [0, 0]
        assert sum(storage.get_job_counts().values()) == 40


# -- many processes on one file --------------------------------------------------------------------


def _hammer(path, threads, rounds, answers):
    """Threads that do everything at once; what they claimed, and every error."""
    claimed, errors = [], []
    with SqliteStorage(path) as storage:

        def work(index):
            worker = f"{os.getpid()}-{index}"
            try:
                for _ in range(rounds):
                    storage.enqueue_many([Job("t"), Job("t", priority=index)])
                    jobs = storage.fetch_available_jobs_atomic(worker, 2)
                    claimed.extend((job.id, job.fence) for job in jobs)
                    storage.renew(jobs)
                    storage.finish_many([(job, Succeeded(result=worker)) for job in jobs])
                    storage.rescue()
                    storage.get_job_counts()
            except Exception as error:
                errors.append(repr(error))

        pool = [threading.Thread(target=work, args=(index,)) for index in range(threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
    answers.put((claimed, errors))


@pytest.mark.processes
def test_law1_eight_processes_of_eight_threads_on_one_file(tmp_path):
    """Nobody hears "database is locked", and no claim has two owners."""
    path = tmp_path / "jobs.db"
    with SqliteStorage(path) as storage:
        context = multiprocessing.get_context("spawn")
        answers = context.Queue()
        children = [
            context.Process(target=_hammer, args=(path, 8, ROUNDS, answers)) for _ in range(8)
        ]
        for child in children:
            child.start()
        told = [answers.get(timeout=240) for _ in children]
        for child in children:
            child.join(30)
        assert [error for _, errors in told for error in errors] == []
        claims = Counter(claim for claimed, _ in told for claim in claimed)
        assert set(claims.values()) == {1}
        while batch := storage.fetch_available_jobs_atomic("rest", 1000):
            storage.finish_many([(job, Succeeded(result="rest")) for job in batch])
        jobs = storage.list()
        assert len(jobs) == 8 * 8 * ROUNDS * 2
        assert {(job.state.kind.value, job.attempt, job.version) for job in jobs} == {
            ("succeeded", 1, 2)
        }


@pytest.mark.processes
def test_law1_servers_of_several_processes_run_each_job_once(site):
    jobs = [site.enqueue("note") for _ in range(200)]
    servers = [site.start(threads=4, burst=True) for _ in range(3)]
    assert [server.ended(timeout=60) for server in servers] == [0, 0, 0]
    ran = Counter(line[1] for line in site.diary.lines("ran"))
    assert ran == Counter(job.id for job in jobs)
    assert {job.attempt for job in site.storage.list()} == {1}


# -- wakeups, threads, signals ---------------------------------------------------------------------


def test_law10_a_job_enqueued_by_another_process_wakes_an_idle_server(site):
    site.serve(threads=1, poll_interval=600)
    for _ in range(3):
        job = site.enqueue("note")
        assert site.until(job, "succeeded", timeout=20).attempt == 1


def test_law10_a_lost_hint_delays_a_job_by_a_poll_at_most(make_storage, monkeypatch):
    app = Qml(make_storage())
    monkeypatch.setattr(app.storage.driver, "notify", lambda: None)
    monkeypatch.setattr(app.storage.driver, "wait", time.sleep)
    task = app.task(name="t")(lambda: 1)
    with app.server(threads=1, poll_interval=0.2):
        for _ in range(2):
            assert app.result(task.enqueue(), timeout=20) == 1


def test_a_server_starts_in_any_thread_on_a_system_with_few_signals(make_storage, monkeypatch):
    """saq 261: no SIGHUP, no SIGUSR1 on Windows; signals can be set in the main thread only."""
    for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCHLD", "pthread_sigmask"):
        monkeypatch.delattr(signal, name, raising=False)
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    app = Qml(make_storage())
    job = app.task(name="t")(lambda: threading.current_thread().name).enqueue()
    done = []
    server = app.server(threads=1, name="far")
    thread = threading.Thread(target=lambda: (server.run(), done.append(True)))
    thread.start()
    assert app.result(job, timeout=20) == "far-worker"
    server.stop()
    thread.join(20)
    assert done == [True]
    with app.server(threads=1):
        assert app.result(app.tasks["t"].enqueue(), timeout=20)


def test_law12_onlookers_change_nothing(make_storage):
    storage = make_storage()
    app = Qml(storage)
    app.task(name="t")(lambda: 1).using(run_after=0.01).enqueue()
    eventually(storage.get_available_jobs)
    before = storage.list()
    for _ in range(3):
        storage.get(before[0].id)
        storage.get_available_jobs()
        storage.get_job_counts()
        storage.list("scheduled", queue="default")
        storage.now()
    assert storage.list() == before
    assert before[0].state.kind == "scheduled"  # due, and reads Scheduled until it is claimed
