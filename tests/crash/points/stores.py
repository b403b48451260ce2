"""A fresh store for each kill, and what only a look behind qml's back can tell about it."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2

from qml.drivers.sqlite.library import library
from qml.storage.urls import Config
from qml.values.config import PostgresConfig, RedisConfig, SqliteConfig
from tests.drivers import redis_indexes
from tests.servers import PostgresServer, ValkeyServer
from tests.servers.clients import redis_client

PATIENCE = 60.0
"""Seconds in which a server has to be done with what a dead client had in flight."""


UNLIKE_THE_ROWS = """
SELECT 'job ' || id || ' is ready, and its lane does not know' FROM qml_jobs AS j
WHERE ready = 1 AND lane IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM qml_lanes AS l
    WHERE l.lane = j.lane AND (l.priority, -l.seq) >= (j.priority, -j.seq)
)
UNION ALL
SELECT 'tally ' || name || ' says that ' || unfinished || ' are left' FROM qml_tallies
WHERE unfinished <> (
    SELECT count(*) FROM qml_jobs AS j, json_each(j.counts)
    WHERE j.finished_at IS NULL AND value = name
)
UNION ALL
SELECT 'job ' || id || ' waits for ' || awaits || ', which is not there' FROM qml_jobs
WHERE awaits IS NOT NULL AND due_at IS NULL AND finished_at IS NULL AND state <> 'processing'
  AND awaits NOT IN (SELECT name FROM qml_tallies)
"""
"""Hints of a lane may tell a better row than there is, never a worse one."""


class SqliteStores:
    """Files, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def config(self, name: str) -> Config:
        """Of a store that is not there yet."""
        folder = self._folder / f"store-{name}"
        folder.mkdir()
        return SqliteConfig(folder / "jobs.db")

    def settle(self, sessions: set[int]) -> None:
        """A dead process has nothing in flight."""

    def structure(self, config: Any) -> list[str]:
        """What the schema has made."""
        with _opened(config) as connection:
            rows = connection.execute("SELECT type, name, sql FROM sqlite_master")
            return sorted(" ".join(map(str, row)) for row in rows)

    def flaws(self, config: Any) -> Iterator[str]:
        """What is wrong with it, as SQLite sees it, rows of one table without the other's, and what
        is kept of lanes and tallies that does not fit the rows."""
        with _opened(config) as connection:
            found = [text for (text,) in connection.execute("PRAGMA integrity_check")]
            if found != ["ok"]:
                yield f"integrity_check: {'; '.join(found)}"
            for table, other in (("qml_jobs", "qml_payloads"), ("qml_payloads", "qml_jobs")):
                alone = f"SELECT count(*) FROM {table} WHERE seq NOT IN (SELECT seq FROM {other})"
                if table == "qml_payloads":  # an empty one keeps a number
                    alone += " AND body <> ''"
                [(number,)] = connection.execute(alone)
                if number:
                    yield f"{number} rows of {table} have none in {other}"
            yield from (flaw for (flaw,) in connection.execute(UNLIKE_THE_ROWS))

    def remove(self, config: Any) -> None:
        """It is not needed any more."""
        shutil.rmtree(config.path.parent)


@contextlib.contextmanager
def _opened(config: Any) -> Iterator[Any]:
    with contextlib.closing(library.connect(config.path)) as connection:
        yield connection


