"""Whether a server is alive and ready; a store that says nothing does not keep it waiting."""

import threading

import pytest

from qml import Qml
from qml.work import health
from qml.work.health import Health
from qml.work.pulse import Pulse

from .support import PATIENCE, Failing, Gate, Wrapped, eventually


@pytest.fixture
def jobs():
    with Qml("memory://") as jobs:
        yield jobs


class Silent(Wrapped):
    """A store that does not answer a claim until it is ``open``."""

    def __init__(self, driver):
        super().__init__(driver)
        self.reached, self.open = threading.Event(), threading.Event()

    def meet(self, verb, orders):
        if verb == "claim":
            self.reached.set()
            assert self.open.wait(PATIENCE)


def test_a_pulse_is_late_after_the_rest_it_took():
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    now[0] = 1e9
    assert pulse.late == 0  # it has not begun
    pulse.beat()
    now[0] += 3
    assert pulse.late == 3
    pulse.beat(10)
    now[0] += 10
    assert pulse.late == 0
    now[0] += 1
    assert pulse.late == 1
    pulse.beat(float("inf"))
    now[0] += 1e9
    assert pulse.late == 0


def ready(server):
    return eventually(lambda: server.health() == Health(True, True))


def test_a_server_that_runs_is_alive_and_ready(jobs):
    gate = Gate()
    jobs.task(name="wait")(gate.wait).enqueue()
    server = jobs.server()
    assert server.health() == Health(True, False, "it was not started")
    assert not server.running
    with server:
        assert server.running
        ready(server)
        gate.someone_waits()
        server.drain()
        found = server.health()
        assert found.alive
        assert (found.ready, found.why) == (False, "it drains: it claims nothing more")
        gate.open()
    found = server.health()
    assert found.alive
    assert (found.ready, found.why) == (False, "it is stopping")
    assert not server.running


def test_an_outage_leaves_it_alive_and_not_ready(jobs):
    failing = Failing(jobs.storage.driver)
    jobs.storage.driver = failing
    with jobs.server(poll_interval=0.05) as server:
        ready(server)
        failing.plan["claim"] = 10**6
        found = eventually(lambda: not (now := server.health()).ready and now)
        assert found.alive
        assert found.why.startswith("the store does not do as it is told: claiming")
        failing.plan["claim"] = 0
        ready(server)


def test_a_store_that_says_nothing_is_not_waited_for(jobs, monkeypatch):
    monkeypatch.setattr(health, "UNANSWERED", 0.1)
    silent = Silent(jobs.storage.driver)
    jobs.storage.driver = silent
    with jobs.server(poll_interval=0.01) as server:
        try:
            assert silent.reached.wait(10)
            assert server.health().why in (
                "the store has not answered yet",
                "the store has not answered a claim for 0 s",
            )
            found = eventually(lambda: "for 0 s" in (now := server.health()).why and now)
            assert found == Health(True, False, "the store has not answered a claim for 0 s")
        finally:
            silent.open.set()
        monkeypatch.setattr(health, "UNANSWERED", 5.0)
        ready(server)


def test_a_loop_that_stands_still_is_dead(jobs, monkeypatch):
    silent = Silent(jobs.storage.driver)
    jobs.storage.driver = silent
    with jobs.server(name="m", poll_interval=0.01) as server:
        try:
            assert silent.reached.wait(10)
            monkeypatch.setattr(health, "STUCK", 0.05)
            found = eventually(lambda: not (now := server.health()).alive and now)
            assert found.why == "m-claimloop has stood still for 0 s"
        finally:
            silent.open.set()


def test_a_loop_that_ends_is_dead(jobs, monkeypatch):
    server = jobs.server(name="m")
    monkeypatch.setattr(server._claiming, "loop", lambda: None)
    with server:
        found = eventually(lambda: not (now := server.health()).alive and now)
        assert found.why == "m-claimloop has ended"


def test_a_busy_server_is_ready(jobs):
    begun, go = threading.Event(), threading.Event()

    @jobs.task
    def work():
        begun.set()
        go.wait(30)

    work.enqueue()
    with jobs.server(threads=1) as server:
        assert begun.wait(10)
        ready(server)
        go.set()


class Counting(Pulse):
    """A pulse whose beats are counted."""

    beats = 0

    def beat(self, rest=0.0):
        self.beats += 1
        super().beat(rest)


def test_a_server_that_waits_for_its_last_job_is_alive(jobs):
    gate = Gate()
    jobs.task(name="wait")(gate.wait).enqueue()
    server = jobs.server()
    pulse = server._claiming.pulse = Counting()
    with server:
        gate.someone_waits()
        server.drain()
        now = pulse.beats
        eventually(lambda: pulse.beats > now + 4)
        assert server.health().alive
        gate.open()
