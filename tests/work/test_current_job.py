"""current_job(): what a task learns of its job, and nobody else."""

import contextvars
import threading

from qml import current_job
from tests.work.support import Gate, eventually


def test_there_is_none_outside_a_job(app):
    task = app.task(current_job)
    assert current_job() is None
    assert task() is None  # called directly


def test_it_tells_id_attempt_and_job(app, clock):
    seen = []

    @app.task(priority=3, metadata={"a": 1})
    def task(n):
        me = current_job()
        seen.append((me.id, me.attempt, me.cancelled, me.lost, me.job))
        if me.attempt == 1:
            raise ValueError

    job = task.enqueue(5)
    app.server().step()
    clock.advance(100)
    app.server().step()
    assert [entry[:4] for entry in seen] == [(job.id, 1, False, False), (job.id, 2, False, False)]
    first, second = (entry[4] for entry in seen)
    assert (first.arguments, first.priority, first.metadata, first.fence) == ([5], 3, {"a": 1}, 1)
    assert (second.fence, len(second.failures)) == (2, 1)


def test_it_ends_with_the_job(app):
    seen = []
    thread_names = set()

    @app.task
    def task():
        thread_names.add(threading.current_thread().name)
        seen.append(current_job().id)

    jobs = task.enqueue_many([()] * 20)
    app.server(threads=20).step()
    assert sorted(seen) == sorted(job.id for job in jobs)
    assert thread_names == {threading.current_thread().name}
    assert current_job() is None


def test_contexts_do_not_leak_between_jobs_of_one_thread(app):
    mark = contextvars.ContextVar("mark", default="clean")
    seen = []

    @app.task
    def task():
        seen.append((mark.get(), threading.get_ident()))
        mark.set("dirty")

    task.enqueue_many([()] * 5)
    with app.server(threads=1):
        eventually(lambda: len(seen) == 5)
    assert [value for value, _ in seen] == ["clean"] * 5
    assert len({thread for _, thread in seen}) == 1


def test_a_running_job_learns_that_it_was_cancelled(app):
    gate, looked = Gate(), []

    @app.task
    def task():
        looked.append(current_job())
        gate.wait()

    job = task.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        [me] = looked
        assert not me.cancelled
        assert not me.lost
        app.storage.cancel(job.id, "not needed")
        eventually(lambda: me.cancelled, every=0.02)
        assert me.lost  # what it returns will not be recorded
        gate.open()
    stored = app.storage.get(job.id)
    assert (stored.state.kind, stored.state.reason) == ("deleted", "not needed")


def test_a_running_job_learns_that_it_was_removed(memory_app):
    app = memory_app
    gate, looked = Gate(), []

    @app.task
    def task():
        looked.append(current_job())
        gate.wait()

    job = task.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        app.storage.delete(job.id)
        eventually(lambda: looked[0].lost, every=0.02)
        assert not looked[0].cancelled
        gate.open()
    assert app.storage.get(job.id) is None


def test_a_running_job_learns_that_its_time_is_over(app):
    gate, looked = Gate(), []

    @app.task(timeout_seconds=0.05, max_retries=0)
    def task():
        looked.append(current_job())
        gate.wait()

    job = task.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        eventually(lambda: looked[0].lost)
        eventually(lambda: app.storage.get(job.id).state.kind == "failed")
        assert not looked[0].cancelled
        gate.open()


def test_a_running_job_learns_that_it_was_handed_back(app):
    gate, looked = Gate(), []

    @app.task
    def task():
        looked.append(current_job())
        gate.wait()

    task.enqueue()
    server = app.server(threads=1).start()
    gate.someone_waits()
    server.stop(grace_seconds=0)
    assert looked[0].lost
    gate.open()
