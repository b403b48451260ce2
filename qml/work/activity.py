"""Counts what came of a server's jobs, in memory, and writes it down every ten seconds."""

import threading
from collections.abc import Iterable
from datetime import datetime

import attrs

from ..storage import activity
from ..storage.storage import Storage
from ..values.activity import Minute
from ..values.job import Job
from ..values.states import StateKind, Succeeded
from .rounds import Chore

EVERY = 10.0
"""Seconds between two writes: what a server that is killed has not told."""

_PLACES = {
    StateKind.SUCCEEDED: 0,
    StateKind.FAILED: 1,
    StateKind.AWAITING_RETRY: 2,
    StateKind.ENQUEUED: 2,  # to be tried again at once
}
"""Which figure of a minute a job counts for."""


@attrs.define
class _Hour:
    minutes: dict[datetime, Minute] = attrs.field(factory=dict)
    version: int = 0  # of the record
    news: bool = False


class Activity:
    """The figures of one server. ``server``: its name in the records. Shared by its threads."""

    def __init__(self, storage: Storage, server: str) -> None:
        self._storage = storage
        self._server = server
        self._hours: dict[datetime, _Hour] = {}
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def chores(self) -> list[Chore]:
        """Its steps with their periods."""
        return [
            Chore("figures of what ran", EVERY, self.write),
            Chore("removal of old figures", 3_600.0, self.remove_old, patience=60.0),
        ]

    def add(self, ended: Iterable[tuple[Job, float]]) -> None:
        """Count jobs as they are stored after a run, or a rescue, each with the seconds it ran; of
        one that succeeded the job says it."""
        figures = [0, 0, 0]
        took = 0.0
        for job, seconds in ended:
            place = _PLACES.get(job.state.kind)
            if place is not None:
                figures[place] += 1
                state = job.state
                took += state.total_duration_ms / 1e3 if isinstance(state, Succeeded) else seconds
        if any(figures):
            at = activity.minute_of(self._storage.clock.micros())
            self._add(Minute(at, figures[0], figures[1], figures[2], took))

    def _add(self, more: Minute) -> None:
        with self._lock:
            hour = self._hours.setdefault(more.at.replace(minute=0), _Hour())
            known = hour.minutes.get(more.at)
            hour.minutes[more.at] = more if known is None else known + more
            hour.news = True

    def write(self) -> None:
        """Write down what was not yet; nothing, if there is nothing. A StorageError loses no
        figure: the next call writes it."""
        with self._turn:
            for at, hour, minutes in self._news():
                version = activity.write(
                    self._storage.driver, self._server, at, minutes, hour.version
                )
                if version is None:  # removed, or written by a call whose reply was lost
                    hour.version = activity.version_of(self._storage.driver, self._server, at)
                    continue  # with the next call
                hour.version = version
                self._written(hour, minutes)

    def _news(self) -> list[tuple[datetime, _Hour, list[Minute]]]:
        with self._lock:
            return [
                (at, hour, list(hour.minutes.values()))
                for at, hour in self._hours.items()
                if hour.news
            ]

    def _written(self, hour: _Hour, minutes: list[Minute]) -> None:
        with self._lock:
            hour.news = list(hour.minutes.values()) != minutes  # what came meanwhile
            for at in sorted(self._hours)[:-2]:  # the last but one may go on, if the clock is set
                if not self._hours[at].news:
                    del self._hours[at]

    def remove_old(self) -> None:
        """Remove what servers wrote more than a day ago, whoever they were."""
        activity.remove_old(self._storage.driver, self._storage.clock.micros())
