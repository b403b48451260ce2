"""QML_IMMEDIATE: jobs run as they are enqueued, through the store, beside the caller's context."""

import contextvars
import logging
import threading

import pytest
from flask import current_app, g, has_request_context

from qml import RetryPolicy, SerializationError, connect
from qml.drivers.sqlite.library import library
from qml.flask import QmlFlask

from .notes import Note, database

URLS = ["memory://", "sqlite:///jobs.db"]

here = contextvars.ContextVar("here")


@pytest.fixture
def jobs():
    with QmlFlask(retry=RetryPolicy(max_retries=0)) as jobs:
        yield jobs


@pytest.fixture(params=URLS)
def app(request, jobs, make_app):
    app = make_app(jobs, QML_URL=request.param, QML_IMMEDIATE=True)
    with app.app_context():
        yield app


def test_a_job_has_run_when_enqueue_returns(app, jobs):
    add = jobs.task(name="add")(lambda a, b: a + b)
    assert jobs.result(add.enqueue(2, 3), timeout=0) == 5
    many = add.enqueue_many([(number, 1) for number in range(5)])
    assert [jobs.result(job, timeout=0) for job in many] == [1, 2, 3, 4, 5]


def test_arguments_are_those_that_json_keeps(app, jobs):
    seen = []
    keep = jobs.task(name="keep")(seen.append)
    given = {"a": (1, 2)}
    keep.enqueue(given)
    assert seen == [{"a": [1, 2]}]
    with pytest.raises(SerializationError):
        keep.enqueue(object())


def test_what_a_task_raises_fails_its_job_and_not_the_caller(app, jobs):
    job = jobs.task(name="bad")(lambda: 1 / 0).enqueue()
    stored = jobs.storage.get(job.id)
    assert stored.state.kind == "failed"
    assert "ZeroDivisionError" in stored.state.exception


def test_the_callers_context_is_neither_seen_nor_touched(app, jobs):
    torn = []
    app.teardown_appcontext(lambda error: torn.append(g.get("user")))

    @jobs.task(name="look")
    def look():
        seen = [g.get("user"), has_request_context(), here.get(None), current_app.name]
        g.user, _ = "the job's", here.set("the job's")
        return seen

    here.set("the test's")
    with app.test_request_context():
        g.user = "ada"
        assert jobs.result(look.enqueue()) == [None, False, None, "shop"]
        assert (g.user, here.get()) == ("ada", "the test's")
    assert torn.count("the job's") == 1


def test_jobs_of_jobs_run_after_it_and_not_within_it(app, jobs):
    order = []
    inner = jobs.task(name="inner")(lambda: order.append("inner"))

    @jobs.task(name="outer")
    def outer():
        inner.enqueue()
        order.append("outer")

    outer.enqueue()
    assert order == ["outer", "inner"]


def test_what_comes_after_a_batch_has_run_when_its_block_is_left(app, jobs):
    order = []
    task = jobs.task(name="t")(order.append)
    after = jobs.task(name="after")(lambda batch: order.append(f"after {batch}"))
    with jobs.batch("full", on_success=after) as batch:
        batch.enqueue(task, 1)
        task.using(batch=batch).enqueue(2)
        assert order == [1, 2]
    with jobs.batch("empty", on_finish=after):
        pass
    assert order == [1, 2, "after full", "after empty"]
    lent = connect("memory://")
    with lent, jobs.using_storage(lent), jobs.batch("kept", on_finish=after):
        pass
    assert len(order) == 4


def test_a_later_job_waits(app, jobs):
    task = jobs.task(name="t")(lambda: 1)
    job = task.using(run_after=600).enqueue()
    assert jobs.storage.get(job.id).state.kind == "scheduled"


def test_hooks_of_the_code_are_told_as_ever(app, jobs):
    told = []
    jobs.on(None)(lambda event: told.append(event.kind))
    jobs.task(name="t")(lambda: 1).enqueue()
    assert told == ["enqueued", "claimed", "succeeded"]


def test_threads_do_not_wait_for_each_other(app, jobs):
    both = threading.Barrier(2, timeout=20)
    task = jobs.task(name="t")(lambda: both.wait() and None)

    def enqueue():
        with app.app_context():
            task.enqueue()

    threads = [threading.Thread(target=enqueue) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert jobs.storage.get_job_counts()["succeeded"] == 2


def test_one_that_never_ends_is_said(app, jobs, caplog):
    @jobs.task(name="again")
    def again():
        again.enqueue()

    with caplog.at_level(logging.ERROR):
        again.enqueue()
    assert "again" in caplog.text


def test_only_the_app_that_says_so(jobs, make_app):
    task = jobs.task(name="t")(lambda: 1)
    with make_app(jobs, QML_URL="memory://").app_context():
        assert jobs.storage.get(task.enqueue().id).state.kind == "enqueued"


@pytest.fixture
def shared(jobs, make_app):
    """A database that the session and the jobs share."""
    app = make_app(
        jobs,
        QML_URL="sqlite:///shop.db",
        QML_IMMEDIATE=True,
        SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
        # Whatever tests have run before in this process: one copy of SQLite for one file.
        SQLALCHEMY_ENGINE_OPTIONS={"module": library},
    )
    with database(app) as db:
        jobs.create_all()
        yield db


@pytest.mark.parametrize("scoped", [True, False])
def test_jobs_of_a_transaction_run_once_it_is_committed(jobs, shared, scoped):
    @jobs.task(name="change")
    def change(number):
        shared.session.get(Note, number).text += "!"
        shared.session.commit()

    for text in ("a", "b"):  # the second time, too
        note = Note(text=text)
        shared.session.add(note)
        shared.session.flush()
        with shared.session.begin_nested():
            session = shared.session if scoped else shared.session()
            first, second = (change.using(connection=session).enqueue(note.id) for _ in range(2))
        shared.session.commit()
        assert shared.session.get(Note, note.id).text == f"{text}!!"
        assert [jobs.storage.get(job.id).attempt for job in (first, second)] == [1, 1]


def test_a_transaction_that_is_undone_has_no_jobs(jobs, shared):
    task = jobs.task(name="t")(lambda: 1)
    task.using(connection=shared.session).enqueue()
    shared.session.rollback()
    assert jobs.storage.list() == []
    shared.session.add(Note(text="a"))
    shared.session.commit()


def test_the_session_of_the_caller_is_left_alone(jobs, make_app):
    app = make_app(
        jobs,
        QML_URL="memory://",
        QML_IMMEDIATE=True,
        SQLALCHEMY_DATABASE_URI="sqlite:///shop.db",
    )

    @jobs.task(name="change")
    def change(number):
        db.session.get(Note, number).text = "b"
        db.session.commit()

    with database(app) as db:
        note = Note(text="a")
        db.session.add(note)
        db.session.commit()
        mine = db.session()
        change.enqueue(note.id)
        assert note in db.session
        assert db.session() is mine
        db.session.refresh(note)
        assert note.text == "b"
