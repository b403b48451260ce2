"""A folder of a test as a store in the shared Redis server: its name is the keys' prefix."""

import hashlib
from collections import deque

from qml.values.config import RedisConfig
from tests.servers import redis_url
from tests.servers.clients import redis_client

KEPT = 8
"""Stores that are left alone: a test may use several. Older ones are removed."""

_stores: deque[str] = deque()


def config(folder, **settings):
    """The same store for the same folder."""
    prefix = "test-" + hashlib.sha1(str(folder).encode()).hexdigest()[:12]
    if prefix not in _stores:
        _stores.append(prefix)
        if len(_stores) > KEPT:
            remove(_stores.popleft())
    return RedisConfig(redis_url(), key_prefix=prefix, **settings)


def remove(prefix):
    """Delete all keys of a store."""
    client = raw_client()
    keys = [*client.scan_iter(match=f"{{{prefix}}}:*", count=1_000)]
    for start in range(0, len(keys), 1_000):
        client.unlink(*keys[start : start + 1_000])
    client.close()


def raw_client():
    """The server as redis-py alone sees it."""
    return redis_client(redis_url())
