"""Through a pooler that lends a session for one transaction: qml needs no more."""

import logging
import tempfile
import time
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import Verdict
from qml.values.config import PostgresConfig
from tests.servers import postgres_url
from tests.servers.pooler import Pooler

from . import postgres_store
from .making import alike, claim, everything, later, move, put, row
from .test_life import in_threads
from .test_machine import DriverMachine
from .test_postgres_crowds import empty_too_early


@pytest.fixture(scope="module")
def pooler():
    with Pooler(postgres_url(), backends=2) as pooler:
        yield pooler


def through(pooler, folder, **settings):
    name = postgres_store.config(folder).schema_name
    return PostgresDriver(PostgresConfig(pooler.url, name, **settings))


@pytest.fixture
def drivers(pooler, tmp_path):
    made = [through(pooler, tmp_path) for _ in range(8)]
    in_threads(2, lambda number: made[number].install())
    yield made
    for driver in made:
        driver.close()


@pytest.fixture
def driver(drivers):
    return drivers[0]


def test_any_order_of_verbs(pooler):
    class Machine(DriverMachine):
        @staticmethod
        def make(folder):
            return through(pooler, folder)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10, stateful_step_count=30, suppress_health_check=[HealthCheck.too_slow]
        ),
    )


def test_many_clients_on_few_sessions(drivers):
    put(drivers[0], *(later(str(number), number) for number in range(400)))
    assert empty_too_early(drivers) == (400, 0)


def test_every_thread_of_a_storage(driver):
    put(driver, *(row(str(number)) for number in range(100)))
    rows = driver.claim(claim(100)).rows
    verdicts = in_threads(8, lambda number: driver.swap([move(r) for r in rows[number::8]]))
    assert sum(part.count(Verdict.DONE) for part in verdicts) == 100
    assert {r.version for r in everything(driver)} == {2}


def test_nothing_is_left_in_a_session(driver, pooler):
    """What a transaction set is gone with it."""
    plain = psycopg2.connect(pooler.url)
    plain.autocommit = True
    names = ("statement_timeout", "synchronous_commit", "search_path", "enable_seqscan")
    with plain.cursor() as cursor:
        query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
        found = set()
        for number in range(6):
            put(driver, row(str(number)))
            put(driver, *alike(row(f"a {number}"), f"b {number}"))
            driver.claim(claim())
            for _ in range(2):
                cursor.execute(query)
                found.add(cursor.fetchone())
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)
    plain.close()
    assert found == {("0", "on", '"$user", public', "on")}


def test_who_waits_looks_often_and_says_why(driver, caplog, monkeypatch):
    monkeypatch.setattr("qml.drivers.listening.PROVE", 0.2)
    with caplog.at_level(logging.WARNING, "qml.wakeups"):
        driver.wait(0)
        begun = time.monotonic()
        while not caplog.records:
            driver.wait(5)
        assert time.monotonic() - begun < 5
    assert "pooler" in caplog.text
    driver.wait(0)
    begun = time.monotonic()
    assert driver.wait(5) is True  # it is time to look
    assert time.monotonic() - begun < 4


def test_installing_through_it(pooler):
    with tempfile.TemporaryDirectory() as folder:
        driver = through(pooler, Path(folder))
        driver.install()
        driver.install()
        put(driver, row("a"))
        driver.close()
