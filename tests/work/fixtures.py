"""Fixtures of the folders `work` and `field`; their conftests name those they use."""

import pytest

from qml import ManualClock, Qml, RetryPolicy
from tests.work.support import MAKERS, memory_storage


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=MAKERS)
def make_storage(request, tmp_path):
    """A function of options: a storage of each kind, closed when the test ends. Those of one test
    share a file, a schema, a prefix; those in memory share nothing."""
    made = []

    def make(**options):
        made.append(MAKERS[request.param](tmp_path, **options))
        return made[-1]

    make.kind = request.param
    yield make
    for storage in made:
        storage.close()


@pytest.fixture
def storage(make_storage, clock):
    """A storage with the manual clock and a retry policy of 1, 2, 4, ... seconds."""
    return make_storage(clock=clock, retry=RetryPolicy(max_retries=5, base=1, factor=2))


@pytest.fixture
def app(storage):
    return Qml(storage, retry=storage.retry_policy)


@pytest.fixture
def memory_app(clock, tmp_path):
    """For what does not depend on the kind of storage."""
    policy = RetryPolicy(max_retries=5, base=1, factor=2)
    with memory_storage(tmp_path, clock=clock, retry=policy) as storage:
        yield Qml(storage, retry=policy)
