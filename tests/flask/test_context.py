"""Each job runs in an app context of its own, which is torn down, whatever comes of it."""

import threading

import pytest
from flask import current_app, g, has_app_context, has_request_context, url_for

from qml import RetryPolicy, Snooze, current_job
from qml.flask import QmlFlask
from qml.testing import drain
from tests.cli.calls import until
from tests.threads import in_a_thread

from .notes import Note, database

NEVER = RetryPolicy(max_retries=0)


@pytest.fixture
def jobs():
    with QmlFlask(url="memory://", retry=NEVER) as jobs:
        yield jobs


def run_on_a_server(jobs, job):
    with jobs.server(threads=2):
        return jobs.storage.wait(job.id, 20)


def run_by_step(jobs, job):
    jobs.server(threads=1).step()
    return jobs.storage.get(job.id)


def run_by_drain(jobs, job):
    drain(jobs, raises=False)
    return jobs.storage.get(job.id)


ways = pytest.mark.parametrize("run", [run_on_a_server, run_by_step, run_by_drain])


@ways
def test_a_task_has_the_context_of_the_app_it_was_enqueued_for(jobs, make_app, run):
    @jobs.task(name="where")
    def where():
        return [current_app.name, has_request_context(), "user" in g]

    one, two = make_app(jobs, "one"), make_app(jobs, "two")
    for app in (one, two):
        with app.app_context() if run is run_by_step else app.test_request_context():
            g.user = "ada"
            assert run(jobs, where.enqueue()).state.result == [app.name, False, False]
            assert g.user == "ada"


@ways
@pytest.mark.parametrize("end", ["returns", "raises", "snoozes", "exits"])
def test_teardown_functions_run_whatever_comes_of_it(jobs, make_app, run, end):
    app = make_app(jobs)
    torn = []
    app.teardown_appcontext(lambda error: torn.append((g.pop("mine", None), type(error).__name__)))

    @jobs.task(name="end")
    def task():
        g.mine = current_job().id
        raised = {"raises": ValueError(), "snoozes": Snooze(600), "exits": SystemExit(1)}.get(end)
        if raised:
            raise raised

    job = task.enqueue()
    if end == "snoozes" and run is run_on_a_server:
        with jobs.server(threads=1):
            until_snoozed(jobs, job)
    else:
        run(jobs, job)
    name = {"raises": "ValueError", "snoozes": "Snooze", "exits": "SystemExit"}.get(end, "NoneType")
    assert torn == [(job.id, name)]
    assert not has_app_context()


def test_a_traceback_begins_in_the_task(jobs, make_app):
    make_app(jobs)

    @jobs.task(name="break")
    def task():
        raise ValueError

    job = run_by_step(jobs, task.enqueue())
    assert job.state.stack_trace.splitlines()[1].strip().startswith(f'File "{__file__}"')


def until_snoozed(jobs, job):
    def slept():
        stored = jobs.storage.get(job.id)
        return stored.fence == 1 and stored.state.kind != "processing"

    until(slept)


def test_every_run_has_a_new_context(jobs, make_app):
    make_app(jobs)
    seen = []

    @jobs.task(name="count")
    def count():
        g.times = g.get("times", 0) + 1
        seen.append(g.times)

    count.enqueue_many([()] * 5)
    jobs.server(threads=1).run(burst=True)
    assert seen == [1] * 5


def test_what_goes_around_runs_inside_of_it(jobs, make_app):
    make_app(jobs)
    seen = []

    @jobs.around
    def watch(job, call):
        seen.append(current_app.name)
        return call()

    jobs.task(name="t")(lambda: None).enqueue()
    drain(jobs)
    assert seen == ["shop"]


