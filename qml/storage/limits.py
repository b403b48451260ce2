"""What limits keep back: asked of the store, and counted on as a claim would."""

from collections.abc import Sequence
from typing import NamedTuple

from ..seam import lanes
from ..seam.driver import Driver
from ..seam.grouping import lane
from ..seam.lanes import Lane
from ..values.job import Job


class Closed(NamedTuple):
    """Why a lane lets nobody pass: its permits in use, or None; when its pace allows a start, in
    microseconds, or None."""

    lane: Lane
    live: int | None
    opens_at: int | None


class Gates:
    """The limits that some jobs are under, as they stand at ``now``, and with every job that is let
    through. One look at the store, and none where nothing is limited."""

    def __init__(self, driver: Driver, jobs: Sequence[Job], now: int) -> None:
        self._now = now
        self._live: dict[str, int] = {}
        self._paced: dict[str, int] = {}
        found = [one for one in map(_lane, jobs) if one is not None]
        permits = list(dict.fromkeys(one.permit for one in found if one.permit is not None))
        paces = list(dict.fromkeys(one.pace for one in found if one.pace is not None))
        if found:
            used = driver.used(now, permits, paces)
            self._live = dict(zip(permits, used.live, strict=True))
            self._paced = dict(zip(paces, used.paced, strict=True))

    def closed(self, job: Job) -> Closed | None:
        """What keeps a job back; None = nothing."""
        one = _lane(job)
        if one is None:
            return None
        live = self._live[one.permit] if one.permit is not None else 0
        full = one.permits is not None and live >= one.permits
        opens_at = lanes.opens_at(one, self._paced[one.pace]) if one.pace is not None else 0
        if not full and opens_at <= self._now:
            return None
        return Closed(one, live if full else None, opens_at if opens_at > self._now else None)

    def passes(self, job: Job) -> bool:
        """Whether a claim could take this job after those that were let through before it."""
        if self.closed(job) is not None:
            return False
        one = _lane(job)
        if one is not None and one.permit is not None:
            self._live[one.permit] += 1
        if one is not None and one.pace is not None:
            self._paced[one.pace] = lanes.started(one, self._paced[one.pace], self._now)
        return True


def _lane(job: Job) -> Lane | None:
    text = lane(job)
    return None if text is None else lanes.decode(text)
