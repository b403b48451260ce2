"""Recurring jobs in the store: each a record, whose slot and job move in one step."""

import builtins
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import attrs

from ..seam import schedules as codec
from ..seam.codec import encode_texts
from ..seam.driver import Driver
from ..seam.rows import Obstacle, Record, Verdict, Write
from ..values.clock import Clock
from ..values.cron import Cron
from ..values.errors import ConfigurationError, SerializationError
from ..values.ids import new_id
from ..values.job import Job
from ..values.jobfields import check_names
from ..values.schedule import Every, Schedule
from ..values.states import FINAL, Enqueued
from ..values.times import from_micros
from . import checks, storing
from .hooks import EventKind, Hooks
from .storing import Limits

log = logging.getLogger("qml.schedules")

PREFIX = "schedule/"

REMOVED = '{"removed_at":'
"""How the body of a schedule that was removed begins. The record stays for a while, and its
versions go on: who knew the old schedule must not take a later one of its name for that."""

FORGOTTEN_AFTER = 86_400_000_000
"""Microseconds after which such a record goes, too."""

SLOTS = UUID("0e4f0c7a-2b7e-5f44-8f62-6c1d9a1f5b52")
"""The namespace of the ids of recurring jobs: one id for a schedule's slot, whoever issues it."""


class Known(NamedTuple):
    """A schedule and the version of its record."""

    schedule: Schedule
    version: int


class Schedules:
    """The recurring jobs of one store. Its servers see a change by their next look, within a second
    or so. StorageUnavailable when the store does not answer."""

    def __init__(self, driver: Driver, clock: Clock, limits: Limits, hooks: Hooks) -> None:
        self._driver = driver
        self._clock = clock
        self._limits = limits
        self._hooks = hooks

    # -- looking -------------------------------------------------------------------------------

    def get(self, name: str) -> Schedule | None:
        """The schedule of this name, or None."""
        known = self.known(name)
        return known and known.schedule

    def list(self) -> "list[Schedule]":
        """All schedules, by name. One whose record cannot be read is left out, and logged."""
        known = map(readable, self.records())
        return [one.schedule for one in known if one is not None]

    def records(self) -> "builtins.list[Record]":
        """The records of all schedules, by name."""
        return [record for record in self._driver.list(PREFIX) if not is_removed(record)]

    def known(self, name: str) -> Known | None:
        """The schedule of this name and its version, or None."""
        record = self._driver.read(PREFIX + checks.sought("schedule name", name))
        return record and readable(record)

    # -- changing ------------------------------------------------------------------------------

    def add(self, name: str, rule: Cron | Every, job: Job, **options: Any) -> Schedule:
        """Have a job like ``job`` enqueued by ``rule``; options as for ``Schedule``: ``catch_up``,
        ``overlap``, ``spread``. A name that is known gets these in place of its own, and keeps
        its place unless the rule is another."""
        return self.put(Schedule(name=name, rule=rule, job=job, **options))

    def put(self, schedule: Schedule) -> Schedule:
        """Store a schedule, which keeps the place of the one that is known by its name.
        SerializationError when its job is larger than allowed, ConfigurationError when its names
        are longer than every store can index."""
        encode_texts(schedule.job, self._limits.max_bytes)  # now, and not at each slot
        check_names(attrs.evolve(schedule.job, schedule=schedule.name))
        while True:
            record = self._driver.read(PREFIX + schedule.name)
            known = record and readable(record)
            if known is None:
                new = schedule.starting(self._now())
            else:
                new = schedule.follows(known.schedule, self._now())
                if new == known.schedule:
                    return new
            if self._write(new, record.version if record else 0) is Verdict.DONE:
                return new

    def pause(self, name: str) -> Schedule:
        """Issue nothing more until ``resume``. ConfigurationError for an unknown name."""
        return self._apply(name, lambda known: attrs.evolve(known, paused=True))

    def resume(self, name: str) -> Schedule:
        """Go on after a pause; its slots are not made up for."""
        now = self._now()

        def resumed(known: Schedule) -> Schedule:
            if not known.paused:
                return known
            return attrs.evolve(known, paused=False, next_slot=known.rule.next_after(now))

        return self._apply(name, resumed)

    def remove(self, name: str) -> bool:
        """Forget a schedule; the jobs it issued stay. False: there was none. One that code
        declares comes back when a server of that code starts."""
        checks.sought("schedule name", name)
        body = f"{REMOVED}{self._clock.micros()}}}"
        while (record := self._driver.read(PREFIX + name)) and not is_removed(record):
            if self._driver.write(record.name, body, record.version) is Verdict.DONE:
                self._forget()
                return True
        return False

    def _forget(self) -> None:
        """Strike off what was removed long ago."""
        long_ago = self._clock.micros() - FORGOTTEN_AFTER
        for record in self._driver.list(PREFIX):
            if is_removed(record) and int(record.body[len(REMOVED) : -1]) < long_ago:
                self._driver.write(record.name, None, record.version)  # STALE: it is back

    def trigger(self, name: str) -> Job:
        """Enqueue a job of a schedule now, beside its slots; the stored job."""
        known = self.known(name)
        if known is None:
            raise unknown(name)
        now = self._now()
        job = issued(known.schedule, now, now, new_id())
        stored = self._hooks.enqueuing([job], self._store)
        return self._told(stored)[0]

    def _store(self, jobs: builtins.list[Job]) -> builtins.list[Job]:
        return storing.enqueue_many(self._driver, jobs, self._clock.micros(), self._limits)

    def _apply(self, name: str, change: Callable[[Schedule], Schedule]) -> Schedule:
        while True:
            known = self.known(name)
            if known is None:
                raise unknown(name)
            new = change(known.schedule)
            if new == known.schedule or self._write(new, known.version) is Verdict.DONE:
                return new

    def _write(self, new: Schedule, expected: int) -> Verdict:
        return self._driver.write(PREFIX + new.name, codec.encode(new), expected)

    # -- issuing -------------------------------------------------------------------------------

    def issue(self, known: Known) -> builtins.list[Job]:
        """Enqueue the jobs of the slots that are due, in one step with the schedule's place. Where
        another was faster, or changed the schedule, nothing is done."""
        schedule, now = known.schedule, self._now()
        slots, following = schedule.due(now)
        if following == schedule.next_slot:
            return []
        why = None if slots else "it was missed, since no server was there"
        before = self._running(schedule)
        if before is not None:
            slots, why = [], f"the job before, {before}, has not ended"
        jobs = [issued(schedule, slot, now, slot_id(schedule.name, slot)) for slot in slots]
        stored, obstacles = self._step(known, following, jobs, why)
        while obstacles and obstacles[0].by != "record":
            why = _reason(obstacles[0])
            taken = {obstacle.index for obstacle in obstacles}
            jobs = [job for index, job in enumerate(jobs) if index not in taken]
            stored, obstacles = self._step(known, following, jobs, why)
        if obstacles:
            return []
        if why is not None:
            log.warning("schedule %s has no job for %s: %s", schedule.name, schedule.next_slot, why)
        return self._told(stored)

    def _step(
        self, known: Known, following: datetime | None, jobs: Sequence[Job], why: str | None
    ) -> tuple[builtins.list[Job], Sequence[Obstacle]]:
        """Store the jobs and the schedule's new place, or nothing."""
        new = attrs.evolve(known.schedule, next_slot=following, skipped=why)
        if jobs:
            new = attrs.evolve(new, last_slot=jobs[-1].slot, last_job=jobs[-1].id)
        write = Write(PREFIX + new.name, codec.encode(new), known.version)
        obstacles: Sequence[Obstacle] = ()

        def store(given: builtins.list[Job]) -> builtins.list[Job]:
            nonlocal obstacles
            now = self._clock.micros()
            stored, obstacles = storing.insert(self._driver, given, now, self._limits, write)
            return stored

        return self._hooks.enqueuing(list(jobs), store), obstacles

    def _running(self, schedule: Schedule) -> str | None:
        """The id of the job before, if the next has to wait for its end."""
        if schedule.overlap or schedule.last_job is None:
            return None
        [row] = self._driver.load([schedule.last_job])
        return None if row is None or row.state in FINAL else row.id

    def _told(self, stored: builtins.list[Job]) -> builtins.list[Job]:
        if stored:
            self._driver.notify()
            self._hooks.tell(EventKind.ENQUEUED, stored, self._now)
        return stored

    def _now(self) -> datetime:
        return from_micros(self._clock.micros())


