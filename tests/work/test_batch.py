"""Batches: named groups, and what comes after all of them, once."""

import pytest

from qml import ConfigurationError, Job


@pytest.fixture
def ran(app):
    return []


@pytest.fixture
def work(app, ran):
    @app.task(max_retries=0)
    def work(n):
        ran.append(n)
        if n < 0:
            raise ValueError(f"{n} is too low")
        return n * n

    return work


@pytest.fixture
def success(app, ran):
    return app.task(name="success")(lambda name: ran.append(f"success of {name}"))


@pytest.fixture
def finish(app, ran):
    return app.task(name="finish")(lambda name: ran.append(f"finish of {name}"))


def drain(app):
    server = app.server()
    while server.step():
        pass


def test_what_comes_after_comes_once_all_have_ended(app, ran, work, success, finish):
    with app.batch("b", on_success=success, on_finish=finish) as batch:
        batch.enqueue(work, 1)
        work.using(batch=batch).enqueue(2)
        drain(app)
        assert ran == [1, 2]
        work.using(batch="b").enqueue_many([(3,), (4,)])
    drain(app)
    assert ran[:4] == [1, 2, 3, 4]
    assert sorted(ran[4:]) == ["finish of b", "success of b"]
    assert batch.progress.finished
    assert sorted(batch.results()) == [1, 4, 9, 16]


def test_a_failure(app, ran, work, success, finish):
    with app.batch("b", on_success=success, on_finish=finish) as batch:
        work.using(batch=batch).enqueue_many([(1,), (-1,), (2,)])
    drain(app)
    assert ran == [1, -1, 2, "finish of b"]
    [failed] = batch.failures()
    assert failed.arguments == [-1]
    assert batch.retry_failed() == 1
    drain(app)
    assert ran[4:] == [-1]  # what came after has come


def test_an_empty_one(app, ran, success, finish):
    with app.batch("b", on_success=success, on_finish=finish) as batch:
        pass
    drain(app)
    assert sorted(ran) == ["finish of b", "success of b"]
    assert batch.progress.finished


def test_made_again_it_comes_once_all_the_same(app, ran, finish):
    for _ in range(3):
        with app.batch("b", on_finish=finish):
            pass
        drain(app)
    assert ran == ["finish of b"]


def test_a_block_that_raises_leaves_it_open(app, ran, work, finish):
    batch = app.batch("b", on_finish=finish)

    def begin():
        with batch:
            batch.enqueue(work, 1)
            raise KeyError

    with pytest.raises(KeyError):
        begin()
    drain(app)
    assert ran == [1]
    assert batch.progress.open
    with batch:
        batch.enqueue(work, 2)
    drain(app)
    assert ran == [1, 2, "finish of b"]


def test_cancelled_it_is_over(app, ran, work, success, finish):
    with app.batch("b", on_success=success, on_finish=finish) as batch:
        work.using(batch=batch).enqueue_many([(1,), (2,)])
    assert batch.cancel("no need") == 2
    drain(app)
    assert ran == ["finish of b"]
    assert [job.state.reason for job in batch.failures()] == ["no need", "no need"]


def test_a_task_may_wait_for_it(app, ran, work, finish):
    batch = app.batch("b")
    finish.using(run_after=batch).enqueue("mine")
    with batch:
        batch.enqueue(work, 1)
    drain(app)
    assert ran == [1, "finish of mine"]


def test_deleted_nothing_is_left(app, work):
    with app.batch("b") as batch:
        work.using(batch=batch).enqueue_many([(1,), (2,)])
    assert batch.delete() == 2
    assert batch.progress.total == 0


def test_a_batch_of_the_name_of_a_deleted_one_is_a_new_one(app, ran, work, success, finish):
    for turn in (1, 2):
        with app.batch("b", on_success=success, on_finish=finish) as batch:
            batch.enqueue(work, turn)
        drain(app)
        assert [turn, *sorted(ran[1:])] == [turn, "finish of b", "success of b"]
        ran.clear()
        assert app.batch("b").delete() == 1


def test_what_waits_for_a_batch_that_is_deleted_comes_once(app, ran, work, success, finish):
    with app.batch("b", on_success=success, on_finish=finish) as batch:
        batch.enqueue(work, 1)
    assert batch.delete() == 1
    drain(app)
    assert ran == ["finish of b"]


@pytest.mark.parametrize("way", ["open", "closed", "ended"])
def test_a_batch_of_the_name_of_one_deleted_before_it_was_over(
    app, ran, work, success, finish, way
):
    batch = app.batch("b", on_success=success, on_finish=finish).open()
    batch.enqueue(work, 1)
    if way != "open":
        batch.close()
    batch.delete()
    if way == "ended":
        drain(app)
    with app.batch("b", on_success=success, on_finish=finish) as new:
        new.enqueue(work, 2)
    drain(app)
    assert sorted(map(str, ran)) == ["2", "finish of b", "finish of b", "success of b"]
    assert [app.result(job_id) for job_id in new.followers()] == [None, None]
    new.delete()
    assert app.storage.list() == []
    assert app.storage.driver.list("batch/") == []


def test_what_comes_after_a_batch_may_delete_it(app, ran, work):
    @app.task
    def tidy(name):
        ran.append(app.batch(name).delete())

    for turn in (1, 2, 3):
        with app.batch("b", on_finish=tidy) as batch:
            batch.enqueue(work, turn)
        drain(app)
    assert ran == [1, 1, 2, 1, 3, 1]
    assert len(app.storage.list()) == 1


@pytest.mark.parametrize("name", ["", None, "a\0b", 7])
def test_what_is_no_name(app, name):
    with pytest.raises(ConfigurationError, match="batch name"):
        app.batch(name)


@pytest.mark.parametrize("role", ["on_success", "on_finish"])
@pytest.mark.parametrize("given", ["finish", print, 7])
def test_what_comes_after_it_is_a_task(app, role, given):
    with pytest.raises(ConfigurationError, match=rf"^{role} is .*; give a task, made by"):
        app.batch("b", **{role: given})


def test_two_of_one_name_are_one(app, ran, work, finish):
    with app.batch("b", on_finish=finish) as one, app.batch("b", on_finish=finish) as other:
        one.enqueue(work, 1)
        other.enqueue(work, 2)
    drain(app)
    assert ran == [1, 2, "finish of b"]
    assert one.progress.total == other.progress.total == 2


def test_its_jobs_come_by_their_place_whatever_came_first(app):
    for place in (1, None, 0):
        app.storage.enqueue(Job("t", batch="b", place=place))
    assert [job.place for job in app.batch("b").jobs()] == [0, 1, None]


def test_of_its_jobs_only_those_that_failed_run_again(app, ran, work):
    with app.batch("b") as batch:
        batch.enqueue(work, -1)
        batch.enqueue(work, 1)
        dropped = batch.enqueue(work, 2)
    app.storage.cancel(dropped.id)
    drain(app)
    assert batch.retry_failed() == 1
    assert [job.state.kind.value for job in batch.jobs()] == ["enqueued", "succeeded", "deleted"]
