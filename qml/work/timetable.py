"""A server's part in recurring jobs: it makes those of its code known, and issues what is due."""

import logging
import threading
from collections.abc import Callable, Container, Mapping
from datetime import datetime
from functools import partial

from ..seam.rows import Record
from ..storage import schedules
from ..storage.schedules import Known
from ..storage.storage import Storage
from ..values.errors import SerializationError, StorageError
from ..values.interrupts import is_for_the_program
from ..values.schedule import Schedule
from .rounds import Chore

log = logging.getLogger("qml.server")

LOOK = 1.0
"""Seconds between two looks for schedules that were added or changed."""

PER_SECOND = 300
"""Records that are read in a second at most; beyond that the looks are further apart. (A thousand
a second cost 1.06 % of a core on Redis, with two cores and a test run beside.)"""

Declared = Mapping[str, Callable[[], Schedule]]
"""The schedules of an app's code by name, each made when a server first needs it."""


class Timetable:
    """The recurring jobs that this server issues: those its code declares, and those added at run
    time whose task it has. Any number of servers may issue one schedule: whose step is first
    moves it on, and the others' steps do nothing."""

    def __init__(
        self, storage: Storage, declared: Declared, methods: Container[str], every: float = LOOK
    ) -> None:
        self._storage = storage
        self._declared = declared
        self._methods = methods
        self._look = every
        self._unknown = set(declared)
        self._seen: dict[Record, Known | None] = {}
        self._quiet_until: datetime | None = None
        self.issued = 0
        self._lock = threading.Lock()

    def chores(self) -> list[Chore]:
        """Its step, which says itself when it wants to be taken again."""
        return [Chore("schedules", self._look, self.issue)]

    def issue(self) -> float:
        """Enqueue what is due; seconds until the next look or the next job, whichever is first."""
        with self._lock:  # a burst looks, too, before it ends
            return self._issue_all()

    def _issue_all(self) -> float:
        for name in sorted(self._unknown):
            self._one(name, partial(self._make_known, self._declared[name]))
            self._unknown.discard(name)
        changed, now = self._look_up(), self._storage.now()
        soonest = self._quiet_until
        if changed or soonest is None or soonest <= now:
            soonest = self._issue_due(now)
        look = max(self._look, len(self._seen) / PER_SECOND)
        return look if soonest is None else min(look, (soonest - now).total_seconds())

    def _issue_due(self, now: datetime) -> datetime | None:
        """Enqueue what is due; when the next of this server's is."""
        moments = [
            (at, known)
            for known in self._seen.values()
            if known is not None and (at := known.schedule.next_at) is not None
        ]
        # Others' count for that, too: their task may be made known here meanwhile.
        self._quiet_until = min((at for at, _ in moments), default=None)
        mine = [(at, known) for at, known in moments if self._is_mine(known.schedule)]
        for at, known in mine:
            if at <= now:
                self._one(known.schedule.name, partial(self._issue, known))
        following = (at if at > now else known.schedule.after(now) for at, known in mine)
        return min((at for at in following if at is not None), default=None)

    def has_more(self, since: int) -> bool:
        """Look now; whether any job was issued since there were ``since``."""
        self.issue()
        return self.issued != since

    def _issue(self, known: Known) -> None:
        self.issued += len(self._storage.schedules.issue(known))

    def _make_known(self, declared: Callable[[], Schedule]) -> None:
        self._storage.schedules.put(declared())

    def _one(self, name: str, step: Callable[[], object]) -> None:
        """A step for one schedule, whose own faults are not to stop the others."""
        try:
            step()
        except StorageError as error:
            if not isinstance(error, SerializationError):
                raise
            log.exception("schedule %s issues nothing now", name)
        except BaseException as error:  # what before_enqueue raises, say
            if is_for_the_program(error):
                raise
            log.exception("schedule %s issues nothing now", name)

    def _look_up(self) -> bool:
        """See the schedules of the store, and whether they have changed; only records that have
        are decoded."""
        records, seen = self._storage.schedules.records(), self._seen
        if records == [*seen]:
            return False
        self._seen = {
            record: seen[record] if record in seen else schedules.readable(record)
            for record in records
        }
        return True

    def _is_mine(self, schedule: Schedule) -> bool:
        if schedule.declared:
            return schedule.name in self._declared
        return schedule.job.method in self._methods
