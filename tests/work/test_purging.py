"""The purge takes steps that hold nobody up: their size follows how long they take."""

from qml.work.purging import FEWEST, MOST, TURN, Purge


class Slow:
    """A storage whose purge takes so many seconds for each job; all by a counter of its own."""

    def __init__(self, jobs, seconds_each):
        self.jobs, self.seconds_each = jobs, seconds_each
        self.now = 100.0
        self.steps, self.rests = [], []

    def purge(self, limit):
        found = min(limit, self.jobs)
        self.jobs -= found
        self.now += found * self.seconds_each
        self.steps.append(found)
        return found

    def rest(self, seconds):
        self.rests.append(seconds)
        self.now += seconds


def purge_of(store):
    return Purge(store, lambda: store.now, store.rest)


def test_a_slow_store_gets_small_steps_and_a_quick_one_large_ones():
    slow, quick = Slow(10_000, 0.001), Slow(10_000, 0.000_001)
    for store, size in ((slow, FEWEST), (quick, MOST)):
        purge = purge_of(store)
        while purge.take():
            pass
        assert size in store.steps
        assert store.jobs == 0
    assert all(took <= 0.02 for took in slow.rests[4:])


def test_a_step_of_the_right_length_stays_as_it_is():
    store = Slow(1000, 0.000_05)
    purge_of(store).take()
    assert set(store.steps) == {100, 0}


def test_after_each_step_others_have_as_long_as_it_took():
    store = Slow(1000, 0.000_05)
    purge_of(store).take()
    assert [round(seconds, 6) for seconds in store.rests] == [0.005] * 10


def test_a_turn_has_an_end_and_the_next_one_goes_on():
    store = Slow(100_000, 0.001)
    purge, begun = purge_of(store), store.now
    removed = purge.take()
    assert 0 < removed < 100_000
    assert TURN <= store.now - begun <= TURN + 0.1
    assert purge.take() > 0


def test_it_stops_when_there_is_less_than_a_step():
    store = Slow(150, 0.000_05)
    assert purge_of(store).take() == 150
    assert store.steps == [100, 50]
    assert len(store.rests) == 1
