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
    """It listens three times within 1.5 seconds, and then not for more than one: a pooler may let
    a hint through to one who is about to listen, and seem to let all through."""
    monkeypatch.setattr(listening, "PROVE", 0.2)
    monkeypatch.setattr(listening, "TRY_AGAIN", (0.3, 60.0))


@pytest.fixture
def client(store):
    """A program that enqueues, past the pooler: none of its hints comes through that."""
    with store.open(retry=SOON) as storage:
        yield Site(storage)


def test_a_server_runs_jobs_by_polling_and_says_why_once(store, pooler, client, prove_soon):
    with Log(logging.DEBUG) as log, store.open(pooler.url, retry=SOON) as storage:

        def why():
            return [record for record in log.records if record.name == "qml.wakeups"]

        # A poll of its own every minute: it is the storage that looks more often.
        with Site(storage, client).app.server(threads=4, poll_interval=60):
            eventually(lambda: len(why()) == 3)
            jobs = [client.note.enqueue(n) for n in range(10)]
            assert client.done(*jobs, timeout=20) == [*range(10)]
    first, *others = why()
    assert first.levelno == logging.WARNING
    assert {record.levelno for record in others} == {logging.DEBUG}
    for part in (f":{pooler.port}/", "pooler", f"look every {listening.POLL_DEAF:g} s instead"):
        assert part in first.getMessage()
    assert client.runs == dict.fromkeys(range(10), 1)


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
