"""A task that takes ``tx``: its writes and its job's success are one step, or neither is there."""

import contextlib
import threading

import pytest

from qml import (
    ConfigurationError,
    Discard,
    InvalidArguments,
    Job,
    JobFailed,
    Qml,
    Retry,
    RetryPolicy,
    Snooze,
    Succeeded,
    current_job,
)
from qml.drivers.sqlite import connections
from qml.storage.connect import connect
from qml.testing import drain
from qml.values.errors import StorageUnavailable
from tests.storage.callers import DATABASES, Database
from tests.storage.stores import KINDS
from tests.work.support import PATIENCE, Gate, eventually, fork


@pytest.fixture(params=DATABASES)
def database(request, tmp_path):
    return Database(request.param, tmp_path)


@pytest.fixture
def jobs(database):
    with connect(database.config) as storage:
        database.make_table()
        yield Qml(storage, retry=RetryPolicy(max_retries=0))


@pytest.fixture
def note(database, jobs):
    """A task that adds a line and then does what its argument names."""

    @jobs.task
    def note(line, end="return", *, tx):
        tx.execute(database.writes(line))
        if end != "return":
            raise ENDS[end]
        return line

    return note


ENDS = {
    "raise": ValueError("no"),
    "exit": SystemExit(1),
    "retry": Retry(delay=0),
    "discard": Discard("not needed"),
    "snooze": Snooze(3600),
}


def test_what_it_writes_is_there_with_its_success(database, jobs, note):
    job = note.enqueue("a")
    told = []
    jobs.on("succeeded")(lambda event: told.append((event.job.id, database.lines())))
    with jobs.server(threads=2):
        assert jobs.result(job, timeout=PATIENCE) == "a"
    assert told == [(job.id, ["a"])]
    assert jobs.storage.get(job.id).version == job.version + 2  # claimed, and recorded once


@pytest.mark.parametrize("end", ENDS)
def test_however_else_it_ends_nothing_is_written(end, database, jobs, note):
    job = note.enqueue("a", end)
    jobs.server(threads=1).step()
    assert database.lines() == []
    expected = {"discard": "deleted", "snooze": "awaiting_retry"}.get(end, "failed")
    assert jobs.storage.get(job.id).state.kind == expected


def test_a_result_that_cannot_be_kept_undoes_it(database, jobs):
    @jobs.task
    def wrong(*, tx):
        tx.execute(database.writes("a"))
        return object()

    job = wrong.enqueue()
    jobs.server(threads=1).step()
    assert jobs.storage.get(job.id).state.kind == "failed"
    assert database.lines() == []


def test_the_next_attempt_writes_it(database, jobs):
    @jobs.task(max_retries=1, retry=RetryPolicy(max_retries=1, base=0))
    def second(*, tx):
        tx.execute(database.writes(f"attempt {current_job().attempt}"))
        if current_job().attempt == 1:
            raise ValueError("not yet")

    job = second.enqueue()
    assert drain(jobs, raises=False).counts == {"retrying": 1, "succeeded": 1}
    assert database.lines() == ["attempt 2"]
    assert jobs.storage.get(job.id).state.kind == "succeeded"


def test_nothing_begins_before_the_first_use(database, jobs):
    @jobs.task
    def idle(*, tx):
        jobs.storage.enqueue(Job("other"))  # on SQLite it would wait for a transaction of its own
        return "idle"

    job = idle.enqueue()
    jobs.server(threads=1).step()
    assert jobs.result(job, timeout=0) == "idle"


@pytest.mark.parametrize("place", ["first", "middle", "last", "keyword", "by name"])
def test_it_may_stand_anywhere(place, jobs):
    def first(tx, a, b=2):
        return [tx is not None, a, b]

    def middle(a, tx, b=2):
        return [tx is not None, a, b]

    def last(a, b=2, tx=None):
        return [tx is not None, a, b]

    def keyword(a, b=2, *, tx):
        return [tx is not None, a, b]

    function = {"first": first, "middle": middle, "last": last}.get(place, keyword)
    task = jobs.task(function)
    given = [task.enqueue(1), task.enqueue(1, 3), task.enqueue(a=1, b=3), task.enqueue(1, b=3)]
    drain(jobs)
    results = [jobs.result(job, timeout=0) for job in given]
    assert results == [[True, 1, 2], [True, 1, 3], [True, 1, 3], [True, 1, 3]]


