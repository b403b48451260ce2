"""Threads that wait for their turn to write share one commit; each has its own answer or error."""

import re
import signal
import threading

import pytest

from qml.drivers.sqlite import SqliteDriver, connections, storing
from qml.drivers.sqlite.library import library
from qml.seam.rows import Verdict
from qml.values.config import SqliteConfig
from qml.values.errors import StorageUnavailable
from tests.work.support import traced

from .carrying import LONG, Outcome, always_carried, insert, line, opened, stored, until
from .making import claim, everything, ids, move, put, row, running
from .test_machine import DriverMachine, run_machine
from .test_sqlite_durability import Storage


@pytest.fixture
def driver(tmp_path):
    with opened(tmp_path) as driver:
        yield driver


def ends(statements):
    return [text for text in map(str.strip, statements) if re.match("BEGIN|COMMIT|ROLLBACK$", text)]


def test_those_in_line_share_one_commit(driver):
    names = [*"abcdefgh"]
    with traced(Storage(driver)) as statements:
        with line(driver) as those:
            those.add(*(insert(driver, name) for name in names))
        seqs = [one.value.seqs for one in those.added]
    assert ends(statements) == ["BEGIN IMMEDIATE", "COMMIT"]
    assert sum(text.startswith("SAVEPOINT") for text in statements) == 1
    assert seqs == [[number] for number in range(1, 9)]
    assert those.leader.value == "led"
    assert stored(driver) == names


def test_one_alone_does_no_more_than_its_own(driver):
    with traced(Storage(driver)) as statements:
        driver.insert([row("first")])
        del statements[:]
        driver.insert([row("a")])
    assert [text.split()[0] for text in statements] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


def test_a_taken_key_is_the_business_of_its_own_job(driver):
    put(driver, row("holder", unique_key="k"))
    with line(driver, lambda c: storing.insert(c, [row("led")])) as those:
        before = those.add(insert(driver, "b"), insert(driver, "c"))
        [refused] = those.add(insert(driver, "d", "e", unique_key="k"))
        after = those.add(insert(driver, "f"))
    assert refused.value.seqs == []
    assert {one.holder for one in refused.value.obstacles} == {"holder"}
    assert all(one.value.obstacles == [] for one in (*before, *after))
    assert stored(driver) == ["b", "c", "f", "holder", "led"]


def test_rows_that_cannot_go_in_together_go_in_alone(driver):
    with line(driver) as those:
        [first] = those.add(insert(driver, "a"))
        [bad] = those.add(insert(driver, "bad", metadata=object()))
        [last] = those.add(insert(driver, "b"))
    assert isinstance(bad.error, StorageUnavailable)
    assert [one.value.obstacles for one in (first, last)] == [[], []]
    assert stored(driver) == ["a", "b"]


def test_a_refusal_by_one_in_line_waits_for_the_commit(driver):
    """What it says of the other job is true only then."""
    with line(driver) as those:
        first, second = those.add(insert(driver, "a"), insert(driver, "a"))
    assert first.value.obstacles == []
    assert [one.holder for one in second.value.obstacles] == ["a"]


def test_an_error_is_the_business_of_its_own_step(driver):
    class Unforeseen(Exception):
        pass

    def half(connection):
        storing.insert(connection, [row("half")])
        raise Unforeseen

    with line(driver) as those:
        good = those.add(insert(driver, "a"))
        bad = those.write(half)
        good += those.add(insert(driver, "b"))
    assert isinstance(bad.error, Unforeseen)
    assert [one.error for one in (those.leader, *good)] == [None] * 3
    assert stored(driver) == ["a", "b"]


def test_a_batch_of_ends_that_do_not_all_hold_undoes_only_itself(driver):
    """It tries all with one statement, goes back, and takes each for itself."""
    put(driver, running("a"), running("b"))
    held = everything(driver)
    stale = [move(held[0]), move(held[1], version=7)]
    with line(driver) as those:
        first, ended, last = those.add(
            insert(driver, "x"), lambda: driver.swap(stale), insert(driver, "y")
        )
    assert ended.value == [Verdict.DONE, Verdict.STALE]
    assert (first.error, last.error) == (None, None)
    assert stored(driver) == ["a", "b", "x", "y"]


def test_nobody_is_told_before_the_commit(driver, monkeypatch):
    at_commit, may_commit = threading.Event(), threading.Event()
    begun = []

    def held_up(step, deadline, given):
        begun.append(1)
        if len(begun) == 2:  # BEGIN, COMMIT
            at_commit.set()
            assert may_commit.wait(LONG)
        return step(given)

    monkeypatch.setattr(connections, "again_while_busy", held_up)
    with line(driver) as those:
        [one] = those.add(insert(driver, "a"))
        those.go()
        assert at_commit.wait(LONG)
        assert not one.there
        assert stored(driver) == []
        may_commit.set()
    assert one.value.obstacles == []


