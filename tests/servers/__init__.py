"""Real servers for the tests, from wheels: PostgreSQL, Valkey; a proxy and a pooler before them.

Most tests share the server of their process::

    from tests.servers import postgres_url, redis_url

Each is started when it is first asked for (every worker of pytest-xdist has its own) and ends with
the process, even if that is killed. ``QML_TEST_POSTGRES_URL`` and ``QML_TEST_REDIS_URL`` name
others instead. A test that kills, pauses or restarts starts a server of its own::

    with PostgresServer(durable=True) as server:
        server.kill()
        server.start()

A proxy and a pooler stand before any server, shared or own::

    with Proxy.to(redis_url()) as proxy:
        client = Redis.from_url(proxy.url_of(redis_url()))
        proxy.cut_after_request(containing=b"EVALSHA")

    with Pooler(postgres_url()) as pooler:
        psycopg2.connect(pooler.url)

Nothing here skips: a server that does not come up raises `ServerFailed` with the end of its log.
"""

import os
from functools import cache

from .meter import Meter
from .pooler import Pooler
from .postgres import PostgresServer
from .proxy import Proxy
from .server import ServerFailed
from .valkey import ValkeyServer

__all__ = [
    "Meter",
    "Pooler",
    "PostgresServer",
    "Proxy",
    "ServerFailed",
    "ValkeyServer",
    "postgres_url",
    "redis_url",
]


def postgres_url() -> str:
    """The URL of this process's PostgreSQL, as postgresql://postgres@127.0.0.1:5432/postgres."""
    return os.environ.get("QML_TEST_POSTGRES_URL") or _postgres().url


def redis_url() -> str:
    """The URL of this process's Redis, as redis://127.0.0.1:6379/0."""
    return os.environ.get("QML_TEST_REDIS_URL") or _valkey().url


@cache
def _postgres() -> PostgresServer:
    return PostgresServer().start()


@cache
def _valkey() -> ValkeyServer:
    return ValkeyServer().start()
