"""A server: claims jobs, runs them in threads, records what came of them."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Self
from uuid import uuid4

from ..storage import checks, servers
from ..storage.storage import Storage
from ..values.clock import Steady
from ..values.errors import ConfigurationError, StorageError
from ..values.job import Job
from ..values.retry import RetryPolicy
from .backoff import Backoff
from .burst import nothing_soon
from .chores import Keeper, Rounds, Upkeep
from .claimer import Claimer
from .executor import Outcome, Runnable, Snoozed, execute
from .finisher import Finisher
from .outage import Outage
from .pool import Pool
from .runs import Run, Runs
from .signals import Signals
from .stopping import aside, drain

log = logging.getLogger("qml.server")

HOARDED = 0.25
"""Seconds a job may wait, claimed, for a thread; then it is handed back for others to take."""


class Server:
    """Runs the jobs of one storage until it is stopped.

    ``tasks``: by method name; ``policy_of``: a job's retry policy; ``threads``: how many jobs run
    at once; ``queues``: None for every queue; ``lease_seconds``: how long a claim outlives a
    server that was killed; ``poll_interval``: seconds between two looks when no hint comes;
    ``grace_seconds``: how long running jobs may go on after a stop; ``name``: of the machine by
    default; ``steady``: the counter of seconds that leases and limits are measured by here.

    Start it with ``run()`` (until a signal or ``stop``), ``run(burst=True)`` (until nothing is
    left to do), ``start()``, or as a context manager. ``handed_back`` counts the jobs given back
    at a stop, ``interrupted`` those of them that had begun.
    """

    def __init__(
        self,
        storage: Storage,
        tasks: Mapping[str, Runnable],
        policy_of: Callable[[Job], RetryPolicy],
        *,
        threads: int = 8,
        queues: Sequence[str] | None = None,
        lease_seconds: float = 30.0,
        poll_interval: float = 1.0,
        grace_seconds: float = 30.0,
        name: str | None = None,
        steady: Steady = time.monotonic,
    ) -> None:
        if type(threads) is not int or threads < 1:
            raise ConfigurationError(f"threads is {threads!r}; give a whole number, 1 or more")
        for setting, seconds in (
            ("lease_seconds", lease_seconds),
            ("poll_interval", poll_interval),
        ):
            checks.span(setting, seconds)
        checks.delay("grace_seconds", grace_seconds)
        self.storage = storage
        self.tasks = tasks
        self.name = name or socket.gethostname() or "server"
        self.worker_id = f"{self.name}-{os.getpid()}-{uuid4().hex[:8]}"
        self.threads = threads
        self.queues = checks.queue_names(queues)
        self.lease_seconds = float(lease_seconds)
        self.poll_interval = float(poll_interval)
        self.grace_seconds = float(grace_seconds)
        self.steady = steady
        self.handed_back = self.interrupted = 0
        self._stopping = threading.Event()
        self._ended_by_itself = threading.Event()
        self._burst = False
        self._started: list[threading.Thread] = []
        self._wire(policy_of)

    def _wire(self, policy_of: Callable[[Job], RetryPolicy]) -> None:
        self.runs = Runs(self._nothing_runs)
        self.claimer = Claimer(self)
        self.pool = Pool(self.threads, self.execute, self._ended, self.runs.forget_late, self.name)
        self.outage = Outage(self.steady)
        self.finisher = Finisher(self.storage, self.runs, policy_of, self.outage)
        self.keeper = Keeper(
            self.storage, self.runs, self.pool, self._ended, self.lease_seconds, self.steady
        )
        self.upkeep = Upkeep(self.storage, self._beat, self.outage)
        chores = (self.keeper.chores(), self.upkeep.chores())
        self._rounds = [Rounds(some, self.outage) for some in chores]

    # -- running -------------------------------------------------------------------------------

    def run(self, burst: bool = False) -> bool:
        """Run until SIGTERM, SIGINT or ``stop``; with ``burst`` only until nothing runs here and
        nothing is due within a minute. The first signal lets running jobs end within the grace
        period, a second one hands them back at once. Signals are seen in the main thread only.
        True = the burst is complete; False = it was stopped before."""
        self._burst = burst
        with Signals() as signals:
            self.start()
            try:
                while not self._ended_by_itself.wait(0.25) and not self._stopping.is_set():
                    if signals.count:
                        log.info("stopping: running jobs have %g s to end", self.grace_seconds)
                        break
            finally:
                self._stop(self.grace_seconds, hurried=lambda: signals.count > 1)
        return self._ended_by_itself.is_set()

    def start(self) -> Self:
        """Start the threads and return at once."""
        if self._started:
            raise ConfigurationError("this server was started before; make another")
        self.pool.start()
        for loop in (
            self.finisher.loop,
            *(rounds.loop for rounds in self._rounds),
            self._claim_loop,
        ):
            name = f"{self.name}-{getattr(loop, '__qualname__', 'loop').split('.')[0].lower()}"
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._started.append(thread)
        log.info(
            "server %s runs %d threads on %s",
            *(self.worker_id, self.threads, self.storage.driver.describe()),
        )
        return self

    def stop(self, grace_seconds: float | None = None) -> None:
        """Claim nothing more, let running jobs end within ``grace_seconds`` (the server's by
        default), hand the rest back uncharged, record what ended, and return."""
        self._stop(self.grace_seconds if grace_seconds is None else grace_seconds)

    def _stop(self, grace: float, hurried: Callable[[], bool] = lambda: False) -> None:
        self._stopping.set()
        self.pool.nudge()
        aside(self._wake)
        if self._started:
            drain(self, grace, hurried)

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
        for chore in (*self.keeper.chores(), *self.upkeep.chores()):
            chore.step()

    def step(self) -> int:
        """Claim, run and record what fits the threads, in the calling thread; how many ran."""
        _, runs = self.claimer.take(self.threads, 0)
        self.finisher.record([(run, self.execute(run)) for run in runs])
        return len(runs)

    # -- claiming ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                if self._claim_once():
                    self._ended_by_itself.set()
                    break
                backoff.reset()
            except Exception as error:
                pause = backoff.next()
                if isinstance(error, StorageError):
                    self.outage.failed("claiming", error, pause)
                else:
                    log.exception("claiming failed: %s; trying again in %.1f s", error, pause)
                self._stopping.wait(pause)
        self.hand_back(self.pool.withdraw())

    def _claim_once(self) -> bool:
        """Claim what there is room for, or wait for room, or for jobs. True = a burst is over."""
        free, ahead = self.pool.room()
        if not free and not ahead:
            self.pool.wait_for_room(HOARDED)
            self.claimer.hand_back(self.pool.withdraw(older_than=HOARDED))
            return False
        idle = len(self.runs) == 0
        batch, runs = self.claimer.take(free, ahead)
        self.outage.worked("claiming")
        self.pool.put(runs)
        if len(batch.jobs) == free + ahead:
            return False
        pause = self.poll_interval
        if batch.next_due is not None:
            pause = min(pause, (batch.next_due - self.storage.now()).total_seconds())
        if (
            self._burst
            and idle
            and not batch.jobs
            and nothing_soon(self.storage, self.queues, batch)
        ):
            return True
        if pause > 0:
            self.storage.driver.wait(pause)
        return False

    def hand_back(self, runs: Sequence[Run]) -> None:
        """Give runs up: their jobs go back to the store, uncharged, for others to take."""
        self.handed_back += len(runs)
        self.interrupted += sum(run.started_at is not None for run in runs)
        self.claimer.hand_back(runs)

    # -- wiring --------------------------------------------------------------------------------

    def execute(self, run: Run) -> Outcome:
        """Run a claimed job in the calling thread, if the claim holds it still."""
        if not self.claimer.may_begin(run):
            return Snoozed(0.0)  # back to the store, uncharged, if it is still ours to give back
        return execute(run, self.tasks, self.storage.max_job_bytes)

    def _ended(self, run: Run, outcome: Outcome) -> None:
        self.finisher.put(run, outcome)

    def _nothing_runs(self) -> None:
        """The hint that came with the last outcome was a little early for a burst to end by."""
        if self._burst:
            self._wake()

    def _beat(self) -> None:
        if not self._started:  # stepped by hand: nobody would strike it off
            return
        servers.beat(
            self.storage,
            self.worker_id,
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "threads": self.threads,
                "queues": self.queues,
                "running": len(self.runs),
            },
        )
