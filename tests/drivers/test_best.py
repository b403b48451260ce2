"""Which rows are the best: of many that fell due, and of queues that are named twice."""

import random

import pytest

from .making import NOW, claim, ids, later, put, row

MANY, AT_ONCE = 1_200, 1_000


def test_law3_of_many_those_due_first_join_first(driver):
    """The last 200 to fall due wait for the second claim, though their priority is higher."""
    due = random.Random(1).sample(range(MANY), MANY)
    put(driver, *(later(f"{after}", NOW - MANY + after, priority=after) for after in due))
    best = driver.claim(claim(1, now=NOW)).rows
    assert ids(best) == [f"{AT_ONCE - 1}"]
    then = driver.claim(claim(3, now=NOW)).rows
    assert ids(then) == [f"{MANY - 1}", f"{MANY - 2}", f"{MANY - 3}"]


@pytest.mark.parametrize("queues", [("q", "q"), ("q", "other", "q", "other")])
def test_a_queue_named_twice_takes_no_more_of_the_limit(driver, queues):
    put(driver, *(row(name, queue="q") for name in "abcd"))
    assert ids(driver.claim(claim(2, queues=queues)).rows) == ["a", "b"]
    assert ids(driver.claim(claim(1, ahead=1, queues=queues)).rows) == ["c", "d"]
