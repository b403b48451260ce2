"""Who watches runs from the server's side: called once for each, and harmful to none."""

import pytest

from qml import Job
from qml.testing import drain
from tests.threads import in_a_thread


@pytest.fixture
def jobs(memory_app):
    memory_app.task(name="t")(lambda: "done")
    return memory_app


def result(jobs):
    job = jobs.tasks["t"].enqueue()
    assert jobs.server().step() == 1
    return jobs.result(job)


def test_a_watcher_sees_each_run(jobs):
    seen = []

    @jobs.watch
    def watch(job, call):
        assert call() is None
        seen.append(job.id)

    job = jobs.tasks["t"].enqueue()
    drain(jobs)
    unknown = jobs.storage.enqueue(Job("nobody knows it"))
    jobs.server().step()
    assert seen == [job.id, unknown.id]


def test_the_first_is_the_outermost(jobs):
    order = []

    def named(name):
        def watch(job, call):
            order.append(name)
            call()
            order.append(name)

        return watch

    jobs.watch(named("first"))
    jobs.watch(named("second"))
    assert result(jobs) == "done"
    assert order == ["first", "second", "second", "first"]


@pytest.mark.parametrize(
    "error", [RuntimeError, SystemExit, KeyboardInterrupt, pytest.fail.Exception]
)
@pytest.mark.parametrize("when", ["before", "after", "never calls", "calls twice"])
def test_what_goes_wrong_in_one_harms_no_job(jobs, caplog, when, error):
    runs = []
    jobs.task(name="counted")(lambda: runs.append(1))

    @jobs.watch
    def broken(job, call):
        if when in ("after", "calls twice"):
            call()
        if when == "calls twice":
            call()
        if when != "never calls":
            raise error("watch out")

    jobs.tasks["counted"].enqueue()
    assert in_a_thread(jobs.server().step) == 1
    assert runs == [1]
    assert jobs.storage.get_job_counts()["succeeded"] == 1
    assert ("watch out" in caplog.text) == (when != "never calls")
