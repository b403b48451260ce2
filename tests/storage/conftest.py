"""Every storage, fresh and under a clock that stands still: what this folder's tests run on."""

import shutil

import pytest

from qml.testing import ManualClock
from tests.storage.stores import KINDS


@pytest.fixture(params=KINDS)
def make_storage(request, tmp_path):
    """A function of a clock and options of ``connect``: an empty storage, closed at the end."""
    made = []

    def make(clock, **options):
        from qml.storage.connect import connect  # here: one storage's trouble is not another's

        made.append(connect(KINDS[request.param](tmp_path), clock=clock, **options))
        return made[-1]

    make.kind = request.param
    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def make_one(make_storage, tmp_path):
    """One storage at a time: the files of the one before, closed by then, are removed."""

    def make(clock, **options):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        return make_storage(clock, **options)

    make.kind = make_storage.kind
    return make


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def storage(make_storage, clock):
    return make_storage(clock)
