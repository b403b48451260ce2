"""Guards of the end of a claim whose record has changed since: the storage keeps them itself."""

from datetime import timedelta

import attrs
import pytest

from qml import ConfigurationError, Job, JobLost, SerializationError, Succeeded
from qml.values.states import Processing
from tests.work.support import Paused


@pytest.fixture
def claimed(storage):
    """A claim whose record was updated since, so that its end reads the job first."""
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w1")
    storage.update(storage.get("a").with_metadata(seen=1))
    return claimed


@pytest.mark.parametrize(
    "forged",
    [
        {"state": Processing(worker_id="w2", server_name="s")},
        {"fence": 2},
        {"seq": 10**6},
    ],
    ids=lambda forged: next(iter(forged)),
)
def test_worker_fence_and_place_all_count(storage, claimed, forged):
    with pytest.raises(JobLost):
        storage.finish(attrs.evolve(claimed, **forged), Succeeded())
    stored = storage.get("a")
    assert stored.state.kind == "processing"
    assert storage.finish(claimed, Succeeded()).version == stored.version + 1


@pytest.mark.parametrize("name", ["", "s-1", 'é 😀 "\\', "s\0"])
def test_a_claim_tells_on_which_server_it_was_made(storage, clock, name):
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w é", server_name=name)
    assert claimed.state == Processing(clock.now(), "w é", name)
    assert storage.get("a") == claimed


@pytest.mark.parametrize(
    ("name", "error"),
    [(None, ConfigurationError), (b"s", ConfigurationError), ("\ud800", SerializationError)],
)
def test_the_name_of_a_server_is_a_text(storage, name, error):
    storage.enqueue(Job("t", id="a"))
    with pytest.raises(error, match="server_name"):
        storage.fetch_and_lock_job("w", server_name=name)
    assert storage.get("a").attempt == 0


def test_the_end_of_a_cancelled_run_ends_no_lock_that_its_worker_takes_meanwhile(storage, clock):
    storage.enqueue(Job("t", id="a"))
    claimed = storage.fetch_and_lock_job("w1")
    storage.cancel("a")
    pause = storage.driver = Paused(storage.driver)

    def lock():
        clock.advance(30)
        assert storage.try_acquire_job_lock("a", "w1", 60)

    pause.before["let_go"] = lock
    with pytest.raises(JobLost):
        storage.finish(claimed, Succeeded())
    assert storage.get("a").lease_expires_at == clock.now() + timedelta(seconds=60)
