"""A copy of a store in which jobs wait for others: they wait there for the same."""

import pytest

from qml import Failed, Job, MemoryStorage, Succeeded
from qml.storage import batches
from qml.storage.copying import copy


def ends(storage, **failing):
    """Claim all there is, and end it well, or badly; the ids."""
    found = storage.fetch_available_jobs_atomic("w", 100)
    for job in found:
        bad = Failed(exception="x", stack_trace="", retry_count=0)
        storage.finish(job, bad if job.id in failing else Succeeded(total_duration_ms=1.0))
    return [job.id for job in found]


@pytest.fixture
def source(clock):
    with MemoryStorage(clock=clock) as storage:
        yield storage


def test_what_waits_for_jobs_waits_for_those_that_are_left(source, storage):
    source.enqueue_many([Job("t", id="a"), Job("t", id="b")])
    source.enqueue(Job("t", id="c", after=["a", "b"]))
    [a] = source.fetch_available_jobs_atomic("w", 1)
    source.finish(a, Succeeded(total_duration_ms=1.0))
    assert copy(source, storage).complete
    assert ends(storage) == ["b"]
    assert ends(storage) == ["c"]


@pytest.mark.parametrize("open_there", [True, False])
def test_a_batch_goes_on(source, storage, open_there):
    batches.expect(source.driver, "b", more=True)
    source.enqueue(Job("t", id="all", after_batch="b"))
    source.enqueue(Job("t", id="any", after_batch="b", needs_success=False))
    source.enqueue_many([Job("t", id="1", batch="b"), Job("t", id="2", batch="b")])
    if not open_there:
        batches.expect(source.driver, "b", more=False)
    [one] = source.fetch_available_jobs_atomic("w", 1)
    source.finish(one, Failed(exception="x", stack_trace="", retry_count=0))
    for _ in range(2):  # again it changes nothing
        assert copy(source, storage).complete
    assert storage.driver.tally("batch/b") == source.driver.tally("batch/b")
    assert ends(storage) == ["2"]
    if open_there:
        assert ends(storage) == []
        batches.expect(storage.driver, "b", more=False)
    assert ends(storage) == ["any"]
    assert storage.get("all").state.kind.value == "deleted"