def test_nobody_gives_it_when_enqueueing_and_everybody_when_calling(database, jobs, note):
    with pytest.raises(InvalidArguments):
        note.enqueue("a", tx=None)
    with pytest.raises(TypeError):
        note("a")
    with database.driver() as own:
        cursor = own.cursor()
        assert note("mine", tx=cursor) == "mine"
        own.commit()
    assert database.lines() == ["mine"]


def test_jobs_enqueued_within_are_part_of_it(database, jobs):
    @jobs.task
    def parent(fails, *, tx):
        child.using(connection=tx.connection).enqueue(fails)
        if fails:
            raise ValueError("no")

    @jobs.task
    def child(fails):
        return fails

    parent.enqueue(True)
    parent.enqueue(False)
    assert drain(jobs, raises=False).counts == {"failed": 1, "succeeded": 2}
    assert [job.arguments for job in jobs.storage.list(method=child.name)] == [[False]]


def test_all_ways_to_execute(database, jobs):
    @jobs.task
    def several(*, tx):
        insert = f"INSERT INTO {database.table} VALUES ({database.mark})"
        tx.execute(insert, ("a",))
        tx.executemany(insert, [("b",), ("c",)])
        cursor = tx.cursor()
        cursor.execute(insert, ("d",))
        assert tx.connection is tx.connection
        return [line for (line,) in tx.execute(f"SELECT line FROM {database.table}").fetchall()]

    job = several.enqueue()
    drain(jobs)
    assert sorted(jobs.result(job, timeout=0)) == ["a", "b", "c", "d"] == database.lines()


def test_notes_are_written_with_it(database, jobs):
    @jobs.task
    def tells(*, tx):
        current_job().log("before")
        tx.execute(database.writes("a"))
        current_job().progress(0.5, "half")

    job = tells.enqueue()
    jobs.server(threads=1).step()
    notes = jobs.storage.get(job.id).notes
    assert (notes.progress.fraction, [line.text for line in notes.log]) == (0.5, ["before"])


def test_it_ends_with_its_task(database, jobs):
    kept = []

    @jobs.task
    def keeps(*, tx):
        tx.execute(database.writes("a"))
        kept.append(tx)

    keeps.enqueue()
    drain(jobs)
    with pytest.raises(ConfigurationError, match="its tx has ended with its task"):
        kept[0].execute(database.writes("b"))
    assert database.lines() == ["a"]


# -- a claim that is lost ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancelled", "rescued", "deleted", "done by hand", "updated"])
def test_a_lost_claim_writes_nothing(how, database, jobs):
    storage = jobs.storage
    told = []
    jobs.on("lost")(lambda event: told.append(event.job.id))

    @jobs.task
    def late(*, tx):
        loses[how](current_job().job)  # before tx is used, when SQLite has no lock yet
        tx.execute(database.writes("a"))

    def rescued(job):
        storage.release_job_lock(job.id, job.state.worker_id)
        assert storage.rescue()

    loses = {
        "cancelled": lambda job: storage.cancel(job.id),
        "rescued": rescued,
        "deleted": lambda job: storage.delete(job.id),
        "done by hand": lambda job: storage.finish(job, Succeeded(result=None)),
        "updated": lambda job: storage.update(storage.get(job.id).with_metadata(x=1)),
    }
    job = late.enqueue()
    jobs.server(threads=1).step()
    if how == "updated":  # the claim holds the job still, which only has another version
        assert storage.get(job.id).state.kind == "succeeded"
        assert (database.lines(), told) == (["a"], [])
    else:
        assert (database.lines(), told) == ([], [job.id])


def test_a_time_limit_undoes_it_and_lets_others_write(database, jobs):
    gate, seen = Gate(), []

    @jobs.task(timeout_seconds=0.3)
    def hangs(*, tx):
        tx.execute(database.writes("late"))
        gate.wait()
        try:
            tx.execute(database.writes("later"))
        except Exception as error:
            seen.append(error)
            raise
        finally:
            gate.arrived.release()

    job = hangs.enqueue()
    with jobs.server(threads=1):
        gate.someone_waits()
        with pytest.raises(JobFailed, match="TimeoutError"):
            jobs.result(job, timeout=PATIENCE)  # recorded while the thread still hangs
        jobs.storage.enqueue(Job("other", queue="nobody's"))
        gate.open()
        gate.someone_waits()
    assert seen
    assert database.lines() == []


