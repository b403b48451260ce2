"""Claims and ownership: one owner, stale hands, rescuers that are late."""

import threading
from collections import Counter
from datetime import timedelta

import attrs
import pytest

from qml import (
    AwaitingRetry,
    Enqueued,
    Failed,
    Job,
    JobLost,
    Processing,
    Qml,
    RetryPolicy,
    Scheduled,
    SqliteStorage,
    StateKind,
    Succeeded,
)
from tests.work.support import Gate, Paused, eventually, other_connection


def in_threads(number, work):
    """Run ``work(index)`` in threads that start together; their answers, errors raised."""
    barrier, answers, errors = threading.Barrier(number), [None] * number, []

    def run(index):
        barrier.wait(30)
        try:
            answers[index] = work(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]
    return answers


# -- one claim, one owner ------------------------------------------------------------------------


def test_law1_two_claims_at_one_instant_have_one_owner(storage):
    """q1 234: the guard was a lock time. The clock stands still here."""
    for _ in range(20):
        storage.enqueue(Job("t"))
        answers = in_threads(2, lambda n: storage.fetch_and_lock_job(f"w{n}"))
        assert sum(answer is not None for answer in answers) == 1


def test_law1_sixteen_threads_take_two_thousand_jobs_once(storage):
    """pq 50: one queue object, two threads, the same item twice."""
    jobs = storage.enqueue_many([Job("t") for _ in range(2000)])

    def take(index):
        mine, number = [], 0
        while True:
            number += 1
            got = storage.fetch_available_jobs_atomic(f"w{index}", 1 + number % 13)
            if not got:
                return mine
            mine += got

    taken = Counter(job.id for mine in in_threads(16, take) for job in mine)
    assert set(taken) == {job.id for job in jobs}
    assert set(taken.values()) == {1}


@pytest.mark.parametrize("queues", [None, ["default"]], ids=["every queue", "its queue"])
def test_law1_a_locked_job_is_passed_over_and_hides_no_other(storage, clock, queues):
    locked, free = storage.enqueue_many([Job("t", priority=1), Job("t")])
    assert storage.try_acquire_job_lock(locked.id, "holder", 60)
    claimed = storage.fetch_available_jobs_atomic("w", 10, queues)
    assert [job.id for job in claimed] == [free.id]
    clock.advance(60)
    assert storage.fetch_and_lock_job("w", queues).id == locked.id


def test_law1_a_claim_that_is_open_stops_no_reader_and_writers_only_briefly(tmp_path):
    """dt 33: every transaction of the app was made exclusive."""
    with SqliteStorage(tmp_path / "jobs.db") as storage, SqliteStorage(tmp_path / "jobs.db") as two:
        job = storage.enqueue(Job("t"))
        with other_connection(tmp_path / "jobs.db") as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("UPDATE qml_jobs SET worker = 'x'")
            assert two.get(job.id) == job  # at once
            assert two.get_job_counts()["enqueued"] == 1
            stored = []
            writer = threading.Thread(target=lambda: stored.append(two.enqueue(Job("t"))))
            writer.start()
            writer.join(0.2)
            assert writer.is_alive()  # waits, and nobody sees "database is locked"
            other.execute("ROLLBACK")
        writer.join(30)
        assert len(stored) == 1


# -- rescues that meet somebody -------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", ["completes", "renews", "releases", "retries", "deleted"])
def test_law4_a_rescue_that_read_before_changes_nothing_after(make_storage, clock, meanwhile):
    """River 1302: a rescuer selected the row, the worker completed it, the rescue overwrote it."""
    storage = make_storage(clock=clock, retry=RetryPolicy(base=0))
    plain = storage.driver
    paused = storage.driver = Paused(plain)
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("w")
    orphan = storage.enqueue(Job("orphan"))
    storage.fetch_and_lock_job("dead")
    clock.advance(31)

    def in_the_gap():
        storage.driver = plain
        if meanwhile == "completes":
            storage.finish(job, Succeeded(result=1))
        elif meanwhile == "renews":
            assert storage.renew([job]) == [True]
        elif meanwhile == "releases":
            storage.release(job)
        elif meanwhile == "deleted":
            storage.delete(job.id)
        else:  # fails, is retried, and somebody else holds it now
            storage.finish(job, Enqueued())
            assert storage.fetch_and_lock_job("w2").id == job.id
        told.append(storage.get(job.id))
        storage.driver = paused

    told = []
    paused.between["scan"] = in_the_gap
    rescued = storage.rescue()
    assert [one.id for one in rescued] == [orphan.id]  # only the real one is counted
    assert storage.get(job.id) == told[0]