def commit_fails(connection):
    """A constraint that is looked at by COMMIT."""
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)"
    )
    connection.execute("INSERT INTO child VALUES (1)")


@pytest.fixture
def constrained(driver):
    driver._connections.outside_transaction(lambda c: c.execute("PRAGMA foreign_keys = ON"))
    return driver


def test_a_commit_that_fails_is_told_to_all(constrained):
    with line(constrained) as those:
        those.add(insert(constrained, "a"))
        those.write(commit_fails)
        those.add(insert(constrained, "b"))
    for one in (those.leader, *those.added):
        assert isinstance(one.error, StorageUnavailable)
        assert "FOREIGN KEY constraint failed" in str(one.error)
    assert stored(constrained) == []
    put(constrained, row("later"))
    assert stored(constrained) == ["later"]


def test_a_disk_that_is_full_is_told_to_all(driver):
    """SQLite has ended the transaction then, whoever of them filled it."""
    driver._connections.outside_transaction(
        lambda c: c.execute("PRAGMA max_page_count = 60").fetchone()
    )
    with line(driver) as those:
        those.add(insert(driver, "a"), insert(driver, "big", metadata="x" * 400_000))
        those.add(insert(driver, "b"))
    for one in (those.leader, *those.added):
        assert isinstance(one.error, StorageUnavailable)
        assert "full" in str(one.error)
    assert stored(driver) == []


def test_law11_all_go_again_when_the_commit_is_in_anothers_way(driver, monkeypatch):
    tries = []

    def busy_once(step, deadline, given):
        tries.append(1)
        if len(tries) == 2:
            raise library.OperationalError("database is locked")
        return step(given)

    monkeypatch.setattr(connections, "again_while_busy", busy_once)
    with line(driver, lambda c: storing.insert(c, [row("led")])) as those:
        those.add(insert(driver, "a"), insert(driver, "b"))
    assert [one.error for one in (those.leader, *those.added)] == [None] * 3
    assert stored(driver) == ["a", "b", "led"]


def test_a_leader_that_is_broken_off_takes_nobody_along(driver, monkeypatch):
    """While it carries: those whom it carried are first in line again."""
    tries = []

    def interrupted_once(step, deadline, given):
        tries.append(1)
        if len(tries) == 2:
            raise KeyboardInterrupt
        return step(given)

    monkeypatch.setattr(connections, "again_while_busy", interrupted_once)
    with line(driver, lambda c: storing.insert(c, [row("led")])) as those:
        those.add(insert(driver, "a"), insert(driver, "b"))
    assert isinstance(those.leader.error, KeyboardInterrupt)
    assert [one.value.seqs for one in those.added] == [[1], [2]]
    assert stored(driver) == ["a", "b"]


def test_the_main_thread_carries_nobody(driver):
    """A signal may break it off between a commit and its news."""
    seen = []

    def work(connection):
        seen.append(Outcome(insert(driver, "a")))
        until(lambda: driver._connections._turns.line)

    with traced(Storage(driver)) as statements:
        driver._connections.write(work)
        seen[0].join()
    assert ends(statements) == ["BEGIN IMMEDIATE", "COMMIT"] * 2
    assert stored(driver) == ["a"]


def interrupt_here_when(condition):
    """Ctrl-C reaches the main thread once that is so."""

    def send():
        until(condition)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    return Outcome(send)


def test_ctrl_c_in_line_leaves_the_line(driver):
    with line(driver) as those:
        sent = interrupt_here_when(lambda: driver._connections._turns.line)
        with pytest.raises(KeyboardInterrupt):
            driver.insert([row("a")])
        sent.join()
        those.wait_for(0)
        [other] = those.add(insert(driver, "b"))
    assert other.error is None
    assert stored(driver) == ["b"]


def test_ctrl_c_while_carried_harms_nobody(driver):
    """Its job is stored, as it may be where a call is broken off."""
    carried, goes_on = threading.Event(), threading.Event()

    def slow(connection):
        carried.set()
        assert goes_on.wait(LONG)
        return "done"

    with line(driver) as those:
        [other] = those.add(insert(driver, "b"))

        def go():
            those.wait_for(2)
            those.go()

        gone, sent = Outcome(go), interrupt_here_when(carried.is_set)
        with pytest.raises(KeyboardInterrupt):
            driver._connections.write(slow)
        goes_on.set()
        gone.join()
        sent.join()
    assert other.value.obstacles == []
    put(driver, row("c"))
    assert stored(driver) == ["b", "c"]


