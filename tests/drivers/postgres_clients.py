"""Several clients of one store in PostgreSQL, and somebody else: fixtures for tests to import."""

import contextlib
import time

import attrs
import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver
from tests.servers import postgres_url

from . import postgres_store

CLIENTS = 8


@pytest.fixture
def config(tmp_path):
    return postgres_store.config(tmp_path)


@pytest.fixture
def drivers(config):
    """Clients with a pool each, as processes of their own have. Each has a session."""
    made = [PostgresDriver(config) for _ in range(CLIENTS)]
    made[0].install()
    for driver in made:
        driver.load(["a"])
    yield made
    for driver in made:
        driver.close()


@pytest.fixture
def driver(drivers):
    return drivers[0]


@pytest.fixture
def schema(config):
    return postgres_store.quoted(config.schema_name)


@pytest.fixture
def other():
    """A session that qml knows nothing of. It ends with the test, and with it its transaction and
    its locks."""
    with contextlib.closing(psycopg2.connect(postgres_url())) as other:
        yield other


def repeatable(config):
    """The same store for a role or a database that is set to another isolation."""
    option = "options=-c%20default_transaction_isolation%3Drepeatable%5C%20read"
    return attrs.evolve(config, database_url=f"{config.database_url}?{option}")


def deadlocks():
    """How many the server has seen."""
    [(found,)] = postgres_store.ask("SELECT sum(deadlocks)::int FROM pg_stat_database")
    return found


def until_somebody_waits():
    """Wait until a session waits for another's lock."""
    while postgres_store.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == []:
        time.sleep(0.005)
