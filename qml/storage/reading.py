"""Looking at stored jobs, which changes nothing."""

import builtins
from collections.abc import Iterator, Sequence
from datetime import datetime

from ..seam.codec import decode_job
from ..seam.driver import Driver
from ..seam.rows import Available, Page
from ..values.activity import Minute
from ..values.clock import Clock
from ..values.errorgroups import ErrorGroup
from ..values.job import Job
from ..values.selection import JobFilter
from ..values.states import StateKind, kinds
from ..values.times import from_micros
from . import activity, checks, errorgroups, holdups, paging, rules, selecting, waiting
from .limits import Gates
from .paging import JobPage


class Reading:
    """The operations of a storage that only look. ``driver``: where rows are kept; ``clock``: what
    tells the time."""

    driver: Driver
    clock: Clock

    def get(self, job_id: str) -> Job | None:
        """The job with this id, or None."""
        return self.get_many([job_id])[0]

    def get_many(self, job_ids: Sequence[str]) -> builtins.list[Job | None]:
        """The jobs with these ids, in this order; None for an unknown one."""
        ids = [checks.askable(job_id) for job_id in job_ids]
        rows = self.driver.load(ids) if ids else []
        return [row and decode_job(row) for row in rows]

    def list(
        self,
        state_filter: object = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        queue: str | None = None,
        method: str | None = None,
    ) -> builtins.list[Job]:
        """Jobs, the newest enqueued first; ``state_filter`` is a kind, its text, or several."""
        page = Page(
            states=kinds(state_filter),
            queue=checks.text("queue", queue),
            method=checks.text("method", method),
            limit=checks.number("limit", limit),
            offset=checks.number("offset", offset, 0) or 0,
        )
        return [decode_job(row) for row in self.driver.scan(page)]

    def page(
        self,
        where: JobFilter,
        limit: int = 50,
        after: str | None = None,
        look_at_most: int = 5_000,
    ) -> JobPage:
        """At most ``limit`` of the jobs a filter names, the newest enqueued first; ``after``: the
        ``next`` of the page before. Jobs that come and go meanwhile neither hide another nor show
        one twice. A filter that looks within jobs (age, metadata, text) looks at no more than
        ``look_at_most``, and answers with what it has found by then."""
        where = checks.job_filter(where)
        limit = checks.within("limit", limit, 1, paging.MOST)
        most = checks.within("look_at_most", look_at_most, 1, 1_000_000)
        return paging.page(self.driver, where, self.clock.micros(), limit, after, most)

    def errors(self, limit: int = 50, look_at_most: int = 2_000) -> builtins.list[ErrorGroup]:
        """What went wrong lately: of the newest enqueued jobs that failed or await a retry, at
        most ``look_at_most``, those whose last attempt ended alike, as one group each; the group
        that happened last first, at most ``limit``."""
        limit = checks.within("limit", limit, 1, 10_000)
        most = checks.within("look_at_most", look_at_most, 1, 1_000_000)
        return errorgroups.errors(self.driver, limit, most)

    def activity(self, minutes: int = 60) -> builtins.list[Minute]:
        """What all servers did in the last ``minutes``, at most a day, minute by minute, the oldest
        first and the present one last. A server tells it every ten seconds; of one that was killed
        the last ten may be missing."""
        many = checks.within("minutes", minutes, 1, activity.MOST)
        return activity.told(self.driver, self.clock.micros(), many)

    def get_job_counts(self) -> dict[StateKind, int]:
        """How many jobs are in each state; every kind is there."""
        counts = self.driver.count(Page(), "state")
        return {kind: counts.get(kind.value, 0) for kind in StateKind}

    def get_available_jobs(self, limit: int | None = None) -> builtins.list[Job]:
        """The jobs a claim could take now, in the order it would take them. Changes nothing."""
        now, most = self.clock.micros(), checks.number("limit", limit)
        seen = most
        while True:  # those that have expired, or are kept back, hide none behind them
            rows = self.driver.scan(Available(now, seen))
            jobs = [job for job in map(decode_job, rows) if not rules.is_expired(job, now)]
            gates = Gates(self.driver, jobs, now)
            jobs = [job for job in jobs if gates.passes(job)]
            if seen is None or most is None or len(jobs) >= most or len(rows) < seen:
                return jobs[:most]
            seen = 2 * seen

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it is Succeeded, Failed or Deleted. WaitTimeout after ``timeout`` seconds
        (None = no limit), JobNotFound when there is no such job or it is deleted meanwhile."""
        return waiting.wait(self.driver, checks.job_id(job_id), checks.patience(timeout))

    def kept_back(self, jobs: Sequence[Job]) -> builtins.list[str | None]:
        """For each of these jobs in words what keeps it from being claimed although its time has
        come: its queue is paused, its limits are reached, what it comes after has not ended. None =
        nothing does."""
        return holdups.reasons(self.driver, jobs, self.clock.micros()) if jobs else []

    def now(self) -> datetime:
        """The storage's time, by which it decides what is due and what has lapsed."""
        return from_micros(self.clock.micros())

    def select(self, where: JobFilter) -> Iterator[Job]:
        """The jobs a filter names, the newest enqueued first, read page by page."""
        return selecting.jobs(self.driver, checks.job_filter(where), self.clock.micros())

    def count(self, where: JobFilter) -> int:
        """How many jobs a filter names."""
        return selecting.count(self.driver, checks.job_filter(where), self.clock.micros())
