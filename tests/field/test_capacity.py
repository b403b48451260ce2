"""Capacity: late threads, hoarding, thousands due at once, growth."""

import threading
import time
from collections import Counter

import pytest

from qml import Job, JobFailed, JobNotFound, Qml, RetryPolicy, Scheduled, SqliteStorage, Succeeded
from tests.work.support import Gate, eventually, other_connection


def test_law5_late_threads_cost_no_capacity_and_change_nothing(make_storage):
    """dq 445, 653: a time limit could not stop a call of C; at last no thread was left."""
    app, came_back = Qml(make_storage()), []

    @app.task(name="sleepy", timeout_seconds=0.1, max_retries=0)
    def sleepy():
        time.sleep(1.2)  # in C: no Python runs in this thread meanwhile
        came_back.append(1)
        return "late"

    quick = app.task(name="quick")(lambda n: n)
    late = sleepy.enqueue_many([()] * 8)
    soon = quick.enqueue_many([(n,) for n in range(8)])
    with app.server(threads=4) as server:
        assert [app.result(job, timeout=20) for job in soon] == list(range(8))
        assert len(came_back) < 8  # nobody waited for the sleepers
        assert server.pool._threads == 4
        for job in late:
            with pytest.raises(JobFailed, match=r"TimeoutError: attempt 1 ran longer than 0\.1 s"):
                app.result(job, timeout=20)
        before = [app.storage.get(job.id) for job in late]
        eventually(lambda: len(came_back) == 8)
        eventually(lambda: not server.runs.late())
        assert [app.result(quick.enqueue(n), timeout=20) for n in range(4)] == [0, 1, 2, 3]
        assert server.pool._threads == 4
    assert [app.storage.get(job.id) for job in late] == before


def test_law5_with_retries_late_threads_cost_no_capacity_either(make_storage):
    """The same, when each is tried again: a retry waits for the late thread of the attempt before,
    and while it does, it takes no thread."""
    app = Qml(make_storage(retry=RetryPolicy(max_retries=50, base=0)))
    door, slept, running, most = Gate(), Counter(), Counter(), Counter()

    @app.task(name="sleepy", timeout_seconds=0.1)
    def sleepy(number):
        slept[number] += 1
        running[number] += 1
        most[number] = max(most[number], running[number])
        if slept[number] == 1:
            door.wait()
        running[number] -= 1
        return slept[number]

    quick = app.task(name="quick")(lambda n: n)
    late = sleepy.enqueue_many([(n,) for n in range(8)])
    soon = quick.enqueue_many([(n,) for n in range(8)])
    with app.server(threads=4) as server:
        server.runs.is_late_here = lambda job: any(
            run.job.id == job.id for run in server.runs.late()
        )
        assert [app.result(job, timeout=20) for job in soon] == list(range(8))
        eventually(lambda: len(server.runs.late()) == 8)
        assert [app.result(quick.enqueue(n), timeout=20) for n in range(8)] == list(range(8))
        assert server.pool._threads == 4
        assert slept == dict.fromkeys(range(8), 1)  # no retry beside a late thread
        door.open()
        assert min(app.result(job, timeout=20) for job in late) >= 2
        assert server.pool._threads == 4
    assert set(most.values()) == {1}
    for job in app.storage.get_many([job.id for job in late]):
        assert job.attempt == len(job.failures) + 1  # handing back was no attempt


def test_a_time_limit_is_kept_to(make_storage):
    """flexiq 2.1: a limit on a threaded job was ignored, and the job ended as a success."""
    app, gate = Qml(make_storage(retry=RetryPolicy(base=1000))), Gate()
    job = app.task(name="t", timeout_seconds=0.3)(gate.wait).enqueue()
    begun = time.monotonic()
    with app.server(threads=1):
        eventually(lambda: app.storage.get(job.id).state.kind == "awaiting_retry")
        assert time.monotonic() - begun > 0.25
        [failure] = app.storage.get(job.id).failures
        assert failure.exception == "TimeoutError: attempt 1 ran longer than 0.3 s"
        gate.open()


