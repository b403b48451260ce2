"""Few connections and many threads; connections that fail. Never more than were allowed."""

import threading

import pytest

from qml import StorageUnavailable
from qml.drivers import listening
from tests.work.support import eventually

from .stores import most_connections
from .tasks import SOON, Site, at_once

FEW, MANY = 2, 16

FAILURES = 100


@pytest.fixture
def named(store):
    return store.named("few", store.url)


def test_every_thread_gets_through_a_pool_of_two(store, named):
    with store.open(named, max_connections=FEW, retry=SOON) as storage:
        site = Site(storage)

        def work(number):
            jobs = [site.note.enqueue(f"{number} {each}") for each in range(10)]
            return len([storage.get(job.id) for job in jobs])

        with most_connections(store, "few") as seen:
            assert at_once(*[lambda n=n: work(n) for n in range(MANY)]) == [10] * MANY
        assert max(seen) == FEW
        assert storage.get_job_counts()["enqueued"] == 10 * MANY


def test_a_server_needs_no_more_than_one_connection(store, named):
    """Its threads, chores and the finisher wait for one another; the listener has its own."""
    with store.open(named, max_connections=1, retry=SOON) as storage:
        site = Site(storage)
        jobs = [site.note.enqueue(n) for n in range(50)]
        with most_connections(store, "few") as seen, site.app.server(threads=MANY):
            assert site.done(*jobs) == [*range(50)]
        assert max(seen) <= 2
        assert set(site.runs.values()) == {1}


def test_who_waits_too_long_is_told_which_pool_and_what_to_do(store, proxy, led):
    with store.open(led, max_connections=1, pool_timeout=0.2) as storage:
        proxy.delay(1.0)
        with pytest.raises(StorageUnavailable) as error:
            raise next(
                end for end in at_once(*[storage.get_job_counts] * 3) if isinstance(end, Exception)
            )
        proxy.heal()
    for part in (storage.driver.describe(), "all 1 connections", "0.2 s", "raise max_connections"):
        assert part in str(error.value)


def test_a_listener_that_fails_drains_no_pool(store, named, monkeypatch):
    """procrastinate 1435: each of its retries took another connection of the pool."""
    monkeypatch.setattr(listening, "TRY_AGAIN", (0.001, 0.002))
    with store.open(named, max_connections=FEW) as storage:
        done = threading.Event()
        waiter = threading.Thread(
            target=lambda: [storage.driver.wait(0.1) for _ in iter(done.is_set, True)]
        )
        waiter.start()
        failed, most = set(), 0
        while len(failed) < FAILURES:
            [listener] = eventually(lambda: store.listening("few") - failed)
            at_once(*[storage.get_job_counts] * 4)
            most = max(most, len(store.connections("few")))
            store.end(listener)
            failed.add(listener)
        done.set()
        waiter.join()
    assert most == FEW + 1


def test_connections_that_fail_make_room(store, named):
    with store.open(named, max_connections=FEW) as storage:
        most = 0
        for _ in range(FAILURES):
            at_once(*[storage.get_job_counts] * FEW)
            connections = store.connections("few")
            most = max(most, len(connections))
            for number in connections:
                store.end(number)
        assert storage.get_job_counts()["enqueued"] == 0
    assert most == FEW
