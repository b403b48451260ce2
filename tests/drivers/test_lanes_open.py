"""What opens a lane again: nothing that makes its next row claimable may pass unseen.

Each test first has a claim find the lane closed, so that a driver that keeps hints has a bad one.
"""

import pytest

from qml.seam.lanes import Used
from qml.seam.rows import Verdict

from .making import (
    NOW,
    claim,
    finish,
    later,
    limited,
    lock,
    move,
    paced,
    put,
    renewal,
    rewrite,
    row,
    running,
    taken,
)

DONE, STALE = Verdict.DONE, Verdict.STALE


def closed(driver, *rows, permits=1, lease=30, worker="w1"):
    """A lane that is found closed: its first rows run, ``lease`` microseconds long; those rows."""
    put(driver, *rows)
    claimed = driver.claim(claim(worker=worker, lease=lease)).rows
    assert len(claimed) == permits
    assert taken(driver, worker="w9") == []
    return claimed


def test_the_end_of_a_lease_opens_it(driver):
    closed(driver, limited("a"), limited("b"), lease=30)
    assert taken(driver, now=NOW + 29) == []
    assert taken(driver, now=NOW + 30) == ["b"]


def test_next_due_is_when_the_lease_ends_that_keeps_it_closed(driver):
    put(driver, *(limited(str(number), permits=2) for number in range(4)))
    assert driver.claim(claim(1, lease=30)).next_due is None  # it was not found closed
    assert driver.claim(claim(now=NOW + 2, lease=30)).next_due == NOW + 30
    assert driver.claim(claim(now=NOW + 3)) == ([], NOW + 30)
    assert driver.claim(claim(now=NOW + 30, lease=30)).next_due == NOW + 32
    assert taken(driver, now=NOW + 32) == ["3"]


def test_next_due_is_when_the_first_of_all_lanes_opens_or_a_row_falls_due(driver):
    put(driver, limited("a"), limited("b"), paced("c", gap=20), paced("d", gap=20))
    assert driver.claim(claim(lease=30)).next_due == NOW + 20
    put(driver, later("e", NOW + 19))
    assert driver.claim(claim(lease=30)) == ([], NOW + 19)
    [e, d], next_due = driver.claim(claim(now=NOW + 20, lease=30))
    assert (e.id, d.id, next_due) == ("d", "e", NOW + 30)


def test_next_due_is_when_a_lane_opens_under_whose_permit_another_has_lapsed(driver):
    like = limited("like")
    put(driver, running("lapsed", lease_until=NOW - 1, lane=like.lane, permit="k"))
    put(driver, limited("a", queue="q1"), limited("b", queue="q2"))
    [a], next_due = driver.claim(claim(lease=30))
    assert (a.id, next_due) == ("a", NOW + 30)
    assert driver.claim(claim(now=NOW + 1)) == ([], NOW + 30)
    assert taken(driver, now=NOW + 30) == ["b"]


def test_of_many_leases_the_one_opens_it_that_has_to(driver):
    """The lane that takes 1 waits for all to end, the one that takes 3 for the first."""
    put(driver, *(limited(str(number), permits=3) for number in range(3)))
    for span in (30, 10, 20):
        assert len(taken(driver, 1, lease=span)) == 1
    put(driver, limited("one", permits=1), limited("two", permits=2), limited("three", permits=3))
    assert driver.claim(claim()) == ([], NOW + 10)
    assert taken(driver, now=NOW + 10, lease=100) == ["three"]
    assert driver.claim(claim(now=NOW + 20)) == ([], NOW + 30)
    assert taken(driver, now=NOW + 29, lease=100) == []
    assert taken(driver, now=NOW + 30, lease=100) == ["two"]
    rows, next_due = driver.claim(claim(now=NOW + 31))
    assert rows == []
    assert next_due in (NOW + 110, NOW + 130)  # when it was looked at last, or now


def test_a_shorter_lease_given_by_this_very_claim_opens_it(driver):
    put(driver, limited("a", permits=2), limited("b", permits=2), limited("c", permits=2))
    assert taken(driver, 1, lease=1_000) == ["a"]
    assert driver.claim(claim(lease=10)).next_due == NOW + 10
    assert taken(driver, now=NOW + 10) == ["c"]


@pytest.mark.parametrize("state", ["succeeded", "failed", "deleted"])
def test_an_end_opens_it(driver, state):
    closed(driver, limited("a"), limited("b"))
    finish(driver, "a", state=state)
    assert taken(driver) == ["b"]


def test_a_row_that_goes_back_may_be_the_next_again(driver):
    [a] = closed(driver, limited("a", priority=1), limited("b"))
    back = move(a, state="enqueued", due_at=0, finished_at=None)
    assert driver.swap([back]) == [DONE]
    assert taken(driver) == ["a"]
    assert taken(driver) == []