class PostgresStores:
    """Schemas of one server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def config(self, name: str) -> Config:
        """Of a store that is not there yet."""
        return PostgresConfig(self._url, f"points_{name}")

    def settle(self, sessions: set[int]) -> None:
        """Wait until the sessions of the dead have ended, and with them what was in flight."""
        with self._asking() as ask:
            told = "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY (%s)"
            _wait_until(lambda: ask(told, [*sessions]) == [(0,)])

    def structure(self, config: Any) -> list[str]:
        """What the schema has made."""
        with self._asking() as ask:
            columns = ask(
                "SELECT table_name, column_name, data_type, is_nullable FROM "
                "information_schema.columns WHERE table_schema = %s",
                config.schema_name,
            )
            indexes = ask(
                "SELECT replace(indexdef, schemaname, '') FROM pg_indexes WHERE schemaname = %s",
                config.schema_name,
            )
            return sorted(" ".join(map(str, row)) for row in [*columns, *indexes])

    def flaws(self, config: Any) -> Iterator[str]:
        """What is wrong with its indexes, as PostgreSQL sees them."""
        with self._asking() as ask:
            ask("CREATE EXTENSION IF NOT EXISTS amcheck")
            try:
                checked = ask(
                    "SELECT public.bt_index_check(c.oid, true) FROM pg_class AS c "
                    "WHERE relnamespace = %s::regnamespace AND relkind = 'i'",
                    config.schema_name,
                )
            except psycopg2.Error as error:
                yield f"amcheck: {error}"
            else:
                if not checked:
                    yield "there is no index"

    def remove(self, config: Any) -> None:
        """It is not needed any more."""
        with self._asking() as ask:
            ask(f"DROP SCHEMA IF EXISTS {config.schema_name} CASCADE")

    @contextlib.contextmanager
    def _asking(self) -> Iterator[Callable[..., list[Any]]]:
        with contextlib.closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            cursor: Any = connection.cursor()

            def ask(text: str, *values: Any) -> list[Any]:
                cursor.execute(text, values or None)
                return cursor.fetchall() if cursor.description else []

            yield ask


class RedisStores:
    """Prefixes in one server, which is told to forget its scripts: the first call of each is made
    by its text then, in every process."""

    def __init__(self, url: str) -> None:
        self._url = url

    def config(self, name: str) -> Config:
        """Of a store that is not there yet."""
        with redis_client(self._url) as client:
            client.script_flush()
        return RedisConfig(self._url, f"points-{name}")

    def settle(self, sessions: set[int]) -> None:
        """Wait until the connections of the dead have ended, and with them what was in flight."""
        with redis_client(self._url) as client:
            _wait_until(lambda: not sessions & {int(one["id"]) for one in client.client_list()})

    def structure(self, config: Any) -> list[str]:
        """The version of the layout; there is nothing else to make."""
        with redis_client(self._url) as client:
            return [f"schema {client.get(f'{{{config.key_prefix}}}:schema')}"]

    def flaws(self, config: Any) -> Iterator[str]:
        """Where the sets and tallies are not what the rows make of them; hints are not made of rows
        alone."""
        with redis_client(self._url) as client:
            found = redis_indexes.stored(client, config.key_prefix)
            for name in redis_indexes.HINTS:
                found.pop(name, None)
            should = redis_indexes.rebuilt(redis_indexes.rows(client, config.key_prefix))
        for name in sorted(found.keys() | should.keys()):
            has, needs = _members(found.get(name, ())), _members(should.get(name, ()))
            if has != needs:
                yield f"{name} lacks {sorted(needs - has)} and has {sorted(has - needs)} too many"

    def remove(self, config: Any) -> None:
        """It is not needed any more."""
        with redis_client(self._url) as client:
            for key in client.scan_iter(match=f"{{{config.key_prefix}}}:*", count=1_000):
                client.unlink(key)


def _members(stored: Any) -> set[Any]:
    return set(stored.items() if isinstance(stored, dict) else stored)


Stores = SqliteStores | PostgresStores | RedisStores


def _wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"{PATIENCE:g} s after its client's death it is not done with it")
        time.sleep(0.0005)


@contextlib.contextmanager
def opened(kind: str, folder: Path) -> Iterator[Stores]:
    """Room for stores. Servers are ours and gone at the end; they flush nothing, since they are
    not the ones to be killed."""
    if kind == "sqlite":
        yield SqliteStores(folder)
    elif kind == "postgres":
        with PostgresServer() as server:
            yield PostgresStores(server.url)
    else:
        with ValkeyServer() as valkey:
            yield RedisStores(valkey.url)
