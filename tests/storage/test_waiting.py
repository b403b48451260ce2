"""Who waits for the end of a job looks for himself now and then: a hint may be lost (law 10)."""

import threading

import pytest

from qml import ConfigurationError, Job, JobNotFound, MemoryStorage, Succeeded, WaitTimeout
from qml.drivers.memory import MemoryDriver
from qml.storage import waiting
from qml.storage.storage import Storage
from tests.work.support import PATIENCE, eventually


class Deaf(MemoryDriver):
    """No hint arrives; it tells how long each wait would have been."""

    def __init__(self):
        super().__init__(None)
        self.waits = []

    def notify(self):
        pass

    def wait(self, timeout):
        self.waits.append(timeout)
        return super().wait(min(timeout, 0.001))


class Counting(MemoryDriver):
    """It tells how often a job was looked at."""

    def __init__(self):
        super().__init__(None)
        self.looks = 0

    def load(self, ids):
        self.looks += 1
        return super().load(ids)


def in_thread(work):
    got = []
    thread = threading.Thread(target=lambda: got.append(work()), daemon=True)
    thread.start()
    return thread, got


def test_law10_a_lost_hint_delays_and_loses_nothing():
    storage = Storage(Deaf())
    job = storage.enqueue(Job("t", id="a"))
    thread, got = in_thread(lambda: storage.wait("a"))
    eventually(lambda: len(storage.driver.waits) > 2)
    done = storage.finish(storage.fetch_and_lock_job("w1"), Succeeded(result=5))
    thread.join(PATIENCE)
    assert got == [done]
    assert max(storage.driver.waits) == waiting.LOOK_AGAIN
    assert job.id == "a"


def test_what_the_thread_did_itself_does_not_wake_it():
    """Else it would look at the job that it has enqueued twice, while a server claims it."""
    storage = Storage(Counting())

    def work():
        storage.enqueue(Job("t", id="a"))
        storage.driver.looks = 0
        return storage.wait("a")

    thread, _ = in_thread(work)
    eventually(lambda: storage.driver.looks)
    storage.finish(storage.fetch_and_lock_job("w1"), Succeeded())
    thread.join(PATIENCE)
    assert storage.driver.looks <= 2


def test_it_waits_no_longer_than_it_may():
    storage = Storage(Deaf())
    storage.enqueue(Job("t", id="a"))
    with pytest.raises(WaitTimeout, match=r"job a .* is still enqueued after 0.05 s"):
        storage.wait("a", timeout=0.05)
    assert max(storage.driver.waits) <= 0.05


def test_a_term_that_no_clock_reaches_is_refused():
    with MemoryStorage() as storage:
        job = storage.enqueue(Job("t"))
        with pytest.raises(ConfigurationError, match="timeout is nan; give seconds"):
            storage.wait(job.id, timeout=float("nan"))


def test_a_job_that_is_deleted_meanwhile_is_told():
    with MemoryStorage() as storage:
        storage.enqueue(Job("t", id="a"))

        def wait():
            with pytest.raises(JobNotFound, match="job a does not exist"):
                storage.wait("a")
            return "told"

        thread, got = in_thread(wait)
        storage.delete("a")
        thread.join(PATIENCE)
        assert got == ["told"]
