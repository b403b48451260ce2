"""Processes that enqueue and work on one store, killed at random, and the verdict on their history.

Each is a process of its own: it shares nothing with the others but the store.
"""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ...storage.connect import connect
from ...storage.urls import Config
from ...values.states import StateKind
from ..history import History
from ..history.journal import ENDING
from . import roles

SERVERS, CLIENTS = 3, 2

PAUSE = 0.25
"""Seconds between two kills, in the mean."""

FROZEN = 0.25
"""How many of the kills come with another process that stands still beyond its lease."""

START = 30.0
"""Seconds that the first processes have to come to work."""

DRAIN = 60.0
"""Seconds in which the servers have to do the rest."""

FREEZE, THAW = getattr(signal, "SIGSTOP", None), getattr(signal, "SIGCONT", None)


def run(
    place: Config,
    folder: Path,
    seconds: float,
    counts: Counter[str],
    go_on: Callable[[], bool],
) -> None:
    """Kill for ``seconds``, let the rest be done, judge. AssertionError with all faults."""
    counts.update(dict.fromkeys(("processes", "kills", "freezes"), 0))
    history = History(folder)
    with connect(place) as storage:
        with Crew(place, folder, counts) as crew:
            crew.await_everybody()
            until = time.monotonic() + max(seconds, 2.0)
            while time.monotonic() < until:
                time.sleep(random.uniform(0, 2 * PAUSE))
                crew.kill_one()
                go_on()
            drained = crew.drain(storage.get_job_counts)
        history.final(storage)
    verdict = history.judge(drained=True)
    counts.update(calls=verdict.operations, jobs=verdict.jobs, claims=verdict.claims)
    faults = [*crew.deaths, *verdict.faults]
    if not verdict.claims:
        faults.append("no process came so far as to claim a job; give more seconds")
    if not drained:
        faults.insert(0, f"the rest was not done {DRAIN:.0f} s after the last kill")
    if faults:
        raise AssertionError("\n\n".join(faults))


def context(*modules: str) -> Any:
    """New processes from a clean one that has imported ``modules``, where the system can: 0.02 s
    each and not 0.5. It talks by a socket, whose path may not be as long as TMPDIR may be."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        from multiprocessing import forkserver

        found = multiprocessing.get_context("forkserver")
        found.set_forkserver_preload([*modules])
        with suppress(OSError):
            forkserver.ensure_running()
            return found
    return multiprocessing.get_context("spawn")


class Crew:
    """The processes at work. They end with this one, whatever becomes of it."""

    def __init__(self, place: Config, folder: Path, counts: Counter[str]) -> None:
        self._start_by = context(roles.__name__)
        self._place, self._folder, self._counts = place, folder, counts
        self._line, self._end = self._start_by.Pipe(duplex=False)
        self._living: dict[BaseProcess, str] = {}
        self._frozen: dict[BaseProcess, float] = {}
        self.deaths: list[str] = []

    def __enter__(self) -> "Crew":
        for role in ["serve"] * SERVERS + ["ask"] * CLIENTS:
            self._start(role)
        return self

    def __exit__(self, *error: object) -> None:
        self._thaw(everybody=True)
        for process in self._living:
            process.kill()
        for process in self._living:
            process.join()
        self._line.close()
        self._end.close()

    def _start(self, role: str) -> None:
        task: Callable[[Config, Path, Connection], None] = getattr(roles, role)
        process = self._start_by.Process(
            target=task, args=(self._place, self._folder, self._line), daemon=True
        )
        process.start()
        self._living[process] = role
        self._counts["processes"] += 1

    def await_everybody(self) -> None:
        """Until each has made a call: the first kills would find them on their way to work."""
        until = time.monotonic() + START
        while time.monotonic() < until:
            self.bury()
            if len([*self._folder.glob(f"*{ENDING}")]) >= len(self._living):
                return
            time.sleep(0.02)

    def bury(self) -> None:
        """Note who has ended by himself, and put another in his place."""
        for process in [process for process in self._living if process.exitcode is not None]:
            role = self._living.pop(process)
            text = (self._folder / roles.PRINTED).read_text(encoding="utf-8", errors="replace")
            how = f"a process ({role}) ended by itself, exit code {process.exitcode}"
            self.deaths.append(f"{how}:\n{text[-2000:]}")
            self._start(role)

    def kill_one(self) -> None:
        """Kill a process at work, and put another in its place; now and then let a third stand
        still for longer than its lease."""
        self.bury()
        self._thaw()
        awake = [process for process in self._living if process not in self._frozen]
        if not awake:
            return
        victim = random.choice(awake)
        if FREEZE is not None and len(awake) > 2 and random.random() < FROZEN:
            other = random.choice([process for process in awake if process is not victim])
            self._freeze(other)
        victim.kill()
        victim.join()
        self._counts["kills"] += 1
        self._start(self._living.pop(victim))

    def _freeze(self, process: BaseProcess) -> None:
        assert process.pid is not None
        assert FREEZE is not None
        os.kill(process.pid, FREEZE)
        self._counts["freezes"] += 1
        self._frozen[process] = time.monotonic() + roles.LEASE * random.uniform(1.0, 2.0)

    def _thaw(self, *, everybody: bool = False) -> None:
        for process, until in list(self._frozen.items()):
            if everybody or time.monotonic() >= until:
                del self._frozen[process]
                assert process.pid is not None
                assert THAW is not None
                os.kill(process.pid, THAW)

    def drain(self, counted: Callable[[], Mapping[StateKind, int]]) -> bool:
        """End the clients, and wait until the servers have nothing left to do."""
        self._thaw(everybody=True)
        for process in [process for process, role in self._living.items() if role == "ask"]:
            process.kill()
            process.join()
            del self._living[process]
        until = time.monotonic() + DRAIN
        while time.monotonic() < until:
            states = counted()
            if not any(states[kind] for kind in roles.UNDONE):
                return True
            time.sleep(0.05)
        return False
