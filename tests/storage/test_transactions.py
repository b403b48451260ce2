"""Jobs enqueued in a transaction of the caller's: there if and only if it commits, and then."""

import contextlib
import threading
import time

import psycopg2
import pytest
import sqlalchemy
from psycopg2 import extras

from qml import (
    ConfigurationError,
    Job,
    JobAlreadyExists,
    JobFilter,
    Qml,
    StorageError,
    StorageUnavailable,
    UniqueKeyTaken,
    connect,
)
from qml.drivers.sqlite.library import library
from qml.values.trusted import changed
from tests.drivers.carrying import Outcome
from tests.storage.callers import DATABASES, WAYS, Database
from tests.storage.stores import KINDS
from tests.work.support import eventually


@pytest.fixture(params=DATABASES)
def database(request, tmp_path):
    return Database(request.param, tmp_path)


@pytest.fixture
def storage(database):
    with connect(database.config) as storage:
        database.make_table()
        yield storage


@pytest.fixture
def caller(database, storage):
    with database.driver() as connection:
        yield connection


def ids(storage):
    return [job.id for job in storage.list()]


@pytest.mark.parametrize("way", WAYS)
def test_jobs_are_there_if_and_only_if_the_transaction_commits(way, database, storage):
    with database.caller(way) as (caller, execute):
        for end in ("rollback", "commit"):
            execute(database.writes(end))
            stored = storage.enqueue_in(caller, [Job("a"), Job("b")])
            assert [job.method for job in stored] == ["a", "b"]
            assert storage.list() == []  # nobody else sees them
            getattr(caller, end)()
    assert ids(storage) == [job.id for job in reversed(stored)]
    assert [job.seq for job in storage.list()] == [job.seq for job in reversed(stored)]
    assert database.lines() == ["commit"]


@pytest.mark.parametrize("way", WAYS)
def test_the_job_may_be_all_that_a_transaction_does(way, database, storage):
    with database.caller(way) as (caller, _):
        [first] = storage.enqueue_in(caller, [Job("a")])
        caller.commit()
        storage.enqueue_in(caller, [Job("b")])
    assert ids(storage) == [first.id]  # the other was closed and never committed


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_leaves_the_transaction_as_it_was(way, database, storage):
    there = storage.enqueue(Job("there", unique_key="k"))
    with database.caller(way) as (caller, execute):
        execute(database.writes("before"))
        [mine] = storage.enqueue_in(caller, [Job("mine", unique_key="mine")])
        for refused, error in (
            ([there], JobAlreadyExists),
            ([Job("new"), Job("x", unique_key="k")], UniqueKeyTaken),
            ([Job("new"), Job("x", unique_key="mine")], UniqueKeyTaken),
            ([Job("new"), mine], JobAlreadyExists),
        ):
            with pytest.raises(error):
                storage.enqueue_in(caller, refused)
        execute(database.writes("later"))
        caller.commit()
    assert ids(storage) == [mine.id, there.id]
    assert database.lines() == ["before", "later"]


def test_a_task_is_enqueued_by_using(database, storage, caller):
    jobs = Qml(storage)

    @jobs.task(max_retries=3)
    def send(to):
        return to

    mine = send.using(connection=caller).using(priority=5)
    job = mine.enqueue("ada")
    both = mine.enqueue_many([("bob",), {"to": "cy"}])
    one = jobs.enqueue_in(caller, send.job("dan"))
    [two] = jobs.enqueue_in(caller, [send.job("eve")])
    assert storage.list() == []
    caller.commit()
    stored = storage.get(job.id)
    assert (stored.arguments, stored.priority, stored.max_attempts) == (["ada"], 5, 4)
    assert ids(storage) == [each.id for each in (two, one, *reversed(both), job)]
    with pytest.raises(ConfigurationError, match="on_conflict"):
        mine.using(on_conflict="existing", unique_key="k").enqueue("ada")


def test_no_event_is_told(storage, caller):
    heard = []
    storage.hooks.on(None, heard.append)
    storage.enqueue_in(caller, [Job("a")])
    caller.commit()
    assert heard == []