@pytest.mark.parametrize("run", [run_on_a_server, run_by_drain])
def test_hooks_are_told_in_the_context_of_the_jobs_app(jobs, make_app, run):
    told, torn = [], []

    @jobs.on(None)
    def hear(event):
        told.append((event.kind, current_app.name, g.get("user")))
        g.user = "the hook's"

    task = jobs.task(name="t")(lambda: g.setdefault("user", "the job's"))
    for app in (make_app(jobs, "one"), make_app(jobs, "two")):
        app.teardown_appcontext(lambda error: torn.append(g.get("user")))
        with app.app_context():
            g.user = "ada"
            run(jobs, task.enqueue())
            assert told == [(kind, app.name, None) for kind in ("enqueued", "claimed", "succeeded")]
            assert sorted(torn) == [*["the hook's"] * 3, "the job's"]
            assert g.user == "ada"
        told.clear()
        torn.clear()
    assert not has_app_context()


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_hook_that_fails_or_leaves_a_bad_context_harms_nobody(jobs, make_app, caplog, error):
    app = make_app(jobs)
    task = jobs.task(name="t")(lambda: 1)

    @jobs.on("claimed")
    def fail(event):
        g.bad = True
        raise error("of the hook")

    @app.teardown_appcontext
    def end(_):
        if "bad" in g:
            raise error("of the teardown")

    assert in_a_thread(lambda: run_by_step(jobs, task.enqueue())).state.result == 1
    assert "of the hook" in caplog.text
    assert "of the teardown" in caplog.text


def test_url_for_works_with_a_server_name(jobs, make_app):
    app = make_app(jobs, SERVER_NAME="shop.example", PREFERRED_URL_SCHEME="https")
    app.get("/orders/<int:number>", endpoint="order")(lambda number: "")
    job = jobs.task(name="link")(lambda: url_for("order", number=7)).enqueue()
    drain(jobs)
    assert jobs.result(job) == "https://shop.example/orders/7"


def test_a_task_that_is_just_called_has_the_callers_context(jobs, make_app):
    app = make_app(jobs)
    task = jobs.task(name="t")(lambda: g.user)
    with app.app_context():
        g.user = "ada"
        assert task() == "ada"


def test_a_task_enqueues_in_its_own_apps_storage(jobs, make_app):
    second = jobs.task(name="second")(lambda: current_app.name)
    first = jobs.task(name="first")(lambda: second.enqueue().id)
    make_app(jobs, "one")
    two = make_app(jobs, "two")
    with two.app_context():
        server = jobs.server(threads=1)
        job = first.enqueue()
    server.run(burst=True)  # outside of any context
    with two.app_context():
        assert jobs.result(jobs.result(job)) == "two"


def test_schedules_are_issued_for_the_servers_app(jobs, make_app):
    make_app(jobs, "one")
    two = make_app(jobs, "two")
    ran = threading.Event()

    @jobs.every(3600)
    @jobs.task(name="tick")
    def tick():
        if current_app.name == "two":
            ran.set()

    with two.app_context():
        server = jobs.server(threads=1)
    with server, two.app_context():
        until(lambda: [schedule.name for schedule in jobs.schedules.list()])
        jobs.schedules.trigger("tick")
        assert ran.wait(20)


# -- SQLAlchemy ------------------------------------------------------------------------------------


@pytest.fixture
def shop(jobs, make_app):
    app = make_app(jobs, SQLALCHEMY_DATABASE_URI="sqlite:///shop.db")
    with database(app) as db:
        yield app, db


@ways
def test_the_session_is_the_jobs_own_and_is_removed(jobs, shop, run):
    _, db = shop
    sessions = []

    @jobs.task(name="write")
    def write(fail):
        sessions.append(db.session())
        db.session.add(Note(text="left open"))
        db.session.flush()
        if fail:
            raise ValueError

    mine = db.session()
    note = Note(text="of the caller")
    db.session.add(note)
    for fail in (False, True):
        run(jobs, write.enqueue(fail))
    assert db.session() is mine  # and neither committed nor rolled back
    assert note in mine.new
    assert mine not in sessions
    assert len(sessions) == 2
    assert all(not session.in_transaction() for session in sessions)
    db.session.commit()
    assert [note.text for note in db.session.query(Note)] == ["of the caller"]


@ways
def test_no_object_of_the_caller_is_detached(jobs, shop, run):
    """As eager modes of others do: their task's teardown removes the session of the test."""
    _, db = shop
    note = Note(text="a")
    db.session.add(note)
    db.session.commit()

    @jobs.task(name="change")
    def change(number):
        db.session.get(Note, number).text = "b"
        db.session.commit()

    run(jobs, change.enqueue(note.id))
    assert note in db.session
    db.session.refresh(note)
    assert note.text == "b"
