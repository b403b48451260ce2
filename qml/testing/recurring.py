"""The oracle's recurring jobs: a dict of schedules, and a walk from slot to slot."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import attrs

from ..values.cron import Cron
from ..values.errors import ConfigurationError, JobAlreadyExists, UniqueKeyTaken
from ..values.job import Job
from ..values.schedule import ABSENT, ALL_AT_ONCE, Every, Schedule
from ..values.states import FINAL, Enqueued

SLOTS = UUID("0e4f0c7a-2b7e-5f44-8f62-6c1d9a1f5b52")
"""The namespace of the ids of recurring jobs."""

MISSED, RUNNING, BEFORE, KEY = "missed", "not ended", "issued before", "unique key"
"""Why a slot has no job. A storage says it in more words, these among them."""

Schedules = list[Schedule]  # "list" is a method of the class below
Jobs = list[Job]
Moments = list[datetime]


class Known(NamedTuple):
    """A schedule, and how often its name was written and removed, ever."""

    schedule: Schedule
    version: int


class Recurring:
    """The schedules of a storage with this time, these ways to store a job and to find one."""

    def __init__(
        self,
        now: Callable[[], datetime],
        enqueue: Callable[[Job], Job],
        get: Callable[[str], Job | None],
    ) -> None:
        self._now, self._enqueue, self._job = now, enqueue, get
        self._known: dict[str, Known] = {}
        self._versions: dict[str, int] = {}

    def known(self, name: str) -> Known | None:
        """A schedule and its version, or None."""
        return self._known.get(name)

    def get(self, name: str) -> Schedule | None:
        """A schedule, or None."""
        known = self._known.get(name)
        return known.schedule if known else None

    def list(self) -> Schedules:
        """All, by name."""
        return [self._known[name].schedule for name in sorted(self._known)]

    def add(self, name: str, rule: Cron | Every, job: Job, **options: Any) -> Schedule:
        """A new schedule, or new settings for a known one."""
        return self.put(Schedule(name=name, rule=rule, job=job, **options))

    def put(self, schedule: Schedule) -> Schedule:
        """The same; a known one whose rule is no other keeps its place."""
        known = self.get(schedule.name)
        if known is None:
            return self._write(self._begun(schedule))
        new = schedule if _same_rule(schedule.rule, known.rule) else self._begun(schedule)
        kept = ["paused", "last_slot", "last_job", "skipped"]
        if new is schedule:
            kept += ["rule", "next_slot"]
        return self._write(attrs.evolve(new, **{name: getattr(known, name) for name in kept}))

    def _begun(self, schedule: Schedule) -> Schedule:
        """From now on: an Every that does not say from when counts from here."""
        rule = schedule.rule
        if isinstance(rule, Every) and rule.start is None:
            rule = attrs.evolve(rule, start=self._now())
        return attrs.evolve(schedule, rule=rule, next_slot=rule.next_after(self._now()))

    def _write(self, new: Schedule) -> Schedule:
        known = self._known.get(new.name)
        if known is None or known.schedule != new:
            self._known[new.name] = Known(new, self._next_version(new.name))
        return new

    def _next_version(self, name: str) -> int:
        self._versions[name] = self._versions.get(name, 0) + 1
        return self._versions[name]

    def pause(self, name: str) -> Schedule:
        """No more, for now."""
        return self._write(attrs.evolve(self._need(name), paused=True))

    def resume(self, name: str) -> Schedule:
        """Again, from the next slot on."""
        known = self._need(name)
        if not known.paused:
            return known
        return self._write(
            attrs.evolve(known, paused=False, next_slot=known.rule.next_after(self._now()))
        )

    def remove(self, name: str) -> bool:
        """Forget it."""
        if self._known.pop(name, None) is None:
            return False
        self._next_version(name)
        return True

    def trigger(self, name: str, job_id: str | None = None) -> Job:
        """A job beside the slots. ``job_id``: the id it is to have."""
        return self._enqueue(self._made(self._need(name), self._now(), job_id))

    def issue(self, known: Known) -> Jobs:
        """The jobs of the slots that have come, if the schedule is still as it was ``known``."""
        schedule = known.schedule
        passed, following = self._passed(schedule)
        if self._known.get(schedule.name) != known or schedule.paused or not passed:
            return []
        chosen, why = self._chosen(schedule, passed)
        new = attrs.evolve(schedule, next_slot=following)
        stored, refused = [], []
        for slot in chosen:
            try:
                stored.append(self._enqueue(self._made(schedule, slot, slot_id(schedule, slot))))
            except JobAlreadyExists:
                refused.append(BEFORE)
            except UniqueKeyTaken:
                refused.append(KEY)
        if stored:
            new = attrs.evolve(new, last_slot=stored[-1].slot, last_job=stored[-1].id)
        self._write(attrs.evolve(new, skipped=refused[0] if refused else why))
        return stored

    def _passed(self, schedule: Schedule) -> tuple[Moments, datetime | None]:
        """The slots that have come, and the one after them; of one that makes up for all that were
        missed, so many at a time."""
        passed: Moments = []
        most = ALL_AT_ONCE if schedule.catch_up == "all" and schedule.overlap else None
        slot = schedule.next_slot
        while slot is not None and slot + schedule.offset <= self._now() and len(passed) != most:
            passed.append(slot)
            slot = schedule.rule.next_after(slot)
        return passed, slot

    def _chosen(self, schedule: Schedule, passed: Moments) -> tuple[Moments, str | None]:
        """The slots to issue a job for; or why there are none."""
        before = self._job(schedule.last_job) if schedule.last_job else None
        if not schedule.overlap and before is not None and before.state.kind not in FINAL:
            return [], RUNNING
        if schedule.catch_up == "none" and self._now() - schedule.offset - passed[0] > ABSENT:
            return [], MISSED
        return (passed if schedule.catch_up == "all" and schedule.overlap else passed[-1:]), None

    def _made(self, schedule: Schedule, slot: datetime, job_id: str | None) -> Job:
        like, now = schedule.job, self._now()
        expires = None
        if like.expires_at is not None:
            expires = now + (like.expires_at - like.created_at)
        return attrs.evolve(
            like,
            id=job_id,
            created_at=now,
            state=Enqueued(now, like.queue),
            expires_at=expires,
            schedule=schedule.name,
            slot=slot,
        )

    def _need(self, name: str) -> Schedule:
        schedule = self.get(name)
        if schedule is None:
            raise ConfigurationError(f"there is no schedule {name}")
        return schedule


def slot_id(schedule: Schedule, slot: datetime) -> str:
    """The id of the job for a slot."""
    return str(uuid5(SLOTS, f"{schedule.name}/{slot.isoformat()}"))


def _same_rule(one: Cron | Every, other: Cron | Every) -> bool:
    if isinstance(one, Every) and isinstance(other, Every):
        return one.seconds == other.seconds and one.start in (None, other.start)
    return one == other