def test_no_second_attempt_beside_a_late_one(make_storage):
    """tinyjobs: three attempts of one timed-out job ran at once."""
    app = Qml(make_storage(retry=RetryPolicy(max_retries=3, base=0)))
    gate, running, most, attempts = Gate(), [], [], []

    @app.task(name="t", timeout_seconds=0.3)
    def task():
        running.append(1)
        most.append(len(running))
        attempts.append(time.monotonic())
        try:
            if len(attempts) == 1:
                gate.wait()
        finally:
            running.pop()

    job = task.enqueue()
    with app.server(threads=4) as server:
        gate.someone_waits()
        late_until = eventually(server.runs.late)[0].deadline + 0.3
        eventually(lambda: app.storage.get(job.id).fence >= 2)  # claimed again, and handed back
        assert len(attempts) == 1 or attempts[1] >= late_until
        gate.open()
        eventually(lambda: app.storage.get(job.id).state.kind == "succeeded")
    assert most[:2] == [1, 1] or attempts[1] >= late_until
    stored = app.storage.get(job.id)
    assert (stored.attempt, len(stored.failures)) == (2, 1)  # handing back was no attempt


def test_the_wait_for_a_late_one_has_an_end(make_storage):
    app = Qml(make_storage(retry=RetryPolicy(max_retries=3, base=0)))
    gate, attempts = Gate(), []

    @app.task(name="t", timeout_seconds=0.3)
    def task():
        attempts.append(time.monotonic())
        if len(attempts) == 1:
            gate.wait()

    job = task.enqueue()
    with app.server(threads=2):
        eventually(lambda: app.storage.get(job.id).state.kind == "succeeded")
        assert attempts[1] - attempts[0] >= 0.55  # its limit, and once more
        gate.open()


# -- hoarding --------------------------------------------------------------------------------------


def test_a_busy_worker_does_not_hoard(make_storage):
    """dq 183, 597: a busy worker kept claimed jobs from an idle one."""
    storage = make_storage()
    app, gate, ran = Qml(storage), Gate(), []
    slow = app.task(name="slow")(gate.wait).enqueue()
    quick = app.task(name="quick")(lambda n: ran.append((n, threading.current_thread().name)))
    with app.server(threads=1, name="a"):
        gate.someone_waits()
        quick.enqueue_many([(n,) for n in range(10)])
        begun = time.monotonic()
        with app.server(threads=1, name="b"):
            eventually(lambda: len(ran) == 10)
            assert time.monotonic() - begun < 10
        assert {name for _, name in ran} == {"b-worker"}
        gate.open()
        app.result(slow, timeout=20)


def test_what_was_claimed_ahead_is_handed_back_when_a_job_takes_long(make_storage):
    """Short jobs are claimed ahead of free threads; then one of them is not short."""
    app, gate, ran = Qml(make_storage()), Gate(), []
    task = app.task(name="t")(lambda n: gate.wait() if n == 150 else ran.append(n))
    jobs = task.enqueue_many([(n,) for n in range(200)])
    with app.server(threads=1, name="a", lease_seconds=600):
        gate.someone_waits()
        with app.server(threads=1, name="b"):
            eventually(lambda: len(ran) == 199)  # b has run what a had in stock
        gate.open()
        app.result(jobs[150], timeout=20)
    assert sorted(ran) == [n for n in range(200) if n != 150]
    stored = app.storage.get_many([job.id for job in jobs])
    assert {job.attempt for job in stored} == {1}  # handed back uncharged


@pytest.mark.parametrize(
    "settings",
    [{"poll_interval": 600}, {"poll_interval": 0.02}, {"lease_seconds": 2.0}, {"queues": ["q"]}],
    ids=str,
)
def test_law10_a_freed_thread_triggers_the_next_claim_whatever_the_options(make_storage, settings):
    """flexiq: a small poll interval, batches, push and two servers: 32 jobs every two seconds."""
    app = Qml(make_storage())
    jobs = app.task(name="t", queue="q")(lambda: None).enqueue_many([()] * 400)
    begun = time.monotonic()
    with app.server(threads=2, **settings), app.server(threads=2, **settings):
        for job in jobs:
            app.result(job, timeout=20)
    assert time.monotonic() - begun < 15  # 32 every 2 s would take 25
    assert {job.attempt for job in app.storage.list()} == {1}


# -- thousands at one instant ----------------------------------------------------------------------


