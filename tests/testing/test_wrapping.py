"""A wrapped driver is a driver, and all that touches rows or records comes by ``around``."""

import contextlib
import inspect

import pytest

from qml import Job, MemoryStorage, SqliteStorage, StorageUnavailable, Succeeded
from qml.drivers.sqlite.library import library as sqlite
from qml.seam.driver import Driver
from qml.seam.rows import Claim, Finished, Hold, Page
from qml.seam.transactions import Transactional
from qml.testing import FaultyDriver, WrappedDriver
from qml.values.notes import NO_NOTES
from tests.drivers.making import row

PASSES = {"notify", "wait", "install", "uninstall", "time", "describe", "examine", "close"}

CALLS = {
    "insert": ([row("a")], None),
    "load": (["a"],),
    "holder": ("k",),
    "swap": ([],),
    "claim": (Claim("w", 1, 2, 3, 0, None, "{}"),),
    "hold": ([Hold("a", None, "w", None, 1, 2)],),
    "let_go": ("a", "w", 1, (2, 3)),
    "scan": (Page(),),
    "count": (Page(), "state"),
    "erase": (Finished("succeeded", 1), 9),
    "used": (1, ["k"], ["r"]),
    "tally": ("t", None, None),
    "read": ("r",),
    "write": ("r", "{}", 0),
    "list": ("",),
}


class Noting(WrappedDriver):
    def __init__(self, driver):
        super().__init__(driver)
        self.noted = []

    def around(self, verb, order, call):
        answer = call()
        self.noted.append((verb, order, answer))
        return answer


def verbs():
    return {name for name in vars(Driver) if not name.startswith("_")}


def test_it_has_every_verb_of_a_driver():
    for name in verbs():
        mine, theirs = getattr(WrappedDriver, name), getattr(Driver, name)
        parameters = [inspect.signature(one).parameters.keys() for one in (mine, theirs)]
        assert parameters[0] == parameters[1], name


@pytest.mark.parametrize("verb", sorted(verbs() - PASSES))
def test_what_touches_rows_comes_by_around(verb):
    plain, twin = MemoryStorage().driver, MemoryStorage().driver
    wrapped = Noting(plain)
    answer = getattr(wrapped, verb)(*CALLS[verb])
    assert answer == getattr(twin, verb)(*CALLS[verb])
    [(noted, order, found)] = wrapped.noted
    assert (noted, found) == (verb, answer)
    assert order in (CALLS[verb][0], CALLS[verb])


@pytest.fixture
def file(tmp_path):
    storage = SqliteStorage(tmp_path / "jobs.db")
    storage.driver = Noting(storage.driver)
    with storage:
        yield storage


def test_it_has_transactions_where_the_driver_has(file):
    assert isinstance(file.driver, Transactional)
    assert not isinstance(Noting(MemoryStorage().driver), Transactional)
    assert file.transactional


def test_an_insert_in_anothers_transaction_comes_by_around(file, tmp_path):
    with contextlib.closing(sqlite.connect(tmp_path / "jobs.db")) as connection:
        file.enqueue_in(connection, [Job("t", id="a")])
        [(verb, (within, [inserted]), answer)] = file.driver.noted
        assert (verb, within, inserted.id, len(answer.seqs)) == ("insert_in", connection, "a", 1)
        assert file.get("a") is None
        connection.commit()
    assert file.get("a") is not None


@pytest.mark.parametrize("commits", [True, False])
def test_what_a_transaction_does_comes_by_around(file, commits):
    file.enqueue(Job("t", id="a"))
    job = file.fetch_and_lock_job("w")
    file.driver.noted.clear()
    transaction = file.begin()
    assert transaction.connection.execute("SELECT 1").fetchone() == (1,)
    if commits:
        done = file.finish_in(transaction, job, Succeeded(), NO_NOTES)
        assert file.get("a") == done
    else:
        transaction.revoke()
        transaction.rollback()
        assert file.get("a") == job
    verbs = [verb for verb, *_ in file.driver.noted]
    assert verbs == ["begin", *(["hold", "swap", "commit"] if commits else []), "load"]


def test_a_fault_of_a_transaction_can_be_planned(file):
    file.driver = faulty = FaultyDriver(file.driver)
    file.enqueue(Job("t", id="a"))
    job = file.fetch_and_lock_job("w")
    faulty.fail("commit")
    with pytest.raises(StorageUnavailable, match="told to fail"):
        file.finish_in(file.begin(), job, Succeeded())
    assert file.get("a") == job
    faulty.lose_reply("commit")
    assert file.finish_in(file.begin(), job, Succeeded()) == file.get("a")


def test_the_rest_passes_through():
    storage = MemoryStorage()
    storage.driver = wrapped = Noting(storage.driver)
    wrapped.install()
    wrapped.notify()
    assert wrapped.wait(0) is True
    assert wrapped.describe() == wrapped.driver.describe()
    assert wrapped.examine() == wrapped.driver.examine()
    assert abs(wrapped.time() - wrapped.driver.time()) < 60_000_000
    assert wrapped.noted == []
    storage.enqueue(Job("t"))
    assert [verb for verb, *_ in wrapped.noted] == ["insert"]
    wrapped.close()
