"""A store on PostgreSQL or Redis: opened by any way that leads there, and seen from outside."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import attrs

from qml import PostgresConfig, RedisConfig, connect
from qml.storage.engines import split_options
from qml.storage.storage import Storage
from tests.drivers import postgres_store, redis_store
from tests.servers import PostgresServer, ValkeyServer
from tests.servers.clients import ask, connection, redis_client
from tests.work.support import eventually

KINDS = ("postgres", "redis")

SECRET = "s3cr/t@:é%"
"""A password that needs every kind of escape."""


@attrs.frozen
class Store:
    """``url`` of the server; ``name`` of the schema, or prefix of the keys."""

    kind: str
    url: str
    name: str = "qml"

    def config(self, url: str | None = None, **settings: Any) -> PostgresConfig | RedisConfig:
        """``patience``: seconds to wait for a connection, and for an answer."""
        patience = settings.pop("patience", None)
        if patience is not None:
            answer = "statement_timeout" if self.kind == "postgres" else "answer_timeout"
            settings = {"connect_timeout": patience, answer: patience, **settings}
        if self.kind == "postgres":
            return PostgresConfig(url or self.url, self.name, **settings)
        return RedisConfig(url or self.url, self.name, **settings)

    def open(self, url: str | None = None, **options: Any) -> Storage:
        """A storage of this store, by another URL perhaps: through a proxy, with a login."""
        own, settings = split_options(options)
        return connect(self.config(url, **settings), **own)

    def named(self, name: str, url: str | None = None) -> str:
        """A URL whose connections have a name, by which ``connections`` knows them."""
        setting = "application_name" if self.kind == "postgres" else "client_name"
        return f"{url or self.url}?{setting}={name}"

    def connections(self, name: str) -> set[int]:
        """The server's numbers of the connections of this name."""
        return {number for number, _ in self._seen(name)}

    def listening(self, name: str) -> set[int]:
        """Those of them that listen for hints."""
        return {number for number, listens in self._seen(name) if listens}

    def _seen(self, name: str) -> list[tuple[int, bool]]:
        if self.kind == "postgres":
            found = postgres_store.ask(
                "SELECT pid, query LIKE 'LISTEN%%' FROM pg_stat_activity "
                "WHERE application_name = %s",
                name,
            )
            return [(pid, listens) for pid, listens in found]
        with redis_client(self.url) as client:
            clients = client.client_list()
        return [(int(c["id"]), c["sub"] != "0") for c in clients if c["name"] == name]

    def end(self, number: int) -> None:
        """Have the server end a connection; it is gone when this returns."""
        if self.kind == "postgres":
            # Its own way of waiting looks once in 100 ms.
            postgres_store.ask("SELECT pg_terminate_backend(%s)", number)
            there = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
            eventually(lambda: not postgres_store.ask(there, number), every=0.001)
            return
        with redis_client(self.url) as client:
            client.client_kill_filter(_id=str(number))

    def clear(self) -> None:
        """Empty it, while nobody is at work."""
        if self.kind == "postgres":
            schema = postgres_store.quoted(self.name)
            emptied = (f"DELETE FROM {schema}.qml_{table}" for table in postgres_store.TABLES)
            postgres_store.ask("; ".join(emptied))
        else:
            redis_store.remove(self.name)


def shared(kind: str, folder: Any) -> Store:
    """A store of a test's own in the server that all tests share."""
    config = (postgres_store if kind == "postgres" else redis_store).config(folder)
    if isinstance(config, PostgresConfig):
        return Store(kind, config.database_url, config.schema_name)
    return Store(kind, config.url, config.key_prefix)


def new_server(kind: str, **settings: Any) -> PostgresServer | ValkeyServer:
    """A server that a test may harm: what it acknowledges is on its disk."""
    if kind == "postgres":
        # After a kill it flushes file after file before it serves, 0.8 s; this way 0.1 s.
        return PostgresServer(durable=True, recovery_init_sync_method="syncfs", **settings)
    return ValkeyServer(durable=True, **settings)


def administrate(url: str, *commands: str) -> Any:
    """Run statements or commands past qml; the last one's answer."""
    answer: Any = None
    if url.startswith("postgres"):
        with connection(url) as connected:
            for command in commands:
                answer = ask(connected, command)
    else:
        with redis_client(url) as client:
            for command in commands:
                answer = client.execute_command(*command.split())
    return answer


@contextlib.contextmanager
def most_connections(store: Store, name: str) -> Iterator[list[int]]:
    """How many connections there were at each of many looks, while the block runs."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(len(store.connections(name)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
