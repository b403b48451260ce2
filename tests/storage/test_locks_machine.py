"""Named locks by any sequence of hands: at most one holds a name, and nobody frees another's."""

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from qml import LockTaken, ManualClock, StorageUnavailable
from qml.storage import locks
from qml.testing import FaultyDriver

HANDS = ("ada", "bob", "eve")
NAMES = ("a", "b")  # of each sequence; all of them share two records
TERMS = st.sampled_from([1, 10, 60])
SPANS = st.sampled_from([0.5, 1, 9, 10, 30, 60, 601])
EXAMPLES = {"memory": 1, "sqlite": 4, "postgres": 5, "redis": 5}
"""Of how many sequences one is tried on each kind."""


class LockMachine(RuleBasedStateMachine):
    """The model: of each name who holds it by which fence until when, and the last fence. What a
    hand was told, and what it never heard, since the reply was lost, are both done."""

    grants = Bundle("grants")  # all that were ever given, stale ones as likely as others

    def __init__(self, storage, clock, number):
        super().__init__()
        self.inner = storage.driver
        storage.driver = self.faulty = FaultyDriver(storage.driver)
        self.storage, self.clock = storage, clock
        self.names = {letter: f"{number} {letter}" for letter in NAMES}
        self.held, self.last = {}, {}

    def teardown(self):
        self.storage.driver = self.inner

    # -- what happens around them ------------------------------------------------------------------

    @rule(seconds=SPANS)
    def time_goes_on(self, seconds):
        self.clock.advance(seconds)

    @rule(verb=st.sampled_from(["read", "write"]), done=st.booleans())
    def a_call_will_fail(self, verb, done):
        self.faulty.heal()
        (self.faulty.lose_reply if done else self.faulty.fail)(verb)

    # -- the hands ---------------------------------------------------------------------------------

    @rule(target=grants, letter=st.sampled_from(NAMES), hand=st.sampled_from(HANDS), seconds=TERMS)
    def take(self, letter, hand, seconds):
        name, now = self.names[letter], self.clock.micros()
        found = self.live(name)
        try:
            grant = locks.take(self.storage, name, hand, seconds)
        except LockTaken as taken:
            assert (found and found.holder) == taken.holder != hand  # noqa: PT017  often given
            return multiple()
        except StorageUnavailable:
            grant = self.as_stored(name)
            if grant is None or grant == found:
                return multiple()  # it was not given
        assert found is None or found.holder == hand
        assert (grant.name, grant.holder) == (name, hand)
        assert grant.until == now + seconds * 1_000_000
        if found is None:
            assert grant.fence > self.last.get(name, 0)
            assert grant.since == now
        else:
            assert (grant.fence, grant.since) == (found.fence, found.since)
        self.held[name], self.last[name] = grant, grant.fence
        return grant

    @rule(grant=grants, seconds=TERMS)
    def renew(self, grant, seconds):
        mine, until = self.is_held(grant), self.clock.micros() + seconds * 1_000_000
        try:
            renewed = locks.renew(self.storage, grant, seconds)
            assert (renewed is not None) == mine
        except StorageUnavailable:
            renewed = self.as_stored(grant.name) if mine else None
            if renewed is not None and renewed.until != until:
                return  # it was not done
        if renewed is not None:
            assert (renewed.holder, renewed.fence, renewed.until) == (*key(grant), until)
            self.held[grant.name] = renewed

    @rule(grant=grants)
    def release(self, grant):
        mine = self.is_held(grant)
        try:
            assert locks.release(self.storage, grant.name, *key(grant)) == mine
        except StorageUnavailable:
            if self.as_stored(grant.name) is not None:
                return
        if mine:
            del self.held[grant.name]

    @rule(letter=st.sampled_from(NAMES), hand=st.sampled_from(HANDS))
    def release_what_it_never_heard_of(self, letter, hand):
        name = self.names[letter]
        found = self.live(name)
        mine = found is not None and found.holder == hand
        try:
            assert locks.release(self.storage, name, hand) == mine
        except StorageUnavailable:
            if self.as_stored(name) is not None:
                return
        if mine:
            del self.held[name]

    @rule(letter=st.sampled_from(NAMES))
    def flush(self, letter):
        name = self.names[letter]
        found = self.live(name)
        try:
            assert locks.flush(self.storage, name) == found
        except StorageUnavailable:
            if self.as_stored(name) is not None:
                return
        self.held.pop(name, None)

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def the_store_says_what_the_model_says(self):
        for name in self.names.values():
            assert self.as_stored(name) == self.live(name)

    def live(self, name):
        found = self.held.get(name)
        return found if found is not None and found.until > self.clock.micros() else None

    def is_held(self, grant):
        found = self.live(grant.name)
        return found is not None and key(found) == key(grant)

    def as_stored(self, name):
        """By a line that nothing happens to."""
        self.storage.driver = self.inner
        try:
            [found] = [g for g in locks.held(self.storage) if g.name == name] or [None]
        finally:
            self.storage.driver = self.faulty
        return found


def key(grant):
    return grant.holder, grant.fence


def test_any_sequence(make_storage, monkeypatch):
    """One store for all sequences, each with names of its own."""
    monkeypatch.setattr(locks, "SHARDS", 2)
    clock, numbers = ManualClock(), itertools.count()
    storage = make_storage(clock)
    run_state_machine_as_test(
        lambda: LockMachine(storage, clock, next(numbers)),
        settings=settings(
            max_examples=max(20, settings.default.max_examples // EXAMPLES[make_storage.kind]),
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
