"""The largest job and result that are allowed come back whole; one byte more is refused."""

import pytest

from qml import Job, SerializationError, Succeeded
from qml.values import jsontext
from qml.values.followup import Followup
from qml.values.notes import LINES_KEPT, NO_NOTES, LogLine

MIB = 1024 * 1024
HARD = ["\0", "😀", 2**80, -(2**80), 0.1, {"": [None, True, {}]}]


def filled(others, size):
    """A list of ``others`` and a text that comes to ``size`` bytes of JSON."""
    empty = len(jsontext.dumps([*others, ""]).encode())
    return [*others, "x" * (size - empty)]


def test_a_job_of_a_mebibyte(storage):
    arguments = filled(HARD, MIB - len("[,{}]"))
    job = storage.enqueue(Job("t", arguments))
    assert storage.get(job.id).arguments == arguments
    assert storage.fetch_and_lock_job("w").arguments == arguments
    with pytest.raises(SerializationError, match="1,048,577 bytes"):
        storage.enqueue(Job("t", [*arguments[:-1], arguments[-1] + "x"]))
    assert len(storage.list()) == 1


def test_what_is_set_beside_the_arguments_counts(storage):
    """As much as is written: the limit is of what the store has to keep."""
    after = Followup("m" * 1_000)
    arguments = filled([], MIB - len("[,{}]"))
    storage.enqueue(Job("t", arguments))
    with pytest.raises(SerializationError):
        storage.enqueue(Job("t", arguments, on_failure=after))
    job = storage.enqueue(Job("t", filled([], MIB - 1_100), on_failure=after))
    assert storage.get(job.id) == job


def test_the_longest_notes_and_the_largest_job(storage):
    """Notes are bounded by themselves, and take nothing of what a job may be."""
    job = storage.enqueue(Job("t", filled(HARD, MIB - len("[,{}]"))))
    claimed = storage.fetch_and_lock_job("w")
    lines = [LogLine(storage.now(), 1, "\0😀" * 500)] * LINES_KEPT
    notes = NO_NOTES.with_progress(1, "😀" * 10_000, storage.now()).with_lines(lines)
    assert storage.note(claimed, notes)
    found = storage.get(job.id)
    assert (found.arguments, found.notes) == (job.arguments, notes)


def test_a_result_of_a_mebibyte(storage):
    result = filled(HARD, MIB)
    storage.enqueue_many([Job("t"), Job("t")])
    fits, too_large = storage.fetch_available_jobs_atomic("w", 2)
    storage.finish(fits, Succeeded(result=result))
    assert storage.get(fits.id).state.result == result
    with pytest.raises(SerializationError):
        storage.finish(too_large, Succeeded(result=[*result[:-1], result[-1] + "x"]))
    assert storage.get(too_large.id).state.kind == "processing"
