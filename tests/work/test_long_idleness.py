"""An hour without a job changes nothing of how the next one is met: what would is looked for here,
under a clock that is moved by hand."""

import pytest

from qml import MemoryStorage, Qml, SqliteStorage
from qml.testing import ManualClock

HOUR = 3_600


@pytest.fixture(params=["memory", "sqlite"])
def app(request, tmp_path):
    clock = ManualClock()
    makes = {
        "memory": lambda: MemoryStorage(clock=clock),
        "sqlite": lambda: SqliteStorage(tmp_path / "jobs.db", durability="normal", clock=clock),
    }
    with Qml(makes[request.param]()) as app:
        app.clock = clock
        yield app


def test_looks_do_not_become_rarer_and_nothing_piles_up(app, monkeypatch):
    storage, pauses, calls = app.storage, [], []
    task = app.task(name="t")(lambda: calls.append(1))
    server = app.server(threads=2)

    def sleep(seconds):
        pauses.append(seconds)
        app.clock.advance(seconds)

    monkeypatch.setattr(storage.driver, "wait", sleep)
    for second in range(HOUR):
        assert server._claiming._once() is False
        if second % 10 == 0:
            server.tick()
    assert pauses == [server.poll_interval] * HOUR
    assert storage.driver.list("") == []
    job = task.enqueue()
    before = storage.now()
    assert server.step() == 1
    assert calls == [1]
    assert storage.now() == before
    assert storage.get(job.id).state.kind == "succeeded"
