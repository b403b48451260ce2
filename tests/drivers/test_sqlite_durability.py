"""What a power loss may take back, on SQLite: each commit is flushed, or need not be (law 7)."""

import re

import pytest

from qml.drivers.sqlite import SqliteDriver
from qml.values.config import SqliteConfig
from tests.work.support import traced

from .making import claim, lock, move, put, row, running


class Storage:
    """What ``traced`` asks of one."""

    def __init__(self, driver):
        self.driver = driver


@pytest.fixture(params=["full", "normal"])
def durability(request):
    return request.param


@pytest.fixture
def driver(tmp_path, durability):
    driver = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db", durability=durability))
    driver.install()
    yield driver
    driver.close()


def flushed(driver, work):
    """Of each commit of ``work``, whether SQLite was told to flush it."""
    with traced(Storage(driver)) as statements:
        work()
    found, level = [], ""
    for statement in statements:
        if setting := re.match(r"PRAGMA synchronous = (\w+)", statement.strip()):
            level = setting[1]
        elif statement.strip() == "COMMIT":
            found.append(level == "FULL")
    return found


def test_what_is_promised_is_flushed(driver, durability):
    stored = put(driver, running("a"), running("b"), running("c"))
    full = [durability == "full"]
    assert flushed(driver, lambda: driver.insert([row("new")])) == full
    assert flushed(driver, lambda: driver.swap([move(stored[0])])) == full
    ends = [move(one) for one in stored[1:]]
    assert flushed(driver, lambda: driver.swap(ends)) == full
    assert flushed(driver, lambda: driver.erase(["a"], 1)) == full
    assert flushed(driver, lambda: driver.write("record", "{}", 0)) == full


def test_a_claim_and_a_lease_need_no_flush(driver):
    put(driver, row("a"), row("b"))
    assert flushed(driver, lambda: driver.claim(claim(limit=1))) == [False]
    assert flushed(driver, lambda: driver.hold([lock("b")])) == [False]


def test_a_flush_follows_a_claim_that_had_none(driver, durability):
    """The writing connection is set anew for each, whichever came before."""
    put(driver, row("a"))

    def both():
        driver.claim(claim(limit=1))
        driver.insert([row("b")])
        driver.claim(claim(limit=1))

    assert flushed(driver, both) == [False, durability == "full", False]
