"""A server by hand: tick and step, without a thread; and what it refuses."""

import enum
import threading

import pytest

from qml import ConfigurationError, Job, JobFailed, Qml, StateKind
from qml.storage import servers
from tests.work.support import eventually


def test_a_step_claims_runs_and_records_what_fits(app):
    seen = []
    task = app.task(lambda n: seen.append((n, threading.get_ident())))
    jobs = task.enqueue_many([(n,) for n in range(5)])
    server = app.server(threads=2)
    before = threading.active_count()
    assert [server.step() for _ in range(4)] == [2, 2, 1, 0]
    assert threading.active_count() == before
    assert seen == [(n, threading.get_ident()) for n in range(5)]
    assert {app.storage.get(job.id).state.kind for job in jobs} == {StateKind.SUCCEEDED}
    assert len(server.runs) == 0


def test_a_step_takes_the_best_first(app):
    order = []
    task = app.task(name="t")(order.append)
    task.enqueue("plain 1")
    task.using(priority=5).enqueue("urgent")
    task.enqueue("plain 2")
    app.server().step()
    assert order == ["urgent", "plain 1", "plain 2"]


def test_a_server_takes_from_its_queues_only(app):
    task = app.task(lambda: None)
    for queue in ("a", "b", "c"):
        task.using(queue=queue).enqueue()
    server = app.server(queues=["c", "a"])
    assert server.step() == 2
    assert [job.queue for job in app.storage.get_available_jobs()] == ["b"]


def test_a_claim_names_worker_and_server(app):
    seen = []
    task = app.task(lambda: seen.append(app.storage.list()[0].state))
    task.enqueue()
    server = app.server(name="box", lease_seconds=7)
    server.step()
    [state] = seen
    assert (state.worker_id, state.server_name) == (server.worker_id, "box")
    assert server.worker_id.startswith("box-")


def test_a_server_may_be_named_by_a_member_of_an_enum(app):
    place = enum.Enum("Place", {"MAIL": "mail"}, type=str)  # whose text is "Place.MAIL"
    server = app.server(name=place.MAIL)
    assert type(server.name) is str
    assert server.worker_id.startswith("mail-")


def test_two_servers_are_two_workers(app):
    assert app.server(name="x").worker_id != app.server(name="x").worker_id


def test_a_tick_takes_every_chore_once(app, clock):
    app.task(name="t")(lambda: None).enqueue()
    dead = app.storage.fetch_and_lock_job("dead")
    clock.advance(30)
    server = app.server()
    server.tick()
    assert app.storage.get(dead.id).state.kind is StateKind.AWAITING_RETRY
    assert servers.alive(app.storage) == []  # nobody would strike it off
    assert server.step() == 0
    clock.advance(1)
    assert server.step() == 1
    clock.advance(7 * 86_400)
    server.tick()
    assert app.storage.get(dead.id) is None


def test_an_unknown_method_is_retried_then_fails_and_the_waiter_hears(app, clock):
    job = app.storage.enqueue(Job("moved.away", max_retries=1))
    server = app.server()
    assert server.step() == 1
    stored = app.storage.get(job.id)
    assert stored.state.kind is StateKind.AWAITING_RETRY
    assert stored.state.last_exception.startswith("UnknownMethod: no task 'moved.away'")
    clock.advance(1)
    assert server.step() == 1
    with pytest.raises(JobFailed, match=r"UnknownMethod: no task 'moved\.away' in this server"):
        app.result(job, timeout=0)


def test_an_unknown_method_runs_once_the_deploy_is_through(app, clock):
    job = app.storage.enqueue(Job("moved.back", [2]))
    server = app.server()
    server.step()
    app.task(name="moved.back")(lambda n: n * 2)  # seen by the server at once
    clock.advance(1)
    server.step()
    assert app.result(job, timeout=0) == 4


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("threads", 0),
        ("threads", 1.5),
        ("threads", True),
        ("queues", []),
        ("queues", "mail"),
        ("queues", [""]),
        ("lease_seconds", 0),
        ("lease_seconds", float("nan")),
        ("poll_interval", -1),
        ("poll_interval", "1"),
        ("grace_seconds", -1),
        ("grace_seconds", "long"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(memory_app, setting, value):
    with pytest.raises(ConfigurationError, match=f"^{setting} is "):
        memory_app.server(**{setting: value})


def test_no_grace_is_a_setting(memory_app):
    assert memory_app.server(grace_seconds=0).grace_seconds == 0


# -- with threads --------------------------------------------------------------------------------


def test_with_a_server(app):
    task = app.task(lambda n: n + 1)
    with app.server(threads=2) as server:
        assert app.result(task.enqueue(1), timeout=20) == 2
        [known] = eventually(lambda: servers.alive(app.storage))
        assert (known["name"], known["threads"]) == (server.worker_id, 2)
    assert servers.alive(app.storage) == []
    job = task.enqueue(2)
    assert app.storage.get(job.id).state.kind is StateKind.ENQUEUED


def test_leaving_waits_for_what_runs(app):
    started, server = threading.Event(), app.server(threads=1)

    def task():
        started.set()
        assert server._stopping.wait(20)

    job = app.task(task).enqueue()
    with server:
        assert started.wait(20)
    assert app.storage.get(job.id).state.kind is StateKind.SUCCEEDED


def test_a_server_ends_its_threads(app):
    before = threading.active_count()
    with app.server(threads=5):
        assert threading.active_count() > before + 5
    eventually(lambda: threading.active_count() == before)


def test_a_server_is_started_once(app):
    server = app.server()
    with server:
        with pytest.raises(ConfigurationError, match="was started before; make another"):
            server.start()
        with pytest.raises(ConfigurationError, match="was started before"):
            server.run(burst=True)
        assert not server._claiming.burst  # it would end with nothing left to do
    with pytest.raises(ConfigurationError, match="was started before"):
        server.start()


def test_stop_without_start_and_twice(app):
    server = app.server()
    server.stop()
    server = app.server().start()
    server.stop()
    server.stop()


def test_a_hint_wakes_an_idle_server(make_storage):
    app = Qml(make_storage())
    task = app.task(lambda: 1)
    with app.server(threads=1, poll_interval=600):
        for _ in range(5):
            assert app.result(task.enqueue(), timeout=20) == 1


def test_an_idle_server_wakes_when_the_next_job_falls_due(make_storage):
    app = Qml(make_storage())
    with app.server(threads=1, poll_interval=600):
        job = app.task(lambda: 1).using(run_after=0.3).enqueue()
        assert app.result(job, timeout=20) == 1


def test_a_freed_thread_triggers_the_next_claim(make_storage):
    app = Qml(make_storage())
    task = app.task(lambda: 1)
    jobs = task.enqueue_many([()] * 50)
    with app.server(threads=1, poll_interval=600):
        assert [app.result(job, timeout=20) for job in jobs] == [1] * 50
