"""The crowd's own judge, and the text of a verdict."""

import pytest

from qml import Job, MemoryStorage, Succeeded
from tests.crash.crowd import Tally, faults, table
from tests.crash.report import verdict


@pytest.fixture
def crowd():
    """A storage with one job done and one waiting, and a tally that says so."""
    storage = MemoryStorage()
    storage.enqueue_many([Job("busy", id="done"), Job("busy", id="waits")])
    storage.finish(storage.fetch_and_lock_job("w"), Succeeded())
    tally = Tally(enqueued=["done", "waits"], claimed=[("done", 1)], finished=["done"])
    return tally, storage


def test_a_crowd_in_order_passes(crowd):
    tally, storage = crowd
    tally.waits["claim"] += [0.001, 0.002]
    assert faults([tally], storage) == []
    assert "claim" in table([tally], 1.0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tally: tally.faults.append("StorageUnavailable: locked"), "locked"),
        (lambda tally: tally.claimed.append(("done", 2)), "claimed 2 times"),
        (lambda tally: tally.enqueued.append("gone"), "is lost"),
        (lambda tally: tally.enqueued.remove("waits"), "never enqueued"),
        (lambda tally: tally.finished.append("waits"), "is enqueued and should be succeeded"),
        (lambda tally: tally.finished.clear(), "is succeeded and should be enqueued"),
    ],
)
def test_what_a_crowd_must_not_see(crowd, change, said):
    tally, storage = crowd
    change(tally)
    [fault] = faults([tally], storage)
    assert said in fault


def test_a_verdict_bounds_what_was_not_seen():
    assert "less than 1 kill in 667" in verdict([], 2000)
    assert verdict([("rule", "this"), ("rule", "that")], 2000).startswith("REJECTED: 2 faults")
