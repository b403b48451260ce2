"""Which jobs a filter names, asked of jobs that are at hand."""

import pytest

from qml import Job, JobFilter
from qml.values.times import to_micros


def nested(levels, innermost):
    """Objects within objects, so many levels of them."""
    for _ in range(levels):
        innermost = {"in": innermost, "also": "it"}
    return innermost


def passes(stored, wanted):
    return JobFilter(metadata={"x": wanted}).passes(Job("t", metadata={"x": stored}), 0)


@pytest.mark.parametrize("levels", [0, 1, 30, 400])
def test_metadata_is_equal_as_json_however_deeply_it_is_nested(levels):
    """A text of each level within that of the next one was twice as long at every level: an hour
    at 30 levels, if the memory was enough."""
    stored = nested(levels, {"b": [1, "é"], "a": None})
    assert passes(stored, nested(levels, {"a": None, "b": [1, "é"]}))
    for other in ({"a": None, "b": [True, "é"]}, {"a": None, "b": [1.0, "é"]}, '{"a":null}'):
        assert not passes(stored, nested(levels, other))
    assert not passes(stored, None)
    assert not passes("text", stored)


@pytest.mark.parametrize("seconds", [3e9, 6.4e10, 9.9e10])
def test_no_job_is_older_than_the_calendar(seconds):
    job = Job("t")
    now = to_micros(job.created_at)
    assert not JobFilter(older_than=seconds).passes(job, now)
    assert JobFilter(newer_than=seconds).passes(job, now)
