"""The server is stopped (SIGSTOP) while jobs run, and goes on."""

import time

import pytest

from qml import StorageUnavailable
from tests.work.support import eventually

from .tasks import SOON, Site

PATIENCE = 0.4

LEASE = 2.0
"""Seconds after which a claim is over that the server carried out when nobody waited for it."""


@pytest.fixture
def site(own):
    """A program that has all the time it needs."""
    with own.open(retry=SOON) as storage:
        yield Site(storage)


@pytest.fixture
def serving(own, site):
    """A qml server's side, which is impatient."""
    with own.open(patience=PATIENCE, retry=SOON) as storage:
        yield Site(storage, site)


def test_nothing_is_lost_or_doubled_by_a_pause(site, serving, server):
    """What was sent before the pause is carried out after it, and nobody hears the answers."""
    with serving.app.server(threads=2, poll_interval=0.1, lease_seconds=LEASE):
        before, across = site.note.enqueue("before"), site.hold("across")
        site.gates["across"].someone_waits()
        server.pause()
        with pytest.raises(StorageUnavailable):
            serving.note.using(id="during").enqueue("during")
        site.gates["across"].open()
        eventually(lambda: serving.line.failed["swap"] and serving.line.failed["claim"])
        server.resume()
        during, after = site.insist("during", id="during"), site.insist("after")
        assert site.done(before, across, during, after) == ["before", "across", "during", "after"]
    assert site.runs == {"before": 1, "across": 1, "during": 1, "after": 1}
    assert len(site.storage.list()) == 4


def test_a_stop_is_obeyed_during_a_pause(site, serving, server):
    running = serving.app.server(threads=2, grace_seconds=0.2).start()
    assert site.done(site.note.enqueue(1)) == [1]
    server.pause()
    begun = time.monotonic()
    running.stop()
    assert time.monotonic() - begun < 0.2 + 4 * PATIENCE + 10
    server.resume()
