"""A server that accepts and says nothing: everybody is back in time, and goes on when it speaks."""

import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from qml import StorageUnavailable
from qml.work import stopping
from tests.work.support import eventually

from .calls import CALLS, prepared
from .tasks import SOON, Site, at_once
from .twins import Twins

PATIENCE = 0.5
"""Seconds that a storage waits for a connection, and again for an answer."""

SLACK = 2.0
"""Seconds that a busy machine may add."""

GRACE = 0.5


@pytest.fixture
def storage(store, led):
    settings = {"max_connections": len(CALLS), "pool_timeout": PATIENCE, "retry": SOON}
    with store.open(led, patience=PATIENCE, **settings) as storage:
        yield storage


@pytest.fixture
def calm(store):
    """The same store, past the proxy and with all the time it needs."""
    with store.open(retry=SOON) as storage:
        yield storage


def timed(call):
    begun = time.monotonic()
    try:
        call()
    except StorageUnavailable as error:
        return time.monotonic() - begun, error
    return time.monotonic() - begun, None


@pytest.mark.parametrize("connected", [True, False])
def test_every_call_is_back_within_its_timeouts(storage, calm, proxy, connected):
    scene = prepared(Twins(calm, calm, proxy))
    calls = [lambda call=call: timed(lambda: scene.call(call, storage)) for call in CALLS.values()]
    if connected:  # one connection for each
        at_once(*[storage.get_job_counts] * len(CALLS))
    else:
        proxy.cut()
    proxy.silence()
    ends = at_once(*calls)
    answered = [name for name, (_, error) in zip(CALLS, ends, strict=True) if error is None]
    assert answered == []
    assert max(seconds for seconds, _ in ends) < 2 * PATIENCE + SLACK


def test_a_storage_is_not_opened(store, proxy, led):
    proxy.silence()
    seconds, error = timed(lambda: store.open(led, patience=PATIENCE))
    assert seconds < 2 * PATIENCE + SLACK
    assert f":{proxy.port}/" in str(error)


@pytest.fixture
def deaf():
    """A port that does not even take connections: as many wait there as may."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        with contextlib.suppress(TimeoutError):
            while True:
                stack.enter_context(socket.create_connection(listening.getsockname(), timeout=0.2))
        yield listening.getsockname()[1]


def test_a_host_that_takes_no_connection_is_given_up(store, deaf):
    url = urlsplit(store.url)
    there = url._replace(netloc=url.netloc.replace(str(url.port), str(deaf))).geturl()
    seconds, error = timed(lambda: store.open(there, patience=PATIENCE))
    assert seconds < 2 * PATIENCE + SLACK
    assert f":{deaf}/" in str(error)


def test_a_server_goes_on_by_itself(storage, calm, proxy):
    site = Site(calm)
    serving = Site(storage, site)
    with serving.app.server(threads=2, poll_interval=0.1):
        assert site.done(site.note.enqueue(1)) == [1]
        proxy.silence()
        eventually(lambda: serving.line.failed["claim"])
        job = site.note.enqueue(2)
        proxy.heal()
        assert site.done(job) == [2]
    assert site.runs == {1: 1, 2: 1}


@pytest.mark.parametrize("running", [True, False])
def test_a_stop_returns_within_its_grace(store, calm, proxy, led, running, monkeypatch):
    """And a while for the last words, however long the storage would wait for an answer."""
    monkeypatch.setattr(stopping, "PATIENCE", PATIENCE)
    with store.open(led, retry=SOON) as storage:
        site = Site(calm)
        server = Site(storage, site).app.server(threads=2, grace_seconds=GRACE).start()
        if running:
            site.hold("long")
            site.gates["long"].someone_waits()
        proxy.silence()
        seconds, _ = timed(server.stop)
        assert seconds < GRACE + PATIENCE + 2 * stopping.LAST_WORDS + SLACK
        proxy.heal()
        site.open_gates()
        assert eventually(lambda: not any(thread.is_alive() for thread in server._started))
