"""A server: claims jobs, runs them in threads, records what came of them."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self
from uuid import uuid4

from ..storage import checks
from ..storage.storage import Storage
from ..values.clock import Steady
from ..values.errors import ConfigurationError, StorageError
from ..values.job import Job
from ..values.retry import RetryPolicy
from . import committing, joblog, presence
from .activity import Activity
from .child import end_if_unguarded
from .chores import Keeper, Upkeep
from .claimer import Claimer
from .claiming import ClaimLoop
from .executor import Outcome, Runnable, Snoozed
from .finisher import Finisher
from .health import Health, Loop, judged
from .noting import Noter
from .outage import Outage
from .pool import Pool
from .processes import Processes
from .retirement import Retirement
from .rounds import Chore, Rounds, rounds_of
from .runs import Run, Runs
from .shares import Queues, divide, shares
from .signals import Signals
from .stopping import aside, come_to_rest
from .timetable import Declared, Timetable
from .watching import watched

log = logging.getLogger("qml.server")


class Server:
    """Runs the jobs of one storage until it is stopped.

    ``tasks``: by method name; ``policy_of``: a job's retry policy; ``threads``: how many jobs run
    at once (None = 8, or as many as ``queues`` reserves); ``queues``: None for every queue, the
    names of those to take from, or how many threads each has for itself, ``{"mail": 3, "bulk":
    1}``: of a queue no more run at once than these and the threads that no queue has for itself;
    ``lease_seconds``: how long a claim outlives a server that was killed; ``poll_interval``:
    seconds between two looks when no hint comes; ``grace_seconds``: how long running jobs may go
    on after a stop; ``name``: of the machine by default; ``steady``: the counter of seconds that
    leases and limits are measured by here; ``declared``: the schedules of the code; ``max_jobs``,
    ``max_memory_mb`` (MB of 1,000,000 bytes; Linux only): when so many jobs have run, or so much
    memory is in use after one, it claims nothing more, lets what runs end, however long that
    takes, and ``run`` returns. It says so in the log, and ``retired`` why; None = it was not that.

    Every log record tells the job it was made in, from the first server on: see ``joblog``.
    Start it with ``run()`` (until a signal or ``stop``), ``run(burst=True)`` (until nothing is
    left to do), ``start()``, or as a context manager. ``handed_back`` counts the jobs given back
    at a stop, ``interrupted`` those of them that had begun; ``signalled``: a signal ended ``run``.
    """

    def __init__(
        self,
        storage: Storage,
        tasks: Mapping[str, Runnable],
        policy_of: Callable[[Job], RetryPolicy],
        *,
        threads: int | None = None,
        queues: Queues = None,
        lease_seconds: float = 30.0,
        poll_interval: float = 1.0,
        grace_seconds: float = 30.0,
        name: str | None = None,
        steady: Steady = time.monotonic,
        declared: Declared | None = None,
        max_jobs: int | None = None,
        max_memory_mb: float | None = None,
    ) -> None:
        self.division = divide(threads, queues)
        checks.span("lease_seconds", lease_seconds)
        checks.span("poll_interval", poll_interval)
        checks.delay("grace_seconds", grace_seconds)
        self.storage, self.tasks, self.steady = storage, tasks, steady
        self.name = checks.own_name(name) or socket.gethostname() or "server"
        self.pid = os.getpid()
        self.worker_id = f"{self.name}-{self.pid}-{uuid4().hex[:8]}"
        self.threads, self.queues = self.division.threads, self.division.queues
        self.lease_seconds = float(lease_seconds)
        self.poll_interval, self.grace_seconds = float(poll_interval), float(grace_seconds)
        self.handed_back = self.interrupted = 0
        self.signalled = False
        self.retired: str | None = None
        self.retirement = Retirement(max_jobs, max_memory_mb, steady=steady)
        self._stopping = threading.Event()
        self.signals = Signals()
        self._wire(policy_of, declared or {})

    def _wire(self, policy_of: Callable[[Job], RetryPolicy], declared: Declared) -> None:
        joblog.install()
        self._claiming = ClaimLoop(self, self._stopping)
        self._started: list[threading.Thread] = []
        self._loops: list[Loop] = []
        self.runs = Runs(self._nothing_runs)
        self.claimer = Claimer(self)
        self.processes = Processes()
        self.shares = shares(self.division, self._make_pool)
        self.pool = self.shares[0].pool  # the only one, unless queues have threads of their own
        self.outage = Outage(self.steady)
        self.noter = Noter(self.storage, self.lease_seconds)
        self.activity = Activity(self.storage, self.worker_id)
        self.finisher = Finisher(
            *(self.storage, self.runs, policy_of, self.outage, self.noter, self.activity.add)
        )
        self.keeper = Keeper(
            *(self.storage, self.runs, self.pool, self._ended),
            *(self.lease_seconds, self.steady, self.noter),
        )
        self.upkeep = Upkeep(
            *(self.storage, self._beat, self.outage, self._look_for_orders, self.activity.add)
        )
        self.timetable = Timetable(self.storage, declared, self.tasks)
        self._rounds = rounds_of(self._chores(), self.outage, self.keeper.idle)
        self.keeping = self._rounds[0]

    # -- running -------------------------------------------------------------------------------

    def run(self, burst: bool = False) -> bool:
        """Run until SIGTERM, SIGINT or ``stop``; with ``burst`` only until nothing runs here and
        nothing is due within a minute. The first signal lets running jobs end within the grace
        period, a second one hands them back at once. SIGUSR1, where there is one, is a ``drain``.
        Signals are seen in the main thread only. True = the burst is complete; False = it was
        stopped or drained before, or has retired."""
        claiming = self._claiming
        claiming.burst = claiming.burst if self._started else burst  # not by a run that is refused
        with Signals() as signals:
            self.start()
            self.signals = signals  # of the run that was not refused; now, before it looks
            try:
                while not claiming.ended.is_set() and not self._stopping.is_set():
                    signals.wait()
                    if signals.drain and not claiming.draining:
                        self.drain()
                    if signals.count:
                        log.info("stopping: running jobs have %g s to end", self.grace_seconds)
                        break
            finally:
                asked = self._stopping.is_set()
                self._stop(self.grace_seconds, hurried=lambda: signals.count > 1)
            self.signalled = signals.count > 0
            drained = claiming.draining
            complete = claiming.ended.is_set() and self.retired is None and not drained
            if asked or signals.count or drained:
                self.retired = None  # it should end, whatever it meant to do
        return complete

    def start(self) -> Self:
        """Start the threads and return at once."""
        end_if_unguarded()
        if self._started:
            raise ConfigurationError("this server was started before; make another")
        for share in self.shares:
            share.pool.start()
        parties: list[Rounds | ClaimLoop] = [*self._rounds, self._claiming]
        for party in (self.finisher, *parties):
            name = f"{self.name}-{type(party).__name__.lower()}"
            thread = threading.Thread(target=party.loop, name=name, daemon=True)
            self._started.append(thread)  # first: a hook in it may call stop
            thread.start()
            self._loops.append(Loop(thread, party.pulse))
        where = self.storage.driver.describe()
        log.info("server %s runs %d threads on %s", self.worker_id, self.threads, where)
        return self

    def drain(self) -> None:
        """Claim nothing more; let what runs end, however long that takes; hand back what has not
        begun. Then ``run`` returns False. Returns at once, in any thread; a ``stop`` or a signal
        meanwhile still ends the server within its grace period."""
        self._claiming.drain()
        self.pool.nudge()
        aside(self._wake)

    @property
    def draining(self) -> bool:
        """Whether it was told to ``drain``."""
        return self._claiming.draining

    def ask_to_stop(self) -> None:
        """Have ``run`` stop within the server's grace period and return, as a first signal does.
        Returns at once, in any thread."""
        self._stopping.set()
        self.signals.wake()
        self.pool.nudge()
        aside(self._wake)

    @property
    def running(self) -> bool:
        """Whether it was started, and not stopped yet."""
        return bool(self._started) and not self._stopping.is_set()

    def health(self) -> Health:
        """Whether it is alive, and ready to take jobs, and what is missing. Asks no store, so that
        it answers at once however the store is."""
        return judged(self._loops, self._claiming, self.outage, self._stopping)

    def stop(self, grace_seconds: float | None = None) -> None:
        """Claim nothing more, let running jobs end within ``grace_seconds`` (the server's by
        default), hand the rest back uncharged, record what ended, and return. A task or a hook, in
        a thread that this would wait for, calls it and goes on at once."""
        self._stop(self.grace_seconds if grace_seconds is None else grace_seconds)

    def _stop(self, grace: float, hurried: Callable[[], bool] = lambda: False) -> None:
        checks.delay("grace_seconds", grace)
        if not self._started or self._started[0].is_alive():
            self.ask_to_stop()  # else it is at rest; or its threads, and their locks, a parent's
        come_to_rest(self, grace, hurried)

    def _wake(self) -> None:
        """Have the claim loop look."""
        with suppress(StorageError):  # closed before its server was stopped
            self.storage.driver.notify()

    def threads_and_rounds(self) -> tuple[list[threading.Thread], list[Rounds]]:
        """What a stop has to end."""
        return self._started, self._rounds

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    # -- without threads -----------------------------------------------------------------------

    def tick(self) -> None:
        """Take every chore's step once, in the calling thread."""
        for chores in self._chores():
            for chore in chores:
                chore.step()

    def step(self) -> int:
        """Claim, run and record what fits the threads, in the calling thread; how many ran."""
        end_if_unguarded()
        runs: list[Run] = []
        for share in self.shares if not self.draining else ():
            taken = len(self.runs) + self.finisher.recorded
            if free := self.retirement.room(share.pool.size, 0, taken)[0]:
                runs += self.claimer.take(free, 0, share.queues)[1]
        self.finisher.record([(run, self.execute(run)) for run in runs])
        return len(runs)

    # -- wiring --------------------------------------------------------------------------------

    def _chores(self) -> Sequence[Sequence[Chore]]:
        """What each of its threads does beside running jobs."""
        upkeep = [*self.upkeep.chores(), *self.activity.chores()]
        return self.keeper.limits(), self.keeper.chores(), upkeep, self.timetable.chores()

    def withdraw(self) -> None:
        """Hand back what waits for a thread."""
        self._claiming.withdraw()

    def hand_back(self, runs: Sequence[Run]) -> None:
        """Give runs up: their jobs go back to the store, uncharged, for others to take."""
        self.handed_back += len(runs)
        self.interrupted += sum(run.started_at is not None for run in runs)
        self.claimer.hand_back(runs)

    def _make_pool(self, threads: int, beside: Pool | None) -> Pool:
        late = self.runs.forget_late
        return Pool(threads, self.execute, self._ended, late, self.name, beside)

    def execute(self, run: Run) -> Outcome:
        """Run a claimed job in the calling thread, if the claim holds it still."""
        if not self.claimer.may_begin(run):
            return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back
        watchers = self.storage.hooks.watchers
        return watched(watchers, self._execute, run) if watchers else self._execute(run)

    def _execute(self, run: Run) -> Outcome:
        return committing.execute(run, self.tasks, self.storage, self.processes.execute)

    def _ended(self, run: Run, outcome: Outcome) -> None:
        self.finisher.put(run, outcome)

    def _nothing_runs(self) -> None:
        """The hint that came with the last outcome was a little early for a burst to end by."""
        if self._claiming.burst:
            self._wake()

    def _beat(self) -> Sequence[Mapping[str, Any]]:
        # Not when stepped by hand: nobody would strike it off.
        return presence.beat(self) if self._started else ()

    def _look_for_orders(self) -> None:
        if self._started and presence.take_orders(self):
            self._beat()