@pytest.mark.parametrize("early", [False, True])
def test_law5_an_older_attempt_cannot_revive_a_dead_job(storage, clock, early):
    """Oban 532, 652: the last attempt died, an older one failed later and revived the job."""
    job = storage.enqueue(Job("t", max_retries=1))
    first = storage.fetch_and_lock_job("w")
    clock.advance(30)
    storage.rescue()
    clock.advance(1)
    second = storage.fetch_and_lock_job("w")
    assert (second.attempt, second.max_attempts) == (2, 2)
    late = AwaitingRetry(clock.now(), clock.now(), 1, "E: the first attempt, late")
    if early:  # while the second runs, claimed by the same worker
        with pytest.raises(JobLost):
            storage.finish(first, late)
        assert storage.renew([first, second]) == [False, True]
    storage.finish(second, Failed(exception="E: for good", retry_count=1))
    dead = storage.get(job.id)
    for state in (late, Enqueued(), Succeeded(result="late")):
        with pytest.raises(JobLost, match="Nothing was recorded"):
            storage.finish(first, state)
    with pytest.raises(JobLost):
        storage.release(first)
    assert storage.renew([first, second]) == [False, False]
    clock.advance(10_000)
    assert storage.get(job.id) == dead
    assert storage.fetch_and_lock_job("w") is None
    storage.enqueue(Job("next"))
    assert storage.fetch_and_lock_job("w").method == "next"  # claims flow


def test_law5_a_record_beyond_its_attempts_does_not_stop_the_others(storage, clock):
    """Made by hand: attempt = maximum, and claimable all the same."""
    odd = Job("odd", max_retries=0, attempt=1)
    later = Job("odd", max_retries=0, attempt=9, state=Scheduled(clock.now(), clock.now()))
    fine = storage.enqueue_many([odd, later, Job("fine")])[-1]
    claimed = storage.fetch_available_jobs_atomic("w")
    assert [job.method for job in claimed] == ["odd", "odd", "fine"]
    clock.advance(31)
    assert [job.state.kind for job in storage.rescue()] == ["failed", "failed", "awaiting_retry"]
    clock.advance(10)
    assert storage.fetch_and_lock_job("w").id == fine.id
    assert storage.fetch_and_lock_job("w") is None


def test_law4_a_rescuer_that_lacks_the_task_gives_the_job_back(make_storage, clock):
    """River 1105: a rescuer without the task failed another queue's jobs."""
    storage = make_storage(clock=clock)
    b = Qml(storage)
    job = b.task(name="of.b", queue="b")(lambda: "done by b").enqueue()
    storage.fetch_and_lock_job("dead server of b", ["b"])
    clock.advance(31)
    a = Qml(storage).server(queues=["a"])  # knows no task at all
    a.tick()
    assert storage.get(job.id).state.kind is StateKind.AWAITING_RETRY
    clock.advance(5)
    assert a.step() == 0
    assert b.server(queues=["b"]).step() == 1
    assert b.result(job, timeout=0) == "done by b"


# -- leases ----------------------------------------------------------------------------------------


def test_law4_a_busy_worker_keeps_its_job_from_an_idle_one(site):
    """pgq 323, 430: heartbeat as long as the retry term. The job holds the interpreter's lock in
    bursts; another process looks for orphans all the time."""
    job = site.enqueue("hog", 2.5)
    busy = site.serve(threads=1, lease_seconds=1.0)
    eventually(lambda: site.diary.lines("began"))
    leases = set()
    with SqliteStorage(site.folder / "jobs.db") as idle:
        while site.state(job) == "processing":
            assert idle.rescue() == []
            leases.add(idle.get(job.id).lease_expires_at)
    assert site.app.result(job, timeout=20) == "hogged"
    assert len(site.diary.lines("began")) == 1
    assert site.storage.get(job.id).attempt == 1
    assert len(leases - {None}) >= 1 + 2 * 2  # renewed twice within each term, at least
    assert busy.popen.poll() is None


def test_law3_a_delay_longer_than_the_lease_is_one_run(storage, clock):
    """kombu 337, cel 2599: handed out again each visibility term."""
    due = clock.now() + timedelta(seconds=10)
    job = storage.enqueue(Job("t", state=Scheduled(clock.now(), due)))
    runs = []
    for tenth in range(150):
        for worker in ("w1", "w2", "w3"):
            got = storage.fetch_and_lock_job(worker, lease_seconds=1)
            if got:
                runs.append((tenth, worker))
                storage.finish(got, Succeeded())
        storage.rescue()
        clock.advance(0.1)
    assert runs == [(100, "w1")]
    assert storage.get(job.id).attempt == 1


def test_law4_a_short_lease_comes_back_in_its_own_time(storage, clock):
    """arq 343, 402: a short job came back only after the longest job's timeout."""
    short, long = storage.enqueue_many([Job("short"), Job("long")])
    storage.fetch_and_lock_job("killed", lease_seconds=1)
    storage.fetch_and_lock_job("killed", lease_seconds=60)
    clock.advance(0.999999)
    assert storage.rescue() == []
    clock.advance(0.000001)
    assert [job.id for job in storage.rescue()] == [short.id]
    clock.advance(58.999999)
    assert storage.rescue() == []
    clock.advance(0.000001)
    assert [job.id for job in storage.rescue()] == [long.id]


