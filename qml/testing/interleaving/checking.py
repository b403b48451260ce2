"""The check of a storage by schedules, its tally, and the replay of one schedule."""

import random
from collections.abc import Sequence
from contextlib import closing
from itertools import chain, combinations_with_replacement, pairwise, zip_longest

import attrs

from ...values.errors import ConfigurationError
from ...values.retry import RetryPolicy
from ..making import MakeStorage, whole
from ..quiet import quiet
from .judging import Judge
from .schedules import AtRandom, DepthFirst, Given, Schedule
from .situations import SITUATIONS, Situation, named
from .story import steps, told
from .trials import Case, Run, Trials, drawn, names


@attrs.define
class Tally:
    """What was tried without a fault.

    ``situations`` that schedules started from; ``pairs``: two operations from one situation, each
    with all their schedules; ``triples``: three operations, each with one schedule at random;
    ``schedules`` in all; ``switched``: those in which one operation was not over when another
    made a call; ``calls``: driver calls of all schedules.
    """

    situations: set[str] = attrs.field(factory=set)
    pairs: int = 0
    triples: int = 0
    schedules: int = 0
    switched: int = 0
    calls: int = 0

    def count(self, run: Run) -> None:
        """Count a schedule."""
        turns = run.schedule.turns
        self.situations.add(run.case.situation.name)
        self.schedules += 1
        self.calls += len(turns)
        changes = sum(one != other for one, other in pairwise(turns))
        self.switched += changes >= len(set(turns))

    def __str__(self) -> str:
        return (
            f"{len(self.situations)} situations, {self.pairs:,} pairs, {self.triples:,} triples: "
            f"{self.schedules:,} schedules ({self.switched:,} switched within an operation), "
            f"{self.calls:,} driver calls"
        )


def check_interleavings(
    make_storage: MakeStorage,
    *,
    pairs: int | None = None,
    triples: int = 0,
    seed: int = 0,
    situations: Sequence[str] = tuple(SITUATIONS),
    retry: RetryPolicy | None = None,
) -> Tally:
    """Run two operations on one job at a time in every order of their driver calls, from every
    situation, in real threads, and compare each run with the oracle.

    ``make_storage(clock)`` returns an empty storage that lives by the ManualClock it is given;
    it is used for all schedules, and emptied between. ``pairs``: so many, drawn by ``seed``
    from each situation in turn, instead of all; ``triples``: so many runs of three operations, each
    by a schedule at random; ``situations``: start from these only; ``retry``: the policy the
    storage was made with.

    AssertionError at the first schedule that no order of its operations explains: it tells the
    story, and how to replay it.
    """
    whole("pairs", 0 if pairs is None else pairs)
    whole("triples", triples)
    tally, starts = Tally(), named(situations)
    trials = Trials(make_storage)
    with quiet(), closing(trials):
        for case in _pairs(starts, pairs, random.Random(f"{seed} pairs")):
            _check_all(trials, case, retry, tally)
        for number in range(triples):
            chance = random.Random(f"{seed} triple {number}")
            case = drawn(chance, starts, 3)
            _check(trials, case, Judge(case, retry), AtRandom(chance), tally)
            tally.triples += 1
    if tally.schedules and not tally.calls:
        raise ConfigurationError("no operation called the storage's `driver`: there is no schedule")
    return tally


def _pairs(
    starts: Sequence[Situation], wanted: int | None, chance: random.Random
) -> Sequence[Case]:
    every = [
        [Case(start, pair) for pair in combinations_with_replacement(names(start), 2)]
        for start in starts
    ]
    if wanted is None:
        return [*chain.from_iterable(every)]
    for cases in every:
        chance.shuffle(cases)
    in_turn = chain.from_iterable(zip_longest(*every))
    return [case for case in in_turn if case is not None][:wanted]


def _check_all(trials: Trials, case: Case, retry: RetryPolicy | None, tally: Tally) -> None:
    judge, chooser = Judge(case, retry), DepthFirst()
    _check(trials, case, judge, chooser, tally)
    while chooser.turn():
        _check(trials, case, judge, chooser, tally)
    tally.pairs += 1


def _check(
    trials: Trials,
    case: Case,
    judge: Judge,
    chooser: DepthFirst | AtRandom | Given,
    tally: Tally,
) -> Run:
    run = trials.run(case, chooser.choose)
    fault = judge.fault(run)
    if fault is not None:
        raise AssertionError(told(fault))
    tally.count(run)
    return run


def replay(
    make_storage: MakeStorage, schedule: Schedule | str, *, retry: RetryPolicy | None = None
) -> list[str]:
    """Run one schedule again, as a failure printed it; its calls, one a line.

    AssertionError with the story when it is still at fault.
    """
    schedule = schedule if isinstance(schedule, Schedule) else Schedule.parse(schedule)
    case = Case.of(schedule)
    trials = Trials(make_storage)
    with quiet(), closing(trials):
        return steps(_check(trials, case, Judge(case, retry), Given(schedule.turns), Tally()))