def test_a_row_that_is_tried_again_later_leaves_its_permit_until_then(driver):
    [a] = closed(driver, limited("a", priority=1), limited("b"), limited("c"))
    assert driver.swap([move(a, state="retry", due_at=NOW + 5, finished_at=None)]) == [DONE]
    assert taken(driver) == ["b"]
    assert taken(driver, now=NOW + 5) == []
    finish(driver, "b")
    assert taken(driver, now=NOW + 5) == ["a"]


def test_erasing_what_runs_opens_it(driver):
    closed(driver, limited("a"), limited("b"))
    assert driver.erase(["a"], 1) == 1
    assert taken(driver) == ["b"]


def test_letting_go_opens_it(driver):
    closed(driver, limited("a"), limited("b"))
    assert driver.let_go("a", "w1", NOW + 1) is DONE
    assert taken(driver, now=NOW + 1) == ["b"]


def test_a_lease_cut_short_opens_it_then(driver):
    [a] = closed(driver, limited("a"), limited("b"), lease=1_000)
    assert driver.hold([renewal(a, NOW + 5)]) == [DONE]
    assert taken(driver, now=NOW + 4) == []
    assert taken(driver, now=NOW + 5) == ["b"]


def test_a_lease_made_longer_keeps_it_closed(driver):
    [a] = closed(driver, limited("a"), limited("b"), lease=30)
    assert driver.hold([renewal(a, NOW + 60, now=NOW + 29)]) == [DONE]
    assert driver.claim(claim(now=NOW + 30)) == ([], NOW + 60)
    assert taken(driver, now=NOW + 60) == ["b"]


@pytest.mark.parametrize(
    "columns", [{"permit": None, "lane": None}, {"permit": "other"}, {"locked_by": "w2"}]
)
def test_a_running_row_that_is_rewritten_without_its_permit_opens_it(driver, columns):
    [a] = closed(driver, limited("a"), limited("b"))
    assert driver.swap([rewrite(a, **columns)]) == [DONE]
    assert taken(driver) == ["b"]


def test_a_rewrite_that_ends_the_lease_opens_it(driver):
    [a] = closed(driver, limited("a"), limited("b"))
    gone = rewrite(a, state="deleted", finished_at=NOW, lease_until=None)
    assert driver.swap([gone]) == [DONE]
    assert taken(driver) == ["b"]


def test_a_cancelled_run_keeps_its_permit_until_it_lets_go(driver):
    [a] = closed(driver, limited("a"), limited("b"), limited("c"))
    cancelled = move(a, state="deleted", ends_lease=False)
    assert driver.swap([cancelled]) == [DONE]
    assert taken(driver) == []
    assert driver.used(NOW, ["k"], []) == Used([1], [])
    assert driver.let_go("a", "w1", NOW) is DONE
    assert driver.used(NOW, ["k"], []) == Used([0], [])
    assert taken(driver) == ["b"]


def test_a_cancelled_run_keeps_its_permit_until_its_lease_ends(driver):
    [a] = closed(driver, limited("a"), limited("b"), lease=30)
    assert driver.swap([move(a, state="deleted", ends_lease=False)]) == [DONE]
    assert driver.claim(claim(now=NOW + 29)) == ([], NOW + 30)
    assert taken(driver, now=NOW + 30) == ["b"]


def test_a_row_that_is_taken_over_by_a_lock_keeps_the_permit(driver):
    """Nobody waits here: the lapsed claim becomes the hand's that locks it."""
    closed(driver, limited("a"), limited("b"), lease=30)
    assert driver.hold([lock("a", "w2", now=NOW + 30, until=NOW + 50)]) == [DONE]
    assert driver.claim(claim(now=NOW + 31)) == ([], NOW + 50)
    assert taken(driver, now=NOW + 50) == ["b"]


@pytest.mark.parametrize("due", [0, NOW - 1, NOW])
def test_a_better_row_comes_into_a_lane_that_was_looked_at(driver, due):
    put(driver, limited("a"), limited("b"), limited("c"), *(row(str(n)) for n in range(3)))
    assert taken(driver, 4) == ["a", "0", "1", "2"]
    put(driver, limited("d", priority=5, due_at=due), row("3", priority=4))
    finish(driver, "a")
    assert taken(driver, 1) == ["d"]
    assert taken(driver, 1) == ["3"]


def test_rows_ripen_into_their_lanes(driver):
    put(driver, limited("now", priority=-1), limited("b", due_at=NOW + 5, priority=1))
    put(driver, limited("c", due_at=NOW + 4), limited("first", "j", due_at=NOW + 6, priority=9))
    assert driver.claim(claim(0)).next_due == NOW + 4
    assert taken(driver, now=NOW + 3) == ["now"]
    finish(driver, "now")
    assert driver.claim(claim(0, now=NOW + 4)).next_due == NOW + 5
    assert taken(driver, now=NOW + 6) == ["first", "b"]
    assert taken(driver, now=NOW + 6) == []
    finish(driver, "b")
    assert taken(driver, now=NOW + 6) == ["c"]