def readable(record: Record) -> Known | None:
    """The schedule of a record; None when it was removed, or cannot be read, which is logged."""
    if is_removed(record):
        return None
    try:
        return Known(codec.decode(record.body), record.version)
    except (SerializationError, ConfigurationError) as error:
        log.error("record %s cannot be read, and issues nothing: %s", record.name, error)
        return None


def is_removed(record: Record) -> bool:
    """Whether a record stands for a schedule that was removed."""
    return record.body.startswith(REMOVED)


def slot_id(name: str, slot: datetime) -> str:
    """The id of the job for a slot of a schedule, whoever issues it."""
    return str(uuid5(SLOTS, f"{name}/{slot.isoformat()}"))


def issued(schedule: Schedule, slot: datetime, now: datetime, job_id: str) -> Job:
    """The job for a slot of a schedule."""
    like = schedule.job
    expires = like.expires_at and now + (like.expires_at - like.created_at)
    return attrs.evolve(
        like,
        id=job_id,
        created_at=now,
        state=Enqueued(now, like.queue),
        expires_at=expires,
        schedule=schedule.name,
        slot=slot,
    )


def _reason(obstacle: Obstacle) -> str:
    if obstacle.by == "id":
        return f"it was issued before, as job {obstacle.holder}"
    return f"job {obstacle.holder} holds its unique key"


def unknown(name: str) -> ConfigurationError:
    """The error for a name that no schedule has."""
    return ConfigurationError(f"there is no schedule {name!r}; qml schedules lists them")
