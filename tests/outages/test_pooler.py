"""Through a pooler that lends a session for one transaction: all of qml works, hints aside."""

import logging

import pytest

from qml.drivers import listening
from qml.testing import check_storage
from tests.servers import Pooler
from tests.work.support import eventually

from .stores import shared
from .tasks import SOON, Log, Site


@pytest.fixture
def store(tmp_path):
    return shared("postgres", tmp_path)


@pytest.fixture
def pooler(store):
    with Pooler(store.url, backends=2) as pooler:
        yield pooler


def test_the_whole_contract(store, pooler):
    store.open(pooler.url).close()

    def make(clock):
        store.clear()
        return store.open(pooler.url, clock=clock)

    check_storage(make)


@pytest.fixture
def prove_soon(monkeypatch):
    monkeypatch.setattr(listening, "PROVE", 0.2)
    monkeypatch.setattr(listening, "TRY_AGAIN", (0.05, 0.05))


@pytest.fixture
def client(store):
    """A program that enqueues, past the pooler: none of its hints comes through that."""
    with store.open(retry=SOON) as storage:
        yield Site(storage)


def test_a_server_runs_jobs_by_polling_and_says_why_once(store, pooler, client, prove_soon):
    with Log() as log, store.open(pooler.url, retry=SOON) as storage:
        serving = Site(storage, client)
        tries = count_subscriptions(serving)
        # A poll of its own every minute: it is the storage that looks more often.
        with serving.app.server(threads=4, poll_interval=60):
            eventually(lambda: len(tries) > 3)  # it listened in vain
            jobs = [client.note.enqueue(n) for n in range(10)]
            assert client.done(*jobs, timeout=20) == [*range(10)]
    [why] = [record for record in log.records if record.name == "qml.wakeups"]
    line = why.getMessage()
    assert why.levelno == logging.WARNING
    assert f":{pooler.port}/" in line
    assert "pooler" in line
    assert f"look every {listening.POLL_DEAF:g} s instead" in line
    assert client.runs == dict.fromkeys(range(10), 1)


def count_subscriptions(site):
    """A list that grows each time the storage tries to listen."""
    tries = []
    wakeups = site.storage.driver.driver._wakeups
    plain = wakeups._subscribe
    wakeups._subscribe = lambda: tries.append(1) or plain()
    return tries


def test_many_servers_on_two_sessions(store, pooler):
    with store.open(pooler.url, retry=SOON) as first, store.open(pooler.url, retry=SOON) as other:
        site = Site(first)
        jobs = [site.note.enqueue(n) for n in range(200)]
        with (
            site.app.server(threads=8, poll_interval=0.1),
            Site(other, site).app.server(threads=8, poll_interval=0.1),
        ):
            assert site.done(*jobs) == [*range(200)]
        assert {*site.runs.values()} == {1}
