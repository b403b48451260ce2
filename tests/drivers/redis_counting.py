"""A Redis server of a test's own whose commands are counted: fixtures for tests to import."""

import pytest

from qml.seam.rows import Available, Finished
from tests.servers import ValkeyServer
from tests.servers.clients import redis_client

from .making import NOW, claim, move, put, renewal, row


@pytest.fixture(scope="module")
def server():
    """A server that the tests of one file may set as they like."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def client(server):
    """The empty server as redis-py alone sees it."""
    client = redis_client(server.url)
    client.flushall()
    yield client
    client.close()


class Counted:
    """The server's commands while a block runs, and the changes it made."""

    def __init__(self, client):
        self.client = client

    def __enter__(self):
        self.client.config_resetstat()
        self.changes = -self._changes()
        return self

    def _changes(self):
        return self.client.info("persistence")["rdb_changes_since_last_save"]

    def __exit__(self, *raised):
        stats = self.client.info("commandstats")
        self.changes += self._changes()
        own = {"cmdstat_info", "cmdstat_config|resetstat"}
        self.calls = {
            name.partition("_")[2]: stat["calls"] for name, stat in stats.items() if name not in own
        }
        self.all = sum(self.calls.values())


def warm(driver):
    """The server knows the scripts."""
    put(driver, row("warm"))
    [taken] = driver.claim(claim()).rows
    driver.hold([renewal(taken, NOW + 1)])
    driver.swap([move(taken)])
    driver.erase(Finished("succeeded", NOW), 1)
    driver.scan(Available(NOW))
    driver.erase(["warm"], 1)