def test_a_server_starts_it_with_the_commit_and_not_before(storage, caller):
    jobs, ran = Qml(storage), threading.Event()

    @jobs.task
    def work():
        ran.set()

    # The interval is longer than the test may take: it is the commit that wakes the server.
    with jobs.server(threads=1, poll_interval=1000):
        jobs.result(work.enqueue(), timeout=60)  # from now on it waits
        ran.clear()
        for end in ("rollback", "commit"):
            job = work.using(connection=caller).enqueue()
            storage.driver.notify()  # whoever looks now finds nothing
            assert storage.get(job.id) is None
            assert not ran.is_set()
            getattr(caller, end)()
        assert jobs.result(job, timeout=60) is None
        assert ran.is_set()


def test_a_savepoint_of_the_callers_is_respected(database, storage):
    with database.engine() as engine, engine.connect() as caller:
        caller.exec_driver_sql(database.writes("outer"))
        [kept] = storage.enqueue_in(caller, [Job("kept")])
        inner = caller.begin_nested()
        storage.enqueue_in(caller, [Job("undone")])
        inner.rollback()
        caller.commit()
    assert ids(storage) == [kept.id]


def test_a_connection_to_another_database_is_refused(database, storage, tmp_path):
    if database.kind == "sqlite":
        other = library.connect(tmp_path / "other.db")
        fault = "would commit elsewhere: its file is .*other.db"
    else:
        with database.driver() as own:
            own.autocommit = True
            with own.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'other'")
                if not cursor.fetchall():
                    cursor.execute("CREATE DATABASE other")
            other = psycopg2.connect(**{**own.get_dsn_parameters(), "dbname": "other"})
        fault = "would commit elsewhere: it is to PostgreSQL at .*/other, and the jobs are in .*"
    try:
        with pytest.raises(ConfigurationError, match=fault):
            storage.enqueue_in(other, [Job("a")])
    finally:
        other.close()
    assert storage.list() == []


def test_a_connection_to_memory_is_refused(database, storage):
    other = library.connect(":memory:")
    with contextlib.closing(other), pytest.raises(ConfigurationError) as refused:
        storage.enqueue_in(other, [Job("a")])
    if database.kind == "sqlite":
        assert "its file is in memory" in str(refused.value)
        assert str(refused.value).endswith("; connect to that one")


def test_a_connection_of_sqlalchemy_that_is_closed_is_refused(database, storage):
    with database.engine() as engine:
        with engine.connect() as closed:
            pass
        with pytest.raises(StorageError, match=r"this Connection is not usable .*closed"):
            storage.enqueue_in(closed, [Job("a")])
    assert storage.list() == []


def test_a_connection_that_commits_by_itself_is_refused(database, storage):
    options = {"isolation_level": None} if database.kind == "sqlite" else {}
    with database.driver(**options) as caller:
        if database.kind == "postgres":
            caller.autocommit = True
        with pytest.raises(ConfigurationError, match="commits each statement at once"):
            storage.enqueue_in(caller, [Job("a")])
        caller.cursor().execute("BEGIN")
        [job] = storage.enqueue_in(caller, [Job("b")])
        assert storage.list() == []
        caller.cursor().execute("COMMIT")
    assert ids(storage) == [job.id]


def test_so_is_one_of_sqlalchemy(database, storage):
    with (
        database.engine(isolation_level="AUTOCOMMIT") as engine,
        engine.connect() as caller,
        pytest.raises(ConfigurationError, match="commits each statement at once"),
    ):
        storage.enqueue_in(caller, [Job("a")])
    assert storage.list() == []


@pytest.mark.parametrize("given", [{"batch": "b"}, {"after": ["x"]}, {"after_batch": "b"}])
def test_a_job_that_others_have_to_do_with_is_refused(given, storage, caller):
    with pytest.raises(ConfigurationError, match="would hold up all that have to do with it"):
        storage.enqueue_in(caller, [Job("a"), Job("b", **given)])
    caller.commit()
    assert storage.list() == []


@pytest.mark.parametrize("what", [None, object(), "jobs.db"])
def test_what_is_no_connection_is_refused(what, storage):
    with pytest.raises(ConfigurationError, match=r"cannot take jobs .* give a .* connection, or a"):
        storage.enqueue_in(what, [Job("a")])


