"""Storages for the proof are made with the test's clock, or are given it."""

import os
import subprocess
import sys
from functools import partial

import pytest

from qml import ConfigurationError, ManualClock, MemoryStorage, Qml, SqliteStorage, connect
from qml.testing import (
    Simulation,
    StorageMachine,
    StorageModel,
    check_interleavings,
    check_storage,
    lives,
)
from qml.testing.making import fresh
from tests.house.rules import REPO


def with_a_default(clock=None):
    return connect("memory://", clock=clock)


@pytest.mark.parametrize(
    "make",
    [
        lambda clock: connect("memory://", clock=clock),
        with_a_default,
        lambda: connect("memory://"),
        MemoryStorage,
    ],
    ids=["clock", "default", "none", "class"],
)
def test_a_storage_lives_by_the_clock_of_the_test(make):
    clock = ManualClock()
    with fresh(make, clock) as storage:
        assert storage.now() == clock.now()
        clock.advance(1000)
        assert storage.now() == clock.now()


def test_a_class_can_be_checked_as_it_is():
    check_storage(MemoryStorage)


def test_files_can_be_made_without_a_clock(tmp_path):
    numbers = iter(range(1000))
    check_storage(lambda: SqliteStorage(tmp_path / f"{next(numbers)}.db"))


TOOLS = {
    "contract": check_storage,
    "machine": StorageMachine.run,
    "simulation": Simulation.run,
    "lives": lambda make: lives(make, seconds=0),
    "interleavings": lambda make: check_interleavings(make, pairs=1),
}


@pytest.mark.parametrize("tool", ["simulation", "lives"])
def test_who_steps_in_at_calls_needs_a_driver(tool):
    with pytest.raises(ConfigurationError, match="a StorageModel without a `driver`"):
        TOOLS[tool](StorageModel)


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda clock: connect("memory://"), "another clock than it was given"),
        (lambda clock: None, "returned None"),
        (lambda: None, "returned None"),
        (lambda clock: Qml("memory://"), "returned a Qml"),
        ("memory://", "a str is no function"),
    ],
    ids=["clock", "none", "none for all", "app", "text"],
)
def test_what_gives_no_storage_for_the_clock_is_told_so(tool, make, why):
    with pytest.raises(ConfigurationError, match=why):
        tool(make)


@pytest.mark.parametrize("run", [Simulation.run, partial(lives, seconds=0)])
def test_a_simulation_has_servers(run):
    with pytest.raises(ConfigurationError, match="servers is 0; give a whole number, 1 or more"):
        run(lambda clock: connect("memory://", clock=clock), servers=0)


MEMORY = partial(connect, "memory://")


def of_clock(clock):
    return MEMORY(clock=clock)


@pytest.mark.parametrize(
    ("tool", "wrong"),
    [
        *[(Simulation.run, {"servers": wrong}) for wrong in (0, "3")],
        *[(lives, {"seconds": wrong}) for wrong in (-1, "1", float("nan"))],
        (lives, {"seed": "a", "seconds": 0}),
        *[
            (check_interleavings, {name: wrong})
            for name in ("pairs", "triples")
            for wrong in (-1, "5")
        ],
        *[(tool, {"retry": 5}) for tool in (StorageMachine.run, check_interleavings)],
    ],
)
def test_what_tools_are_told_is_checked(tool, wrong):
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} is .*; give "):
        tool(of_clock, **wrong)


def test_nothing_is_proved_by_a_python_without_asserts():
    """They are what a proof finds faults by: it would pass any storage."""
    script = (
        "from qml import ConfigurationError, MemoryStorage\n"
        "from qml.testing import check_storage\n"
        "from qml.testing.proving import prove\n"
        "from qml.values.config import MemoryConfig\n"
        "for tried in (lambda: check_storage(MemoryStorage), lambda: prove(MemoryConfig(), 1)):\n"
        "    try:\n"
        "        tried()\n"
        "    except ConfigurationError as error:\n"
        "        print(str(error).partition(', and')[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-O", "-c", script],
        **{"cwd": REPO, "env": {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}, "text": True},
        capture_output=True,
        check=False,
    )
    assert done.stdout == "this Python leaves out all assert statements\n" * 2, done.stderr
