"""A store on each kind of server, and a proxy before it that breaks what it is told to."""

import pytest

from tests.outages.stores import KINDS, Store, new_server, shared
from tests.servers import Proxy


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def store(kind, tmp_path):
    """In the shared server, which must not come to harm."""
    return shared(kind, tmp_path)


@pytest.fixture
def proxy(store):
    with Proxy.to(store.url) as proxy:
        yield proxy


@pytest.fixture
def led(proxy, store):
    """The store's URL, through the proxy."""
    return proxy.url_of(store.url)


@pytest.fixture
def server(kind):
    """A server of the test's own, to be killed, paused and set otherwise."""
    with new_server(kind) as server:
        yield server


@pytest.fixture
def own(kind, server):
    """The store in it."""
    return Store(kind, server.url)