def test_law4_a_sweep_at_any_step_before_the_task_changes_nothing(app, monkeypatch):
    """saq 277, rq 2061: the sweeper met a job between "taken" and "started"."""
    storage, swept = app.storage, []

    def sweep():
        swept.append(storage.rescue())

    def between_sweeps(inner):
        def call(*arguments):
            sweep()
            answer = inner(*arguments)
            sweep()
            return answer

        return call

    server = app.server()
    for owner, name in (
        (server.claimer, "claim"),
        (server.claimer, "admit"),
        (server, "execute"),
        (server.finisher, "record"),
    ):
        monkeypatch.setattr(owner, name, between_sweeps(getattr(owner, name)))
    job = app.task(name="t")(sweep).enqueue()
    server.step()
    assert len(swept) == 9
    assert not any(swept)
    stored = storage.get(job.id)
    assert (stored.state.kind, stored.attempt, stored.version) == ("succeeded", 1, 2)


def test_law4_renewed_at_every_point_round_the_finish_a_job_stays_done(make_storage, clock):
    """JobRunr 516: heartbeat raced completion, and the finished job was called an orphan."""
    storage = make_storage(clock=clock)
    paused = storage.driver = Paused(storage.driver)
    storage.enqueue(Job("t"))
    job = storage.fetch_and_lock_job("w")
    answers = []

    def renew():
        answers.extend(storage.renew([job]))

    paused.before["swap"] = renew  # between the worker's decision and the store's step
    paused.between["swap"] = renew
    storage.finish(job, Succeeded(result=1))
    renew()
    assert answers == [True, False, False]
    done = storage.get(job.id)
    assert (done.state.kind, done.lease_expires_at) == (StateKind.SUCCEEDED, None)
    clock.advance(1000)
    assert storage.rescue() == []
    assert storage.get(job.id) == done


def test_law5_a_claim_that_outlived_its_lease_is_asked_for_before_it_begins(make_storage):
    """A zombie wakes with a stock of claims, before any renewal: it must not begin others' jobs."""
    app, ran = Qml(make_storage()), []
    task = app.task(name="t")(ran.append)
    jobs = task.enqueue_many([("taken",), ("kept",)])
    server = app.server(threads=1, lease_seconds=600)
    taken, kept = server.claimer.admit(server.claimer.claim(2, 0))
    for run in (taken, kept):
        run.renewed_at -= 600  # as if this process had stood still
    app.storage.delete(jobs[0].id)
    server.finisher.record([(run, server.execute(run)) for run in (taken, kept)])
    assert ran == ["kept"]
    assert (taken.lost, kept.lost) == (True, False)
    assert app.storage.get(jobs[1].id).state.kind is StateKind.SUCCEEDED


def test_law5_a_claim_known_to_be_lost_is_not_begun(make_storage):
    """A woken zombie with a stock of claims: what it has noticed to be another's, it leaves be."""
    app, gate, ran = Qml(make_storage()), Gate(), []
    task = app.task(name="t")(lambda n: ran.append(n) or (n == 0 and gate.wait()))
    jobs = task.enqueue_many([(0,), (1,), (2,)])
    with app.server(threads=1, lease_seconds=600) as server:
        gate.someone_waits()
        runs = server.claimer.admit(server.claimer.claim(2, 0))  # as if claimed ahead
        app.storage.delete(jobs[1].id)
        for run in runs:
            run.renewed_at -= 600
        server.keeper.renew()
        assert [run.lost for run in runs] == [True, False]
        server.pool.put(runs)
        gate.open()
        app.result(jobs[2], timeout=20)
    assert ran == [0, 2]


def test_law5_a_worker_that_could_not_renew_records_nothing_stale(tmp_path):
    """Solid Queue 763, 778: heartbeats failed by "busy"; the worker ran on as a zombie."""
    path = tmp_path / "jobs.db"
    retry = RetryPolicy(base=0)
    with SqliteStorage(path, retry=retry) as storage, SqliteStorage(path, retry=retry) as other:
        app = Qml(storage)
        begun, go = threading.Semaphore(0), threading.Event()

        @app.task(name="t")
        def task():
            begun.release()
            assert go.wait(30)
            return "by the first"

        job = task.enqueue()
        with app.server(threads=1, lease_seconds=0.5) as server:
            assert begun.acquire(timeout=20)
            [run] = server.runs.held()
            with other_connection(path) as blocker:
                blocker.execute("BEGIN IMMEDIATE")
                eventually(lambda: storage.get(job.id).lease_expires_at < storage.now())
                # The blocker itself is rescuer and next owner, so that nobody is faster.
                blocker.execute(
                    "UPDATE qml_jobs SET worker = 'second', fence = 2, version = 2, attempt = 2,"
                    " lease_until = lease_until + 600000000"
                )
                blocker.execute("COMMIT")
            eventually(lambda: run.lost)  # notes the loss while it still runs
            second = other.get(job.id)
            go.set()
            eventually(lambda: len(server.runs) == 0)
            assert other.get(job.id) == second
            assert app.result(task.enqueue(), timeout=20) == "by the first"  # goes on
        second = attrs.evolve(second, state=Processing(worker_id="second"))
        other.finish(second, Succeeded(result="by the second"))
        assert other.get(job.id).state.result == "by the second"