def test_a_time_limit_is_kept_while_it_holds_up_all_that_is_to_be_written(database, jobs):
    """Its own server's notes and renewals, too."""
    gate, noted = Gate(), threading.Event()

    @jobs.task(timeout_seconds=0.5)
    def hangs(*, tx):
        tx.execute(database.writes("late"))
        noted.set()
        gate.wait()

    @jobs.task
    def says():
        noted.wait(PATIENCE)
        current_job().log("to be written at once")

    with jobs.server(threads=2):
        says.enqueue()
        job = hangs.enqueue()
        gate.someone_waits()
        with pytest.raises(JobFailed, match="TimeoutError"):
            jobs.result(job, timeout=PATIENCE)
        gate.open()
    assert database.lines() == []


def test_what_a_stop_hands_back_is_undone(database, jobs):
    gate = Gate()

    @jobs.task
    def runs(*, tx):
        tx.execute(database.writes("a"))
        gate.wait()

    job = runs.enqueue()
    server = jobs.server(threads=1, name="stopped").start()
    gate.someone_waits()
    server.stop(grace_seconds=0)
    assert jobs.storage.get(job.id).state.kind == "enqueued"
    gate.open()
    eventually(lambda: not any("stopped-worker" in t.name for t in threading.enumerate()))
    assert database.lines() == []
    assert jobs.storage.get(job.id).state.kind == "enqueued"


@pytest.mark.parametrize("swallows", [False, True])
def test_a_time_limit_interrupts_what_sqlite_is_at(swallows, tmp_path):
    database, gate = Database("sqlite", tmp_path), Gate()
    with connect(database.config) as storage:
        database.make_table()
        jobs = Qml(storage, retry=RetryPolicy(max_retries=0))
        endless = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        )

        @jobs.task(timeout_seconds=0.05)
        def counts(*, tx):
            tx.execute(database.writes("a"))
            try:
                tx.execute(endless).fetchall()
            except Exception:
                if not swallows:
                    raise
            with contextlib.suppress(Exception):
                tx.execute(database.writes("b"))
            gate.arrived.release()

        job = counts.enqueue()
        with jobs.server(threads=1):
            with pytest.raises(JobFailed, match="TimeoutError"):
                jobs.result(job, timeout=PATIENCE)
            if swallows:
                gate.someone_waits()
        assert database.lines() == []


def test_a_fork_within_it_harms_neither(database, jobs, monkeypatch):
    monkeypatch.setattr(connections, "FORK_PATIENCE", 0.01)

    def child():
        assert jobs.storage.get_job_counts()["processing"] == 1
        assert database.lines() == []

    @jobs.task
    def forks(*, tx):
        tx.execute(database.writes("a"))
        return fork(child)

    job = forks.enqueue()
    drain(jobs)
    assert jobs.result(job, timeout=0) == 0
    assert database.lines() == ["a"]


# -- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["commit", "rollback", "close"])
def test_its_end_is_not_the_tasks(verb, database, jobs):
    @jobs.task
    def ends(*, tx):
        tx.execute(database.writes("a"))
        getattr(tx.connection, verb)()

    job = ends.enqueue()
    drain(jobs, raises=False)
    assert "ends with it: a return commits" in jobs.storage.get(job.id).state.exception
    assert database.lines() == []


@pytest.mark.parametrize("again", [False, True])
def test_a_commit_behind_its_back_is_found(again, database, jobs):
    @jobs.task(max_retries=3)
    def ends(*, tx):
        tx.execute(database.writes("a"))
        tx.execute("COMMIT")
        if again:
            tx.execute("BEGIN")

    job = ends.enqueue()
    drain(jobs, raises=False)
    failed = jobs.storage.get(job.id)
    assert (failed.state.kind, failed.attempt) == ("failed", 1)
    assert "was ended before" in failed.state.exception


