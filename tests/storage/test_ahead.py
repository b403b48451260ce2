"""Jobs claimed ahead of a free thread, and what becomes of the mark."""

import attrs

from qml import Enqueued, Job


def test_one_moved_back_by_hand_is_charged_when_it_is_claimed_and_lost_again(storage, clock):
    storage.enqueue(Job("t", id="a"))
    [claimed] = storage.claim("a worker", 0, ahead=1).jobs
    storage.update(attrs.evolve(claimed, state=Enqueued()))
    assert storage.fetch_and_lock_job("another").attempt == 2
    clock.advance(31)
    [rescued] = storage.rescue()
    assert (rescued.attempt, len(rescued.failures)) == (2, 1)


def test_one_changed_by_hand_is_still_one_that_never_began(storage, clock):
    storage.enqueue(Job("t", id="a"))
    [claimed] = storage.claim("a worker", 0, ahead=1).jobs
    storage.update(attrs.evolve(claimed, metadata={"n": 1}))
    clock.advance(31)
    [rescued] = storage.rescue()
    assert (rescued.attempt, rescued.failures) == (0, ())
