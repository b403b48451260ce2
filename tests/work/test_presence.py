"""What a server shows of itself: late threads are named, in the store, by ``qml doctor`` too."""

import os
import sys

import pytest

import qml
from qml import Job, Qml
from qml.seam.findings import Severity
from qml.storage import health, servers
from qml.work import presence
from qml.work.runs import Run, Runs
from tests.work.support import Gate, eventually


def late_finding(storage):
    [found] = [finding for finding in health.examine(storage) if finding.topic == "late"]
    return found


def told(storage, *runs, seconds=0.0, late_threads=None):
    """A server that gives its sign now, with runs of (job, method, seconds late)."""
    late = [{"job": job, "method": method, "seconds": since} for job, method, since in runs]
    facts = {"threads": 1, "late": late, "late_threads": late_threads or len(late)}
    servers.beat(storage, "host-1", facts)


class Late(Run):
    """A run whose time limit passed so many seconds ago."""

    def __init__(self, name, since):
        super().__init__(Job("app.slow", id=name, timeout_seconds=5), lambda: 100.0)
        self.deadline = 100.0 - since


def test_late_runs_are_among_the_facts_the_longest_first(memory_app):
    server = memory_app.server(threads=3, queues=["a"])
    for name, since in (("short", 1.0), ("long", 90.25), ("mean", 30.0)):
        server.runs.note_late(Late(name, since))
    facts = presence.facts(server)
    assert (facts["threads"], facts["queues"], facts["pid"]) == (3, ("a",), os.getpid())
    assert facts["late_threads"] == 3
    assert facts["late"] == [
        {"job": "long", "method": "app.slow", "seconds": 90.25},
        {"job": "mean", "method": "app.slow", "seconds": 30.0},
        {"job": "short", "method": "app.slow", "seconds": 1.0},
    ]


def test_reserved_threads_are_among_the_facts(memory_app):
    facts = presence.facts(memory_app.server(queues={"mail": 3, "bulk": 1}))
    assert (facts["threads"], facts["reserved"]) == (4, {"mail": 3, "bulk": 1})


def test_law13_what_is_told_of_many_is_bounded(memory_app):
    server = memory_app.server()
    for number in range(1000):
        server.runs.note_late(Late(f"job-{number}", float(number)))
    facts = presence.facts(server)
    assert facts["late_threads"] == 1000
    assert [run["job"] for run in facts["late"]] == [f"job-{n}" for n in range(999, 989, -1)]


@pytest.mark.parametrize("body", ["no JSON", "[1]", '{"seen_at": "now"}', '{"seen_at": -1}'])
def test_what_is_damaged_counts_as_silent_for_ever(storage, clock, body):
    storage.driver.write(f"{servers.PREFIX}host-1", body, 0)
    [found] = servers.alive(storage)
    assert found == {"name": "host-1", "silent_seconds": storage.clock.micros() / 1e6}
    servers.beat(storage, "host-2", {})
    assert [server["name"] for server in servers.alive(storage)] == ["host-2"]


class Begun(Run):
    """A run that began so many seconds ago."""

    def __init__(self, name, since):
        super().__init__(Job("app.slow", id=name, queue="q"), lambda: 100.0)
        self.started_at = 100.0 - since


def test_what_runs_is_among_the_facts_the_longest_first_and_bounded(memory_app):
    server = memory_app.server()
    waiting, ended = Run(Job("app.slow")), Begun("ended", 5.0)
    ended.ended = True
    server.runs.add([waiting, ended, *(Begun(f"job-{n}", n / 4) for n in range(100))])
    facts = presence.facts(server)
    assert facts["running"] == 102
    assert [run["job"] for run in facts["runs"]] == [f"job-{n}" for n in range(99, 49, -1)]
    told = {"job": "job-99", "method": "app.slow", "queue": "q", "seconds": 24.75}
    assert facts["runs"][0] == told


def test_the_versions_are_among_the_facts(memory_app):
    facts = presence.facts(memory_app.server())
    assert facts["qml"] == qml.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))


def test_two_late_attempts_of_one_job_are_both_known():
    runs, first, second = Runs(), Late("same", 20.0), Late("same", 1.0)
    for run in (first, second):
        runs.note_late(run)
    assert runs.late() == [first, second]
    assert runs.is_late_here(first.job)  # by the second; the first is beyond its second term
    runs.forget_late(second)
    assert runs.late() == [first]
    assert not runs.is_late_here(first.job)
    runs.forget_late(first)
    runs.forget_late(first)
    assert runs.late() == []
    assert not runs._late


def test_doctor_names_a_thread_that_really_is_late(make_storage):
    app, gate = Qml(make_storage()), Gate()
    job = app.task(name="app.stuck", timeout_seconds=0.05, max_retries=0)(gate.wait).enqueue()
    with app.server(threads=1) as server:
        eventually(server.runs.late)
        server._look_for_orders()  # once a second; a heartbeat would be ten seconds away
        eventually(lambda: late_finding(app.storage).severity is Severity.WARNING)
        found = late_finding(app.storage)
        assert found.severity is Severity.WARNING
        assert found.fact == (
            "1 thread runs beyond the time limit, the longest for 0 s: job "
            f"{job.id} (app.stuck) on server {server.worker_id}"
        )
        assert "a restart of the server ends them" in found.remedy
        gate.open()
        eventually(lambda: not server.runs.late())
        server._look_for_orders()
        eventually(lambda: late_finding(app.storage).severity is Severity.OK)


def test_since_when_counts_on_after_the_sign(storage, clock):
    told(storage, ("j1", "app.one", 50.0), ("j2", "app.two", 60.0), late_threads=12)
    clock.advance(30)
    assert late_finding(storage).fact == (
        "12 threads run beyond the time limit, the longest for 1 min: job j2 (app.two) on server "
        "host-1"
    )
    clock.advance(6)  # no sign any more: what it did then says nothing of now
    assert late_finding(storage) == (
        *(Severity.OK, "late", "no thread runs beyond its job's time limit", ""),
    )


@pytest.mark.parametrize(
    "late", [None, 7, "x", [None], [{}], [{"seconds": "9"}], {"seconds": 1}, [[1]]]
)
def test_what_a_server_says_may_be_nonsense(storage, late):
    servers.beat(storage, "host-1", {"late": late, "late_threads": "many"})
    assert late_finding(storage).severity is Severity.OK
