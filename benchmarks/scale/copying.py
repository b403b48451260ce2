"""Copies of a stored job: the server makes them by itself where it can.

A million take half a minute on SQLite and PostgreSQL. On Redis they go through the driver's insert,
which takes some two minutes.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg2
import redis

from qml import PostgresConfig, RedisConfig, SqliteConfig
from qml.drivers.sqlite.library import library as sqlite3
from qml.drivers.statements import read_page
from qml.seam.rows import Row
from qml.storage.storage import Storage
from qml.storage.urls import parse_url

SQL = read_page("benchmarks.scale", "copying.sql")
BATCH = 2_000

KEPT, TAIL = 24, 12
"""Letters of an id: what copies have in common, and what tells them apart."""


class Copies(NamedTuple):
    """Of the job with this id: the copies with these numbers, from 1."""

    id: str
    first: int
    last: int


class Copier(Protocol):
    """Knows a store from below."""

    def copy(self, copies: Copies) -> None:
        """Store them."""
        ...

    def settle(self) -> None:
        """Have the store do now what it would do in a while."""
        ...

    def memory(self) -> int:
        """The bytes of memory that it keeps all jobs in; 0 = it does not."""
        ...


def copier(url: str, storage: Storage) -> Copier:
    """The one for a store."""
    config = parse_url(url)
    if isinstance(config, SqliteConfig):
        return FileCopier(config)
    if isinstance(config, PostgresConfig):
        return SchemaCopier(config)
    assert isinstance(config, RedisConfig)
    return DriverCopier(config, storage)


class FileCopier:
    """By SQLite."""

    def __init__(self, config: SqliteConfig) -> None:
        self._path = config.path

    def copy(self, copies: Copies) -> None:
        """See Copier."""
        with self._connected() as run:
            columns = [row[0] for row in run(SQL["sqlite_columns"])]
            [(seq,)] = run(SQL["sqlite_seq"])
            given = {**copies._asdict(), "seq": seq}
            run("BEGIN IMMEDIATE")
            run(_filled("sqlite_jobs", columns, f"printf('%0{TAIL}x', n)"), given)
            run(SQL["sqlite_payloads"], given)
            run("COMMIT")

    def settle(self) -> None:
        """See Copier."""
        with self._connected() as run:
            run(SQL["sqlite_settle"])

    def memory(self) -> int:
        """See Copier."""
        return 0

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Callable[..., Any]]:
        connection = sqlite3.connect(self._path, timeout=60, isolation_level=None)
        with contextlib.closing(connection):
            yield lambda text, given=(): connection.execute(text, given).fetchall()


class SchemaCopier:
    """By PostgreSQL."""

    def __init__(self, config: PostgresConfig) -> None:
        self._url = config.database_url
        self._schema = config.schema_name

    def copy(self, copies: Copies) -> None:
        """See Copier."""
        with self._connected() as run:
            columns = [row[0] for row in run(SQL["postgres_columns"])]
            text = _filled("postgres_jobs", columns, f"lpad(to_hex(n), {TAIL}, '0')")
            run(text, copies._asdict())

    def settle(self) -> None:
        """See Copier."""
        with self._connected() as run:
            run(SQL["postgres_vacuum"])
            run(SQL["postgres_checkpoint"])

    def memory(self) -> int:
        """See Copier."""
        return 0

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Callable[..., Any]]:
        with contextlib.closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()

            def run(text: str, given: Any = None) -> Sequence[Any]:
                cursor.execute(text.replace("{schema}", self._schema), given)
                return cursor.fetchall() if cursor.description else ()

            yield run


class DriverCopier:
    """By qml's driver, where a server cannot copy by itself."""

    def __init__(self, config: RedisConfig, storage: Storage) -> None:
        self._driver = storage.driver
        self._url = config.url
        self._before = self._used()

    def copy(self, copies: Copies) -> None:
        """See Copier."""
        [row] = self._driver.load([copies.id])
        assert row is not None
        for start in range(copies.first, copies.last + 1, BATCH):
            numbers = range(start, min(copies.last + 1, start + BATCH))
            self._driver.insert([_copy(row, number) for number in numbers])

    def settle(self) -> None:
        """See Copier."""

    def memory(self) -> int:
        """See Copier. Of the jobs alone, if nobody else wrote meanwhile."""
        return self._used() - self._before

    def _used(self) -> int:
        with redis.Redis.from_url(self._url) as client:
            return int(client.info("memory")["used_memory"])


def _copy(row: Row, number: int) -> Row:
    return row._replace(
        id=f"{row.id[:KEPT]}{number:0{TAIL}x}",
        finished_at=row.finished_at and row.finished_at + number,
        due_at=row.due_at and row.due_at + number,
    )


def _filled(name: str, columns: Sequence[str], tail: str) -> str:
    """The same as `_copy`, as SQL."""
    own = {
        "id": f"substr(j.id, 1, {KEPT}) || {tail}",
        "seq": ":seq + n - :first + 1",
        "finished_at": "j.finished_at + n",
        "due_at": "CASE WHEN j.due_at > 0 THEN j.due_at + n ELSE j.due_at END",
    }
    values = ", ".join(own.get(column, f"j.{column}") for column in columns)
    return SQL[name].replace("{columns}", ", ".join(columns)).replace("{values}", values)
