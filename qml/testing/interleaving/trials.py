"""One run of a schedule: the storage brought to the start, the hands let loose, all looked at."""

import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any

import attrs

from ...seam.driver import Driver
from ...seam.grouping import batch_tally
from ...seam.rows import Page, Row, holder, is_free
from ...values.clock import ManualClock
from ...values.errors import ConfigurationError, QmlError, StorageUnavailable
from ...values.job import Job
from ...values.retry import RetryPolicy
from ...values.states import FINAL
from ...values.times import to_micros
from ..asking import answer
from ..compare import outcome
from ..making import MakeStorage, placed, with_driver
from ..model import StorageModel
from ..table import Entry
from .operations import KEY, Act, Start
from .parts import InParts, in_parts
from .schedules import HANDS, Schedule
from .situations import Situation, situation
from .together import BATCH
from .turns import Call, Choose, Turns


class Rewound(ManualClock):
    """A manual clock that can go back to its start: the storage is empty then."""

    def __init__(self) -> None:
        super().__init__()
        self._start = self.micros()

    def rewind(self) -> None:
        """Go back to the start."""
        with self._lock:
            self._micros = self._start


@attrs.frozen
class Case:
    """What is tried: the situation, and operations on its job, by name."""

    situation: Situation
    operations: tuple[str, ...]

    @classmethod
    def of(cls, schedule: Schedule) -> "Case":
        """The case of a schedule; ConfigurationError when there is none of that name."""
        start = situation(schedule.situation)
        known = names(start)
        for name in schedule.operations:
            if name not in known:
                raise ConfigurationError(f"there is no operation {name!r} there; there are {known}")
        return cls(start, schedule.operations)

    def acts(self, start: Start) -> list[Act]:
        """The operations."""
        known = self.situation.operations(start)
        return [known[name] for name in self.operations]


@cache
def names(of: Situation) -> list[str]:
    """The names of all operations from there."""
    clock = ManualClock()
    start = of.prepare(StorageModel(clock), clock)
    return list(of.operations(start))


def drawn(chance: random.Random, starts: Sequence[Situation], hands: int) -> Case:
    """One of the situations at random, and operations at random."""
    start = chance.choice(starts)
    return Case(start, tuple(chance.choice(names(start)) for _ in range(hands)))


@attrs.frozen
class Kept:
    """What a storage keeps of a job beside its record.

    ``holder``: who has the lease or the lock, if it lives; ``runs``: whether that is a claim;
    ``finished_at``: when a job in a final state came to an end, in microseconds since 1970 UTC.
    """

    job: str
    holder: str | None
    runs: bool
    finished_at: int | None


@attrs.frozen
class Ending:
    """What the hands were answered, and all that shows of the storage afterwards, ``schedules``,
    the ``batch`` and ``paused`` queues included.

    ``claims``: every claim given, from the start on; ``renewed``: whether each of them, asked at
    the end, still holds its job; ``following``: what a claim then takes that comes last.
    """

    answers: list[Any]
    records: list[Job]
    counts: dict[Any, int]
    available: list[Job]
    kept: list[Kept]
    key_holder: str | None
    schedules: list[Any]
    claims: list[Job]
    renewed: list[bool]
    batch: Any
    paused: Any
    following: list[Job]


@attrs.frozen
class Run:
    """A schedule that was run."""

    case: Case
    start: Start
    calls: list[Call]
    ending: Ending
    now: datetime

    @property
    def schedule(self) -> Schedule:
        """What brings it back."""
        turns = "".join(HANDS[call.hand] for call in self.calls)
        return Schedule(self.case.situation.name, self.case.operations, turns)


