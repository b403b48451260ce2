"""Outages: every call of the store fails once, the file is locked, damaged, gone."""

import shutil
import threading
import time

import pytest

from qml import (
    Followup,
    Job,
    JobAlreadyExists,
    JobLost,
    Qml,
    RetryPolicy,
    SqliteStorage,
    StorageError,
    StorageUnavailable,
    Succeeded,
    UniqueKeyTaken,
    current_job,
)
from qml.drivers.sqlite.driver import SQL
from qml.storage import servers
from tests.work.support import Failing, Gate, eventually, library, other_connection, traced

VERBS = (
    "claim",
    "swap",
    "hold",
    "let_go",
    "load",
    "scan",
    "erase",
    "read",
    "write",
    "list",
    "wait",
)


@pytest.mark.parametrize("kind", ["before", "answer lost", "an error of another kind"])
@pytest.mark.parametrize("verb", VERBS)
def test_law11_a_server_survives_a_failure_of_any_call(make_storage, verb, kind):
    """aps 109, cel 8030, dtdb 49, dq 207: one blip, and a thread died silently."""
    app = Qml(make_storage(retry=RetryPolicy(max_retries=3, base=0)))
    failing = app.storage.driver = Failing(app.storage.driver)
    if kind == "answer lost":
        failing.lost = {verb}
    elif kind == "an error of another kind":
        # Whatever it is, it ends no thread. (A driver raises nothing but qml's own errors, so the
        # finisher takes any other for the fault of an outcome.)
        failing.error = StorageError if verb == "swap" else RuntimeError
    ran = []

    @app.task(name="t")
    def task(n):
        ran.append(n)
        if n == 5 and current_job().attempt == 1:
            raise ValueError
        return n

    with app.server(threads=2, lease_seconds=0.4, poll_interval=0.1) as server:
        failing.plan = {verb: 2}
        jobs = task.enqueue_many([(n,) for n in range(10)])
        for chore in (*server.keeper.chores(), *server.upkeep.chores()):
            if chore.step.__name__ in {"purge", "heartbeat", "watch"}:
                server._rounds[0]._take(chore)  # the seldom ones, now
        for n, job in enumerate(jobs):
            assert eventually(lambda job=job: _result(app, job), every=0.02) == [n]
        assert all(thread.is_alive() for thread in server._started)
        failing.plan = {}
    assert {job.state.kind.value for job in app.storage.list()} == {"succeeded"}
    attempts = [app.storage.get(job.id).attempt for job in jobs]
    assert len(ran) == 11  # nothing lost, nothing doubled
    if not (verb == "claim" and kind == "answer lost"):  # a claim nobody heard of lapses
        assert attempts == [1] * 5 + [2] + [1] * 4


def _result(app, job):
    try:
        return [app.result(job, timeout=0)]
    except Exception:
        return None


@pytest.mark.parametrize("running", [False, True])
def test_law11_a_stop_is_obeyed_while_every_call_fails(make_storage, running):
    app, gate = Qml(make_storage()), Gate()
    job = app.task(name="t")(gate.wait).enqueue()
    server = app.server(threads=2, grace_seconds=0.2, lease_seconds=600).start()
    gate.someone_waits()
    plain = app.storage.driver
    failing = app.storage.driver = Failing(plain, dict.fromkeys(VERBS, 10**9))
    eventually(lambda: failing.failed.total() >= 1)
    if not running:
        gate.open()
        eventually(lambda: failing.failed["swap"] >= 1)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 12
    assert not any(thread.is_alive() for thread in server._started)
    gate.open()
    app.storage.driver = plain
    assert plain.load([job.id])[0].state == "processing"  # its lease will give it back


def test_law11_after_an_outage_all_goes_on(make_storage):
    app = Qml(make_storage(retry=RetryPolicy(base=0)))
    task = app.task(name="t")(lambda n: n)
    plain = app.storage.driver
    with app.server(threads=2, poll_interval=0.1, lease_seconds=600):
        assert app.result(task.enqueue(1), timeout=20) == 1
        failing = app.storage.driver = Failing(plain, dict.fromkeys(VERBS, 10**9))
        with pytest.raises(StorageUnavailable):
            task.enqueue(2) and app.result("any")
        eventually(lambda: failing.failed["claim"] >= 2)
        app.storage.driver = plain
        jobs = [task.enqueue(n) for n in range(20)]
        assert [app.result(job, timeout=30) for job in jobs] == list(range(20))


def test_law11_enqueueing_again_after_a_lost_answer_is_safe(make_storage):
    storage = make_storage()
    failing = storage.driver = Failing(storage.driver, {"insert": 1})
    failing.lost = {"insert"}
    job = Job("t", [1])
    with pytest.raises(StorageUnavailable):
        storage.enqueue(job)
    with pytest.raises(JobAlreadyExists):
        storage.enqueue(job)
    assert storage.list() == [job]


# -- SQLite ----------------------------------------------------------------------------------------


def test_law11_locked_reaches_no_user_within_the_busy_time(tmp_path):
    path, errors, stop = tmp_path / "jobs.db", [], threading.Event()
    with SqliteStorage(path, durability="normal") as storage:

        def hold_again_and_again():
            with other_connection(path) as connection:
                while not stop.is_set():
                    connection.execute("BEGIN IMMEDIATE")
                    time.sleep(0.03)
                    connection.execute("COMMIT")
                    time.sleep(0.001)

        def use():
            try:
                for _ in range(8):
                    storage.enqueue(Job("t"))
                    job = storage.fetch_and_lock_job("w")
                    storage.finish(job, Succeeded())
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=use) for _ in range(4)]
        blocker = threading.Thread(target=hold_again_and_again)
        for thread in (blocker, *threads):
            thread.start()
        for thread in threads:
            thread.join(60)
        stop.set()
        blocker.join(10)
        assert errors == []
        assert storage.get_job_counts()["succeeded"] == 32


