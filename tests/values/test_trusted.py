"""Values made without a second check are the values a check would have made."""

import attrs
import pytest
from hypothesis import given

from qml import Deleted, Job, Processing
from qml.testing import strategies
from qml.values.trusted import changed, make


def parts_of(value):
    return {field.name: getattr(value, field.name) for field in attrs.fields(type(value))}


@given(strategies.jobs(state=strategies.states()))
def test_make_is_what_the_class_makes(job):
    made = make(Job, parts_of(job))
    assert type(made) is Job
    assert made == job
    assert repr(made) == repr(job)
    assert (made.seq, made.max_attempts) == (job.seq, job.max_attempts)


def test_a_made_value_is_frozen_and_whole():
    made = make(Job, parts_of(Job("m", [1])))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.queue = "other"
    assert made.with_state(Processing(worker_id="w")).state.worker_id == "w"
    assert Job.from_json(made.to_json()) == made


def test_nothing_is_checked():
    assert make(Deleted, {"deleted_at": "whenever", "reason": 5}).deleted_at == "whenever"


def test_changed_copies_and_leaves_the_old():
    job = Job("m", [1], seq=7, max_attempts=3)
    new = changed(job, version=2, seq=None)
    assert (new.version, new.seq, new.max_attempts, new.id) == (2, None, 3, job.id)
    assert (job.version, job.seq) == (0, 7)
    assert changed(new, version=0) == job
    assert type(new) is Job


def test_changed_works_for_every_class():
    held = Processing(worker_id="w", server_name="s")
    assert changed(held, worker_id="v") == Processing(held.started_at, "v", "s")
    assert held.worker_id == "w"


def test_changed_with_nothing_is_equal_and_not_the_same():
    job = Job("m")
    assert changed(job) == job
    assert changed(job) is not job


def test_a_change_of_what_is_not_there_is_an_error():
    with pytest.raises(AttributeError):
        changed(Job("m"), pririty=3)
