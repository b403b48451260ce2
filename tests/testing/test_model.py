"""The oracle keeps the contract itself, and stands alone."""

import ast
import threading
from pathlib import Path

import pytest
from hypothesis import settings

import qml.testing
from qml import (
    ConfigurationError,
    InvalidTransition,
    Job,
    JobNotFound,
    RetryPolicy,
    StateKind,
    Succeeded,
)
from qml.testing import ManualClock, StorageMachine, StorageModel
from qml.testing.contract import CHECKS, run_check
from qml.testing.machine import usual_settings
from qml.values.job import Failure


class OneAtATime:
    """The oracle, its operations one after the other."""

    def __init__(self, clock):
        self.oracle, self.lock = StorageModel(clock), threading.Lock()

        self.schedules = Locked(self.oracle.schedules, self.lock)
        self.queues = Locked(self.oracle.queues, self.lock)

    def __getattr__(self, name):
        return getattr(Locked(self.oracle, self.lock), name)


class Locked:
    def __init__(self, inner, lock):
        self.inner, self.lock = inner, lock

    def __getattr__(self, name):
        operation = getattr(self.inner, name)

        def locked(*arguments, **keywords):
            with self.lock:
                return operation(*arguments, **keywords)

        return locked


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_oracle_keeps_the_contract(check):
    run_check(check, OneAtATime)


def test_the_oracle_agrees_with_itself_and_the_laws():
    half = settings.default.max_examples // 2
    some = usual_settings(max_examples=half, stateful_step_count=40)
    StorageMachine.run(StorageModel, settings=some)


ORACLE = (
    "model", "claims", "holding", "placing", "looking", "holdups", "limited", "grouped", "pausing",
    "recurring", "table", "ties", "compare",
)  # fmt: skip


@pytest.mark.parametrize("module", ORACLE)
def test_the_oracle_shares_no_code_with_storages(module):
    path = Path(qml.testing.__file__).parent / f"{module}.py"
    tree = ast.parse(path.read_text())
    found = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in found if "storage" in name or "drivers" in name or "seam" in name}


def test_it_can_be_used_without_a_clock():
    model = StorageModel()
    model.enqueue(Job("t", id="a"))
    claimed = model.fetch_and_lock_job("w")
    assert model.finish(claimed, Succeeded(), Failure(1, model.now(), "w", "E", "")).state.kind
    assert model.get_job_counts()["succeeded"] == 1


def test_its_errors_are_those_of_a_storage():
    model = StorageModel(ManualClock(), RetryPolicy(max_retries=1))
    with pytest.raises(JobNotFound):
        model.cancel("a")
    with pytest.raises(ConfigurationError):
        model.fetch_and_lock_job("")
    with pytest.raises(ConfigurationError):
        model.fetch_and_lock_job("w", [])
    with pytest.raises(InvalidTransition):
        model.finish(model.enqueue(Job("t")), model.enqueue(Job("t")).state)
    assert model.list()[0].max_attempts == 2
    assert model.list(StateKind.ENQUEUED, 1) == model.list()[:1]


@pytest.mark.parametrize("wrong", ["x", ManualClock])
def test_its_clock_is_one_that_is_moved_by_hand(wrong):
    with pytest.raises(ConfigurationError, match=r"clock is .*; give a ManualClock"):
        StorageModel(wrong)
