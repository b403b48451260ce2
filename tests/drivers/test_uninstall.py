"""A store that is removed leaves nothing behind, and nobody else's things are touched."""

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.drivers.redis import RedisDriver
from qml.drivers.sqlite import SqliteDriver
from qml.values.config import RedisConfig, SqliteConfig
from qml.values.errors import StorageUnavailable
from tests.servers import redis_url

from . import postgres_store, redis_store
from .making import claim, everything, put, row


def filled(driver):
    driver.install()
    put(driver, row("a", unique_key="k"), row("b", due_at=10**18))
    driver.claim(claim(1))
    driver.write("r", "{}", 0)
    return driver


def test_it_is_closed_and_a_new_one_is_empty(driver, make_driver, tmp_path):
    filled(driver).uninstall()
    with pytest.raises(StorageUnavailable, match="closed"):
        driver.load(["a"])
    anew = make_driver(tmp_path)
    assert everything(anew) == []
    assert anew.list("") == []
    assert anew.holder("k") is None


def test_no_file_is_left(tmp_path):
    beside = tmp_path / "jobs.db-notes"
    beside.write_text("mine")
    filled(SqliteDriver(SqliteConfig(tmp_path / "jobs.db"))).uninstall()
    assert [*tmp_path.iterdir()] == [beside]


def test_a_schema_goes_with_its_tables_if_nothing_else_is_in_it(tmp_path):
    name = postgres_store.config(tmp_path).schema_name
    exists = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
    filled(PostgresDriver(postgres_store.config(tmp_path))).uninstall()
    assert postgres_store.ask(exists, name) == []
    schema = postgres_store.quoted(name)
    postgres_store.ask(f"CREATE SCHEMA {schema}; CREATE TYPE {schema}.mine AS (n int)")
    filled(PostgresDriver(postgres_store.config(tmp_path))).uninstall()
    assert postgres_store.ask(exists, name) == [(1,)]
    tables = (
        "SELECT count(*) FROM pg_class WHERE relname ~ '^qml' AND relnamespace = %s::regnamespace"
    )
    assert postgres_store.ask(tables, schema) == [(0,)]
    postgres_store.ask(f"DROP SCHEMA {schema} CASCADE")


def test_keys_of_that_prefix_go_and_no_others(tmp_path):
    """Also a prefix that would be a pattern."""
    plain = redis_store.config(tmp_path).key_prefix
    client = redis_store.raw_client()
    drivers = [
        filled(RedisDriver(RedisConfig(redis_url(), key_prefix=prefix)))
        for prefix in (f"{plain}[a-z]*?", f"{plain}abc", plain)
    ]
    drivers[0].uninstall()
    left = client.keys(f"*{plain}*")
    assert left
    assert not [key for key in left if "[a-z]" in key]
    assert drivers[1].load(["a", "b"]) == drivers[2].load(["a", "b"]) != [None, None]
    for driver in drivers[1:]:
        driver.uninstall()
    assert client.keys(f"*{plain}*") == []
    client.close()
