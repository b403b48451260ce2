"""The machine is used in a few lines, and by Hypothesis's own ways too."""

import unittest

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from qml import RetryPolicy
from qml.testing import StorageMachine, StorageModel
from qml.testing.machine import usual_settings

FEW = usual_settings(max_examples=5, stateful_step_count=10)


class MyMachine(StorageMachine):
    """As the docstring of StorageMachine shows it."""

    def __init__(self):
        super().__init__(StorageModel)


TestMine = MyMachine.TestCase
TestMine.settings = settings(max_examples=5, stateful_step_count=10, deadline=None)


def test_the_test_case_is_a_test_case():
    assert issubclass(TestMine, unittest.TestCase)


def test_a_factory_will_do():
    run_state_machine_as_test(lambda: StorageMachine(StorageModel), settings=FEW)


def test_the_storage_is_closed_and_has_the_machines_clock_and_policy():
    closed = []

    class Mine(StorageModel):
        def close(self):
            closed.append(self.now())

    policy = RetryPolicy(base=0)
    StorageMachine.run(lambda clock: Mine(clock, policy), retry=policy, settings=FEW)
    assert len(closed) >= 5
    assert any(now > min(closed) for now in closed)


def test_a_storage_with_another_retry_policy_is_told():
    with pytest.raises(AssertionError):
        StorageMachine.run(
            lambda clock: StorageModel(clock, RetryPolicy(base=7)),
            settings=usual_settings(
                max_examples=2_000, derandomize=True, database=None, phases=[Phase.generate]
            ),
        )


def test_a_stale_hand_is_asked_like_a_live_one():
    """Oracle and storage answer a claim that has ended alike: that is a step as any other."""
    machine = StorageMachine(StorageModel)
    machine.oracle.enqueue(machine._job("a", {}))
    machine.storage.enqueue(machine._job("a", {}))
    [claim] = machine._claims("fetch_available_jobs_atomic", "w1")
    machine._both("finish", claim, machine._outcome("succeeded"))
    expected, found = machine._both("finish", claim, machine._outcome("failed"))
    assert str(expected) == str(found) == "raises JobLost about job a"