def test_a_session_that_does_not_say_which_database_is_refused(storage):
    with (
        sqlalchemy.orm.Session() as session,
        pytest.raises(ConfigurationError, match="which of its databases"),
    ):
        storage.enqueue_in(session, [Job("a")])


def test_an_asynchronous_session_is_refused(storage):
    session = type("AsyncSession", (), {"__module__": "sqlalchemy.ext.asyncio.session"})()
    with pytest.raises(ConfigurationError, match="AsyncSession is asynchronous"):
        storage.enqueue_in(session, [Job("a")])


@pytest.mark.parametrize("kind", ["memory", "redis"])
def test_stores_without_transactions_say_so(kind, tmp_path):
    with (
        connect(KINDS[kind](tmp_path)) as storage,
        pytest.raises(ConfigurationError, match=r"no transactions .* SQLite and PostgreSQL have"),
    ):
        storage.enqueue_in(object(), [Job("a")])


def test_a_closed_connection_is_an_error_of_qml(database, storage):
    with database.driver() as caller:
        pass
    with pytest.raises(StorageError):
        storage.enqueue_in(caller, [Job("a")])


# -- SQLite ------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    database = Database("sqlite", tmp_path)
    with connect(database.config) as storage:
        database.make_table()
        yield database, storage


def test_a_callers_factories_confuse_nobody(file):
    database, storage = file
    with database.driver() as caller:
        caller.row_factory = lambda cursor, row: {"row": row}
        caller.text_factory = bytes
        [job] = storage.enqueue_in(caller, [Job("a", unique_key="k")])
        with pytest.raises(UniqueKeyTaken) as taken:
            storage.enqueue_in(caller, [Job("b", unique_key="k")])
        assert taken.value.job_id == job.id
        assert caller.text_factory is bytes
        assert caller.execute("SELECT 'x'").fetchone() == {"row": (b"x",)}
        caller.commit()
    assert ids(storage) == [job.id]


@pytest.mark.parametrize("level", ["DEFERRED", "IMMEDIATE", "EXCLUSIVE", ""])
def test_each_isolation_level_has_a_transaction(level, file):
    database, storage = file
    with database.driver(isolation_level=level) as caller:
        storage.enqueue_in(caller, [Job("a")])
        caller.rollback()
        [job] = storage.enqueue_in(caller, [Job("b")])
        caller.commit()
    assert ids(storage) == [job.id]


def test_a_locked_file_is_told_with_what_to_do(file):
    database, storage = file
    with database.driver() as other, database.driver(timeout=0) as caller:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="BEGIN IMMEDIATE"):
            storage.enqueue_in(caller, [Job("a")])
        other.rollback()
        caller.execute("BEGIN")
        caller.execute("SELECT count(*) FROM ledger").fetchall()
        storage.enqueue(Job("faster"))  # so what the caller has read is of the past
        with pytest.raises(StorageUnavailable, match="could not get the write lock"):
            storage.enqueue_in(caller, [Job("a")])
        caller.rollback()
    assert [job.method for job in storage.list()] == ["faster"]


def test_a_link_to_the_file_is_the_file(file, tmp_path):
    database, storage = file
    link = tmp_path / "link.db"
    link.symlink_to(database.path)
    caller = library.connect(link)
    storage.enqueue_in(caller, [Job("a")])
    caller.commit()
    caller.close()
    assert len(storage.list()) == 1


def test_a_file_in_memory_is_another(file):
    _, storage = file
    caller = library.connect(":memory:")
    with pytest.raises(ConfigurationError, match="its file is in memory"):
        storage.enqueue_in(caller, [Job("a")])
    caller.close()


# -- PostgreSQL --------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    database = Database("postgres", tmp_path)
    with connect(database.config) as storage:
        database.make_table()
        yield database, storage


def test_the_hint_is_sent_by_the_commit(server):
    database, storage = server
    with database.driver() as listener, database.driver() as caller:
        listener.autocommit = True
        cursor = listener.cursor()
        cursor.execute(f"LISTEN {storage.driver._connections.sql.channel}")
        for end in ("rollback", "commit"):
            storage.enqueue_in(caller, [Job("a")])
            cursor.execute("SELECT 1")  # what was sent before comes with the answer
            assert listener.notifies == []
            getattr(caller, end)()
        eventually(lambda: listener.poll() or listener.notifies)


