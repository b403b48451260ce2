"""Which SQLite is used, what counts as busy, and that onlookers write nothing."""

import sqlite3
import subprocess
import sys
import time

import pytest

from qml.drivers.sqlite import SqliteDriver, clock, library, troubles
from qml.values.config import SqliteConfig
from qml.values.errors import ConfigurationError

ASK = "from qml.drivers.sqlite.library import library; print(library.__name__)"


@pytest.mark.parametrize("asked", ["sqlite3", ""])
def test_the_environment_chooses_the_library(asked):
    told = subprocess.run(
        [sys.executable, "-c", ASK],
        env={"QML_SQLITE": asked},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = "sqlite3" if asked else library.library.__name__
    assert told.stdout.split(".")[0].strip() == expected.split(".")[0]


def test_a_library_that_is_not_known_is_refused(monkeypatch):
    monkeypatch.setenv("QML_SQLITE", "pysqlite")
    with pytest.raises(ConfigurationError, match="QML_SQLITE is 'pysqlite'; give sqlite3 for"):
        library._chosen()


@pytest.mark.parametrize(
    ("code", "busy"),
    [(5, True), (6, True), (15, True), (5 | 2 << 8, True), (10, False), (13, False), (19, False)],
)
def test_what_helps_to_be_tried_again(code, busy):
    error = sqlite3.OperationalError("something")
    error.sqlite_errorcode = code
    assert library.is_busy(error) is busy


@pytest.mark.parametrize(
    ("version", "has"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 0), True),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 4), False),
    ],
)
def test_the_versions_with_the_wal_reset_fault(version, has):
    assert library.has_wal_reset_bug(version) is has


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (13, "jobs.db: it fails; free some space, then ask again"),
        (10 | 12 << 8, "jobs.db: it fails; see that its disk works and has room, then ask again"),
        (11, "jobs.db is damaged or no SQLite file: it fails"),
    ],
)
def test_what_the_disk_did_is_said_with_what_to_do(code, told):
    error = sqlite3.OperationalError("it fails")
    error.sqlite_errorcode = code
    assert str(troubles.translated("jobs.db", error)) == told


def test_an_onlooker_writes_down_no_clock(tmp_path, monkeypatch):
    """After the machine has started anew, the first process notes its clock; no onlooker does."""
    config = SqliteConfig(tmp_path / "jobs.db")
    driver = SqliteDriver(config)
    driver.install()
    driver.time()
    before = driver._connections.read(clock_row)
    driver.close()
    monkeypatch.setattr(clock, "boot_id", lambda: "another start of the machine")
    onlooker = SqliteDriver(SqliteConfig(config.path, create=False))
    assert abs(onlooker.time() - time.time_ns() // 1000) < 5_000_000
    assert onlooker._connections.read(clock_row) == before
    onlooker.close()
    worker = SqliteDriver(config)
    worker.time()
    assert worker._connections.read(clock_row) != before
    worker.close()


def clock_row(connection):
    return connection.execute("SELECT value FROM qml_meta WHERE name = 'clock'").fetchone()