def test_a_row_of_a_lane_is_not_taken_before_it_is_due(driver):
    put(driver, limited("a", due_at=NOW + 5), limited("b", due_at=NOW + 5, priority=1))
    assert driver.claim(claim(now=NOW + 4)) == ([], NOW + 5)
    assert taken(driver, now=NOW + 5) == ["b"]


def test_a_head_that_is_gone_leaves_its_lane_to_the_next(driver):
    put(driver, row("plain"), row("first", priority=9))
    put(driver, *(limited(name, permits=9, priority=priority) for name, priority in HEADS.items()))
    assert taken(driver, 1) == ["first"]
    assert driver.erase(["erased"], 1) == 1
    cancelled, due_later, less = driver.load(["cancelled", "due later", "less"])
    changes = [
        move(cancelled, state="deleted"),
        rewrite(due_later, due_at=NOW + 5),
        rewrite(less, priority=-9),
    ]
    assert driver.swap(changes) == [DONE] * 3
    assert taken(driver) == ["next", "plain", "less"]
    assert taken(driver, now=NOW + 5) == ["due later"]


HEADS = {"erased": 8, "cancelled": 7, "due later": 6, "less": 5, "next": 1}


def test_a_lane_whose_rows_are_all_gone_is_none(driver):
    closed(driver, limited("a"), limited("b"), limited("c"))
    [b, _] = driver.load(["b", "c"])
    driver.erase(["c"], 1)
    assert driver.swap([move(b, state="deleted")]) == [DONE]
    finish(driver, "a")
    assert driver.claim(claim()) == ([], None)
    put(driver, limited("d"))
    assert taken(driver) == ["d"]


def test_a_row_that_is_rewritten_into_another_lane_is_there(driver):
    closed(driver, limited("a"), limited("b"), limited("c"))
    [b, c] = driver.load(["b", "c"])
    other = limited("like", "j", queue="q2")
    columns = {"lane": other.lane, "permit": "j", "queue": "q2", "priority": 1}
    assert driver.swap([rewrite(c, **columns)]) == [DONE]
    assert taken(driver, queues=("default",)) == []
    assert taken(driver, queues=("q2",)) == ["c"]
    assert driver.swap([rewrite(b, **columns)]) == [DONE]
    assert taken(driver) == []
    finish(driver, "c")
    assert taken(driver, queues=("default",)) == []
    assert taken(driver) == ["b"]


def test_a_row_that_is_rewritten_out_of_its_lane_is_free(driver):
    closed(driver, limited("a"), limited("b"), limited("c"))
    [b] = driver.load(["b"])
    assert driver.swap([rewrite(b, lane=None, permit=None)]) == [DONE]
    assert taken(driver) == ["b"]
    assert taken(driver) == []


def test_a_plain_row_that_is_rewritten_into_a_lane_is_kept_back(driver):
    closed(driver, limited("a"), limited("b"))
    [free] = put(driver, row("free"))
    like = limited("like")
    assert driver.swap([rewrite(free, lane=like.lane, permit=like.permit)]) == [DONE]
    assert taken(driver) == []
    finish(driver, "a")
    assert taken(driver) == ["b"]
    finish(driver, "b")
    assert taken(driver) == ["free"]


def test_a_larger_limit_lets_more_pass(driver):
    closed(driver, limited("a"), limited("b"), limited("c"))
    [b] = driver.load(["b"])
    like = limited("like", permits=2)
    assert driver.swap([rewrite(b, lane=like.lane)]) == [DONE]
    assert taken(driver) == ["b"]
    assert taken(driver) == []


def test_priority_that_is_raised_moves_a_row_up_in_its_lane(driver):
    closed(driver, limited("a"), limited("b"), limited("c"))
    [c] = driver.load(["c"])
    assert driver.swap([rewrite(c, priority=1)]) == [DONE]
    finish(driver, "a")
    put(driver, row("between", priority=1))
    assert taken(driver, 1) == ["c"]
    assert taken(driver, 1) == ["between"]


def test_a_follower_in_a_lane_is_found(driver):
    closed(driver, limited("a"), limited("b"))
    finish(driver, "a", then=(limited("c", priority=1), limited("other", "j")))
    assert taken(driver) == ["c", "other"]
    finish(driver, "c")
    assert taken(driver) == ["b"]


def test_a_row_that_was_inserted_as_it_runs_has_a_permit(driver):
    put(driver, running("a", lease_until=NOW + 5, permit="k", lane=limited("x").lane))
    put(driver, limited("b"))
    assert driver.claim(claim()) == ([], NOW + 5)
    [a] = driver.load(["a"])
    assert driver.swap([move(a)]) == [DONE]
    assert taken(driver) == ["b"]
