"""Whatever may give others something to do is followed by a hint, which comes after its effect."""

import pytest

from qml import Enqueued, Failed, Job, RetryPolicy, Succeeded
from qml.drivers.memory import MemoryDriver
from qml.storage.storage import Storage
from qml.testing import ManualClock


class Told(MemoryDriver):
    """Keeps what stood in the store when each hint was given."""

    def __init__(self):
        super().__init__(None)
        self.at_hints = []

    def stored(self):
        return self._all_rows()

    def notify(self):
        self.at_hints.append(self.stored())
        super().notify()


class Scene:
    """One job, in the state that an operation asks for."""

    def __init__(self):
        self.clock = ManualClock()
        self.driver = Told()
        self.storage = Storage(self.driver, clock=self.clock, retry=RetryPolicy(base=0))

    def stored(self):
        return self.storage.enqueue(Job("t", id="a"))

    def claimed(self):
        self.stored()
        return self.storage.fetch_and_lock_job("w1")

    def failed(self):
        return self.storage.finish(self.claimed(), Failed(exception="E"))

    def locked(self):
        self.stored()
        assert self.storage.try_acquire_job_lock("a", "w1", 60)

    def lapsed(self):
        self.claimed()
        self.clock.advance(60)


OPERATIONS = {
    "enqueue": (lambda s: None, lambda s, _: s.stored()),
    "enqueue unless it is there": (
        lambda s: None,
        lambda s, _: s.storage.enqueue(Job("t", unique_key="k"), on_conflict="existing"),
    ),
    "replace": (
        lambda s: s.storage.enqueue(Job("t", unique_key="k")),
        lambda s, _: s.storage.enqueue(Job("u", unique_key="k"), on_conflict="replace"),
    ),
    "enqueue_many": (lambda s: None, lambda s, _: s.storage.enqueue_many([Job("t"), Job("t")])),
    "finish": (Scene.claimed, lambda s, job: s.storage.finish(job, Succeeded())),
    "finish_many": (
        Scene.claimed,
        lambda s, job: s.storage.finish_many([(job, Enqueued(queue="default"))]),
    ),
    "release": (Scene.claimed, lambda s, job: s.storage.release(job)),
    "update": (Scene.stored, lambda s, job: s.storage.update(job.with_metadata(a=1))),
    "delete": (Scene.stored, lambda s, job: s.storage.delete("a")),
    "cancel": (Scene.stored, lambda s, job: s.storage.cancel("a")),
    "retry": (Scene.failed, lambda s, job: s.storage.retry("a")),
    "release_job_lock": (Scene.locked, lambda s, _: s.storage.release_job_lock("a", "w1")),
    "rescue": (Scene.lapsed, lambda s, _: s.storage.rescue()),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_hint_follows(name):
    prepare, operate = OPERATIONS[name]
    scene = Scene()
    given = prepare(scene)
    before = scene.driver.stored()
    scene.driver.at_hints.clear()
    operate(scene, given)
    assert scene.driver.stored() != before
    assert scene.driver.at_hints[-1:] == [scene.driver.stored()]


@pytest.mark.parametrize("look", ["claim", "available", "rescue", "purge"])
def test_a_look_is_no_news(look):
    """Or servers that find nothing would wake each other for ever."""
    scene = Scene()
    looks = {
        "claim": lambda: scene.storage.fetch_and_lock_job("w1"),
        "available": scene.storage.get_available_jobs,
        "rescue": scene.storage.rescue,
        "purge": scene.storage.purge,
    }
    looks[look]()
    assert scene.driver.at_hints == []