class Trials:
    """A storage, emptied and brought to the start anew for each schedule."""

    def __init__(self, make_storage: MakeStorage) -> None:
        self.clock = Rewound()
        self.storage = with_driver(make_storage, self.clock)
        if self.storage.list(limit=1):
            raise ConfigurationError("make_storage gave a storage that has jobs; give an empty one")
        self.turns = Turns(self.storage.driver)
        self.storage.driver = self.turns

    def run(self, case: Case, choose: Choose) -> Run:
        """Run the case by the schedule that ``choose`` makes."""
        storage, driver = self.storage, self.turns.driver
        _empty(driver)
        self.clock.rewind()
        start = self._start(case.situation)
        acts = [partial(act, storage, start) for act in case.acts(start)]
        calls, answers = self.turns.play(acts, choose)
        now = self.clock.now()
        rows = sorted(driver.scan(Page()), key=lambda row: row.id)
        kept = [_kept_row(row, to_micros(now)) for row in rows]
        ending = _ending(case, storage, start, answers, kept, driver.holder(KEY))
        return Run(case, start, calls, ending, now)

    def _start(self, at: Situation) -> Start:
        """Bring the storage there; it may fail before any schedule does."""
        try:
            return at.prepare(self.storage, self.clock)
        except StorageUnavailable:
            raise
        except Exception as error:
            raise AssertionError(
                f"the storage does not come to situation {at.name}: {at.text}\n"
                f"  {placed(error)}\nqml.testing.check_storage says more of what is wrong"
            ) from error

    def close(self) -> None:
        """End the threads, leave the storage empty, close it."""
        self.turns.end()
        with contextlib.suppress(QmlError):  # what happened before says more
            _empty(self.turns.driver)
        self.storage.close()


def _empty(driver: Driver) -> None:
    """Remove all that a run has left."""
    ids = [row.id for row in driver.scan(Page())]
    if ids:
        driver.erase(ids, len(ids))
    for record in driver.list(""):
        driver.write(record.name, None, record.version)
    driver.tally(batch_tally(BATCH), False)


def in_order(
    case: Case, order: Sequence[int], acts: dict[int, Act], retry: RetryPolicy | None
) -> Ending:
    """What the oracle gives for one hand after the other; ``acts`` replaces some operations. A hand
    that is there several times comes in parts."""
    clock = ManualClock()
    model = InParts(clock, retry)
    start = case.situation.prepare(model, clock)
    known = dict(enumerate(case.acts(start))) | acts
    known |= {h: in_parts(case.operations[h]) for h, times in Counter(order).items() if times > 1}
    answers = {hand: outcome(known[hand], model, start) for hand in order}
    entries = sorted(model.entries, key=lambda entry: entry.job.id)
    kept = [_kept_entry(entry, clock) for entry in entries]
    keeper = next((entry.job.id for entry in entries if entry.holds_key), None)
    return _ending(case, model, start, [answers[hand] for hand in sorted(answers)], kept, keeper)


def _ending(
    case: Case,
    storage: Any,
    start: Start,
    answers: list[Any],
    kept: list[Kept],
    key_holder: str | None,
) -> Ending:
    claims = list(start.claims.values())
    for name, answered in zip(case.operations, answers, strict=True):
        if name.endswith(" claim") and isinstance(answered, list):
            claims += answered
        elif name.endswith(" start") and isinstance(answered, Job):
            claims.append(answered)
    return Ending(
        answers=answers,
        records=storage.list(),
        counts=storage.get_job_counts(),
        available=storage.get_available_jobs(),
        kept=kept,
        key_holder=key_holder,
        schedules=storage.schedules.list() if hasattr(storage, "schedules") else [],
        batch=answer(storage, "progress", BATCH),
        paused=storage.queues.paused() if hasattr(storage, "queues") else {},
        claims=claims,
        renewed=storage.renew(claims),  # last but one: it changes what it asks
        following=storage.fetch_available_jobs_atomic("the last"),
    )


def _kept_row(row: Row, now: int) -> Kept:
    held = None if is_free(row, now) else holder(row)
    return Kept(row.id, held, held is not None and row.locked_by is None, row.finished_at)


def _kept_entry(entry: Entry, clock: ManualClock) -> Kept:
    held = entry.holder if entry.held_at(clock.now()) else None
    final = entry.job.state.kind in FINAL and entry.finished_at is not None
    finished = to_micros(entry.finished_at) if final and entry.finished_at else None
    return Kept(entry.job.id, held, held is not None and entry.running, finished)
