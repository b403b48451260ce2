"""Several servers under all mishaps keep the promises, on every storage."""

import pytest
from hypothesis import settings

from qml import Job, JobLost, RetryPolicy, Succeeded
from qml.testing import WrappedDriver
from qml.testing.machine import usual_settings
from qml.testing.simulation import Simulation

EXAMPLES = {"memory": 0.6, "sqlite": 0.3, "postgres": 0.1, "redis": 0.1}  # times the profile's


def examples(make, share=1.0):
    count = int(settings.default.max_examples * EXAMPLES[make.kind] * share)
    return usual_settings(max_examples=count, stateful_step_count=40)


@pytest.mark.timeout(3600)
def test_two_servers_keep_the_promises(make_one):
    tally = Simulation.run(make_one, settings=examples(make_one))
    assert tally.mishaps
    assert tally.claims


@pytest.mark.timeout(3600)
def test_three_servers_whose_retries_are_due_at_once(make_one):
    policy = RetryPolicy(max_retries=1, base=0)
    Simulation.run(
        lambda clock: make_one(clock, retry=policy), servers=3, settings=examples(make_one, 0.3)
    )


class Between(WrappedDriver):
    """Something happens once, before the next call of a verb."""

    def __init__(self, driver, verb, happens):
        super().__init__(driver)
        self.planned = {verb: happens}

    def around(self, verb, order, call):
        self.planned.pop(verb, lambda: None)()
        return call()


def test_a_stale_hand_leaves_the_next_generation_alone(storage):
    """Found by a simulation: while the end of a cancelled run is recorded, its job is deleted,
    enqueued again, and claimed by the same worker, whose fences count from the beginning again."""

    def replace():
        storage.delete("a")
        storage.enqueue(Job("task", id="a"))
        again.append(storage.fetch_and_lock_job("w"))

    again = []
    storage.enqueue(Job("task", id="a"))
    run = storage.fetch_and_lock_job("w")
    storage.cancel("a")
    storage.driver = Between(storage.driver, "let_go", replace)
    with pytest.raises(JobLost):
        storage.finish(run, Succeeded())
    assert again[0].fence == run.fence
    assert storage.get("a").lease_expires_at == again[0].lease_expires_at
    assert storage.rescue() == []
