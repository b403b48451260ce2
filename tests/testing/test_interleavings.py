"""All schedules of two hands: what they find in storages with gaps, and how they say it."""

import math
import random
import re
import threading
from itertools import permutations

import attrs
import pytest

from qml import ConfigurationError, Job, MemoryStorage, StateKind, Storage
from qml.drivers.memory import MemoryDriver
from qml.seam.rows import Claimed, Inserted, Move, Obstacle, Verdict
from qml.testing import ManualClock, StorageModel
from qml.testing.interleaving import (
    SITUATIONS,
    Schedule,
    check_interleavings,
    invariants,
    replay,
    turns,
)
from qml.testing.interleaving.allowances import has_effect
from qml.testing.interleaving.judging import Judge
from qml.testing.interleaving.schedules import AtRandom, DepthFirst, Given
from qml.testing.interleaving.story import told
from qml.testing.interleaving.trials import Case, Trials, names
from tests.testing import faults, interleaving_faults

FOUND_FROM = {
    "ClaimTakesTwoCalls": "waiting",
    "ClaimForgetsLocks": "waiting",
    "FinishChecksThenWrites": "claimed",
    "ReleaseChecksThenWrites": "claimed",
    "RenewChecksThenExtends": "claimed",
    "RescueByWhatItSaw": "lapsed",
    "RescueForgetsRenewals": "lapsed",
    "RescueTellsWhatItPlanned": "lapsed",
    "CancelWritesUnguarded": "claimed",
    "CancelTriesOnce": "scheduled",
    "RetryWritesUnguarded": "failed",
    "RetryLooksForTheKey": "failed",
    "EnqueueLooksForTheKey": "gone",
    "EnqueueReplaces": "gone",
    "ReplaceWritesOverWhatItSaw": "waiting",
    "ExistingIsWhoeverHeldIt": "claimed",
    "UpdateComparesThenWrites": "awaiting",
    "UpdateWritesTheLeaseItRead": "claimed",
    "DeleteLooksFirst": "succeeded",
    "PurgeRemovesWhatItSaw": "failed",
    "LockLooksThenTakes": "waiting",
    "UnlockChecksThenFrees": "locked",
    "StaleFinishEndsALock": "cancelled lapsed",
    "NoteChecksThenWrites": "claimed",
    "FailureFirstThenWhatFollows": "lapsed for good",
    "ExpireByWhatItSaw": "expired",
    "LateClaimsAreLeft": "expired",
    "CancelManyByWhatItSaw": "claimed",
    "OwnRetentionByIds": "failed with a time of its own",
    "SlotsThenTheirPlace": "slot due",
    "SlotsWithoutAGuard": "slot due",
    "PauseWritesWhatItRead": "slot due",
    "LimitIsLookedAtFirst": "limit lapsed",
    "PermitIsFreedFirst": "limit reached",
    "LastIsWhoSeesNoOther": "last two of a batch",
    "ChildWaitsForWhomItSaw": "parent runs",
}
"""A situation from which each fault shows; the command checks from all."""

OF_ONE_HAND = [
    fault
    for fault in faults.FAULTS
    if fault.__name__
    in {
        "FinishGoesByIdAlone",
        "FinishAsksOnlyWhetherItRuns",
        "FinishForgetsTheGeneration",
        "KeyIsKeptOnCancel",
        "CancelEndsTheLease",
        "RescueTakesTheLiving",
        "RenewalIgnoresTheFence",
        "LockHoldsNothing",
        "AnybodyLetsGo",
        "UpdateComparesNothing",
    }
]
"""Faults that show without any gap, too."""


def memory(clock):
    return MemoryStorage(clock=clock)


def story_of(make, **options):
    with pytest.raises(AssertionError) as raised:
        check_interleavings(make, **options)
    return str(raised.value)


def printed(story):
    """The schedule that the story's last line replays."""
    return re.search(r'again: qml\.testing\.replay\(make_storage, "(.*)"\)$', story)[1]


@pytest.mark.parametrize("fault", interleaving_faults.FAULTS, ids=lambda fault: fault.__name__)
def test_a_gap_between_two_calls_is_found(fault):
    story = story_of(fault, situations=[FOUND_FROM[fault.__name__]])
    schedule = Schedule.parse(printed(story))
    with pytest.raises(AssertionError) as again:
        replay(fault, str(schedule))
    assert str(again.value) == story
    assert re.search("AB+A|BA+B", schedule.turns), "the fault shows without a gap"
    assert len(replay(memory, str(schedule))) >= 2  # qml's own storage passes the same
    without_a_gap_it_does_not_show(fault, schedule)


