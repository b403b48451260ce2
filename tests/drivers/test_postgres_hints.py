"""Rows are stored and told of in one round trip."""

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver
from qml.drivers.postgres.session import Session
from qml.seam.rows import Obstacle, Write
from qml.values.errors import StorageError, StorageUnavailable

from . import postgres_store
from .making import alike, everything, put, row


@pytest.fixture
def driver(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def sent(driver, monkeypatch):
    """The hints that were sent."""
    hints, run = [], Session.run

    def spy(session, text, *given):
        hints.extend([text] if f"NOTIFY {driver._connections.sql.channel}" in text else [])
        return run(session, text, *given)

    monkeypatch.setattr(Session, "run", spy)
    return hints


@pytest.fixture
def errors(monkeypatch):
    """Of the server."""
    found, run = [], Session.run

    def spy(*given):
        try:
            return run(*given)
        except psycopg2.Error as error:
            found.append(error)
            raise

    monkeypatch.setattr(Session, "run", spy)
    return found


ROWS = {
    "one": [row("a")],
    "alike": alike(row("a"), "b"),
    "mixed": [row("a"), row("b", queue="other"), row("c", unique_key="c")],
    "with keys": [row(name, unique_key=name) for name in "abc"],
}
SOME = pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)


@SOME
def test_the_hint_goes_with_them(driver, sent, rows):
    driver.insert(rows)
    driver.notify()
    assert len(sent) == 1
    driver.notify()
    assert len(sent) == 2


def test_beside_a_record_it_goes_by_itself(driver, sent):
    driver.insert([row("a"), row("b")], Write("name", "{}", 0))
    assert not sent
    driver.notify()
    assert len(sent) == 1


def test_what_came_between_is_told_of_by_itself(driver, sent):
    driver.insert([row("a")])
    driver.write("name", "{}", 0)
    driver.notify()
    assert len(sent) == 2


def test_what_stands_in_the_way_is_an_answer_and_no_error(driver, errors):
    rows = alike(row("a"), "b")
    put(driver, *rows)
    assert [each.by for each in driver.insert(rows).obstacles] == ["id", "id"]
    for taken in ("a", "b"):
        assert len(driver.insert(alike(row("a x"), taken)).obstacles) == 1
    assert len(driver.insert(alike(row("c"), "d", "c")).obstacles) == 1
    assert len(driver.insert(alike(row("e", unique_key="k"), "f")).obstacles) == 1
    assert [each.index for each in driver.insert([row("g", queue="g"), row("b")]).obstacles] == [1]
    put(driver, row("h", unique_key="h"))
    [obstacle] = driver.insert([row("i"), row("j", unique_key="h")]).obstacles
    assert obstacle == Obstacle(1, "key", "h")
    assert driver.load([*"efgij"]) == [None] * 5
    assert not errors


@SOME
def test_others_hear_of_it(driver, tmp_path, rows):
    other = PostgresDriver(postgres_store.config(tmp_path))
    while other.wait(1):
        pass  # the first returns at once, another when it hears
    driver.insert(rows)
    assert other.wait(9)
    other.close()


@SOME
def test_a_hint_that_is_refused_takes_nothing_back(driver, rows):
    driver._connections.sql._texts["hint"] = "; COMMIT; SELECT 1 / 0"
    seqs = driver.insert(rows).seqs
    driver.notify()
    assert everything(driver) == [r._replace(seq=s) for r, s in zip(rows, seqs, strict=True)]


def test_a_full_queue_of_hints_takes_nothing_back(driver):
    """PostgreSQL refuses every hint while some session listens and is in a long transaction."""
    full = "RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'"
    driver._connections.sql._texts["hint"] = f"; DO $$ BEGIN {full}; END $$"
    driver._connections.sql._texts["notify"] = f"DO $$ BEGIN {full}; END $$"
    [seq] = driver.insert([row("a")]).seqs
    driver.notify()
    assert everything(driver) == [row("a", seq=seq)]
    with pytest.raises(StorageUnavailable, match="a session that listens has a"):
        driver._connections.notify()


def test_rows_that_are_refused_cost_no_session(driver):
    put(driver, row("a"))
    before = set(driver._connections.pool._all)
    assert driver.insert([row("a")]).obstacles
    with pytest.raises(StorageError):
        driver.insert([row("b", lane="[" + "x" * 3_000)])
    with pytest.raises(StorageError):
        driver.insert(alike(row("b", lane="[" + "x" * 3_000), "c"))
    assert driver.insert(alike(row("b"), "a")).obstacles
    assert driver.load(["b", "c"]) == [None, None]
    assert driver._connections.pool._all == before


@SOME
def test_twins_that_another_stores_meanwhile_are_not_ours(driver, tmp_path, rows):
    """They stand in the way, though they are equal to the letter."""
    other = psycopg2.connect(postgres_store.config(tmp_path).database_url)
    driver.insert_in(other, rows)
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(driver.insert, rows)
        time.sleep(0.3)  # it waits for the other's commit
        other.commit()
        seqs, obstacles = told.result(10)
    other.close()
    assert (seqs, obstacles) == ([], [Obstacle(n, "id", one.id) for n, one in enumerate(rows)])
