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

from ..storage import checks
from ..storage.storage import Storage
from ..values.clock import Steady
from ..values.errors import ConfigurationError, StorageError
from ..values.job import Job
from ..values.retry import RetryPolicy
from . import joblog, presence
from .backoff import Backoff
from .burst import nothing_soon
from .child import end_if_unguarded
from .chores import Keeper, Rounds, Upkeep
from .claimer import Claimer
from .executor import Outcome, Runnable, Snoozed
from .finisher import Finisher
from .noting import Noter
from .outage import Outage
from .pool import Pool
from .processes import Processes
from .retirement import Retirement
from .runs import Run, Runs
from .signals import Signals
from .stopping import aside, drain
from .timetable import Declared, Timetable

log = logging.getLogger("qml.server")

HOARDED = 0.25
"""Seconds a job may wait, claimed, for a thread; then it is handed back for others to take."""


class Server:
    """Runs the jobs of one storage until it is stopped.

    ``tasks``: by method name; ``policy_of``: a job's retry policy; ``threads``: how many jobs run
    at once; ``queues``: None for every queue; ``lease_seconds``: how long a claim outlives a
    server that was killed; ``poll_interval``: seconds between two looks when no hint comes;
    ``grace_seconds``: how long running jobs may go on after a stop; ``name``: of the machine by
    default; ``steady``: the counter of seconds that leases and limits are measured by here;
    ``declared``: the schedules of the code; ``max_jobs``, ``max_memory_mb`` (MB of 1,000,000
    bytes; Linux only): when so many jobs have run, or so much memory is in use after one, it claims
    nothing more, lets what runs end, however long that takes, and ``run`` returns. It says so in
    the log, and ``retired`` why; None = it was not that.

    Every log record tells the job it was made in, from the first server on: see ``joblog``.
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
        declared: Declared | None = None,
        max_jobs: int | None = None,
        max_memory_mb: float | None = None,
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
        self.retired: str | None = None
        self.retirement = Retirement(max_jobs, max_memory_mb, steady=steady)
        self._wire(policy_of, declared or {})

    def _wire(self, policy_of: Callable[[Job], RetryPolicy], declared: Declared) -> None:
        joblog.install()
        self._stopping = threading.Event()
        self._ended_by_itself = threading.Event()
        self._burst = False
        self._started: list[threading.Thread] = []
        self.runs = Runs(self._nothing_runs)
        self.claimer = Claimer(self)
        self.processes = Processes()
        self.pool = Pool(self.threads, self.execute, self._ended, self.runs.forget_late, self.name)
        self.outage = Outage(self.steady)
        noter = Noter(self.storage, self.lease_seconds)
        self.finisher = Finisher(self.storage, self.runs, policy_of, self.outage, noter)
        self.keeper = Keeper(
            *(self.storage, self.runs, self.pool, self._ended),
            *(self.lease_seconds, self.steady, noter),
        )
        self.upkeep = Upkeep(self.storage, self._beat, self.outage)
        self.timetable = Timetable(self.storage, declared, self.tasks)
        chores = (self.keeper.chores(), self.upkeep.chores(), self.timetable.chores())
        self._rounds = [Rounds(some, self.outage) for some in chores]

    # -- running -------------------------------------------------------------------------------

    def run(self, burst: bool = False) -> bool:
        """Run until SIGTERM, SIGINT or ``stop``; with ``burst`` only until nothing runs here and
        nothing is due within a minute. The first signal lets running jobs end within the grace
        period, a second one hands them back at once. Signals are seen in the main thread only.
        True = the burst is complete; False = it was stopped before, or has retired."""
        self._burst = burst
        asked = False
        with Signals() as signals:
            self.start()
            try:
                while not self._ended_by_itself.wait(0.25) and not self._stopping.is_set():
                    if signals.count:
                        log.info("stopping: running jobs have %g s to end", self.grace_seconds)
                        break
            finally:
                asked = self._stopping.is_set()
                self._stop(self.grace_seconds, hurried=lambda: signals.count > 1)
            complete = self._ended_by_itself.is_set() and self.retired is None
            if asked or signals.count:
                self.retired = None  # it should end, whatever it meant to do
        return complete

    def start(self) -> Self:
        """Start the threads and return at once."""
        end_if_unguarded()
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
        self.processes.close()

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
        for party in (self.keeper, self.upkeep, self.timetable):
            for chore in party.chores():
                chore.step()

    def step(self) -> int:
        """Claim, run and record what fits the threads, in the calling thread; how many ran."""
        end_if_unguarded()
        _, runs = self.claimer.take(self.threads, 0)
        self.finisher.record([(run, self.execute(run)) for run in runs])
        return len(runs)

    # -- claiming ------------------------------------------------------------------------------

    def _claim_loop(self) -> None:
        backoff = Backoff()
        while not self._stopping.is_set():
            try:
                if self._retires() or self._claim_once():
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
        free, ahead = self._room()
        if not free and not ahead:
            self.pool.wait_for_room(HOARDED)
            self.claimer.hand_back(self.pool.withdraw(older_than=HOARDED))
            return False
        idle, issued = len(self.runs) == 0, self.timetable.issued
        batch, runs = self.claimer.take(free, ahead)
        self.outage.worked("claiming")
        self.pool.put(runs)
        if len(batch.jobs) == free + ahead:
            return False
        nothing = self._burst and idle and not batch.jobs
        if nothing and nothing_soon(self, batch) and not self.timetable.has_more(issued):
            return True
        pause = self.poll_interval
        if batch.next_due is not None:
            pause = min(pause, (batch.next_due - self.storage.now()).total_seconds())
        if pause > 0:
            self.storage.driver.wait(pause)
        return False

    def _room(self) -> tuple[int, int]:
        # In this order: one that is recorded in between counts twice, and not as none.
        taken = len(self.runs) + self.finisher.recorded
        return self.retirement.room(*self.pool.room(), taken)

    def _retires(self) -> bool:
        """Whether its time has come. Then it waits for what runs, unless it is stopped."""
        self.retired = self.retirement.reason(self.finisher.recorded)
        if self.retired is None:
            return False
        log.info(
            "server %s claims nothing more, and ends when what runs has ended: %s",
            *(self.worker_id, self.retired),
        )
        self.hand_back(self.pool.withdraw())
        while not self.runs.wait_until_empty(HOARDED) and not self._stopping.is_set():
            pass
        return True

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
        return self.processes.execute(run, self.tasks, self.storage.max_job_bytes)

    def _ended(self, run: Run, outcome: Outcome) -> None:
        self.finisher.put(run, outcome)

    def _nothing_runs(self) -> None:
        """The hint that came with the last outcome was a little early for a burst to end by."""
        if self._burst:
            self._wake()

    def _beat(self) -> None:
        if self._started:  # not when stepped by hand: nobody would strike it off
            presence.beat(self)
