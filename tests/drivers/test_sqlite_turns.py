"""A transaction of SQLite has the write lock from its start to its end, and leaves nothing."""

import contextlib

import pytest

from qml.drivers.sqlite import SqliteDriver, connections, naps, storing
from qml.drivers.sqlite.library import library
from qml.seam.rows import Finished
from qml.values.config import SqliteConfig
from tests.work.support import other_connection

from .making import NOW, claim, done, everything, ids, later, lock, move, put, renewal, rewrite, row


@pytest.fixture
def driver(tmp_path):
    driver = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db"))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def other(tmp_path, driver):
    with other_connection(tmp_path / "jobs.db", timeout=0) as other:
        yield other


def may_write(other):
    try:
        other.execute("BEGIN IMMEDIATE")
    except library.OperationalError:
        return False
    other.execute("ROLLBACK")
    return True


def test_nobody_writes_between_what_it_reads_and_what_it_writes(driver, other):
    """Without the lock it would read, wait for its turn to write, and be told to begin anew."""
    assert driver._connections.write(lambda connection: may_write(other)) is False
    assert may_write(other)


def test_a_reader_holds_up_nobody(driver, other):
    def work(connection):
        connection.execute("SELECT count(*) FROM qml_jobs").fetchone()
        return may_write(other)

    assert driver._connections.read(work) is True


def test_a_write_that_fails_leaves_nothing_and_no_lock(driver, other):
    class Unforeseen(Exception):
        pass

    def work(connection):
        storing.insert(connection, [row("a")])
        raise Unforeseen

    with pytest.raises(Unforeseen):
        driver._connections.write(work)
    assert may_write(other)
    assert everything(driver) == []
    put(driver, row("b"))
    assert ids(everything(driver)) == ["b"]


def test_law11_a_locked_file_is_waited_for(driver, other):
    """Not only where a transaction begins: another process may recover the log, say."""
    tries = []

    def work(connection):
        tries.append(1)
        if len(tries) == 3:
            other.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return "done"

    other.execute("BEGIN IMMEDIATE")
    assert driver._connections.read(work) == "done"
    assert len(tries) == 3


def test_who_has_waited_long_naps_short(monkeypatch):
    """Or whoever has just written would be first again and again."""
    taken = []
    monkeypatch.setattr(naps.time, "sleep", taken.append)
    monkeypatch.setattr(naps.random, "uniform", lambda least, most: most)
    for waited in (0.0, 0.002, 0.018, 5.0):
        naps.nap(waited)
    assert taken == pytest.approx([0.002, 0.001, 0.0002, 0.0001])


def test_each_nap_counts_from_when_the_file_was_found_locked(monkeypatch):
    now, waited = [100.0], []
    monkeypatch.setattr(naps.time, "monotonic", lambda: now[0])

    def nap(so_far):
        waited.append(so_far)
        now[0] += 0.25

    def locked(given):
        if len(waited) < 3:
            raise library.OperationalError("database is locked")
        return "done"

    monkeypatch.setattr(naps, "nap", nap)
    assert naps.again_while_busy(locked, 200.0, None) == "done"
    assert waited == [0.0, 0.25, 0.5]


VERBS = {
    "insert": lambda driver, rows: driver.insert([row("new"), row("newer")]),
    "claim": lambda driver, rows: driver.claim(claim(2, worker="w2")),
    "claim of queues": lambda driver, rows: driver.claim(claim(2, queues=("default", "q"))),
    "ends": lambda driver, rows: driver.swap([move(one) for one in rows]),
    "moves": lambda driver, rows: driver.swap([move(rows[0]), move(rows[1], version=7)]),
    "rewrite": lambda driver, rows: driver.swap([rewrite(rows[0], payload="new")]),
    "renewal": lambda driver, rows: driver.hold([renewal(one, NOW + 99) for one in rows]),
    "lock": lambda driver, rows: driver.hold([lock("c", "w3")]),
    "let go": lambda driver, rows: driver.let_go("a", "w1", NOW),
    "erase": lambda driver, rows: driver.erase(["a", "c"], 9),
    "purge": lambda driver, rows: driver.erase(Finished("succeeded", NOW), 9),
    "write": lambda driver, rows: driver.write("r", "{}", 0),
}


@contextlib.contextmanager
def watched(driver, look):
    """``look`` is called with each statement, as it begins."""
    connections = driver._connections
    inner = connections._open

    def opened():
        connection = inner()
        connection.set_trace_callback(look)
        return connection

    connections.before_fork()  # closes what is open, so that every connection is a watched one
    connections.after_fork_in_parent()
    connections._open = opened
    try:
        yield
    finally:
        connections._open = inner


@pytest.mark.parametrize("verb", VERBS)
def test_law1_a_verb_looks_and_writes_in_one_transaction(driver, other, verb):
    put(driver, *(row(name) for name in "abc"), later("late", NOW - 1), done("old"))
    rows = driver.claim(claim(2, worker="w1")).rows
    steps = []

    def look(statement):
        name = statement.split(maxsplit=1)[0]
        steps.append(name if name in ("BEGIN", "COMMIT", "ROLLBACK") else may_write(other))

    with watched(driver, look):
        VERBS[verb](driver, rows)
    begun, ended = steps.index("BEGIN"), len(steps) - steps[::-1].index("COMMIT")
    assert True not in steps[begun:ended], steps
    assert steps[begun:ended].count("COMMIT") == 1


def test_a_ctrl_c_right_after_the_begin_leaves_no_transaction_open(driver, other, monkeypatch):
    def broken_off(step, deadline, given):
        step(given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(connections, "again_while_busy", broken_off)
        with pytest.raises(KeyboardInterrupt):
            driver.insert([row("gone")])
    assert may_write(other)
    put(driver, row("next"))
    assert ids(everything(driver)) == ["next"]