@pytest.mark.parametrize("factory", [extras.RealDictCursor, extras.NamedTupleCursor])
def test_a_callers_cursors_confuse_nobody(factory, server):
    database, storage = server
    with database.driver(cursor_factory=factory) as caller:
        [job] = storage.enqueue_in(caller, [Job("a", unique_key="k")])
        with pytest.raises(UniqueKeyTaken) as taken:
            storage.enqueue_in(caller, [Job("b", unique_key="k")])
        assert taken.value.job_id == job.id
        caller.commit()
    assert ids(storage) == [job.id]


def test_a_text_that_the_connection_cannot_send_is_told(server):
    database, storage = server
    with database.driver(client_encoding="LATIN1") as caller:
        with pytest.raises(StorageError, match=r"encoding is LATIN1.*_encoding\('UTF8'\)"):
            storage.enqueue_in(caller, [Job("\u2603")])
        [job] = storage.enqueue_in(caller, [Job("a")])
        caller.commit()
    assert ids(storage) == [job.id]


def test_a_transaction_that_has_failed_is_told(server):
    database, storage = server
    with database.driver() as caller:
        with pytest.raises(psycopg2.Error):
            caller.cursor().execute("SELECT 1 / 0")
        with pytest.raises(StorageError, match="has failed before; roll it back"):
            storage.enqueue_in(caller, [Job("a")])


def test_a_row_that_the_snapshot_does_not_show_ends_the_wait(server):
    database, storage = server
    with database.driver() as caller:
        caller.set_session(isolation_level="REPEATABLE READ")
        caller.cursor().execute("SELECT 1")
        there = storage.enqueue(Job("there"))
        with pytest.raises(StorageUnavailable):
            storage.enqueue_in(caller, [there])
        for beside in (Job("new"), changed(there, id="alike")):
            with pytest.raises(StorageUnavailable):
                storage.enqueue_in(caller, [beside, there])
        caller.rollback()
    assert ids(storage) == [there.id]


def test_ids_that_another_transaction_takes_at_this_moment_are_taken(server):
    database, storage = server
    first, taken, last = storage.enqueue_many([Job("a") for _ in range(3)])
    storage.delete_many(JobFilter())
    with database.driver() as other, database.driver() as caller:
        storage.enqueue_in(other, [taken])
        late = Outcome(lambda: storage.enqueue_in(caller, [first, taken, last]))
        time.sleep(0.2)
        assert not late.there  # it waits for what becomes of that one
        other.commit()
        late.join()
        assert isinstance(late.error, JobAlreadyExists)
        storage.enqueue_in(caller, [last])
        caller.commit()
    assert ids(storage) == [last.id, taken.id]


def test_the_place_is_asked_once(server):
    _, storage = server
    asked = []
    connections = storage.driver._connections
    ask = connections.ask
    connections.ask = lambda name, values: asked.append(name) or ask(name, values)
    for _ in range(3):
        with Database.driver(server[0]) as caller:
            storage.enqueue_in(caller, [Job("a")])
            caller.commit()
    assert asked.count("whereabouts") == 1


@pytest.mark.parametrize("given", ["send", print, None])
def test_what_is_no_job_is_refused(given, storage, caller):
    with pytest.raises(ConfigurationError, match=r" is no job, and was not enqueued; give a Job"):
        storage.enqueue_in(caller, [Job("a"), given])
    caller.commit()
    assert storage.list() == []


def test_what_only_a_new_transaction_cures_is_told_so(server):
    database, storage = server
    with database.driver() as caller:
        caller.set_session(isolation_level="SERIALIZABLE")
        caller.cursor().execute("SELECT 1")
        storage.enqueue(Job("faster", unique_key="k"))
        with pytest.raises(StorageUnavailable, match="roll your transaction back, and do it again"):
            storage.enqueue_in(caller, [Job("a", unique_key="k")])
        caller.rollback()
        with pytest.raises(UniqueKeyTaken):
            storage.enqueue_in(caller, [Job("a", unique_key="k")])
