"""Starts processes, kills them at random moments, and gathers the evidence."""

import os
import random
import signal
import sqlite3
import time

from qml import connect
from qml.values.clock import steady_micros
from qml.values.states import Failed, Succeeded

from .history import History, Stored
from .judge import Case
from .ledger import Ledger, read_all
from .processes import Plan, fork


class Controller:
    """One run. It opens no database before its last fork."""

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

    def kill_until(self, kills: int, interval: float, pause: float) -> None:
        """Start everybody, and kill one at random moments about ``interval`` seconds apart until
        ``kills`` were made; before each, with probability ``pause``, stop another for a while."""
        for role in ("enqueuer", *["server"] * self.plan.workers):
            self._start(role)
        while self.kills < kills:
            time.sleep(self._chance.uniform(0.0, 2 * interval))
            self._bury()
            self._resume()
            if self._chance.random() < pause and len(self._paused) < self.plan.workers // 2:
                self._pause(self._victim("server"))
            self._start(self._kill(self._victim("server", "enqueuer")))
        self._resume(everybody=True)

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
        with connect(f"sqlite:///{self.plan.database}") as storage:
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

    def case(self, drained: float | None) -> Case:
        """All that there is to judge."""
        with connect(f"sqlite:///{self.plan.database}") as storage:
            stored = {job.id: _stored(job) for job in storage.list()}
        log = (
            self.plan.log.read_text(errors="replace").splitlines() if self.plan.log.exists() else []
        )
        connection = sqlite3.connect(self.plan.database)
        found = connection.execute("PRAGMA integrity_check").fetchall()
        connection.close()
        integrity = "; ".join(text for (text,) in found)
        return Case(History(read_all(self.plan.folder)), stored, tuple(log), integrity, drained)


def _stored(job):
    state = job.state
    return Stored(
        id=job.id,
        state=state.kind.value,
        fence=job.fence,
        attempt=job.attempt,
        max_attempts=job.max_attempts,
        result=state.result if isinstance(state, Succeeded) else None,
        exception=state.exception if isinstance(state, Failed) else "",
    )
