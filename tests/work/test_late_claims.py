"""A claim whose answer is held up is as old as its question."""

from types import SimpleNamespace

import pytest

from qml import Qml, Server
from tests.work.support import Paused


@pytest.fixture
def seconds():
    return SimpleNamespace(now=100.0)


@pytest.fixture
def ran():
    return []


@pytest.fixture
def site(storage, clock, seconds, ran):
    """A server whose claim is answered late by ``late`` seconds."""
    jobs = Qml(storage)
    jobs.task(name="t")(lambda: ran.append(1)).enqueue()
    storage.driver = Paused(storage.driver)

    def late(by, meanwhile):
        def pass_by():
            seconds.now += by
            clock.advance(by)
            meanwhile()

        storage.driver.between["claim"] = pass_by

    server = Server(storage, jobs.tasks, jobs.policy_of, threads=1, steady=lambda: seconds.now)
    return SimpleNamespace(storage=storage, server=server, late=late)


def test_law4_a_job_that_was_rescued_meanwhile_does_not_begin(site, ran):
    site.late(31, site.storage.rescue)
    site.server.step()
    assert ran == []
    [job] = site.storage.list()
    assert job.state.kind == "awaiting_retry"


def test_law4_one_that_nobody_took_begins_with_a_new_lease(site, ran, clock):
    site.late(31, lambda: None)
    site.server.step()
    assert ran == [1]
    assert site.storage.list()[0].state.kind == "succeeded"


def test_law4_it_is_renewed_as_soon_as_one_that_was_answered_at_once(site, seconds, clock):
    site.late(23, lambda: None)
    since = seconds.now
    runs = site.server.claimer.admit(site.server.claimer.claim(1, 0), since)
    site.server.keeper.renew()
    [job] = site.storage.get_many([runs[0].job.id])
    assert (job.lease_expires_at - clock.now()).total_seconds() == 30
