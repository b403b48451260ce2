"""What an examination finds: on servers that are as they should be, and on others."""

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, examination
from qml.drivers.postgres.examination import Facts, judge
from qml.seam.findings import Severity
from qml.values.config import PostgresConfig
from qml.values.errors import StorageUnavailable
from tests.servers import PostgresServer
from tests.servers.pooler import Pooler

from . import postgres_store
from .making import put, row

OK, NOTE, WARNING, ERROR = Severity.OK, Severity.NOTE, Severity.WARNING, Severity.ERROR


@pytest.fixture(scope="module")
def server():
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def examined(server):
    """The findings of a driver with these settings, by topic."""
    made = []

    def examined(url=None, install=True, **settings):
        driver = PostgresDriver(PostgresConfig(url or server.url, **settings))
        made.append(driver)
        if install:
            driver.install()
        return {finding.topic: finding for finding in driver.examine()}

    yield examined
    for driver in made:
        driver.close()


def severities(found):
    return {topic: finding.severity for topic, finding in found.items()}


def test_a_server_as_it_should_be(examined):
    found = examined()
    assert severities(found) == dict.fromkeys(
        ["server", "schema", "durability", "connections", "wakeups", "vacuum"], OK
    )
    assert found["server"].fact.startswith("PostgreSQL 1")
    assert found["connections"].fact.endswith("opens 11 at most")


def test_an_examination_changes_nothing(examined, tmp_path):
    found = examined(schema_name="nowhere", install=False, auto_migrate=False)
    assert found["schema"].severity is ERROR
    assert "holds no jobs" in found["schema"].fact
    assert "nowhere" not in str(postgres_store.ask("SELECT nspname FROM pg_namespace"))
    driver = PostgresDriver(postgres_store.config(tmp_path))
    driver.install()
    [a] = put(driver, row("a"))
    driver.examine()
    assert driver.load(["a"]) == [a]
    driver.close()


def test_a_server_that_is_not_durable(examined):
    with PostgresServer(full_page_writes="off", synchronous_commit="off") as loose:
        driver = PostgresDriver(PostgresConfig(loose.url))
        driver.install()
        facts = [f.fact for f in driver.examine() if f.topic == "durability"]
        assert [fact.split()[0] for fact in facts] == [
            *("fsync", "full_page_writes", "synchronous_commit")
        ]
        driver.close()
    assert examined(durability="normal")["durability"].severity is NOTE


def test_a_pool_larger_than_the_server(examined):
    assert examined(max_connections=97)["connections"].severity is WARNING
    assert examined(max_connections=96)["connections"].severity is OK


def test_a_pooler_that_swallows_hints(examined, server, monkeypatch):
    monkeypatch.setattr(examination, "HEARD_WITHIN", 0.2)
    with Pooler(server.url) as pooler:
        found = examined(pooler.url)["wakeups"]
    assert found.severity is WARNING
    assert "pooler" in found.remedy


def test_a_server_that_refuses_to_listen(server):
    """As a standby does."""
    driver = PostgresDriver(PostgresConfig(server.url))
    driver.install()
    driver._connections.sql._texts["listen"] = "LISTEN"
    [found] = [finding for finding in driver.examine() if finding.topic == "wakeups"]
    assert found.severity is WARNING
    assert "syntax error" in found.fact
    driver.close()


def test_autovacuum_off_on_the_table(examined, server):
    examined()
    ask(server, "ALTER TABLE qml.qml_jobs SET (autovacuum_enabled = false)")
    assert "off on this table" in examined()["vacuum"].fact
    ask(server, "ALTER TABLE qml.qml_jobs RESET (autovacuum_enabled)")
    assert examined()["vacuum"].severity is OK


def test_a_transaction_that_is_open_long(examined, server, monkeypatch):
    other = psycopg2.connect(server.url)
    other.cursor().execute("SELECT 1")
    assert "transactions" not in examined()
    monkeypatch.setattr(examination, "OPEN_LONG", 0.0)
    assert examined()["transactions"].severity is WARNING
    other.close()


def test_a_server_that_takes_no_writes(examined, server):
    ask(server, "CREATE DATABASE looking")
    ask(server, "ALTER DATABASE looking SET default_transaction_read_only = on")
    url = server.url.removesuffix("postgres") + "looking"
    assert examined(url, install=False)["role"].severity is ERROR


def test_a_schema_of_another_version(examined, server):
    for version, cure in ((999, "upgrade"), (0, "auto_migrate")):
        examined()
        ask(server, f"UPDATE qml.qml_meta SET value = '{version}' WHERE name = 'schema'")
        found = examined(install=False)["schema"]
        assert found.severity is ERROR
        assert cure in found.remedy
        ask(server, "UPDATE qml.qml_meta SET value = '1' WHERE name = 'schema'")


def test_a_server_that_is_away(server):
    driver = PostgresDriver(PostgresConfig("postgresql://postgres@127.0.0.1:1/postgres"))
    with pytest.raises(StorageUnavailable):
        driver.examine()
    driver.close()


FINE = Facts(
    *("18.6", 180006, "on", "on", "on", False, 97, 3, True, None, 10, 0, False, 1, ""),
    PostgresConfig("postgresql://h"),
)


@pytest.mark.parametrize(
    ("facts", "topic", "severity"),
    [
        (FINE._replace(version_number=120020), "server", ERROR),
        (FINE._replace(version_number=130000), "server", OK),
        (FINE._replace(in_use=88), "connections", WARNING),
        (FINE._replace(in_use=87), "connections", OK),
        (FINE._replace(live=5, dead=100_001), "vacuum", WARNING),
        (FINE._replace(live=200_000, dead=100_001), "vacuum", OK),
        (FINE._replace(autovacuum=False), "vacuum", WARNING),
        (FINE._replace(oldest_transaction=601.0), "transactions", WARNING),
        (FINE._replace(oldest_transaction=600.0), "transactions", None),
        (FINE._replace(read_only=True), "role", ERROR),
        (FINE._replace(synchronous_commit="remote_apply"), "durability", OK),
    ],
)
def test_what_facts_mean(facts, topic, severity):
    found = {finding.topic: finding.severity for finding in judge(facts)}
    assert found.pop(topic, None) == severity
    assert {*found.values()} == {OK}


def ask(server, statement):
    connection = psycopg2.connect(server.url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()
