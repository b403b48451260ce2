"""Servers of one machine: the dead are known by the kernel, and nobody else is taken for dead."""

import os

import pytest

from qml import Job, StorageUnavailable
from qml.storage import servers
from qml.work import kernel, neighbours, presence
from qml.work.chores import ALONE, Upkeep
from qml.work.kernel import Process
from qml.work.neighbours import Neighbours
from qml.work.outage import Outage

HERE = Process("this machine", 100, 7)


@pytest.fixture
def dead(monkeypatch):
    """The processes that are."""
    found = set()
    monkeypatch.setattr(kernel, "this", lambda: HERE)
    monkeypatch.setattr(kernel, "is_dead", lambda process: process in found)
    return found


def told(storage, name, process=HERE, **facts):
    """A server's sign; what all tell."""
    return servers.beat(
        storage,
        name,
        {"machine": process.machine, "pid": process.pid, "born": process.born} | facts,
    )


def claimed(storage, worker):
    storage.enqueue(Job("t"))
    return storage.fetch_and_lock_job(worker)


def test_the_claims_of_a_dead_neighbour_end_and_it_is_struck_off(memory_app, dead):
    storage, other = memory_app.storage, HERE._replace(pid=101)
    beside = Neighbours(storage)
    told(storage, "other", other)
    beside.know(told(storage, "mine"))
    theirs, mine = claimed(storage, "other"), claimed(storage, "mine")
    assert beside.bury() == 0
    dead.add(other)
    assert beside.bury() == 1
    assert [job.id for job in storage.rescue()] == [theirs.id]
    assert storage.renew([theirs, mine]) == [False, True]
    assert [each["name"] for each in servers.alive(storage)] == ["mine"]
    assert beside.bury() == 0


def test_upkeep_rescues_at_once(memory_app, dead, caplog):
    storage, other = memory_app.storage, HERE._replace(pid=101)
    told(storage, "other", other)
    upkeep = Upkeep(storage, lambda: told(storage, "mine"), Outage())
    assert upkeep.bury() == ALONE
    upkeep.heartbeat()
    job = claimed(storage, "other")
    assert upkeep.bury() is None
    assert storage.get(job.id).state.kind == "processing"
    dead.add(other)
    upkeep.bury()
    assert storage.get(job.id).state.kind == "awaiting_retry"
    assert "a server of this machine was killed: 1 of its claims are ended" in caplog.text


@pytest.mark.parametrize(
    "facts",
    [
        {"machine": "another"},
        {"machine": None},
        {"machine": ["this machine"]},
        {"pid": "100"},
        {"pid": 0},
        {"pid": -1},
        {"born": None},
        {"born": 0},
    ],
)
def test_who_is_elsewhere_or_does_not_say_is_no_neighbour(memory_app, dead, facts):
    storage, beside = memory_app.storage, Neighbours(memory_app.storage)
    beside.know(told(storage, "other", HERE._replace(pid=101)))
    assert [*beside._known] == ["other"]
    beside.know(told(storage, "other", HERE._replace(pid=101), **facts))
    assert beside._known == {}


def test_its_own_process_is_no_neighbour_and_who_had_its_number_before_is(memory_app, dead):
    storage, beside = memory_app.storage, Neighbours(memory_app.storage)
    told(storage, "before", HERE._replace(born=HERE.born - 1))
    beside.know(told(storage, "mine"))
    assert [*beside._known] == ["before"]


def test_where_the_kernel_does_not_tell_there_are_no_neighbours(memory_app, monkeypatch):
    monkeypatch.setattr(kernel, "this", lambda: None)
    assert neighbours.facts() == {}
    beside = Neighbours(memory_app.storage)
    beside.know(told(memory_app.storage, "other", HERE._replace(machine="", pid=101)))
    assert beside._known == {}


def test_a_death_that_could_not_be_noted_is_noted_at_the_next_look(memory_app, dead, monkeypatch):
    storage, beside = memory_app.storage, Neighbours(memory_app.storage)
    other = HERE._replace(pid=101)
    beside.know(told(storage, "other", other))
    claimed(storage, "other")
    dead.add(other)

    def fail(worker):
        raise StorageUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(storage, "end_claims", fail)
        with pytest.raises(StorageUnavailable):
            beside.bury()
    assert beside.bury() == 1


def test_a_server_tells_its_process_unless_it_was_made_by_another(memory_app, dead):
    server = memory_app.server()
    facts = presence.facts(server)
    assert (facts["machine"], facts["born"]) == (HERE.machine, HERE.born)
    server.pid = os.getpid() + 1  # made before a fork
    assert "born" not in presence.facts(server)