def test_law11_locked_beyond_the_busy_time_says_so(tmp_path):
    path = tmp_path / "jobs.db"
    with SqliteStorage(path, busy_timeout=0.2) as storage, other_connection(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"locked for 0\.2 s.*busy_timeout") as error:
            storage.enqueue(Job("t"))
        assert 0.15 < time.monotonic() - begun < 10
        assert isinstance(error.value.__cause__, library.Error | None)
        connection.execute("ROLLBACK")
        storage.enqueue(Job("t"))


def test_law11_a_disk_that_is_full_is_named_and_the_next_try_works(tmp_path):
    with SqliteStorage(tmp_path / "jobs.db") as storage:
        storage.enqueue(Job("small"))
        connection = storage.driver._connections._writer
        [pages] = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageUnavailable, match="full") as error:
            storage.enqueue_many([Job("big", ["x" * 50_000]) for _ in range(50)])
        assert isinstance(error.value.__cause__, library.Error)
        connection.execute("PRAGMA max_page_count = 1000000")
        storage.enqueue(Job("big", ["x" * 50_000]))
        assert {job.method for job in storage.list()} == {"small", "big"}


def test_law8_an_error_within_a_write_leaves_nothing_of_it_and_no_open_transaction(tmp_path):
    with SqliteStorage(tmp_path / "jobs.db") as storage:
        job = storage.enqueue(Job("t"))

        def broken(connection):
            connection.execute("UPDATE qml_jobs SET queue = 'half done'")
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            storage.driver._connections.write(broken)
        assert storage.get(job.id) == job
        assert len(storage.enqueue_many([Job("t"), Job("t")])) == 2


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "jobs.db"
    path.write_bytes(b"this is no database, " * 1000)
    with pytest.raises(StorageError, match=r"jobs\.db is damaged or no SQLite file"):
        SqliteStorage(path)


def test_a_folder_that_went_away_is_named(tmp_path):
    folder = tmp_path / "mount"
    folder.mkdir()
    storage = SqliteStorage(folder / "jobs.db")
    storage.close()
    shutil.rmtree(folder)
    with pytest.raises(StorageUnavailable, match=r"the folder .*mount does not exist"):
        SqliteStorage(folder / "jobs.db")
    with pytest.raises(StorageUnavailable, match="closed; connect again"):
        storage.enqueue(Job("t"))


def test_law1_nothing_is_written_outside_begin_immediate(tmp_path, clock):
    """Read then write in one transaction ignores the busy timeout. Every verb, every statement."""
    with SqliteStorage(tmp_path / "jobs.db", clock=clock) as storage:
        with traced(storage) as statements:
            _use_everything(storage, clock)
        inside = marked = False
        for statement in statements:
            word = statement.split()[0].upper()
            if word == "BEGIN":
                assert statement == "BEGIN IMMEDIATE"
                assert not inside
                inside = True
            elif word in {"COMMIT", "ROLLBACK"}:
                inside = False
            elif word in {"INSERT", "UPDATE", "DELETE", "REPLACE", "CREATE", "DROP", "WITH"}:
                assert inside, statement
            elif word == "SAVEPOINT":  # by itself it would begin one, and not IMMEDIATE
                assert inside, statement
                marked = True
        assert marked
        assert sum(statement == "BEGIN IMMEDIATE" for statement in statements) > 20


def test_law1_no_statement_begins_a_transaction_by_itself():
    begins = {text for text in SQL.values() if text.upper().startswith(("BEGIN", "SAVEPOINT"))}
    assert begins == {"BEGIN IMMEDIATE", SQL["mark"]}  # which stands within one, see above


def _use_everything(storage, clock):
    given_up = Job("t", max_retries=0, on_failure=Followup("report"))  # when it is rescued
    storage.enqueue_many([Job("t") for _ in range(5)] + [given_up] + [Job("t") for _ in range(4)])
    storage.enqueue(Job("t", unique_key="k"))
    with pytest.raises(UniqueKeyTaken):
        storage.enqueue(Job("t", unique_key="k"))
    first, second, *rest = storage.fetch_available_jobs_atomic("w", 8, ["default"])
    storage.renew(rest)
    storage.finish(first, Succeeded())
    third = rest.pop()
    mixed = storage.finish_many([(third, Succeeded()), (first, Succeeded(result="stale"))])
    assert [type(answer) for answer in mixed] == [Job, JobLost]
    storage.release(second, 5)
    storage.update(storage.get(second.id).with_metadata(a=1))
    storage.cancel(rest[0].id)
    storage.retry(storage.list("awaiting_retry")[0].id)
    storage.try_acquire_job_lock(second.id, "w", 5)
    storage.release_job_lock(second.id, "w")
    storage.get_job_counts()
    storage.get_available_jobs()
    servers.beat(storage, "s", {})
    servers.leave(storage, "s")
    clock.advance(31)
    storage.rescue()
    storage.delete(second.id)
    clock.advance(8 * 86_400)
    storage.purge()
    storage.driver.time()
    storage.driver.wait(0.01)
