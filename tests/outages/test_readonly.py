"""The server takes no writes for a while: a standby that is promoted, a replica, a full disk."""

import pytest

from qml import StorageUnavailable
from tests.servers import PostgresServer
from tests.servers.clients import redis_client
from tests.work.support import eventually

from .stores import Store, administrate, new_server
from .tasks import SOON, Log, Site


class Standby(PostgresServer):
    """Says so when it is ready, in its own word."""

    def _is_ready(self):
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return super()._is_ready() or [word.strip() for word in lines[7:]] == ["standby"]


def test_a_standby_is_refused_and_promoted():
    """A failover: qml's server waits for the end of it, and goes on."""
    with Standby(durable=True) as server:
        with Store("postgres", server.url).open(retry=SOON) as storage:
            site = Site(storage)
            job = site.note.enqueue(1)
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        with Store("postgres", server.url).open(retry=SOON) as storage:
            site = Site(storage)
            assert storage.get(job.id) == job
            with pytest.raises(StorageUnavailable, match=r"read-only.*connect to the primary"):
                site.note.enqueue(2)
            with site.app.server(threads=2, poll_interval=0.1):
                eventually(lambda: site.line.failed["claim"])
                administrate(server.url, "SELECT pg_promote()")
                assert site.done(job, site.note.enqueue(3)) == [1, 3]
            assert site.runs == {1: 1, 3: 1}


@pytest.fixture
def valkey():
    with new_server("redis", maxmemory_policy="noeviction") as server:
        yield server


@pytest.fixture
def site(valkey):
    with Store("redis", valkey.url).open(retry=SOON) as storage:
        yield Site(storage)


def waits(site, server_refuses, server_takes, match):
    """A job that ends meanwhile is recorded once, when the server takes writes again."""
    held = site.hold("ends meanwhile")
    with Log() as log, site.app.server(threads=2, poll_interval=0.1):
        site.gates["ends meanwhile"].someone_waits()
        server_refuses()
        with pytest.raises(StorageUnavailable, match=match):
            site.note.enqueue(1)
        site.open_gates()
        eventually(lambda: site.line.failed["swap"])
        server_takes()
        assert site.done(held, site.note.enqueue(2)) == ["ends meanwhile", 2]
    assert site.runs == {"ends meanwhile": 1, 2: 1}
    assert not any(record.exc_info for record in log.records)


def test_a_replica_that_becomes_the_primary(site, valkey):
    waits(
        site,
        lambda: administrate(valkey.url, "REPLICAOF 127.0.0.1 1"),
        lambda: administrate(valkey.url, "REPLICAOF NO ONE"),
        match=r"read-only replica.*connect to its primary",
    )


def test_a_server_that_cannot_save(site, valkey):
    """MISCONF: it was told to save, and its disk does not take that."""
    obstacle = valkey.folder / "dump.rdb"
    with redis_client(valkey.url) as client:

        def saves():
            return client.info("persistence")["rdb_last_bgsave_status"]

        def refuse():
            obstacle.mkdir()
            client.config_set("save", "3600 1")
            client.bgsave()
            eventually(lambda: saves() == "err")

        def take():
            obstacle.rmdir()
            client.bgsave()
            eventually(lambda: saves() == "ok")

        waits(site, refuse, take, match=r"cannot save.*free space on its disk")
