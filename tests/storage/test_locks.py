"""Named locks on every store: given once, for a term, with a fence; freed by their own hand."""

import itertools
import logging

import attrs
import pytest

from qml import ConfigurationError, LockTaken, ManualClock, SerializationError, StorageUnavailable
from qml.storage import locks
from qml.testing import FaultyDriver
from tests.work.support import Counting, Paused

MICROSECOND = 1e-6


def take(storage, holder="ada", name="nightly", seconds=60):
    return locks.take(storage, name, holder, seconds)


def release(storage, grant):
    return locks.release(storage, grant.name, grant.holder, grant.fence)


def records(storage):
    return storage.driver.list(locks.PREFIX)


# -- one hand at a time --------------------------------------------------------------------------


def test_one_hand_has_it_and_the_other_is_told_who(storage, clock):
    grant = take(storage)
    assert (grant.name, grant.holder) == ("nightly", "ada")
    assert (grant.since, grant.until) == (clock.micros(), clock.micros() + 60_000_000)
    clock.advance(1)
    with pytest.raises(LockTaken) as refused:
        take(storage, "bob")
    taken = refused.value
    assert (taken.lock, taken.holder) == ("nightly", "ada")
    assert (taken.until - clock.now()).total_seconds() == 59
    assert "'nightly' is held by ada" in str(taken)
    assert "qml locks flush nightly" in str(taken)
    assert locks.held(storage) == [grant]


def test_another_name_is_another_lock(storage, monkeypatch):
    monkeypatch.setattr(locks, "SHARDS", 1)
    grants = [take(storage, "ada", name) for name in ("b", "a", "é 'x")]
    assert locks.held(storage) == sorted(grants, key=lambda grant: grant.name)
    assert len(records(storage)) == 1
    assert release(storage, grants[0])
    assert [grant.name for grant in locks.held(storage)] == ["a", "é 'x"]
    assert locks.renew(storage, grants[1], 60) is not None


def test_it_is_free_when_its_term_has_passed_and_not_before(storage, clock):
    take(storage, seconds=10)
    clock.advance(10 - MICROSECOND)
    with pytest.raises(LockTaken):
        take(storage, "bob")
    clock.advance(MICROSECOND)
    assert locks.held(storage) == []
    assert locks.find(storage, "nightly") is None
    assert take(storage, "bob").holder == "bob"


def test_who_asks_again_has_the_same_grant_and_a_new_term(storage, clock):
    first = take(storage)
    clock.advance(50)
    again = take(storage)
    assert again == attrs.evolve(first, until=clock.micros() + 60_000_000)
    clock.advance(60)
    assert take(storage).fence > first.fence  # it was free meanwhile


@pytest.mark.parametrize("verb", ["read", "write"])
def test_law9_a_lost_reply_locks_nobody_out(storage, clock, verb):
    storage.driver = faulty = FaultyDriver(storage.driver)
    faulty.lose_reply(verb)
    with pytest.raises(StorageUnavailable):
        take(storage)
    known = locks.held(storage)
    assert len(known) == (verb == "write")
    clock.advance(1)
    grant = take(storage)
    assert known in ([], [attrs.evolve(grant, until=grant.until - 1_000_000)])
    with pytest.raises(LockTaken):
        take(storage, "bob")


def test_between_the_look_and_the_write_another_was_faster(storage):
    storage.driver = pause = Paused(storage.driver)
    pause.before["write"] = lambda: take(storage, "bob")
    with pytest.raises(LockTaken, match="held by bob"):
        take(storage, "ada")
    assert [grant.holder for grant in locks.held(storage)] == ["bob"]


def test_a_hand_held_up_for_days_does_not_meet_its_old_version_again(storage, clock):
    """All that was there when it looked is gone, and the lock is another's by now."""
    take(storage, "old", seconds=1)
    clock.advance(3600)

    def meanwhile():
        for holder in ("b", "c"):
            release(storage, take(storage, holder))
            clock.advance(10 * 86_400)
            locks.flush(storage, "nightly")
            locks.held(storage)
        take(storage, "bob")

    storage.driver = pause = Paused(storage.driver)
    pause.before["write"] = meanwhile
    with pytest.raises(LockTaken, match="held by bob"):
        take(storage, "ada")


def refused_or_given(storage, name, holder):
    try:
        return take(storage, holder, name).holder
    except LockTaken as taken:
        return f"refused for {taken.holder}"


OPERATIONS = {
    "ada takes": lambda storage, name, grant: refused_or_given(storage, name, "ada"),
    "bob takes": lambda storage, name, grant: refused_or_given(storage, name, "bob"),
    "eve renews": lambda storage, name, grant: bool(grant and locks.renew(storage, grant, 9)),
    "eve releases": lambda storage, name, grant: bool(grant and release(storage, grant)),
    "flush": lambda storage, name, grant: bool(locks.flush(storage, name)),
}


