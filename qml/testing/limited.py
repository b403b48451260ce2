"""The oracle's limits: live claims are counted anew whenever it is asked."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from ..values.job import Job
from .table import Entry, Table

A_DAY = timedelta(days=1)


class Limited(Table):
    """Which jobs their limits let through."""

    def _let_through(self, entries: Iterable[Entry], limit: int | None = None) -> list[Entry]:
        """Those that one claim could take, in this order, each after those before it."""
        live, times = Counter(self._live_keys()), dict(self.times)
        found: list[Entry] = []
        for entry in entries:
            job = entry.job
            if limit is not None and len(found) >= limit:
                break
            if _is_full(job, live[job.concurrency_key]) or self._opens_at(job, times) > self._now():
                continue
            live[job.concurrency_key] += 1
            self._start(entry, times)
            found.append(entry)
        return found

    def _live_keys(self) -> list[str | None]:
        """The concurrency key of each claim whose lease is live."""
        now = self.now()
        live = self._pick(lambda entry: entry.running and entry.held_at(now))
        return [entry.job.concurrency_key for entry in live]

    def _live(self, job: Job) -> int:
        return self._live_keys().count(job.concurrency_key)

    def _opens_at(self, job: Job, times: dict[str | None, int]) -> int:
        """From when on its rate allows a start."""
        if job.rate is None:
            return 0
        return times.get(job.rate_key, 0) - (job.rate.burst - 1) * job.rate.gap

    def _start(self, entry: Entry, times: dict[str | None, int]) -> None:
        """One more of its rate; not if it is claimed too late, and only to be ended."""
        job = entry.job
        if job.rate is not None and not entry.expired_at(self.now()):
            time = max(times.get(job.rate_key, 0), self._now())
            times[job.rate_key] = time + job.rate.gap

    def _put_back(self, key: str | None) -> None:
        """The key is taken, so claims that lapsed under it have lapsed for whoever comes late, too:
        a renewal that still thinks itself in time."""
        now = self.now()
        for entry in self._pick(lambda one: one.running and one.job.concurrency_key == key):
            until = entry.job.lease_expires_at
            if key is not None and until is not None and now - A_DAY < until <= now:
                entry.lease(entry.holder, until - A_DAY)

    def _may_live_again(self, entry: Entry) -> bool:
        """Whether a claim may be held on to: one that has lapsed needs room for one more."""
        return entry.held_at(self.now()) or not _is_full(entry.job, self._live(entry.job))

    def _now(self) -> int:
        return self.clock.micros()


def _is_full(job: Job, live: int) -> bool:
    return job.concurrency_limit is not None and live >= job.concurrency_limit