def without_a_gap_it_does_not_show(fault, schedule):
    """The same hands, one after the other, in either order: so it takes schedules to find it."""
    trials = Trials(fault)
    for hands in permutations(schedule.operations):
        case = Case(SITUATIONS[schedule.situation], hands)
        found = Judge(case, None).fault(trials.run(case, min))
        assert found is None, told(found)
    trials.close()


@pytest.mark.parametrize("fault", OF_ONE_HAND, ids=lambda fault: fault.__name__)
def test_a_fault_of_one_hand_is_found(fault):
    start = {"FinishForgetsTheGeneration": "scheduled", "LockHoldsNothing": "waiting"}
    start |= {"RescueTakesTheLiving": "claimed", "AnybodyLetsGo": "locked"}
    situations = [start.get(fault.__name__, "claimed"), "claimed again", "failed"]
    assert "would have given" in story_of(faults.made_of(fault), situations=situations)


def test_a_story_can_be_read():
    story = story_of(interleaving_faults.RescueForgetsRenewals, situations=["lapsed"])
    assert story.splitlines() == [
        "no order of the 2 operations gives this",
        "situation lapsed: Claimed by w1, whose lease has just lapsed.",
        "  A  rescue",
        "  B  w1 renew",
        "schedule",
        "  A rescue: scan lapsed -> a (processing, version 1, fence 1)",
        "  B w1 renew: hold a for w1, if fence 1 -> DONE",
        "  A rescue: swap a, if version 1, to awaiting_retry -> DONE",
        "what came of it",
        "  A rescue: [a (awaiting_retry, version 2, fence 1)]",
        "  B w1 renew: [True]",
        "  in the store: a (awaiting_retry, version 2, fence 1)",
        "A then B would have given",
        "  A rescue: [a (awaiting_retry, version 2, fence 1)]",
        "  B w1 renew: [False]",
        "  in the store: a (awaiting_retry, version 2, fence 1)",
        "  it differs in the answer to w1 renew: promised: False; found: True",
        "B then A would have given",
        "  A rescue: []",
        "  B w1 renew: [True]",
        "  in the store: a (processing, version 1, fence 1), held by w1",
        "  it differs in the answer to rescue: promised: []; "
        "found: [a (awaiting_retry, version 2, fence 1)]",
        'again: qml.testing.replay(make_storage, "lapsed; rescue; w1 renew; ABA")',
    ]


@pytest.mark.parametrize("calls", [(1, 1), (2, 3), (4, 4), (2, 2, 2), (0, 3), (1, 2, 3)])
def test_depth_first_makes_every_schedule_once(calls):
    chooser, seen = DepthFirst(), set()
    while True:
        left, word = list(calls), ""
        while able := [hand for hand, count in enumerate(left) if count]:
            hand = chooser.choose(able)
            left[hand] -= 1
            word += str(hand)
        assert word not in seen
        seen.add(word)
        if not chooser.turn():
            break
    assert len(seen) == math.factorial(sum(calls)) // math.prod(map(math.factorial, calls))


def test_a_schedule_that_comes_to_another_place_is_told():
    chooser = DepthFirst()
    chooser.choose([0, 1])
    chooser.choose([0])
    assert chooser.turn()
    with pytest.raises(AssertionError, match="hand B has ended, which it had not before"):
        chooser.choose([0])


def test_a_given_schedule_passes_over_hands_that_have_ended():
    given = Given("ABCA")
    assert [given.choose(able) for able in ([0, 1], [0, 2], [0], [0])] == [0, 2, 0, 0]


def test_chance_has_a_seed():
    draws = [[AtRandom(random.Random(seed)).choose([0, 1, 2]) for _ in range(3)] for seed in (1, 1)]
    assert draws[0] == draws[1]


def test_triples_are_drawn_by_the_seed():
    fault = interleaving_faults.CancelWritesUnguarded
    stories = [story_of(fault, pairs=0, triples=500, seed=seed) for seed in (1, 1, 2)]
    assert stories[0] == stories[1] != stories[2]
    schedule = Schedule.parse(printed(stories[0]))
    assert len(schedule.operations) == 3
    assert re.search("[ABC] then [ABC] then [ABC] would have given", stories[0])
    with pytest.raises(AssertionError, match="would have given"):
        replay(fault, schedule)


