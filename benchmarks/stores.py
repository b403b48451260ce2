"""The stores that are measured, on real servers that are started here or named by the user.

Each turn gets an empty one of its own: a file, a schema, a prefix of keys, removed afterwards.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg2
import redis
from psycopg2 import sql

from qml import connect
from tests.servers import PostgresServer, ValkeyServer

from .loops import split

Server = PostgresServer | ValkeyServer

MOST = 10_000_000
"""Jobs that a store in memory may hold: more than any turn enqueues."""


class Store(NamedTuple):
    """Where turns are taken. ``kind`` is the scheme of its URLs, ``address`` its server's URL."""

    name: str
    kind: str
    durability: str = "full"
    address: str = ""

    @contextlib.contextmanager
    def new(self) -> Iterator[str]:
        """The URL of an empty one."""
        with _NEW[self.kind](self) as url:
            yield url

    @property
    def shared(self) -> bool:
        """Whether several processes can use it."""
        return self.kind != "memory"

    def facts(self) -> str:
        """What it is and how it keeps what it acknowledged, asked of the store itself."""
        with self.new() as url, connect(url) as storage:
            found = storage.driver.examine()
        told = [each.fact for each in found if each.topic in ("server", "library", "durability")]
        return "; ".join(told)


STORES = {
    "memory": Store("Memory", "memory"),
    "sqlite": Store("SQLite, full", "sqlite"),
    "sqlite-normal": Store("SQLite, normal", "sqlite", "normal"),
    "postgres": Store("PostgreSQL", "postgresql"),
    "redis": Store("Redis", "redis"),
}

KINDS = {"postgres": "postgresql", "rediss": "redis", "unix": "redis"}
"""Schemes that stand for another."""

SERVERS: dict[str, Callable[[], Server]] = {
    "postgresql": lambda: PostgresServer(durable=True),
    "redis": lambda: ValkeyServer(durable=True),
}
"""What is started where no URL is given: it flushes each commit to disk before it answers."""


@contextlib.contextmanager
def opened(names: Sequence[str], urls: Sequence[str] = ()) -> Iterator[list[Store]]:
    """The stores of these names; ``urls`` name servers to use instead of our own."""
    with contextlib.ExitStack() as running:
        addresses = {kind_of(url): split(url)[0] for url in urls}
        for kind in {STORES[name].kind for name in names} - {*addresses}:
            if kind in SERVERS:
                addresses[kind] = running.enter_context(SERVERS[kind]()).url
        stores = map(STORES.__getitem__, names)
        yield [store._replace(address=addresses.get(store.kind, "")) for store in stores]


def kind_of(url: str) -> str:
    """The kind of store that a URL names."""
    scheme = urlsplit(url).scheme
    return KINDS.get(scheme, scheme)


@contextlib.contextmanager
def _memory(store: Store) -> Iterator[str]:
    yield f"memory://?max_jobs={MOST}"


@contextlib.contextmanager
def _file(store: Store) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="qml-bench-") as folder:
        yield f"sqlite:///{Path(folder) / 'bench.db'}?durability={store.durability}"


@contextlib.contextmanager
def _schema(store: Store) -> Iterator[str]:
    name = f"qml_bench_{token_hex(8)}"
    try:
        yield _with(store.address, f"schema_name={name}")
    finally:
        with contextlib.closing(psycopg2.connect(store.address)) as connection:
            drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name))
            connection.cursor().execute(drop)
            connection.commit()


@contextlib.contextmanager
def _prefix(store: Store) -> Iterator[str]:
    name = f"qml-bench-{token_hex(8)}"
    try:
        yield _with(store.address, f"key_prefix={name}")
    finally:
        with redis.Redis.from_url(store.address) as client:
            # Others write something of their own before the name.
            keys = [*client.scan_iter(match=f"*{name}*", count=1_000)]
            for start in range(0, len(keys), 1_000):
                client.unlink(*keys[start : start + 1_000])


def _with(url: str, setting: str) -> str:
    return url + ("&" if "?" in url else "?") + setting


_NEW: dict[str, Callable[[Store], contextlib.AbstractContextManager[str]]] = {
    "memory": _memory,
    "sqlite": _file,
    "postgresql": _schema,
    "redis": _prefix,
}
