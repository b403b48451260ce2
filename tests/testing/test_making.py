"""Storages for the proof are made with the test's clock, or are given it."""

import pytest

from qml import ManualClock, MemoryStorage, SqliteStorage, connect
from qml.testing import check_storage
from qml.testing.making import fresh


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
