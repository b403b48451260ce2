"""Starts processes, and kills or stops them, and the server, at random moments."""

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from qml import connect
from qml.values.clock import steady_micros

from .conduct import PATIENCE
from .history import History
from .ledger import Ledger, read_all
from .processes import Plan, fork
from .stores import Server


class Controller:
    """One run. It opens no store before its last fork."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.kills = 0
        self.pauses = 0
        self._chance = random.Random(plan.seed)
        self._ledger = Ledger(plan.folder, 0)
        self._lifeline = os.pipe()
        self._lives = 0
        self._living: dict[int, tuple[int, str]] = {}  # pid -> life, role
        self._paused: dict[int, tuple[int, float]] = {}  # pid -> since, until (monotonic)

    # -- processes -----------------------------------------------------------------------------

    def _start(self, role: str) -> None:
        self._lives += 1
        self._ledger.note("born", life=self._lives, role=role)
        pid = fork(role, self.plan, self._lives, self._lifeline)
        self._living[pid] = (self._lives, role)

    def _kill(self, pid: int) -> str:
        """SIGKILL a process and wait until it is dead."""
        life, role = self._living.pop(pid)
        self._ledger.note("kill", life=life)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self._ledger.note("dead", life=life, status=os.waitstatus_to_exitcode(status))
        self.kills += 1
        return role

    def _bury(self) -> None:
        """Note who died without having been killed, and put another in its place."""
        for pid in list(self._living):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                life, role = self._living.pop(pid)
                self._ledger.note("dead", life=life, status=os.waitstatus_to_exitcode(status))
                self._paused.pop(pid, None)
                self._start(role)

    # -- stopped clocks ------------------------------------------------------------------------

    def _pause(self, pid: int) -> None:
        """Stop a process beyond its lease: when it goes on, its claims are over."""
        os.kill(pid, signal.SIGSTOP)
        self.pauses += 1
        length = self.plan.lease * self._chance.uniform(1.0, 2.0)
        self._paused[pid] = (steady_micros(), time.monotonic() + length)

    def _resume(self, *, everybody: bool = False) -> None:
        for pid, (since, until) in list(self._paused.items()):
            if everybody or time.monotonic() >= until:
                del self._paused[pid]
                os.kill(pid, signal.SIGCONT)
                self._ledger.note("stall", life=self._living[pid][0], since=since, verb="pause")

    # -- the run -------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everybody."""
        for role in ["enqueuer"] * self.plan.enqueuers + ["server"] * self.plan.workers:
            self._start(role)

    def kill_processes(self, kills: int, interval: float, pause: float) -> None:
        """Kill a process at random moments about ``interval`` seconds apart, ``kills`` times;
        before each, with probability ``pause``, stop another for a while."""
        while self.kills < kills:
            time.sleep(self._chance.uniform(0.0, 2 * interval))
            self._bury()
            self._resume()
            if self._chance.random() < pause and len(self._paused) < self.plan.workers // 2:
                self._pause(self._victim("server"))
            self._start(self._kill(self._victim("server", "enqueuer")))
        self._resume(everybody=True)

    def kill_server(self, server: Server, kills: int) -> None:
        """Kill the server and start it on the same data, ``kills`` times; after every other time
        freeze it for a while: clients still connect and send, and some give up before it goes on.
        An outage may be shorter or longer than a lease."""
        lease, chance = self.plan.lease, self._chance
        for number in range(kills):
            self._outage("kill", server.kill, server.start, lease * chance.uniform(0.0, 1.2))
            if number % 2:
                length = lease * chance.uniform(0.5, 5.0)
                self._outage("freeze", server.pause, server.resume, length)
        self._see_all_back()

    def _outage(
        self, how: str, begin: Callable[[], Any], end: Callable[[], Any], length: float
    ) -> None:
        """In one of three a process is killed, too, and the next finds no server."""
        self._let_run(self.plan.lease * self._chance.uniform(0.2, 1.8))
        self._ledger.note("down", how=how)
        begin()
        if self._chance.random() < 1 / 3:
            self._start(self._kill(self._victim("server", "enqueuer")))
        self._let_run(length)
        end()
        self._ledger.note("up")

    def _see_all_back(self) -> None:
        """Go on until each process has had an answer since the last outage; in vain if one never
        has, and then the judge knows."""
        until = time.monotonic() + PATIENCE / 1e6 + 1
        living = {life for life, _ in self._living.values()}
        while living & History(read_all(self.plan.folder)).deaf() and time.monotonic() < until:
            self._let_run(0.2)

    def _let_run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
            self._bury()

    def _victim(self, *roles: str) -> int:
        """Anybody of these roles who is not paused."""
        living = sorted(self._living.items())
        awake = [pid for pid, (_, role) in living if role in roles and pid not in self._paused]
        return self._chance.choice(awake)

    def drain(self, limit: float) -> float | None:
        """Let the servers do the rest, in how many seconds (None = more than ``limit``), and end
        them."""
        for pid in [pid for pid, (_, role) in self._living.items() if role == "enqueuer"]:
            self._kill(pid)
        begun = time.monotonic()
        drained = None
        with connect(self.plan.url) as storage:
            while drained is None and time.monotonic() - begun < limit:
                counts = storage.get_job_counts()
                if sum(counts.values()) == counts["succeeded"] + counts["failed"]:
                    drained = time.monotonic() - begun
                time.sleep(0.05)
        self._dismiss()
        return drained

    def _dismiss(self) -> None:
        for pid in self._living:
            os.kill(pid, signal.SIGTERM)
        for pid, (life, _) in self._living.items():
            _, status = os.waitpid(pid, 0)
            self._ledger.note("dead", life=life, status=os.waitstatus_to_exitcode(status))
        self._living.clear()
