"""A server that is killed right after its answer: claims and locks are kept, since who holds them
lives on, and the fence of a forgotten claim would be given twice."""

import contextlib

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import Verdict
from qml.values.config import PostgresConfig
from qml.values.errors import StorageUnavailable
from tests.servers import PostgresServer

from .making import NOW, claim, lock, put, row


@pytest.fixture(scope="module")
def server():
    with PostgresServer(durable=True) as server:
        yield server


@pytest.fixture
def driver(server, request):
    driver = PostgresDriver(PostgresConfig(server.url, schema_name=request.node.name))
    driver.install()
    yield driver
    driver.close()


def crash(server, driver):
    server.kill()
    server.start()
    for _ in range(100):
        with contextlib.suppress(StorageUnavailable):
            driver.load([])
            return


def test_a_claim_is_kept(server, driver):
    put(driver, row("a"))
    [claimed] = driver.claim(claim()).rows
    crash(server, driver)
    assert driver.load(["a"]) == [claimed]
    assert driver.claim(claim(worker="w2")).rows == []


def test_a_lock_is_kept(server, driver):
    put(driver, row("a"))
    assert driver.hold([lock("a", "w1", until=NOW + 1_000)]) == [Verdict.DONE]
    crash(server, driver)
    assert driver.hold([lock("a", "w2", until=NOW + 1_000)]) == [Verdict.STALE]
