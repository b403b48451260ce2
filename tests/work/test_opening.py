"""A storage that is opened for the first time within a transaction of its caller's."""

import contextlib
import time

import pytest

from qml import ConfigurationError, Job, Qml, StorageUnavailable
from qml.drivers.sqlite.library import library as sqlite

SENTENCE = "open the store once before it begins: jobs.storage"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.db"


@pytest.fixture
def caller(path):
    """A connection to a file that has no tables of qml."""
    with contextlib.closing(sqlite.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (word TEXT)")
        connection.commit()
        yield connection


@pytest.fixture
def jobs(path):
    jobs = Qml(f"sqlite:///{path}")
    yield jobs
    jobs.close()


def enqueue_in(jobs, connection):
    jobs.enqueue_in(connection, Job("t", id="a"))


def enqueue_using(jobs, connection):
    jobs.task(lambda: None, name="t").using(connection=connection).enqueue()


@pytest.mark.parametrize("enqueue", [enqueue_in, enqueue_using])
def test_a_transaction_that_writes_is_not_waited_for(jobs, caller, enqueue):
    caller.execute("INSERT INTO mine VALUES ('x')")
    begun = time.monotonic()
    with pytest.raises(ConfigurationError, match=SENTENCE) as error:
        enqueue(jobs, caller)
    assert time.monotonic() - begun < 10  # of the 30 s that others' writes are waited for
    assert isinstance(error.value.__cause__, StorageUnavailable)
    caller.commit()
    assert [*caller.execute("SELECT * FROM mine")] == [("x",)]
    enqueue(jobs, caller)
    caller.commit()
    assert len(jobs.storage.list()) == 1


def test_one_that_only_reads_is_in_nobodys_way(jobs, caller):
    caller.execute("BEGIN")
    enqueue_in(jobs, caller)
    caller.commit()
    assert jobs.storage.get("a") is not None


def test_tables_that_are_there_need_no_wait(path, jobs, caller):
    with Qml(f"sqlite:///{path}").storage:
        pass
    caller.execute("INSERT INTO mine VALUES ('x')")
    enqueue_in(jobs, caller)
    caller.commit()
    assert jobs.storage.get("a") is not None


def test_a_storage_that_is_lent_is_open(path, jobs, caller):
    other = Qml(f"sqlite:///{path}")
    with other.storage, jobs.using_storage(other.storage):
        caller.execute("INSERT INTO mine VALUES ('x')")
        enqueue_in(jobs, caller)
        caller.commit()
        assert other.storage.get("a") is not None


def test_any_other_trouble_is_told_as_it_is(tmp_path, jobs, caller, path):
    jobs = Qml(f"sqlite:///{tmp_path}/none/jobs.db")
    caller.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="none"):
        enqueue_in(jobs, caller)