@pytest.mark.parametrize("held", [True, False], ids=["eve's", "free"])
def test_two_at_one_moment_have_an_order(storage, held):
    """Each operation looks and writes, so whatever comes in between is one that comes whole: of
    two that begin with a look, the first to write did so between the other's look and write."""
    names = map(str, itertools.count())

    def outcome(first, second, within):
        name = next(names)
        grant = take(storage, "eve", name) if held else None
        answers = {}

        def call(operation):
            answers[operation] = OPERATIONS[operation](storage, name, grant)

        if within:
            inner = storage.driver
            storage.driver = pause = Paused(inner)
            pause.before["write"] = lambda: call(second)
            call(first)
            storage.driver = inner
            if pause.before:
                call(second)  # the first one had nothing to write
        else:
            call(first)
            call(second)
        found = locks.find(storage, name)
        return answers, found and (found.holder, found.until)

    for one, other in itertools.permutations(OPERATIONS, 2):
        orders = [outcome(one, other, False), outcome(other, one, False)]
        assert outcome(one, other, True) in orders, (one, other)


# -- fences --------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [True, False], ids=["time goes on", "time stands still"])
def test_every_grant_has_a_higher_fence(storage, clock, moves):
    fences = []
    for way in ("release", "flush", "lapse", "forget") * 2:
        grant = take(storage, f"{way}{len(fences)}", seconds=1 if moves else 60)
        fences.append(grant.fence)
        if way == "flush" or not moves:
            assert locks.flush(storage, "nightly") == grant
        elif way == "release":
            assert release(storage, grant)
        else:
            clock.advance(1 if way == "lapse" else 10 * 86_400)
    assert fences == sorted(set(fences))


def test_a_fence_is_never_below_one_of_a_store_that_was_emptied(storage, clock):
    """A store that began anew would begin at 1, and the outside system refuse everybody."""
    first = take(storage).fence
    clock.advance(1)
    for record in records(storage):
        storage.driver.write(record.name, None, record.version)
    assert take(storage).fence > first


# -- renewal -------------------------------------------------------------------------------------


def test_a_renewal_counts_from_now(storage, clock):
    grant = take(storage)
    clock.advance(20)
    renewed = locks.renew(storage, grant, 60)
    assert renewed == attrs.evolve(grant, until=clock.micros() + 60_000_000)
    assert locks.held(storage) == [renewed]
    clock.advance(59)
    assert locks.renew(storage, grant, 60) is not None  # an older value of the same grant will do


@pytest.mark.parametrize("how", ["lapsed", "another's", "its own again", "released", "flushed"])
def test_what_is_over_is_not_renewed(storage, clock, how):
    grant = take(storage)
    if how == "released":
        release(storage, grant)
    elif how == "flushed":
        locks.flush(storage, "nightly")
    else:
        clock.advance(60)
    if how in ("another's", "its own again"):
        take(storage, "bob" if how == "another's" else "ada")
    before = records(storage)
    assert locks.renew(storage, grant, 60) is None
    assert records(storage) == before


def test_a_release_in_the_middle_of_a_renewal_stands(storage):
    grant = take(storage)
    storage.driver = pause = Paused(storage.driver)
    pause.before["write"] = lambda: release(storage, grant)
    assert locks.renew(storage, grant, 60) is None
    assert locks.held(storage) == []


def test_a_renewal_in_the_middle_of_a_release_is_no_obstacle(storage):
    grant = take(storage)
    storage.driver = pause = Paused(storage.driver)
    pause.before["write"] = lambda: locks.renew(storage, grant, 60)
    assert release(storage, grant)
    assert locks.held(storage) == []


# -- release and flush ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["lapsed", "another's", "its own again", "released", "a stranger"])
def test_a_stale_release_changes_nothing(storage, clock, how):
    grant = take(storage)
    if how == "released":
        release(storage, grant)
    elif how == "a stranger":
        grant = attrs.evolve(grant, holder="eve")
    else:
        clock.advance(60)
    if how in ("another's", "its own again"):
        take(storage, "bob" if how == "another's" else "ada")
    before = records(storage)
    assert not release(storage, grant)
    assert records(storage) == before


def test_a_hand_that_never_heard_its_fence_can_free_it(storage):
    take(storage)
    assert not locks.release(storage, "nightly", "bob")
    assert locks.release(storage, "nightly", "ada")
    assert locks.held(storage) == []


def test_a_flush_frees_whoever_holds_it(storage):
    grant = take(storage)
    assert locks.flush(storage, "other") is None
    assert locks.flush(storage, "nightly", grant.fence - 1) is None
    assert locks.held(storage) == [grant]
    assert locks.flush(storage, "nightly", grant.fence) == grant
    assert locks.flush(storage, "nightly") is None
    assert take(storage, "bob").fence > grant.fence


@pytest.mark.parametrize("free", [release, lambda storage, _: locks.flush(storage, "nightly")])
def test_who_waits_is_woken(storage, free, monkeypatch):
    hints = []
    monkeypatch.setattr(storage.driver, "notify", lambda: hints.append(records(storage)))
    grant = take(storage)
    assert hints == []
    free(storage, grant)
    assert len(hints) == 1
    assert '"held":{}' in hints[0][0].body  # first it is free