def test_a_swallowed_error_commits_nothing_on_postgres(tmp_path):
    database = Database("postgres", tmp_path)
    with connect(database.config) as storage:
        database.make_table()
        jobs = Qml(storage, retry=RetryPolicy(max_retries=0))

        @jobs.task
        def swallows(*, tx):
            tx.execute(database.writes("a"))
            with contextlib.suppress(Exception):
                tx.execute("SELECT 1 / 0")

        job = swallows.enqueue()
        drain(jobs, raises=False)
        assert "has passed over" in storage.get(job.id).state.exception
        assert database.lines() == []


def test_a_write_that_would_wait_for_itself_is_told_on_sqlite(tmp_path):
    database = Database("sqlite", tmp_path)
    with connect(database.config) as storage:
        database.make_table()
        jobs = Qml(storage, retry=RetryPolicy(max_retries=0))

        @jobs.task
        def forgets(*, tx):
            tx.execute(database.writes("a"))
            forgets.enqueue()

        job = forgets.enqueue()
        drain(jobs, raises=False)
        assert "using(connection=tx.connection)" in storage.get(job.id).state.exception


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_stores_without_transactions_refuse_it_at_enqueue(kind, tmp_path):
    with connect(KINDS[kind](tmp_path)) as storage:
        jobs = Qml(storage)

        @jobs.task(name="pays", max_retries=0)
        def pays(*, tx):
            tx.execute("SELECT 1")

        with pytest.raises(ConfigurationError, match=r"task pays takes tx, and .* no transactions"):
            pays.enqueue()
        job = storage.enqueue(Job("pays", max_retries=0))  # by somebody who does not know
        drain(jobs, raises=False)
        assert "no transactions" in storage.get(job.id).state.exception


def pays(*, tx):
    raise AssertionError


def test_it_is_refused_in_a_process(jobs):
    with pytest.raises(ConfigurationError, match="takes tx, and process=True"):
        jobs.task(process=True)(pays)


# -- the commit --------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [False, True])
def test_a_commit_whose_answer_is_lost_is_asked_for(lost, database, jobs, note, monkeypatch):
    begin = type(jobs.storage.driver).begin

    def begins(driver):
        transaction = begin(driver)
        commit = transaction.commit

        def cut():
            if lost:
                commit()
            raise StorageUnavailable("the line was cut")

        monkeypatch.setattr(transaction, "commit", cut)
        return transaction

    monkeypatch.setattr(type(jobs.storage.driver), "begin", begins)
    job = note.enqueue("a")
    jobs.server(threads=1).step()
    stored = jobs.storage.get(job.id)
    assert stored.state.kind == ("succeeded" if lost else "failed")
    assert database.lines() == (["a"] if lost else [])
    assert stored.version == job.version + 2


def test_a_connection_is_lent_again_as_new(tmp_path):
    database = Database("postgres", tmp_path)
    with connect(database.config) as storage:
        jobs, pids = Qml(storage, retry=RetryPolicy(max_retries=0)), []

        @jobs.task
        def look(*, tx):
            [(pid, zone)] = tx.execute("SELECT pg_backend_pid(), current_setting('timezone')")
            pids.append(pid)
            assert zone != "Mars"
            tx.execute("SET SESSION TIME ZONE '<Mars>+7'; CREATE TEMP TABLE mine ()")

        for _ in range(3):
            look.enqueue()
        assert drain(jobs).counts == {"succeeded": 3}
        assert len(set(pids)) == 1
        storage.driver._tasks._idle[0].cancel()
        with database.driver() as other:
            other.autocommit = True
            other.cursor().execute("SELECT pg_terminate_backend(%s)", pids[:1])
        look.enqueue()
        assert drain(jobs).counts == {"succeeded": 1}
        assert len(set(pids)) == 2


def test_no_more_are_lent_than_there_may_be(tmp_path):
    from tests.drivers import postgres_store

    config = postgres_store.config(tmp_path / "few", max_connections=1, pool_timeout=0.01)
    with connect(config) as storage:
        first = storage.begin()
        with pytest.raises(StorageUnavailable, match="1 tasks have a transaction open"):
            storage.begin()
        first.rollback()
        storage.begin().rollback()


def test_a_traceback_begins_in_the_task(jobs, note):
    job = note.enqueue("x", "raise")
    drain(jobs, raises=False)
    first = jobs.storage.get(job.id).state.stack_trace.splitlines()[1]
    assert first.strip().startswith(f'File "{__file__}"')