def test_law3_twenty_thousand_due_at_one_instant_all_move(make_storage, clock):
    """dq 258, pro 1464."""
    options = {"memory": {"max_jobs": 30_000}, "sqlite": {"durability": "normal"}}
    storage = make_storage(clock=clock, **options.get(make_storage.kind, {}))
    due = clock.now().replace(minute=1)
    storage.enqueue_many(
        [Job("t", state=Scheduled(clock.now(), due), priority=n % 3) for n in range(20_000)]
    )
    clock.advance(59)
    assert storage.fetch_available_jobs_atomic("w", 1000) == []
    clock.advance(1)
    taken: Counter[str] = Counter()
    while batch := storage.fetch_available_jobs_atomic("w", 1000):
        taken.update(job.id for job in batch)
        assert [-job.priority for job in batch] == sorted(-job.priority for job in batch)
        storage.finish_many([(job, Succeeded()) for job in batch])
    assert len(taken) == 20_000
    assert set(taken.values()) == {1}
    assert storage.get_job_counts()["succeeded"] == 20_000


def test_law3_a_job_due_in_a_crowd_does_not_wait_for_the_next_poll(make_storage):
    app = Qml(make_storage(max_jobs=30_000) if make_storage.kind == "memory" else make_storage())
    app.task(name="t")(lambda: None)
    due = app.storage.now().replace(year=2000)
    app.storage.enqueue_many([Job("t", state=Scheduled(due, due)) for _ in range(2500)])
    with app.server(threads=4, poll_interval=600):
        eventually(lambda: app.storage.get_job_counts()["succeeded"] == 2500)


# -- growth ----------------------------------------------------------------------------------------


def test_law13_rows_and_file_level_off(tmp_path, clock):
    """pq 77, cel 4843: acknowledged rows, buffers and revocation marks grew without end."""
    sizes = []
    with SqliteStorage(tmp_path / "jobs.db", clock=clock, durability="normal") as storage:
        for _ in range(6):
            storage.enqueue_many([Job("t", ["x" * 200]) for _ in range(2000)])
            while batch := storage.fetch_available_jobs_atomic("w", 1000):
                storage.finish_many([(job, Succeeded(result="y" * 200)) for job in batch])
            clock.advance(8 * 86_400)
            while storage.purge(1000):
                pass
            sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
        assert storage.list() == []
        with other_connection(tmp_path / "jobs.db") as connection:
            # an empty one, for its number
            assert connection.execute("SELECT body FROM qml_payloads").fetchall() == [("",)]
    assert max(sizes[2:]) <= sizes[1] * 1.1


def test_law13_cancelling_what_is_not_there_leaves_nothing(storage):
    for number in range(2000):
        with pytest.raises(JobNotFound):
            storage.cancel(f"unknown-{number}")
        assert not storage.try_acquire_job_lock(f"unknown-{number}", "w", 60)
        assert not storage.release_job_lock(f"unknown-{number}", "w")
    assert storage.list() == []
    assert storage.driver.list("") == []


def test_law13_a_server_forgets_what_it_ran(make_storage):
    app = Qml(make_storage())
    app.task(name="t")(lambda: None).enqueue_many([()] * 500)
    with app.server(threads=4) as server:
        eventually(lambda: app.storage.get_job_counts()["succeeded"] == 500)
        eventually(lambda: len(server.runs) == 0)
        assert not server.pool._queue
        assert not server.finisher._waiting
        assert not server.runs.late()


def test_law13_the_wal_is_bounded_once_a_reader_has_left(tmp_path, clock):
    """A reader that stays keeps the log from being used again; when it leaves, it is."""
    path, wal = tmp_path / "jobs.db", tmp_path / "jobs.db-wal"

    def work(number, size=1):
        for _ in range(number // 200):
            storage.enqueue_many([Job("t", ["x" * size]) for _ in range(200)])
        while batch := storage.fetch_available_jobs_atomic("w", 200):
            storage.finish_many([(job, Succeeded()) for job in batch])

    with SqliteStorage(path, clock=clock, durability="normal") as storage:
        work(3000)
        usual = wal.stat().st_size
        with other_connection(path) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM qml_jobs").fetchone()
            work(3000, size=3000)
            assert storage.get_job_counts()["succeeded"] == 6000  # others read what is new
            assert reader.execute("SELECT count(*) FROM qml_jobs").fetchone() == (3000,)
            grown = wal.stat().st_size
            reader.execute("COMMIT")
        work(3000, size=3000)
        work(3000, size=3000)
        assert grown > usual * 2
        assert wal.stat().st_size <= grown
