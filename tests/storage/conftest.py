"""Every storage, fresh and under a clock that stands still: what this folder's tests run on."""

import itertools

import pytest

from qml.testing import ManualClock


@pytest.fixture(params=["memory", "sqlite"])
def make_storage(request, tmp_path):
    """A function of a clock and options of ``connect``: an empty storage, closed at the end."""
    made, numbers = [], itertools.count()

    def make(clock, **options):
        from qml.storage.connect import connect  # here: one storage's trouble is not another's

        url = "memory://"
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path}/{next(numbers)}.db"
        made.append(connect(url, clock=clock, **options))
        return made[-1]

    make.kind = request.param
    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def storage(make_storage, clock):
    return make_storage(clock)
