"""The stores that are benchmarked, on the servers that the tests share."""

import pytest

from benchmarks.stores import STORES
from tests.servers import postgres_url, redis_url

URLS = {"postgresql": postgres_url, "redis": redis_url}


def store_of(name):
    store = STORES[name]
    return store._replace(address=URLS[store.kind]()) if store.kind in URLS else store


@pytest.fixture(params=STORES)
def store(request):
    return store_of(request.param)


@pytest.fixture(params=[name for name in STORES if name != "memory"])
def shared(request):
    """A store that several processes share, and that has a driver of its own."""
    return store_of(request.param)
