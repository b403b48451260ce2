"""`drain` leaves the context and the transactions of whoever calls it as they are."""

import sqlite3
from contextvars import ContextVar

import pytest

from qml import ManualClock, Qml, current_job
from qml.testing.inline import drain
from tests.work.support import memory_storage, other_connection, sqlite_storage

USER = ContextVar("user", default="nobody")


@pytest.fixture(params=[memory_storage, sqlite_storage])
def jobs(request, tmp_path):
    with request.param(tmp_path, clock=ManualClock()) as storage:
        yield Qml(storage)


@pytest.fixture
def accounts(tmp_path):
    """A program's own database, and its connection."""
    with other_connection(tmp_path / "accounts.db") as connection:
        connection.execute("CREATE TABLE paid (who TEXT)")
        yield connection


def paid(connection):
    return [who for (who,) in connection.execute("SELECT who FROM paid ORDER BY who")]


def test_the_caller_s_context_is_neither_seen_nor_changed(jobs):
    @jobs.task
    def change():
        before = USER.get()
        USER.set("the task")
        return before

    job = change.enqueue()
    USER.set("the test")
    drain(jobs)
    assert jobs.result(job) == "nobody"  # as in a server's thread
    assert USER.get() == "the test"
    assert current_job() is None


def test_two_jobs_share_no_context(jobs):
    @jobs.task
    def change():
        before = USER.get()
        USER.set("the other task")
        return before

    both = change.enqueue_many([(), ()])
    drain(jobs)
    assert [jobs.result(job) for job in both] == ["nobody", "nobody"]


def test_a_task_may_drain(jobs):
    story = []

    @jobs.task
    def inner(number):
        story.append((current_job().job.method.rpartition(".")[2], USER.get()))
        if number:
            inner.enqueue(number - 1)

    @jobs.task
    def outer():
        me = current_job()
        USER.set("outer")
        inner.enqueue(1)
        count = len(drain(jobs))
        assert current_job() is me
        assert USER.get() == "outer"
        return count

    job = outer.enqueue()
    drained = drain(jobs)
    assert jobs.result(job) == 2
    assert story == [("inner", "nobody")] * 2
    assert len(drained) == 1  # the others ran in the drain within
    assert jobs.storage.get(job.id).attempt == 1


def test_a_mistake_within_is_the_outer_task_s_own(jobs):
    @jobs.task
    def inner():
        raise ValueError("within")

    @jobs.task
    def outer():
        inner.enqueue()
        drain(jobs)

    job = outer.enqueue()
    with pytest.raises(ValueError, match="within"):
        drain(jobs)
    assert jobs.storage.get(job.id).state.last_exception == "ValueError: within"


def test_a_job_of_a_real_server_may_drain(jobs):
    @jobs.task
    def inner():
        return current_job().id

    @jobs.task
    def outer():
        # Of a queue that the server does not take from, so that only the drain runs it.
        job = inner.using(queue="inner").enqueue()
        drain(jobs, queues=["inner"])
        return [job.id, jobs.result(job), current_job().id]

    job = outer.enqueue()
    with jobs.server(threads=1, queues=["default"]):
        made, ran, mine = jobs.result(job, timeout=30)
    assert made == ran
    assert mine == job.id


def test_a_transaction_of_the_caller_stays_open(jobs, accounts, tmp_path):
    @jobs.task
    def look():
        with other_connection(tmp_path / "accounts.db") as own:
            return paid(own)

    accounts.execute("INSERT INTO paid VALUES ('ada')")
    accounts.execute("BEGIN IMMEDIATE")
    accounts.execute("INSERT INTO paid VALUES ('bob')")
    job = look.enqueue()
    drain(jobs)
    assert jobs.result(job) == ["ada"]  # nothing was committed
    assert accounts.in_transaction
    accounts.execute("ROLLBACK")
    assert paid(accounts) == ["ada"]


def test_a_transaction_of_a_task_stays_open_while_it_drains(jobs, accounts):
    @jobs.task
    def inner():
        return "done"

    @jobs.task
    def outer():
        accounts.execute("BEGIN IMMEDIATE")
        accounts.execute("INSERT INTO paid VALUES ('eve')")
        inner.enqueue()
        count = len(drain(jobs))
        assert accounts.in_transaction
        accounts.execute("ROLLBACK")
        return count

    job = outer.enqueue()
    drain(jobs)
    assert jobs.result(job) == 1
    assert paid(accounts) == []


def test_a_snapshot_of_the_very_file_of_the_jobs_stays_as_it_was(tmp_path):
    with sqlite_storage(tmp_path, clock=ManualClock()) as storage:
        jobs = Qml(storage)

        @jobs.task
        def work(): ...

        job = work.enqueue()
        with other_connection(tmp_path / "jobs.db") as caller:
            count = "SELECT count(*) FROM qml_jobs WHERE finished_at IS NOT NULL"
            caller.execute("BEGIN")
            assert caller.execute(count).fetchone() == (0,)
            drain(jobs)
            assert caller.execute(count).fetchone() == (0,)
            assert caller.in_transaction
            caller.execute("COMMIT")
            assert caller.execute(count).fetchone() == (1,)
        assert jobs.result(job) is None


def test_a_connection_of_python_s_own_sqlite_keeps_its_implicit_transaction(jobs):
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE paid (who TEXT)")
        connection.execute("INSERT INTO paid VALUES ('ada')")  # begins one, as Python does

        @jobs.task
        def work(): ...

        work.enqueue()
        drain(jobs)
        assert connection.in_transaction
        connection.rollback()
        assert paid(connection) == []
    connection.close()