def test_the_tally_counts():
    tally = check_interleavings(memory, situations=["waiting", "lapsed"], pairs=20, triples=5)
    assert tally.situations == {"waiting", "lapsed"}
    assert (tally.pairs, tally.triples) == (20, 5)
    assert tally.schedules >= 25 <= tally.calls
    assert 0 < tally.switched < tally.schedules
    assert re.fullmatch(
        r"2 situations, 20 pairs, 5 triples: \d+ schedules \(\d+ switched within an operation\), "
        r"\d+ driver calls",
        str(tally),
    )


def test_every_operation_occurs():
    """The brief of issue 5: these, from all these situations."""
    known = {name for start in SITUATIONS.values() for name in names(start)}
    assert {name.removeprefix("w1 ") for name in known} >= {
        *("claim", "succeed", "fail", "retry later", "renew", "release", "rescue", "cancel"),
        *("retry", "update", "delete", "enqueue", "enqueue twin", "lock", "unlock", "purge"),
    }  # fmt: skip
    assert len(SITUATIONS) == 32


# -- what is allowed, and no more --------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        "lapsed; rescue; update; ABBA",
        "claimed; cancel; w1 unlock; ABA",
        "batch still open; enqueue after batch; close; delete; ACABA",
    ],
)
def test_what_is_no_single_step_has_a_rule(schedule, monkeypatch):
    replay(memory, schedule)
    monkeypatch.setattr("qml.testing.interleaving.judging.instead", lambda *asked: [{}])
    monkeypatch.setattr(
        "qml.testing.interleaving.judging.allowed", lambda run, hand, _: run.ending.answers[hand]
    )
    with pytest.raises(AssertionError, match=r"no order of the [23] operations"):
        replay(memory, schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        "lapsed; rescue; cancel; AABB",
        "lapsed; rescue; w1 unlock; ABA",  # which finds nothing to unlock
        "lapsed; rescue; update; BBAA",
    ],
)
def test_a_rescue_may_not_pass_over_whom_nobody_changed(schedule):
    class RescuesNobody(MemoryDriver):
        def swap(self, changes):
            if any(isinstance(one, Move) and one.lapsed_by for one in changes):
                return [Verdict.STALE for _ in changes]
            return super().swap(changes)

    with pytest.raises(AssertionError, match="awaiting_retry if its lease is over -> STALE"):
        replay(lambda clock: Storage(RescuesNobody(None), clock=clock), schedule)


@pytest.mark.parametrize(
    ("verb", "nothing", "something"),
    [
        ("swap", [Verdict.STALE, Verdict.GONE], [Verdict.STALE, Verdict.DONE]),
        ("hold", [Verdict.STALE], [Verdict.DONE]),
        ("let_go", Verdict.STALE, Verdict.DONE),
        ("insert", Inserted([], [Obstacle(0, "id", "a")]), Inserted([1], [])),
        ("claim", Claimed([], None), Claimed([object()], None)),
        ("erase", 0, 1),
        ("swap", KeyError("oh"), [Verdict.DONE]),
        ("load", [object()], None),
    ],
)
def test_what_a_call_has_changed(verb, nothing, something):
    assert not has_effect(turns.Call(0, verb, None, nothing))
    assert something is None or has_effect(turns.Call(0, verb, None, something))


def test_to_open_or_close_a_batch_changes_something():
    assert [
        more
        for more in (None, True, False)
        if has_effect(turns.Call(0, "tally", ("batch/n", more, None), None))
    ] == [True, False]


def test_an_answer_may_show_no_lease_but_the_one_that_was_read():
    class Shows(MemoryStorage):
        def cancel(self, job_id, reason=None):
            return attrs.evolve(super().cancel(job_id, reason), lease_expires_at=self.now())

    with pytest.raises(AssertionError, match="lease_expires_at promised"):
        replay(lambda clock: Shows(clock=clock), "waiting; cancel; w1 lock; ABA")


# -- the judge and the laws --------------------------------------------------------------------


@pytest.fixture
def trials():
    trials = Trials(memory)
    yield trials
    trials.close()


def run_of(trials, text, **changes):
    schedule = Schedule.parse(text)
    run = trials.run(Case.of(schedule), Given(schedule.turns).choose)
    return attrs.evolve(run, ending=attrs.evolve(run.ending, **changes))


