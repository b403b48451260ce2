"""A folder of a test as a store in the shared PostgreSQL: its name is the schema's."""

import contextlib
import hashlib
import time
from collections import deque
from functools import cache

import psycopg2

from qml.values.config import PostgresConfig
from tests.servers import postgres_url

KEPT = 8
"""Stores that are left alone: a test may use several. An older one becomes the next, emptied."""

_stores: deque[str] = deque()


def config(folder, **settings):
    """The same store for the same folder."""
    name = "test-" + hashlib.sha1(str(folder).encode()).hexdigest()[:12]
    if name not in _stores:
        _stores.append(name)
        if len(_stores) > KEPT:
            _reuse(_stores.popleft(), name)
    return PostgresConfig(postgres_url(), schema_name=name, **settings)


@contextlib.contextmanager
def lent(pool):
    """A session of a driver's pool."""
    session = pool.take()
    try:
        yield session
    finally:
        pool.give_back(session)


IN_SCHEMA = """SELECT relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'v', 'm', 'c')"""

FUNCTIONS = """SELECT proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = %s"""

TABLES = ("jobs", "records", "lanes", "paces", "news", "ends", "tallies")


def _reuse(old, new):
    """11 ms, with the driver's start; to drop the one and make the other takes 37 ms, and is done
    with one in which a test has left something else, or less."""
    own = all(name.startswith("qml_") for (name,) in ask(FUNCTIONS, old))
    tables = {name for (name,) in ask(IN_SCHEMA, old)}
    old, new = quoted(old), quoted(new)
    if not own or tables != {f"qml_{table}" for table in (*TABLES, "meta", "ticks")}:
        ask(f"DROP SCHEMA IF EXISTS {old} CASCADE")
        return
    emptied = "".join(f"DELETE FROM {old}.qml_{table}; " for table in TABLES)
    ask(f"{emptied} ALTER SCHEMA {old} RENAME TO {new}; SELECT 1")


def quoted(name):
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def ask(statement, *values):
    """The rows of a statement, as psycopg2 alone sees the server."""
    with _connection().cursor() as cursor:
        cursor.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def end_session():
    """End the session of ``ask``, so that the statistics learn what it did."""
    pid = _connection().info.backend_pid
    _connection().close()
    _connection.cache_clear()
    wait_for_the_end_of(pid)


def wait_for_the_end_of(*pids):
    """Wait until these sessions are gone from the server."""
    while ask("SELECT 1 FROM pg_stat_activity WHERE pid = ANY (%s)", [*pids]):
        time.sleep(0.005)


@cache
def _connection():
    connection = psycopg2.connect(postgres_url())
    connection.autocommit = True
    with connection.cursor() as cursor:  # a lock that a test has left is an error, not a wait
        cursor.execute("SET lock_timeout = '60s'")
    return connection
