"""Small promises of apps and servers that stand in no other file."""

import threading

import pytest

from qml import ConfigurationError, MemoryStorage, Qml, SqliteConfig, current_job
from qml.storage import servers
from tests.work.support import Gate, eventually


def test_an_async_function_is_refused(memory_app):
    async def later():
        return 1

    with pytest.raises(ConfigurationError, match=r"is an async function.*asyncio\.run"):
        memory_app.task(later)
    assert memory_app.tasks == {}


def test_a_generator_is_refused(memory_app):
    def pages():
        yield 1

    async def later():
        yield 1

    for function in (pages, later):
        with pytest.raises(ConfigurationError, match=r"is a generator.*return a list"):
            memory_app.task(function)
    assert memory_app.tasks == {}


def test_an_object_is_refused_that_is_called_so(memory_app):
    class Later:
        async def __call__(self):
            return 1

    class Pages:
        def __call__(self):
            yield 1

    with pytest.raises(ConfigurationError, match="is an async function"):
        memory_app.task(Later(), name="later")
    with pytest.raises(ConfigurationError, match="is a generator"):
        memory_app.task(Pages(), name="pages")
    assert memory_app.tasks == {}


@pytest.mark.parametrize("nothing", [None, 5, b"memory://"])
def test_an_app_of_no_store_is_refused_at_once(nothing):
    with pytest.raises(ConfigurationError, match=r"give a URL \(sqlite:///"):
        Qml(nothing)


def test_parameters_may_have_the_names_of_ours(memory_app):
    @memory_app.task
    def mine(self, task, args=1, kwargs=2):
        return [self, task, args, kwargs]

    server = memory_app.server(threads=1)
    assert mine(self=1, task=2) == [1, 2, 1, 2]
    with memory_app.batch("b") as batch:
        job = batch.enqueue(mine, self=1, task=2)
    mine.then(mine, self=3, task=4).enqueue(self=5, task=6, args=7)
    while server.step():
        pass
    assert memory_app.result(job) == [1, 2, 1, 2]
    assert {str(job.kwargs) for job in memory_app.storage.list("succeeded")} == {
        "{'self': 1, 'task': 2}",
        "{'self': 3, 'task': 4}",
        "{'self': 5, 'task': 6, 'args': 7}",
    }


def test_a_function_without_a_signature_is_refused(memory_app):
    with pytest.raises(ConfigurationError, match=r"task \w+: .*wrap it in a function of your own"):
        memory_app.task(name="it")(min)


@pytest.mark.parametrize("thing", [classmethod(len), "minimum"])
def test_what_cannot_be_called_is_refused(memory_app, thing):
    with pytest.raises(ConfigurationError, match=r"task it is .*; give a function"):
        memory_app.task(name="it")(thing)


def test_a_complete_burst_is_told_from_a_stopped_one(app):
    app.task(name="t")(lambda: None).enqueue()
    assert app.server(threads=1).run(burst=True) is True
    server = app.server(threads=1)
    threading.Timer(0.1, server.stop).start()
    assert server.run() is False


def test_work_that_had_begun_is_told_from_work_that_waited(app, monkeypatch):
    monkeypatch.setattr("qml.work.claiming.HOARDED", 60.0)  # none is handed back before the stop
    gate = Gate()
    app.task(name="t")(lambda n: gate.wait()).enqueue_many([(1,), (2,)])
    server = app.server(threads=1, lease_seconds=60).start()
    gate.someone_waits()
    server.pool.put(server.claimer.admit(server.claimer.claim(1, 0)))  # as if claimed ahead
    server.stop(grace_seconds=0)
    gate.open()
    assert (server.handed_back, server.interrupted) == (2, 1)


def test_a_server_stepped_by_hand_is_not_listed(app):
    server = app.server()
    server.tick()
    server.step()
    assert servers.alive(app.storage) == []
    with server:
        eventually(lambda: [one["name"] for one in servers.alive(app.storage)])
    assert servers.alive(app.storage) == []


def test_after_hoarding_nothing_is_taken_ahead_for_a_while(app):
    server = app.server(threads=2)
    server.pool._average = 0.0001  # as after many short jobs
    assert server.pool.room()[1] > 0
    app.task(name="t")(lambda: None).enqueue_many([()] * 4)
    server.pool.put(server.claimer.admit(server.claimer.claim(0, 4)))
    server.pool.withdraw(older_than=-1.0)
    assert server.pool.room() == (2, 0)


def test_settings_beside_a_configuration_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="options durability beside a SqliteConfig"):
        Qml(SqliteConfig(tmp_path / "jobs.db"), durability="normal")


@pytest.mark.parametrize("make", [lambda wrong: Qml("memory://", retry=wrong), MemoryStorage])
def test_a_policy_is_a_policy(make):
    with pytest.raises(ConfigurationError, match="is 3; give a RetryPolicy"):
        make(3) if make is not MemoryStorage else make(retry=3)


def test_a_current_job_is_what_its_class_says(memory_app):
    from qml import CurrentJob

    seen = []
    memory_app.task(name="t")(lambda: seen.append(type(current_job()))).enqueue()
    memory_app.server().step()
    assert seen == [CurrentJob]