def test_who_was_answered_first_comes_first(trials):
    """Not every order explains a schedule: a hand that was answered before the other began has to
    come before it."""
    run = run_of(trials, "claimed; cancel; w1 claim; AAB")
    judge = Judge(run.case, None)
    assert judge.fault(run) is None
    late = run_of(trials, "waiting; cancel; w1 claim; AAB")
    early = run_of(trials, "waiting; cancel; w1 claim; BAA")
    mixed = attrs.evolve(late, ending=early.ending)
    assert Judge(late.case, None).fault(late) is Judge(early.case, None).fault(early) is None
    fault = Judge(late.case, None).fault(mixed)
    assert [mismatch.order for mismatch in fault.mismatches] == [(0, 1)]


@pytest.mark.parametrize(
    ("what", "odd"),
    [
        ("records", []),
        ("counts", {}),
        ("available", [Job("t", id="b")]),
        ("kept", []),
        ("key_holder", "b"),
        ("renewed", [False]),
        ("answers", [True, True]),
    ],
)
def test_all_that_shows_is_compared(trials, what, odd):
    text = "claimed; update; w1 renew; AAB"
    right, wrong = run_of(trials, text), run_of(trials, text, **{what: odd})
    judge = Judge(right.case, None)
    assert judge.fault(right) is None
    [mismatch] = judge.fault(wrong).mismatches
    assert what.removesuffix("s").replace("_", " ") in mismatch.text


def test_the_laws_hold_whatever_the_oracle_says(trials):
    def broken(**changes):
        return invariants.broken(run_of(trials, "claimed again; cancel; w1 renew; AAB", **changes))

    run = run_of(trials, "claimed again; cancel; w1 renew; AAB")
    second = run.ending.claims[1]
    assert broken() is None
    assert "fence 2 of job a was given 2 times" in broken(claims=[second, second])
    assert "2 claims hold job a at once" in broken(renewed=[True, True])
    assert "and its record differs" in broken(renewed=[True, False])
    assert "the counts are" in broken(counts={StateKind.DELETED: 2})
    assert "the counts are" in broken(counts={})
    assert "available are ['a']" in broken(available=run.ending.records)
    assert "do not agree" in broken(kept=[attrs.evolve(run.ending.kept[0], holder=None)])
    assert "does not ask for it" in broken(key_holder="b")


def test_the_laws_of_holder_and_key(trials):
    def broken(text, **changes):
        return invariants.broken(run_of(trials, text, **changes))

    held = run_of(trials, "claimed; rescue; w1 claim; AB").ending.kept[0]
    thief = [attrs.evolve(held, holder="w2")]
    assert "processed by w1 and held by w2" in broken("claimed; rescue; w1 claim; AB", kept=thief)
    text = "gone; enqueue; rescue; AB"
    assert broken(text) is None
    assert "available are []" in broken(text, available=[])
    assert "waits under a key that None holds" in broken(text, key_holder=None)


def test_the_laws_of_limits(trials):
    def told(**changes):
        return [*invariants._limits(attrs.evolve(run, ending=attrs.evolve(run.ending, **changes)))]

    run = run_of(trials, "limit reached; cancel b; w1 release; AB")
    assert [job.id for job in run.ending.following] == ["a"]
    assert not told()
    assert "['a'] do, and ['a'] were claimed besides" in told(renewed=[True])[0]
    assert "and of ['a'] [] were claimed" in told(following=[])[0]
    running = [attrs.evolve(kept, runs=True) for kept in run.ending.kept]
    assert "['b', 'a'] do" in told(kept=running, following=[])[0]


def test_who_is_not_woken_is_told(trials):
    run = run_of(trials, "parent runs; w1 succeed; w1 renew; AB")
    assert not [*invariants._woken(run)]
    asleep = attrs.evolve(run, ending=attrs.evolve(run.ending, following=[]))
    assert "nothing is left of what it is to come after" in next(invariants._woken(asleep))
    over = run_of(trials, "last two of a batch; w1 succeed; w2 succeed; AB")
    asleep = attrs.evolve(over, ending=attrs.evolve(over.ending, following=[]))
    assert len([*invariants._woken(asleep)]) == 2


def test_a_law_that_the_oracle_breaks_too_is_told(trials, monkeypatch):
    monkeypatch.setattr(invariants, "_counts", lambda run: iter(["the counts are odd"]))
    with pytest.raises(AssertionError) as raised:
        replay(memory, "waiting; rescue; purge; AABB")
    assert str(raised.value).startswith("the counts are odd\nsituation waiting")


