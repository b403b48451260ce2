"""What became of a job: result, JobFailed, WaitTimeout."""

import threading
from datetime import timedelta

import pytest

from qml import (
    ConfigurationError,
    Discard,
    JobFailed,
    JobNotFound,
    Qml,
    StorageUnavailable,
    WaitTimeout,
)


def test_the_result_is_the_returned_value(app):
    task = app.task(lambda value: value)
    values = [None, 0, -0.0, "", [], {}, {"": [1, [2, {"a": None}]]}, 2**70, "\0", (1, 2)]
    jobs = task.enqueue_many([(value,) for value in values])
    app.server(threads=20).step()
    for job, value in zip(jobs, values, strict=True):
        got = app.result(job, timeout=0)
        wanted = [1, 2] if value == (1, 2) else value
        assert repr(got) == repr(wanted)
        assert repr(app.result(job.id)) == repr(wanted)


def test_a_failed_job_says_why(app):
    def explode():
        raise ValueError("no such address")

    job = app.task(max_retries=0)(explode).enqueue()
    app.server().step()
    with pytest.raises(JobFailed, match=r"failed after 1 attempt\b") as failed:
        app.result(job)
    assert failed.value.job_id == job.id
    for part in (job.id, job.method, "ValueError: no such address", "in explode", "Traceback"):
        assert part in str(failed.value)


def test_a_deleted_job_says_why(app):
    def unwanted():
        raise Discard("the order was withdrawn")

    task = app.task(unwanted)
    discarded, cancelled, silent = task.enqueue_many([(), (), ()])
    app.storage.cancel(cancelled.id, "by Ada")
    app.storage.cancel(silent.id)
    app.server().step()
    with pytest.raises(JobFailed, match="was deleted: the order was withdrawn"):
        app.result(discarded)
    with pytest.raises(JobFailed, match="was deleted: by Ada"):
        app.result(cancelled)
    with pytest.raises(JobFailed, match="was deleted") as failed:
        app.result(silent)
    assert "None" not in str(failed.value)


def test_a_wait_ends_in_time(app):
    job = app.task(lambda: 1).enqueue()
    with pytest.raises(WaitTimeout, match=r"is still enqueued after 0.05 s; it goes on") as waited:
        app.result(job, timeout=0.05)
    assert isinstance(waited.value, TimeoutError)
    assert waited.value.job_id == job.id
    app.server().step()
    assert app.result(job, timeout=0) == 1  # it went on


def test_there_is_no_such_job(app):
    with pytest.raises(JobNotFound, match="none-such"):
        app.result("none-such", timeout=1)


@pytest.mark.parametrize("wrong", [None, 5, b"id", ["id"]])
def test_what_is_no_job_has_no_result(app, wrong):
    with pytest.raises(ConfigurationError, match=r"^result of .*: give a job, or the id of one"):
        app.result(wrong, timeout=0)


def test_a_waiter_hears_of_the_end_at_once(app):
    task = app.task(lambda: "done")
    job = task.enqueue()
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(app.result(job, timeout=20)))
    waiter.start()
    app.server().step()
    waiter.join(10)
    assert answers == ["done"]


def test_a_waiter_hears_that_the_job_was_removed(app):
    job = app.task(lambda: "done").enqueue()
    errors = []

    def wait():
        try:
            app.result(job, timeout=20)
        except JobNotFound as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    app.storage.delete(job.id)
    waiter.join(10)
    assert [error.job_id for error in errors] == [job.id]


def test_a_waiter_hears_that_the_storage_was_closed(make_storage):
    app = Qml(make_storage())
    job = app.task(lambda: "done").enqueue()
    errors = []

    def wait():
        try:
            app.result(job)
        except StorageUnavailable as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    app.close()
    waiter.join(10)
    assert len(errors) == 1


def test_the_duration_is_the_runs(app, clock):
    job = app.task(lambda: clock.advance(100) and None).enqueue()
    app.server().step()
    state = app.storage.get(job.id).state
    assert 0 <= state.total_duration_ms < 10_000  # measured by the steady counter of the process
    assert state.succeeded_at == job.created_at + timedelta(seconds=100)
