"""What a server does beside running jobs, each chore one step that can be called by hand."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..storage import terms
from ..storage.storage import Storage
from ..values.clock import Steady
from ..values.errors import CapacityExceeded
from ..values.job import Job
from ..values.states import Deleted
from .executor import Outcome, Raised
from .neighbours import Neighbours
from .noting import Noter
from .outage import Outage
from .pool import Pool
from .purging import Purge
from .rounds import Chore
from .runs import Run, Runs

log = logging.getLogger("qml.server")

RESCUE = "rescue of orphans"

ALONE = 1.0
"""Seconds between two looks at the neighbours while there are none."""

PURGED = 15.0
"""Seconds between two looks for jobs to remove while there are none: four questions each time."""


class Keeper:
    """Keeps claims alive: renews leases, sees cancelled jobs, enforces time limits, and writes
    down what runs say of themselves."""

    def __init__(
        self,
        storage: Storage,
        runs: Runs,
        pool: Pool,
        record: Callable[[Run, Outcome], None],
        lease_seconds: float,
        steady: Steady = time.monotonic,
        noter: Noter | None = None,
    ) -> None:
        self._storage = storage
        self._noter = noter or Noter(storage, lease_seconds)
        self._runs = runs
        self._pool = pool
        self._record = record
        self._lease = lease_seconds
        self._steady = steady

    def limits(self) -> list[Chore]:
        """What must not wait for the store: who holds it up may be a run whose time is over."""
        return [Chore("time limits", 0.25, self.limit)]

    def chores(self) -> list[Chore]:
        """Its other steps with their periods; a lease is renewed three times within its term."""
        return [
            Chore("notes of running jobs", 0.25, self.note, patience=5.0),
            Chore("renewal of leases", self._lease / 8, self.renew),
            Chore("watch for cancelled jobs", 1.0, self.watch),
        ]

    def renew(self) -> None:
        """Renew every held claim that is not fresh; one that is over is marked."""
        now = self._steady()
        stale = [run for run in self._runs.held() if now - run.renewed_at >= self._lease / 4]
        answers = self._storage.renew([run.job for run in stale], self._lease)
        self._renewed(zip(stale, answers, strict=True), now)

    def idle(self) -> float:
        """Seconds for which nothing of this has to be done: while no run is held, until a lease
        would have to be renewed."""
        return 0.0 if len(self._runs) else self._lease / 8

    def note(self) -> None:
        """Write down what runs say of themselves: four times a second at most, the news of all
        runs in one step. It renews their leases, too."""
        now = self._steady()
        self._renewed(self._noter.write(self._runs.held()), now)

    def _renewed(self, answers: Iterable[tuple[Run, bool]], now: float) -> None:
        """Note the answers. Of a run that has ended they say nothing: its outcome may be recorded
        already, and the answer to that still be on its way."""
        for run, held in answers:
            if held:
                run.renewed_at = now
            elif run in self._runs and run.unfinished and not (run.lost or run.ending):
                run.lost = True
                log.warning(
                    "job %s (%s): this server's claim is over, the job was taken over or removed; "
                    "the run goes on, its outcome will be refused",
                    run.job.id,
                    run.job.method,
                )

    def watch(self) -> None:
        """Tell runs of more than a second whose job was cancelled."""
        now = self._steady()
        running = [
            run
            for run in self._runs.held()
            if run.started_at is not None and now - run.started_at >= 1 and not run.cancelled
        ]
        jobs = self._storage.get_many([run.job.id for run in running])
        for run, job in zip(running, jobs, strict=True):
            if job is None or job.seq != run.job.seq:
                run.lost = True
            elif isinstance(job.state, Deleted) and job.fence == run.job.fence:
                run.cancelled = True
                log.info("job %s (%s) was cancelled; its run is told", job.id, job.method)

    def limit(self) -> None:
        """End the runs whose time limit has passed: a thread cannot be stopped, so its job is
        recorded as failed, the thread is replaced, and whatever it returns is ignored."""
        now = self._steady()
        for run in self._runs.held():
            if run.deadline is None or now < run.deadline or run.overdue:
                continue
            self._runs.note_late(run)  # first: the thread may come back at any moment
            if (run.pool or self._pool).replace(run):
                self._time_out(run)
            else:
                self._runs.forget_late(run)

    def _time_out(self, run: Run) -> None:
        job, seconds = run.job, run.job.timeout_seconds
        log.warning(
            "job %s (%s) runs longer than its %g s; the attempt is recorded as failed, its thread "
            "goes on and is replaced",
            job.id,
            job.method,
            seconds,
        )
        run.give_up()
        self._record(run, Raised(f"TimeoutError: {run.too_long()}", ""))


class Upkeep:
    """Keeps the store in order: rescue of orphans, purge, sign of life. ``beat`` gives that, and
    what all servers tell; ``look`` sees whether the server is told to do something; ``rescued``
    counts jobs that were, as they are then."""

    def __init__(
        self,
        storage: Storage,
        beat: Callable[[], Iterable[Mapping[str, Any]]],
        outage: Outage,
        look: Callable[[], None] = lambda: None,
        rescued: Callable[[Iterable[tuple[Job, float]]], None] = lambda _: None,
    ) -> None:
        self._storage = storage
        self._beat = beat
        self._look = look
        self._rescued = rescued
        self._outage = outage
        self._purge = Purge(storage, outage.steady)
        self._told = False
        self._neighbours = Neighbours(storage)

    def chores(self) -> list[Chore]:
        """Its steps with their periods."""
        return [
            Chore("look whether neighbours live", 0.5, self.bury),
            Chore(RESCUE, 1.0, self.rescue),
            Chore("end of jobs not started in time", 1.0, self.expire),
            Chore("purge of finished jobs", 5.0, self.purge),
            Chore("look for orders", 1.0, self._look),
            Chore("heartbeat", 10.0, self.heartbeat),
        ]

    def rescue(self) -> None:
        """Take jobs from workers that are gone. Not right after an outage, in which the leases of
        those that live have lapsed, too: they are given the time to renew them."""
        if self._outage.fails(RESCUE):
            with suppress(CapacityExceeded):  # a full store takes no record, but rescues
                self._beat()  # a write, which says whether the store takes any
            return
        if self._outage.settling:
            return
        begun = self._outage.steady()
        rescued = self._storage.rescue()
        self._rescued((job, 0.0) for job in rescued if job.failures)  # else it had not begun
        for job in rescued:
            last = job.failures[-1].exception if job.failures else "claimed ahead, never started"
            log.warning("rescued job %s (%s), now %s: %s", job.id, job.method, job.state.kind, last)
        self._outage.held_up(self._outage.steady() - begun)

    def bury(self) -> float | None:
        """Take jobs at once from servers of this machine that are dead, as its kernel tells. While
        there are no others, there is nothing to wake up for."""
        ended = self._neighbours.bury()
        if ended:
            log.warning("a server of this machine was killed: %d of its claims are ended", ended)
            self.rescue()
        return None if self._neighbours else ALONE

    def expire(self) -> None:
        """End waiting jobs that were not started in time, a thousand at a time."""
        expired = self._storage.expire()
        if expired:
            log.warning(
                "%d waiting %s ended, and not started: %s",
                len(expired),
                "job is" if len(expired) == 1 else "jobs are",
                "; ".join(f"{job.id} ({job.method}), {_reason(job)}" for job in expired[:10]),
            )

    def purge(self) -> float | None:
        """Remove finished jobs whose retention is over, in steps that hold nobody up; less often
        while there are none. The first time it writes down by what terms."""
        removed = self._purge.take()
        if not self._told:
            with suppress(CapacityExceeded):  # a full store takes no record, but is purged
                terms.tell(self._storage)
                self._told = True
        return None if removed else PURGED

    def heartbeat(self) -> None:
        """Set this server's clock by the store's, and say that it lives."""
        self._storage.clock.sync()
        self._neighbours.know(self._beat())


def _reason(job: Job) -> str:
    return str(job.state.reason if isinstance(job.state, Deleted) else job.state.kind)
