"""A store without room while a server runs: nothing is lost, and work goes on."""

import pytest

from qml import CapacityExceeded
from tests.work.support import Failing

from .stores import Store, administrate, new_server
from .tasks import SOON, Log, Site


@pytest.fixture
def valkey():
    with new_server("redis", maxmemory_policy="noeviction") as server:
        yield server


def test_what_is_there_is_worked_off_while_redis_is_full(valkey):
    """Else it would never have room again."""
    with Store("redis", valkey.url).open(retry=SOON) as storage:
        site = Site(storage)
        jobs = [site.hold("held"), *(site.note.enqueue(n) for n in range(20))]
        with Log() as log, site.app.server(threads=2, poll_interval=0.1) as server:
            site.gates["held"].someone_waits()
            administrate(valkey.url, "CONFIG SET maxmemory 1")
            with pytest.raises(CapacityExceeded):
                site.note.enqueue("new")
            for chore in server.upkeep.chores():
                server._rounds[1]._take(chore)  # the seldom ones, now
            site.open_gates()
            assert site.done(*jobs) == ["held", *range(20)]
            administrate(valkey.url, "CONFIG SET maxmemory 0")
            assert site.done(site.note.enqueue("new")) == ["new"]
        assert set(site.runs.values()) == {1}
        assert not any(record.exc_info for record in log.records)


def test_orphans_are_rescued_while_redis_is_full(valkey):
    """Also when a rescue has failed before."""
    with Store("redis", valkey.url).open(retry=SOON) as storage:
        site = Site(storage)
        job = site.note.enqueue("orphan")
        assert storage.fetch_and_lock_job("gone", lease_seconds=0.1)
        administrate(valkey.url, "CONFIG SET maxmemory 1")
        storage.driver = Failing(storage.driver, {"scan": 1})
        with site.app.server(threads=2, poll_interval=0.1):
            assert site.done(job, timeout=10) == ["orphan"]
