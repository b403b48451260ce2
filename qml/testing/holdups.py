"""The oracle's answer to why a job that is ready is not claimed."""

from collections.abc import Sequence

from ..values.job import Job
from ..values.times import from_micros
from .limited import Limited
from .table import due_time


class Holdups(Limited):
    """What keeps jobs back, in the fewest words, "; " between; a storage may say more besides."""

    def kept_back(self, jobs: Sequence[Job]) -> list[str | None]:
        """For each job, as it was read, what keeps it back; None = nothing."""
        return ["; ".join(self._kept_back(job)) or None for job in jobs]

    def _kept_back(self, job: Job) -> list[str]:
        due, now = due_time(job.state), self.now()
        if due is None or due > now:
            return []
        entry = self._find(job.id)
        tally = self.tallies.get(entry.ties.awaits) if entry and entry.ties.sleeps else None
        if job.waits and tally is not None:
            return [f"{tally.left} left"] + ["more to come"] * tally.open
        if job.queue in self.paused:
            return ["paused"]
        live, opens_at = self._live(job), self._opens_at(job, self.times)
        words = []
        if job.concurrency_limit is not None and live >= job.concurrency_limit:
            words.append(f"{live} of {job.concurrency_limit}")
        if opens_at > self._now():
            words.append(f"{from_micros(opens_at):%H:%M:%S.%f}")
        return words