# -- the clock -----------------------------------------------------------------------------------


class Drifted:
    """A clock that is wrong by some seconds until it is set right."""

    def __init__(self, clock, seconds):
        self._clock, self._wrong = clock, round(seconds * 1e6)

    def micros(self):
        return self._clock.micros() + self._wrong

    def sync(self):
        self._wrong = 0


def test_a_clock_that_is_ahead_ends_nobodys_term(storage, clock):
    grant = take(storage)
    storage.clock = Drifted(clock, +3600)
    with pytest.raises(LockTaken):
        take(storage, "bob")
    storage.clock = Drifted(clock, +3600)
    assert release(storage, grant)


@pytest.mark.parametrize("wrong", [-3600, +3600])
def test_a_clock_that_is_wrong_makes_no_term_shorter_or_longer(storage, clock, wrong):
    storage.clock = Drifted(clock, wrong)
    grant = take(storage)
    assert grant.until == clock.micros() + 60_000_000
    storage.clock = Drifted(clock, wrong)
    assert locks.renew(storage, grant, 30).until == clock.micros() + 30_000_000


def test_a_clock_that_is_ahead_strikes_off_nobody(storage, clock, monkeypatch):
    """Who writes of another lock in the same record looks at its own term only."""
    monkeypatch.setattr(locks, "SHARDS", 1)
    mine = take(storage, "ada", "mine")
    other = take(storage, "bob", "other", seconds=3600)
    storage.clock = Drifted(clock, 120)
    assert release(storage, other)
    storage.clock = clock
    assert locks.held(storage) == [mine]


# -- growth --------------------------------------------------------------------------------------


def test_law13_what_is_free_leaves_nothing(storage):
    for number in range(400):
        grant = take(storage, "ada", f"user {number}")
        if number >= 200:
            assert release(storage, grant)
    assert len(locks.held(storage)) == 200
    for grant in locks.held(storage):
        locks.flush(storage, grant.name)
    assert len(records(storage)) <= 256
    assert all(record.body.endswith('"held":{}}') for record in records(storage))


def test_law13_what_the_dead_held_is_struck_off(storage, clock, monkeypatch):
    monkeypatch.setattr(locks, "SHARDS", 1)
    for number in range(20):
        take(storage, "dead", f"user {number}", seconds=1)
    clock.advance(1 + 599)
    release(storage, take(storage))
    assert "dead" in records(storage)[0].body
    clock.advance(1)
    fence = take(storage).fence
    assert "dead" not in records(storage)[0].body
    assert take(storage, "ada", "user 1").fence > fence


def test_what_it_costs(storage):
    storage.driver = counting = Counting(storage.driver)
    grant = take(storage)
    assert counting.calls == {"read": 1, "write": 1}
    release(storage, grant)
    assert counting.calls == {"read": 2, "write": 2}


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", None, 7, b"a", "a\0", "x" * 1001])
def test_a_name_is_text(make_storage, name):
    storage = make_storage(ManualClock())
    with pytest.raises(ConfigurationError, match="lock name is"):
        locks.take(storage, name, "ada", 60)
    with pytest.raises(ConfigurationError, match="lock holder is"):
        locks.take(storage, "nightly", name, 60)
    assert records(storage) == []


@pytest.mark.parametrize("seconds", [0, -1, None, True, float("nan"), float("inf"), "60"])
def test_a_term_is_seconds(storage, seconds):
    with pytest.raises(ConfigurationError, match="lock seconds is"):
        take(storage, seconds=seconds)


def test_a_name_that_is_no_text_is_said(storage):
    with pytest.raises(SerializationError, match="lone surrogate"):
        take(storage, name="a\ud800")


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{}", "null", '{"fence":1}', '{"fence":null,"held":{}}', '{"fence":1,"held":[]}']
    + [f'{{"fence":1,"held":{{"nightly":{grant}}}}}' for grant in ("7", "[]", '["a",1,2,"3"]')],
)
def test_a_damaged_record_is_neither_held_nor_free(storage, body, caplog):
    grant = take(storage)
    [record] = records(storage)
    storage.driver.write(record.name, body, record.version)
    for call in (
        lambda: take(storage, "bob"),
        lambda: locks.renew(storage, grant, 60),
        lambda: release(storage, grant),
        lambda: locks.find(storage, "nightly"),
    ):
        with pytest.raises(SerializationError, match=f"record {record.name} .* qml locks flush"):
            call()
    other = take(storage, name="other")
    with caplog.at_level(logging.WARNING, "qml.locks"):
        assert locks.held(storage) == [other]
        assert record.name in caplog.text
        assert locks.flush(storage, "nightly") is None
    assert "begins anew" in caplog.text
    assert take(storage, "bob").fence >= grant.fence
