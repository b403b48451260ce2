"""Where a run keeps its jobs: a SQLite file, a real server of its own, or whatever a URL names.

The servers are durable: what they acknowledged is on disk.
"""

import argparse
import contextlib
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import psycopg2

from qml import SqliteConfig, connect
from qml.seam.findings import Severity
from qml.storage.storage import Storage
from qml.storage.urls import parse_url
from tests.servers import PostgresServer, ValkeyServer

Server = PostgresServer | ValkeyServer

# After a kill, PostgreSQL flushes every file of its own before it serves: 0.8 s; so, 0.1 s.
_SYNC = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}

SERVERS: dict[str, Callable[[], Server]] = {
    "postgres": lambda: PostgresServer(durable=True, max_connections=200, **_SYNC),
    "redis": lambda: ValkeyServer(durable=True, maxmemory_policy="noeviction"),
}

ANSWER = 3.0
"""Seconds that an impatient client waits for an answer: then it gives up, while a server that was
only frozen may still do as it was told."""

KINDS = ("sqlite", *SERVERS)


@attrs.frozen
class Store:
    """A store by its URL. ``server``: ours, which may be killed; None = there is none."""

    url: str
    server: Server | None = None

    @property
    def impatient_url(self) -> str:
        """For clients that give up soon, if the server may be frozen."""
        if self.server is None:
            return self.url
        kind = "statement" if isinstance(self.server, PostgresServer) else "answer"
        return f"{self.url}?connect_timeout={ANSWER}&{kind}_timeout={ANSWER}"

    def flaw(self, storage: Storage) -> str:
        """What the store finds wrong with itself at the end of a run; empty = nothing."""
        listed = Counter(job.state.kind for job in storage.list())
        counts = storage.get_job_counts()
        if any(listed[kind] != number for kind, number in counts.items()):
            return f"it counts {counts} and lists {dict(listed)}"
        verify = getattr(storage.driver, "verify", list)  # not every driver can
        bad = [finding.fact for finding in verify() if finding.severity > Severity.NOTE]
        look = _LOOKS.get(urlsplit(self.url).scheme)
        return "; ".join(bad) or (look(self) if look else "")


@contextlib.contextmanager
def opened(options: argparse.Namespace, folder: Path) -> Iterator[Store]:
    """The store that a command asks for, empty. What a server of ours logged stays in ``folder``,
    the server does not."""
    if options.url:
        with connect(options.url) as storage:
            if jobs := sum(storage.get_job_counts().values()):
                raise SystemExit(f"{storage} holds {jobs} jobs; give an empty store")
        yield Store(options.url)
    elif options.store == "sqlite":
        yield Store(f"sqlite:///{folder.absolute() / 'jobs.db'}")
    else:
        with SERVERS[options.store]() as server:
            try:
                yield Store(server.url, server)
            finally:
                shutil.copy(server.log, folder / "server.log")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command be told which store to use."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--store", choices=KINDS, default="sqlite", help="a new one, durable")
    where.add_argument("--url", help="of an empty store that is there")


def _look_at_file(store: Store) -> str:
    """SQLite's own check of the file."""
    config = parse_url(store.url)
    assert isinstance(config, SqliteConfig)
    with contextlib.closing(sqlite3.connect(config.path)) as connection:
        found = [text for (text,) in connection.execute("PRAGMA integrity_check")]
    return "" if found == ["ok"] else "; ".join(found)


def _look_at_indexes(store: Store) -> str:
    """PostgreSQL's own check of qml's indexes against its tables."""
    if store.server is None:
        return ""  # it needs an extension, and the database is not ours
    with contextlib.closing(psycopg2.connect(store.server.url)) as connection:
        cursor: Any = connection.cursor()
        cursor.execute("CREATE EXTENSION amcheck")
        try:
            cursor.execute(
                "SELECT bt_index_check(indexrelid, true) FROM pg_index JOIN pg_class ON "
                "oid = indexrelid WHERE relnamespace = 'qml'::regnamespace AND relam = "
                "(SELECT oid FROM pg_am WHERE amname = 'btree')"
            )
            return "" if cursor.rowcount else "qml has no index"
        except psycopg2.Error as error:
            return str(error)


_LOOKS: dict[str, Callable[[Store], str]] = {
    "sqlite": _look_at_file,
    "postgresql": _look_at_indexes,
}
