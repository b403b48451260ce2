"""After an outage longer than a lease: who lived through it gets time to renew, before a rescue."""

import contextlib
import math
import time

import pytest

from qml.work import outage
from qml.work.chores import RESCUE
from tests.work.support import chore_of, eventually

from .stores import Store, administrate, new_server
from .tasks import SOON, Site

LEASE = 0.5


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(outage, "LONG", 0.3)


@contextlib.contextmanager
def running(site):
    """A server in the middle of a job, whose lease nobody renews any more until the end."""
    job = site.hold("goes on")
    with site.app.server(
        threads=2, poll_interval=0.05, lease_seconds=LEASE, grace_seconds=1
    ) as server:
        site.gates["goes on"].someone_waits()
        renewal, renew = chore_of(server, "renewal of leases")
        renewal.early = renewal.late = math.inf
        yield server, job
        renewal.early = renewal.late = 0.0
        renew()
        site.open_gates()
        assert site.done(job) == ["goes on"]
    assert site.runs == {"goes on": 1}
    assert site.storage.get(job.id).attempt == 1


def lapse():
    """Let the lease and more than that pass."""
    end = time.monotonic() + 2 * LEASE
    eventually(lambda: time.monotonic() > end)


def rescue(server):
    """What the server does each second, done now, more than once."""
    _, step = chore_of(server, RESCUE)
    for _ in range(3):
        step()


def test_who_was_cut_off_rescues_nobody_at_first(store, proxy, led):
    with store.open(led, patience=1.0, retry=SOON) as storage:
        site = Site(storage)
        with running(site) as (server, job):
            proxy.refuse()
            proxy.cut()
            eventually(lambda: site.line.failed["claim"])
            rescue(server)  # in vain
            lapse()
            proxy.heal()
            rescue(server)
            assert storage.get(job.id).state.kind == "processing"
            assert storage.get(job.id).attempt == 1


def test_who_could_only_look_rescues_nobody_at_first():
    """A replica answers, and takes no writes, until it becomes the primary."""
    with new_server("redis") as valkey, Store("redis", valkey.url).open(retry=SOON) as storage:
        site = Site(storage)
        with running(site) as (server, job):
            administrate(valkey.url, "REPLICAOF 127.0.0.1 1")
            lapse()
            eventually(lambda: site.line.failed["swap"])  # of a rescue
            lapse()
            administrate(valkey.url, "REPLICAOF NO ONE")
            rescue(server)
            assert storage.get(job.id).state.kind == "processing"
