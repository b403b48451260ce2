"""SQLite's log has an end (law 13), also where somebody always writes."""

import pytest

from qml.drivers.sqlite import SqliteDriver, logsize
from qml.values.config import SqliteConfig
from tests.work.support import other_connection

from .making import put, row


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


@pytest.fixture
def writer(driver):
    put(driver, row("first"))
    return driver._connections._writer


def pages(other):
    """How many are in the log."""
    return other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]


def test_law13_a_long_log_begins_anew(driver, other, monkeypatch):
    monkeypatch.setattr(logsize, "EVERY", 10)
    monkeypatch.setattr(logsize, "LONG", 0)
    for number in range(101):
        put(driver, row(f"a{number}"))
    assert pages(other) < 150


def test_a_short_log_goes_on(driver, other, monkeypatch):
    monkeypatch.setattr(logsize, "EVERY", 10)
    for number in range(101):
        put(driver, row(f"a{number}"))
    assert pages(other) > 300


def test_a_log_is_long_by_its_size(tmp_path):
    (tmp_path / "link.db").symlink_to(tmp_path / "jobs.db")
    assert not logsize.is_long(tmp_path / "jobs.db")
    with open(tmp_path / "jobs.db-wal", "wb") as log:
        log.truncate(logsize.LONG)
        assert not logsize.is_long(tmp_path / "jobs.db")
        log.truncate(logsize.LONG + 1)
    assert logsize.is_long(tmp_path / "jobs.db")
    assert logsize.is_long(tmp_path / "link.db")


def test_who_is_in_the_way_is_left_alone(writer, other):
    other.execute("BEGIN IMMEDIATE")
    assert not logsize.begin_anew(writer)
    other.execute("ROLLBACK")
    assert logsize.begin_anew(writer)


def test_a_commit_stands_whatever_becomes_of_the_log(driver, monkeypatch):
    """Or it would be made again."""
    begun = []

    def closed_before(connection, begin_anew=logsize.begin_anew):
        begun.append(connection)
        with other_connection(driver._config.path) as closed:
            pass
        return begin_anew(closed)

    monkeypatch.setattr(logsize, "begin_anew", closed_before)
    monkeypatch.setattr(logsize, "EVERY", 1)
    monkeypatch.setattr(logsize, "LONG", 0)
    put(driver, row("a"))
    assert len(begun) == 1
