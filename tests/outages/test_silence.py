"""A server that accepts and says nothing: everybody is back in time, and goes on when it speaks."""

import time

import pytest

from qml import StorageUnavailable

from .calls import CALLS, prepared
from .tasks import SOON, Site, at_once, eventually
from .twins import Cut, Twins

PATIENCE = 0.5
"""Seconds that a storage waits for a connection, and again for an answer."""

SLACK = 2.0
"""Seconds that a busy machine may add."""

GRACE = 0.5


@pytest.fixture
def storage(store, led):
    with store.open(
        led, patience=PATIENCE, retry=SOON, max_connections=len(CALLS), pool_timeout=PATIENCE
    ) as storage:
        yield storage


def timed(call):
    begun = time.monotonic()
    try:
        call()
    except StorageUnavailable as error:
        return time.monotonic() - begun, error
    return time.monotonic() - begun, None


@pytest.mark.parametrize("connected", [True, False])
def test_every_call_is_back_within_its_timeouts(storage, proxy, connected):
    scene = prepared(Twins(storage, Cut(storage.driver, proxy)))
    if connected:  # one connection for each
        at_once(*[storage.get_job_counts] * len(CALLS))
    else:
        proxy.cut()
    proxy.silence()
    ends = at_once(*[lambda call=call: timed(lambda: scene.call(call)) for call in CALLS.values()])
    answered = [name for name, (_, error) in zip(CALLS, ends, strict=True) if error is None]
    assert answered == []
    assert max(seconds for seconds, _ in ends) < 2 * PATIENCE + SLACK


def test_a_storage_is_not_opened(store, proxy, led):
    proxy.silence()
    seconds, error = timed(lambda: store.open(led, patience=PATIENCE))
    assert seconds < 2 * PATIENCE + SLACK
    assert f":{proxy.port}/" in str(error)


def test_a_server_goes_on_by_itself(storage, proxy):
    site = Site(storage)
    with site.app.server(threads=2, poll_interval=0.1):
        assert site.done(site.note.enqueue(1)) == [1]
        proxy.silence()
        with pytest.raises(StorageUnavailable):
            site.note.enqueue(2)
        eventually(lambda: site.line.failed["claim"])
        proxy.heal()
        assert site.done(site.note.enqueue(3)) == [3]
    assert site.runs == {1: 1, 3: 1}


@pytest.mark.parametrize("running", [True, False])
def test_a_stop_returns_within_its_grace(storage, proxy, running):
    site = Site(storage)
    server = site.app.server(threads=2, grace_seconds=GRACE).start()
    if running:
        site.hold("long")
        site.gates["long"].someone_waits()
    proxy.silence()
    seconds, _ = timed(server.stop)
    proxy.heal()
    for gate in site.gates.values():
        gate.open()
    # Each of the few last calls (a hint, the hand-back, the farewell) waits for its answer.
    assert seconds < GRACE + 4 * PATIENCE + SLACK
    assert not any(thread.is_alive() for thread in server._started)
