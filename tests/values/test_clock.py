"""Clocks: one that stands still, and one that carries a store's time on."""

import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qml.values import clock as clocks
from qml.values.clock import TRIES, ManualClock, StoreClock, steady_micros
from qml.values.errors import ConfigurationError

SECOND = 1_000_000


class World:
    """A steady counter and a store's time, both in the test's hand; asking takes ``trips``."""

    def __init__(self, monkeypatch, trips=()):
        self.steady = 5_000_000_000
        self.ahead = 1_900_000_000_000_000  # the store's time, less the counter
        self.trips = list(trips)  # (way there, way back) in microseconds; then nothing
        self.asked = 0
        monkeypatch.setattr(clocks, "steady_micros", lambda: self.steady)

    def source(self):
        self.asked += 1
        there, back = self.trips.pop(0) if self.trips else (0, 0)
        self.steady += there
        answer = self.steady + self.ahead
        self.steady += back
        return answer

    @property
    def truth(self):
        return self.steady + self.ahead


def test_the_store_s_time_is_carried_on(monkeypatch):
    world = World(monkeypatch)
    clock = StoreClock(world.source)
    assert clock.micros() == world.truth
    world.steady += 90 * SECOND + 7
    assert clock.micros() == world.truth
    assert world.asked == 1


def test_half_the_round_trip_is_the_way_back(monkeypatch):
    world = World(monkeypatch, [(4_000, 4_000)])
    assert StoreClock(world.source).micros() == world.truth
    assert world.asked == 1


@pytest.mark.parametrize("held_up", range(TRIES))
@pytest.mark.parametrize("where", ["there", "back"])
def test_one_trip_held_up_skews_nothing(monkeypatch, held_up, where):
    slow = (2 * SECOND, 100) if where == "there" else (100, 2 * SECOND)
    trips = [(15_000, 15_000)] * TRIES
    trips[held_up] = slow
    world = World(monkeypatch, trips)
    assert StoreClock(world.source).micros() == world.truth


def test_the_shortest_of_the_slow_ones_counts(monkeypatch):
    trips = [(400_000, 0), (0, 300_000), (30_000, 0), (200_000, 0), (0, 500_000)]
    world = World(monkeypatch, trips)
    assert StoreClock(world.source).micros() == world.truth + 15_000
    assert world.asked == TRIES


def test_a_short_trip_is_enough(monkeypatch):
    world = World(monkeypatch, [(50_000, 50_000), (10, 10), (50_000, 0)])
    assert StoreClock(world.source).micros() == world.truth
    assert world.asked == 2


def test_a_slow_store_is_not_asked_for_ever(monkeypatch):
    world = World(monkeypatch, [(SECOND, SECOND)] * 50)
    assert StoreClock(world.source).micros() == world.truth
    assert world.asked == TRIES


def test_sync_looks_again(monkeypatch):
    world = World(monkeypatch)
    clock = StoreClock(world.source)
    before = clock.micros()
    world.ahead -= 3_600 * SECOND
    assert clock.micros() == before
    clock.sync()
    assert clock.micros() == world.truth == before - 3_600 * SECOND


def test_a_sync_that_fails_leaves_the_time_as_it_was(monkeypatch):
    world = World(monkeypatch)
    answers = [world.source()]

    def source():
        if not answers:
            raise OSError("no answer")
        return answers.pop()

    clock = StoreClock(source)
    there = world.truth
    with pytest.raises(OSError, match="no answer"):
        clock.sync()
    assert clock.micros() == there


STEADY = ("CLOCK_BOOTTIME", "clock_gettime_ns", "monotonic_ns")


@pytest.mark.parametrize("hidden", [(), ("CLOCK_BOOTTIME", "clock_gettime_ns")])
def test_the_wall_clock_is_never_asked(monkeypatch, hidden):
    steady = {name: getattr(time, name) for name in STEADY if hasattr(time, name)}
    for name in hidden:
        steady.pop(name, None)
    monkeypatch.setattr(clocks, "time", SimpleNamespace(**steady))  # it has no time() to ask
    monkeypatch.setattr(clocks, "datetime", None)
    clock = StoreClock(lambda: 42_000_000)
    clock.sync()
    assert 42_000_000 <= clock.micros() < 42_000_000 + 60 * SECOND


def test_the_counter_counts_microseconds():
    before = steady_micros()
    time.sleep(0.02)
    assert 20_000 <= steady_micros() - before < 20 * SECOND
    assert type(before) is int


# -- the clock of tests ----------------------------------------------------------------------


def test_it_stands_still_until_told():
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    first = clock.now()
    time.sleep(0.002)
    clock.sync()
    assert clock.now() == first == datetime(2030, 1, 1, tzinfo=UTC)
    assert ManualClock().now() == first
    assert clock.advance(1.5) == clock.now() == first + timedelta(seconds=1.5)
    assert clock.micros() == 1_893_456_001_500_000
    assert clock.advance(0) == clock.now()


@pytest.mark.parametrize(
    "start", [1_893_456_000.5, datetime(2030, 1, 1, 2, 0, 0, 500_000, timezone(timedelta(hours=2)))]
)
def test_where_it_starts(start):
    assert ManualClock(start).now() == datetime(2030, 1, 1, 0, 0, 0, 500_000, UTC)


def test_it_starts_at_no_naive_time():
    with pytest.raises(ConfigurationError, match=r"ManualClock start is .*naive"):
        ManualClock(datetime(2030, 1, 1))


@pytest.mark.parametrize("wrong", [-1, -1e-9, float("nan")])
def test_it_goes_forward_only(wrong):
    clock = ManualClock()
    with pytest.raises(ConfigurationError, match=r"advance\(.*forward; give 0 or more"):
        clock.advance(wrong)
    assert clock.now() == ManualClock().now()


@given(st.lists(st.integers(0, 10**12), max_size=20))
def test_no_step_is_rounded_away(steps):
    clock = ManualClock()
    start = clock.micros()
    for step in steps:
        clock.advance(step / SECOND)
    assert clock.micros() - start == sum(steps)


def test_threads_may_share_it():
    clock = ManualClock(0)

    def push():
        for _ in range(2_000):
            clock.advance(0.001)

    threads = [threading.Thread(target=push) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.micros() == 8 * SECOND


@pytest.mark.parametrize("wrong", ["x", None, timedelta(seconds=5), float("inf"), 1e20, 1e12])
def test_a_step_it_cannot_show_is_refused_and_moves_nothing(wrong):
    clock = ManualClock()
    with pytest.raises(ConfigurationError, match=r"advance\("):
        clock.advance(wrong)
    assert clock.now() == ManualClock().now()


@pytest.mark.parametrize("wrong", ["x", None, float("nan"), float("inf"), 1e20, -1e12])
def test_a_start_that_is_no_moment_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"ManualClock\("):
        ManualClock(wrong)