def test_who_is_gone_is_not_first_in_line_again(driver, monkeypatch):
    """Or the turn would be his for ever."""
    carried, goes_on, tries = threading.Event(), threading.Event(), []

    def interrupted_once(step, deadline, given):
        tries.append(1)
        if len(tries) == 2:
            raise KeyboardInterrupt
        return step(given)

    def slow(connection):
        carried.set()
        assert goes_on.wait(LONG)

    monkeypatch.setattr(connections, "again_while_busy", interrupted_once)
    with line(driver) as those:

        def go():
            those.wait_for(1)
            those.go()

        gone, sent = Outcome(go), interrupt_here_when(carried.is_set)
        with pytest.raises(KeyboardInterrupt):
            driver._connections.write(slow)
        goes_on.set()
        gone.join()
        sent.join()
    assert isinstance(those.leader.error, KeyboardInterrupt)
    put(driver, row("a"))


def test_a_signals_handler_may_write(driver):
    """In whatever the signal breaks into: here, a wait in line."""
    before = signal.signal(signal.SIGUSR1, lambda *_: driver.insert([row("by signal")]))
    try:
        with line(driver) as those:

            def send():
                those.wait_for(1)
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                those.wait_for(2)
                those.go()

            sent = Outcome(send)
            driver.insert([row("a")])
            sent.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sent.error is None
    assert stored(driver) == ["a", "by signal"]


def test_a_signals_handler_does_not_wait_for_the_write_it_has_broken_into(driver, monkeypatch):
    """Nor does a finalizer: it would wait for itself, until the busy timeout."""

    def broken_into(step, deadline, given):
        with pytest.raises(StorageUnavailable, match="broken into a write of its own"):
            driver.insert([row("by signal")])
        return step(given)

    with monkeypatch.context() as patched:
        patched.setattr(connections, "again_while_busy", broken_into)
        driver.insert([row("a")])
    driver.insert([row("b")])
    assert stored(driver) == ["a", "b"]


def test_who_waited_too_long_leaves_the_line(tmp_path, driver):
    hasty = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db", busy_timeout=0.05))
    try:
        with line(hasty):
            late = Outcome(insert(hasty, "a"))
            late.join()
    finally:
        hasty.close()
    assert isinstance(late.error, StorageUnavailable)
    assert "kept it locked for 0.05 s" in str(late.error)
    assert stored(driver) == []


def test_what_is_promised_is_not_carried_where_nothing_is_flushed(driver):
    put(driver, row("a"))
    with traced(Storage(driver)) as statements:
        with line(driver, flush=False) as those:
            [promised] = those.add(insert(driver, "b"))
            [claimed] = those.add(lambda: driver.claim(claim(limit=1)))
        found = [
            text.strip() for text in statements if re.match("PRAGMA sync|COMMIT", text.strip())
        ]
    assert found == ["PRAGMA synchronous = NORMAL", "COMMIT", "PRAGMA synchronous = FULL", "COMMIT"]
    assert ids(claimed.value.rows) == ["a"]
    assert promised.value.obstacles == []


def test_a_claim_is_carried_where_all_is_flushed(driver):
    put(driver, row("a"))
    with traced(Storage(driver)) as statements, line(driver) as those:
        [claimed] = those.add(lambda: driver.claim(claim(limit=1)))
    assert ends(statements) == ["BEGIN IMMEDIATE", "COMMIT"]
    assert ids(claimed.value.rows) == ["a"]


def test_a_tasks_own_transaction_carries_nobody(driver):
    transaction = driver.begin()
    other = Outcome(insert(driver, "a"))
    until(lambda: driver._connections._turns.line)
    transaction.connection.execute("CREATE TABLE mine (id)")
    transaction.rollback()
    other.join()
    assert other.value.obstacles == []
    assert stored(driver) == ["a"]


def test_a_tasks_own_transaction_is_carried_by_nobody(driver):
    with line(driver) as those:
        [begun] = those.add(driver.begin)
        [other] = those.add(insert(driver, "a"))
        those.go()
        begun.join()
        other.join()
        assert stored(driver) == ["a"]
        begun.value.connection.execute("CREATE TABLE mine (id)")
        begun.value.commit()
    put(driver, row("b"))
    assert stored(driver) == ["a", "b"]


def test_a_storage_that_closes_tells_those_in_line(driver):
    with line(driver, lambda c: storing.insert(c, [row("led")])) as those:
        [other] = those.add(insert(driver, "a"))
        closing = Outcome(driver.close)
        until(lambda: driver._connections._gate.closed)
        those.go()
        closing.join()
    assert those.leader.error is None
    assert other.error is None or "closed" in str(other.error)


class CarriedMachine(DriverMachine):
    @staticmethod
    def make(folder):
        return always_carried(SqliteDriver(SqliteConfig(path=folder / "jobs.db")))


def test_any_order_of_verbs_that_are_carried():
    run_machine(CarriedMachine, share=0.5)
