"""Recurring jobs: when they are due, and what becomes of times that were missed."""

import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Protocol

import attrs

from .cron import Cron
from .errors import ConfigurationError
from .job import Job
from .jobfields import name as _name
from .states import Enqueued
from .times import EPOCH, MICROSECOND, aware_utc, from_micros, span_micros, to_micros

CATCH_UP = ("one", "all", "none")

ALL_AT_ONCE = 1_000
"""Slots issued in one step of those that were missed; the rest follow in the next one."""

ABSENT = timedelta(seconds=60)
"""A slot that is later than this was missed, since no server was there."""

_BACK = [timedelta(minutes=1) * 8**power for power in range(9)]  # a minute to some 250 years


class Rule(Protocol):
    """When a recurring job is due."""

    def next_after(self, when: datetime) -> datetime | None:
        """The first time later than ``when``, in UTC; None = there is none any more."""
        ...


def _period(every: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value < 1e9:
        raise ConfigurationError(f"Every seconds is {value!r}; give seconds, 0.1 to a billion")


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _start(moment: Any) -> datetime | None:
    return None if moment is None else aware_utc("Every start", moment)


@attrs.frozen
class Every:
    """Every so many ``seconds`` (or a timedelta), counted from ``start``; None = from when the
    schedule is first known."""

    seconds: float = attrs.field(validator=_period, converter=_seconds)
    start: datetime | None = attrs.field(default=None, converter=_start)

    def next_after(self, when: datetime) -> datetime | None:
        """The first time later than ``when``, in UTC."""
        period = span_micros(self.seconds)
        start = to_micros(self.start or EPOCH)
        passed = (aware_utc("when", when) - EPOCH) // MICROSECOND - start
        try:
            return from_micros(start + (max(0, passed // period) + 1) * period)
        except OverflowError:
            return None

    def __str__(self) -> str:
        return f"every {self.seconds:g} s"


def _rule(schedule: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, Cron | Every):
        raise ConfigurationError(
            f"schedule rule is {value!r}; give a Cron, such as Cron('0 9 * * 1-5'), or an Every"
        )


def _choice(schedule: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if value not in CATCH_UP:
        raise ConfigurationError(f"schedule catch_up is {value!r}; give one of {CATCH_UP}")


def _flag(schedule: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"schedule {field.name} is {value!r}; give True or False")


def _spread(schedule: object, field: "attrs.Attribute[Any]", value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86_400:
        raise ConfigurationError(f"schedule spread is {value!r}; give seconds, 0 to 86,400")


def _pattern(job: Any) -> Job:
    """The job that others are made like: whatever time it was made at does not matter."""
    if not isinstance(job, Job) or not isinstance(job.state, Enqueued):
        raise ConfigurationError(
            f"the job of a schedule is {job!r}; give one that is ready at once, such as "
            "task.job(...) without run_after"
        )
    return attrs.evolve(
        job,
        id="pattern",
        created_at=EPOCH,
        state=Enqueued(EPOCH, job.queue),
        expires_at=job.expires_at and EPOCH + (job.expires_at - job.created_at),
    )


@attrs.frozen(kw_only=True)
class Schedule:
    """A recurring job.

    ``name``: unique in the store; ``rule``: a ``Cron`` or an ``Every``; ``job``: what each slot's
    job is made like (its ``expires_at`` counts from the moment it is issued); ``catch_up``: of
    slots that were missed, the latest "one" is made up for, "all" or "none"; ``overlap``: False = a
    slot whose predecessor has not ended is skipped; ``spread``: seconds over which schedules are
    spread, by name, so that those of one minute do not fall on one second; ``declared``: by code,
    whose servers alone issue it; ``paused``.

    Kept by the storage: ``next_slot``; ``last_slot`` and ``last_job``, the id of what was issued
    for it; ``skipped``, why the last slot without a job had none.
    """

    name: str = attrs.field(validator=_name)
    rule: Cron | Every = attrs.field(validator=_rule)
    job: Job = attrs.field(converter=_pattern)
    catch_up: str = attrs.field(default="one", validator=_choice)
    overlap: bool = attrs.field(default=True, validator=_flag)
    spread: float = attrs.field(default=0.0, validator=_spread)
    declared: bool = attrs.field(default=False, validator=_flag)
    paused: bool = attrs.field(default=False, validator=_flag)
    next_slot: datetime | None = None
    last_slot: datetime | None = None
    last_job: str | None = None
    skipped: str | None = None

    @property
    def offset(self) -> timedelta:
        """How long after its slot a job is issued: a share of ``spread``, the same everywhere."""
        return timedelta(seconds=self.spread * zlib.crc32(self.name.encode()) / 2**32)

    @property
    def next_at(self) -> datetime | None:
        """When the next job is issued; None = never."""
        if self.paused or self.next_slot is None:
            return None
        return self.next_slot + self.offset

    def after(self, now: datetime) -> datetime | None:
        """When a job is issued next, once those that are due ``now`` have been; None = never."""
        following = self.rule.next_after(now - self.offset)
        return following and following + self.offset

    def starting(self, now: datetime) -> "Schedule":
        """This schedule as it begins ``now``."""
        rule = self.rule
        if isinstance(rule, Every) and rule.start is None:
            rule = Every(rule.seconds, now)
        return attrs.evolve(self, rule=rule, next_slot=rule.next_after(now))

    def follows(self, known: "Schedule", now: datetime) -> "Schedule":
        """This schedule in place of one that is ``known`` under its name: it keeps the place
        unless its rule is another."""
        kept = {
            name: getattr(known, name) for name in ("paused", "last_slot", "last_job", "skipped")
        }
        if not _is_same_rule(self.rule, known.rule):
            return attrs.evolve(self.starting(now), **kept)
        return attrs.evolve(self, rule=known.rule, next_slot=known.next_slot, **kept)

    def due(self, now: datetime) -> tuple[list[datetime], datetime | None]:
        """The slots to issue a job for now, the oldest first, and the slot after those that have
        passed. Nothing is issued early."""
        first, until = self.next_slot, now - self.offset
        if self.paused or first is None or first > until:
            return [], first
        if self.catch_up == "all" and self.overlap:
            slots = list(self._slots(first, until))
            return slots, self.rule.next_after(slots[-1])
        latest = self._latest(first, until)
        missed = self.catch_up == "none" and until - first > ABSENT
        return [] if missed else [latest], self.rule.next_after(latest)

    def _slots(self, first: datetime, until: datetime) -> Iterator[datetime]:
        slot: datetime | None = first
        for _ in range(ALL_AT_ONCE):
            if slot is None or slot > until:
                return
            yield slot
            slot = self.rule.next_after(slot)

    def _latest(self, first: datetime, until: datetime) -> datetime:
        """The last slot that has come, found without a walk through all since ``first``."""
        latest = first
        for back in _BACK:
            if until - first <= back:
                break
            found = self.rule.next_after(until - back)
            if found is not None and found <= until:
                latest = found
                break
        while (following := self.rule.next_after(latest)) is not None and following <= until:
            latest = following
        return latest


def _is_same_rule(one: Cron | Every, other: Cron | Every) -> bool:
    """Whether two rules are one, though the start of an ``Every`` may have been left open."""
    if isinstance(one, Every) and isinstance(other, Every):
        return one.seconds == other.seconds and one.start in (None, other.start)
    return one == other