# -- storages that cannot be checked -----------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("nowhere; rescue; purge; AB", "there is no situation 'nowhere'"),
        ("waiting; rescue; dance; AB", "there is no operation 'dance' there"),
        ("waiting; w2 succeed; rescue; AB", "there is no operation 'w2 succeed' there"),
        ("waiting; rescue; purge; ABX", "ABX"),
        ("waiting", "waiting"),
        (5, "schedule 5: give it as it was printed"),
    ],
)
def test_an_unknown_schedule_is_refused(schedule, words):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        replay(memory, schedule)


@pytest.mark.parametrize("situations", [[], "lapsed", 5, None], ids=str)
def test_what_names_no_situation_is_refused(situations):
    with pytest.raises(ConfigurationError, match=r"situations is .*; give a list"):
        check_interleavings(memory, pairs=1, triples=1, situations=situations)


def test_a_schedule_prints_as_it_is_read():
    schedule = Schedule("lapsed", ("rescue", "w1 renew"), "ABA")
    assert Schedule.parse(str(schedule)) == schedule


def test_a_storage_with_jobs_is_refused_and_left_alone():
    storage = memory(ManualClock())
    storage.enqueue(Job("t", id="a"))

    def make(clock):
        storage.clock = clock
        return storage

    with pytest.raises(ConfigurationError, match="give an empty one"):
        check_interleavings(make)
    assert storage.get("a") is not None


def test_a_storage_without_a_driver_is_refused():
    with pytest.raises(ConfigurationError, match="without a `driver`"):
        check_interleavings(StorageModel)


def test_a_storage_that_goes_round_its_driver_is_refused():
    class Round:
        def __init__(self, clock):
            self.storage = MemoryStorage(clock=clock)
            self.driver = self.storage.driver  # which the storage does not ask for again

        def __getattr__(self, name):
            return getattr(self.storage, name)

    with pytest.raises(ConfigurationError, match="no operation called"):
        check_interleavings(Round, situations=["waiting"], pairs=5)


def threads():
    return {thread for thread in threading.enumerate() if isinstance(thread, turns.Hand)}


def test_no_thread_is_left():
    before = threads()
    check_interleavings(memory, situations=["waiting"], pairs=5, triples=2)
    story_of(interleaving_faults.CancelTriesOnce, situations=["waiting"])
    assert threads() <= before


def test_a_lock_held_between_two_calls_is_told(monkeypatch):
    """A hand that waits for another would wait for ever, since that has to wait for its turn."""
    monkeypatch.setattr(turns, "PATIENCE", 1.0)

    class Locks(MemoryStorage):
        lock = threading.Lock()

        def cancel(self, *arguments):
            with self.lock:
                return super().cancel(*arguments)

    before = threads()
    with pytest.raises(AssertionError, match="waits for what another holds between two calls"):
        replay(lambda clock: Locks(clock=clock), "waiting; cancel; cancel; ABAB")
    for thread in threads() - before:
        thread.join(60.0)
    assert threads() <= before


def test_an_operation_without_end_is_told():
    class AlwaysStale(MemoryDriver):
        def swap(self, changes):
            return [Verdict.STALE for _ in changes]

    def make(clock):
        return Storage(AlwaysStale(None), clock=clock)

    before = threads()
    with pytest.raises(AssertionError, match="no end after 1000 driver calls"):
        replay(make, "gone; enqueue; cancel; AB")
    assert threads() <= before


def test_a_storage_that_does_not_come_to_the_start_is_told():
    class Greedy(MemoryDriver):
        def claim(self, claim):
            return super().claim(claim._replace(limit=claim.limit + 1))

    with pytest.raises(
        AssertionError, match=r"does not come to situation .*: .*\n  a claim of w2 "
    ):
        check_interleavings(
            lambda clock: Storage(Greedy(None), clock=clock), situations=["last two of a batch"]
        )


def test_an_error_that_is_none_of_qmls_is_told():
    class Crashes(MemoryStorage):
        def cancel(self, job_id, reason=None):
            self.get(job_id)
            raise KeyError("oh")

    with pytest.raises(AssertionError, match=re.escape("crashes with KeyError('oh')")):
        replay(lambda clock: Crashes(clock=clock), "waiting; cancel; rescue; AB")
