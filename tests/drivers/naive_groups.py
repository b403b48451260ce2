"""Lanes and tallies as the docstrings of the seam say them, for the naive driver."""

import json
from typing import NamedTuple

PAUSED = "paused/"


class Limits(NamedTuple):
    """A lane, read from its text."""

    queue: str
    permit: str | None
    permits: int
    pace: str | None
    gap: int
    burst: int


def limits(row):
    queue, permit, permits, pace, gap, burst = json.loads(row.lane)
    return Limits(queue, permit, int(permits or 0), pace, int(gap or 0), int(burst or 0))


def live_leases(rows, permit, now):
    """When the leases end that hold a permit, the first one first."""
    return sorted(
        row.lease_until
        for row in rows
        if row.permit == permit
        and row.locked_by is None
        and row.lease_until is not None
        and row.lease_until > now
    )


class Lanes:
    """What one claim may take, by the leases of ``rows`` and the times of ``paces``."""

    def __init__(self, rows, paces, claim):
        self._rows = rows
        self._paces = paces
        self._claim = claim
        self._given = []

    def opens_at(self, row):
        """When the lane of the row lets it pass; 0 = it has none, or is open."""
        if row.lane is None:
            return 0
        limit, times = limits(row), [0]
        if limit.permit is not None:
            live = live_leases(self._rows, limit.permit, self._claim.now)
            live = sorted(live + [self._claim.lease_until] * self._given.count(limit.permit))
            times += live[: len(live) - limit.permits + 1][-1:]  # as many have to end
        if limit.pace is not None:
            times.append(self._paces.get(limit.pace, 0) - (limit.burst - 1) * limit.gap)
        latest = max(times)
        return latest if latest > self._claim.now else 0

    def start(self, row):
        if row.lane is not None:
            limit = limits(row)
            self._given += [] if limit.permit is None else [limit.permit]
            expired = row.expires_at is not None and row.expires_at <= self._claim.now
            if limit.pace is not None and not expired:
                begun = max(self._paces.get(limit.pace, 0), self._claim.now)
                self._paces[limit.pace] = begun + limit.gap


class Count(NamedTuple):
    left: int
    open: bool
    failed: int


class Tallies:
    """By name. ``over`` collects the names of those that are over, with how many failed."""

    def __init__(self):
        self.counts = {}

    def make(self, name):
        self.counts.setdefault(name, Count(0, True, 0))

    def add(self, name, left, failed):
        """Whether the tally is over, and with how many failures: None = it is not."""
        if name not in self.counts:
            return None
        known = self.counts[name]
        self.counts[name] = known._replace(left=known.left + left, failed=known.failed + failed)
        return self.end(name)

    def end(self, name):
        known = self.counts[name]
        if known.open or known.left > 0:
            return None
        del self.counts[name]
        return known.failed

    def inserted(self, row):
        if row.awaits is not None and dormant(row):
            self.make(row.awaits)
        if row.finished_at is None:
            for name in json.loads(row.counts or "[]"):
                self.make(name)
                self.add(name, 1, 0)

    def wait_for(self, name, left, failed):
        known = self.counts.get(name, Count(0, False, 0))
        self.counts[name] = Count(known.left + left, False, known.failed + failed)


def dormant(row):
    return row.due_at is None and row.finished_at is None and row.state != "processing"
