"""hold on rows in lanes: a locked head, and a lapsed claim that has no permit any more."""

import pytest

from qml.seam.lanes import LAPSED_FOR_GOOD, Used
from qml.seam.rows import Verdict

from .making import (
    NOW,
    claim,
    finish,
    limited,
    lock,
    move,
    paced,
    put,
    renewal,
    row,
    running,
    taken,
)

DONE, STALE = Verdict.DONE, Verdict.STALE


def locked(driver, *names, by="other", until=NOW + 9):
    orders = [lock(name, by, until=until) for name in names]
    assert driver.hold(orders) == [DONE] * len(names)


def test_a_locked_head_does_not_hide_those_behind_it(driver):
    put(driver, limited("a"), limited("b"), limited("c"), paced("d"), paced("e"))
    locked(driver, "a", "d")
    assert taken(driver) == ["b", "e"]


def test_a_lane_of_which_all_is_locked_holds_up_nothing(driver):
    put(driver, limited("a"), limited("b"), row("c"), limited("d", "j"))
    locked(driver, "a", "b")
    assert driver.claim(claim()).rows == driver.load(["c", "d"])


def test_its_holder_may_take_a_locked_head(driver):
    put(driver, limited("a"), limited("b"), limited("c"))
    locked(driver, "a", by="w1")
    assert taken(driver) == ["a"]
    assert driver.load(["a"])[0].locked_by is None
    assert taken(driver) == []


def test_a_locked_head_is_the_best_again_when_the_lock_ends(driver):
    put(driver, limited("a"), limited("b"), limited("c"))
    locked(driver, "a", until=NOW + 9)
    assert taken(driver) == ["b"]
    finish(driver, "b")
    assert taken(driver, 1, now=NOW + 9) == ["a"]


def test_a_lock_that_is_let_go_gives_the_row_back_to_its_lane(driver):
    put(driver, limited("a"), limited("b"))
    locked(driver, "a", "b")
    assert taken(driver) == []
    assert driver.let_go("b", "other", NOW) is DONE
    assert taken(driver) == ["b"]


def test_a_lock_on_what_is_kept_back_changes_nothing_for_the_others(driver):
    put(driver, *(limited(name) for name in "abcd"))
    assert taken(driver) == ["a"]
    assert taken(driver) == []
    locked(driver, "b")
    assert driver.used(NOW, ["k"], []) == Used([1], [])
    finish(driver, "a")
    assert taken(driver) == ["c"]


def lapsed(driver, *rows, permits=1):
    """Rows whose claims by ``w1`` lapsed at NOW + 5 while w2 has claimed what came next."""
    put(driver, *rows)
    old = driver.claim(claim(permits, worker="w1", lease=5)).rows
    new = driver.claim(claim(permits, worker="w2", now=NOW + 5, lease=100)).rows
    assert (len(old), len(new)) == (permits, permits)
    return driver.load([row.id for row in old]), new


def test_a_lapsed_holder_holds_no_permit(driver):
    _, [b] = lapsed(driver, limited("a"), limited("b"), limited("c"))
    assert b.id == "b"
    assert driver.used(NOW + 5, ["k"], []) == Used([1], [])
    assert taken(driver, now=NOW + 5) == []


def test_it_cannot_come_alive_again_by_renewal_when_another_took_its_permit(driver):
    [a], [b] = lapsed(driver, limited("a"), limited("b"))
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 6, notes="late")]) == [STALE]
    assert driver.load(["a"]) == [a]
    assert driver.used(NOW + 6, ["k"], []) == Used([1], [])
    assert driver.hold([renewal(b, NOW + 50, now=NOW + 6)]) == [DONE]


def test_a_renewal_that_was_long_on_its_way_comes_too_late(driver):
    """It read the time while its lease was live, and arrives when another has its permit."""
    put(driver, limited("a"), limited("b"))
    [a] = driver.claim(claim(1, lease=10)).rows
    [b] = driver.claim(claim(1, worker="w2", now=NOW + 10)).rows
    assert b.id == "b"
    late = renewal(a, NOW + 40, now=NOW + 9)
    assert driver.hold([late]) == [STALE]
    assert driver.used(NOW + 11, ["k"], []) == Used([1], [])
    assert driver.swap([move(b)]) == [DONE]
    assert driver.hold([late]) == [DONE]


def test_a_claim_that_takes_none_of_a_permit_leaves_its_leases_as_they_are(driver):
    put(driver, limited("a"), limited("b", "other"), row("c"))
    [a, *_] = driver.claim(claim(1, lease=10)).rows
    assert taken(driver, worker="w2", now=NOW + 10) == ["b", "c"]
    assert driver.load(["a"])[0].lease_until == a.lease_until


def test_it_may_come_alive_again_while_nobody_took_its_permit(driver):
    put(driver, limited("a"), limited("b"))
    [a] = driver.claim(claim(lease=5)).rows
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 6)]) == [DONE]
    assert driver.used(NOW + 6, ["k"], []) == Used([1], [])
    assert taken(driver, now=NOW + 6) == []
    assert taken(driver, now=NOW + 50) == ["b"]


def test_it_may_come_alive_again_when_the_other_has_ended(driver):
    [a], [b] = lapsed(driver, limited("a"), limited("b"))
    assert driver.swap([move(b)]) == [DONE]
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 7)]) == [DONE]
    assert driver.used(NOW + 7, ["k"], []) == Used([1], [])


def test_of_two_that_lapsed_one_comes_alive_where_one_permit_is_free(driver):
    [a, b], [c, _] = lapsed(driver, *(limited(name, permits=2) for name in "abcd"), permits=2)
    assert driver.swap([move(c)]) == [DONE]
    orders = [renewal(one, NOW + 50, now=NOW + 7) for one in (a, b)]
    assert sorted(driver.hold(orders), key=str) == [DONE, STALE]
    assert driver.used(NOW + 7, ["k"], []) == Used([2], [])


def two_lapsed(driver, **columns):
    """Two claims under one permit, which have both lapsed at NOW + 10."""
    like = limited("like")
    shared = {"lane": like.lane, "permit": like.permit, "lease_until": NOW + 10}
    return put(driver, running("a", **shared), running("b", **shared | columns))


def test_a_claim_that_lives_again_leaves_the_others_lapsed_for_good(driver):
    """The renewal of the other read the time while its lease was live, and arrives after it."""
    a, b = two_lapsed(driver)
    late = renewal(b, NOW + 40, now=NOW + 9, notes="late")
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 11)]) == [DONE]
    assert driver.hold([late]) == [STALE]
    [_, left] = driver.load(["a", "b"])
    assert left == b._replace(lease_until=b.lease_until - LAPSED_FOR_GOOD)
    assert driver.used(NOW + 11, ["k"], []) == Used([1], [])
    finish(driver, "a")
    assert driver.hold([late]) == [DONE]


def test_a_lock_over_a_lapsed_claim_leaves_the_others_lapsed_for_good(driver):
    _, b = two_lapsed(driver)
    assert driver.hold([lock("a", "w3", now=NOW + 11, until=NOW + 50)]) == [DONE]
    assert driver.hold([renewal(b, NOW + 40, now=NOW + 9)]) == [STALE]
    assert driver.used(NOW + 11, ["k"], []) == Used([1], [])


def test_a_lock_over_a_lapsed_lock_on_a_claim_needs_a_permit_too(driver):
    a, _ = two_lapsed(driver, lease_until=NOW + 50)
    put(driver, a._replace(id="c", locked_by="other"))
    assert driver.hold([lock("c", "w3", now=NOW + 11, until=NOW + 50)]) == [STALE]
    finish(driver, "b")
    assert driver.hold([lock("c", "w3", now=NOW + 11, until=NOW + 50)]) == [DONE]
    assert driver.hold([renewal(a, NOW + 40, now=NOW + 9)]) == [STALE]


@pytest.mark.parametrize(
    "order",
    [
        lambda a: renewal(a, NOW + 11, now=NOW + 11),
        lambda a: renewal(a, NOW + 50, now=NOW + 9),
        lambda a: renewal(a, NOW + 50, now=NOW + 11, fence=a.fence + 1),
        lambda a: lock("a", "w1", now=NOW + 9, until=NOW + 50),
        lambda a: lock("a", "w3", now=NOW + 9, until=NOW + 50),
    ],
    ids=["ends at once", "in time", "of another claim", "by its worker", "by another"],
)
def test_a_hold_that_has_none_live_again_leaves_the_others_as_they_are(driver, order):
    a, b = two_lapsed(driver)
    driver.hold([order(a)])
    assert driver.load(["b"]) == [b]


def test_a_lock_on_what_does_not_run_leaves_the_others_as_they_are(driver):
    _, b = two_lapsed(driver)
    put(driver, limited("c", lease_until=NOW + 10, locked_by="w2"))
    assert driver.hold([lock("c", "w3", now=NOW + 11, until=NOW + 50)]) == [DONE]
    assert driver.load(["b"]) == [b]


def test_a_lapsed_claim_under_another_permit_is_left_as_it_is(driver):
    other = limited("other", "j")
    _, b = two_lapsed(driver, lane=other.lane, permit="j")
    assert driver.hold([lock("a", "w3", now=NOW + 11, until=NOW + 50)]) == [DONE]
    assert driver.load(["b"]) == [b]


def test_a_live_claim_is_renewed_whatever_the_limit_says(driver):
    """Its row was claimed under a limit that is over by now."""
    put(driver, *(limited(name, permits=2) for name in "ab"))
    a, b = driver.claim(claim(lease=5)).rows
    like = limited("like", permits=1)
    put(driver, running("c", lease_until=NOW + 5, lane=like.lane, permit="k"))
    orders = [renewal(one, NOW + 50, now=NOW + 4) for one in (a, b)]
    assert driver.hold([*orders, lock("c", now=NOW + 4, until=NOW + 50)]) == [DONE] * 3
    assert driver.used(NOW + 5, ["k"], []) == Used([3], [])


def test_a_live_claim_is_renewed_at_the_last_microsecond(driver):
    [a] = put(driver, limited("a"))
    [a] = driver.claim(claim(lease=5)).rows
    put(driver, running("b", lease_until=NOW + 50, lane=a.lane, permit="k"))
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 5)]) == [STALE]
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 4)]) == [DONE]


def test_a_lock_over_a_lapsed_claim_needs_a_free_permit(driver):
    [a], [b] = lapsed(driver, limited("a"), limited("b"))
    order = lock("a", "w3", now=NOW + 6, until=NOW + 50)
    assert driver.hold([order]) == [STALE]
    assert driver.load(["a"]) == [a]
    assert driver.swap([move(b)]) == [DONE]
    assert driver.hold([order]) == [DONE]
    [stored] = driver.load(["a"])
    assert (stored.worker, stored.locked_by, stored.fence) == ("w3", None, a.fence + 1)
    assert driver.used(NOW + 6, ["k"], []) == Used([1], [])


def test_a_lock_by_the_lapsed_worker_itself_needs_one_too(driver):
    [a], _ = lapsed(driver, limited("a"), limited("b"))
    assert driver.hold([lock("a", "w1", now=NOW + 6, until=NOW + 50)]) == [STALE]
    assert driver.load(["a"]) == [a]


@pytest.mark.parametrize("back", [{"due_at": 0}, {"finished_at": NOW}, {"due_at": NOW + 99}])
def test_a_lock_on_what_does_not_run_needs_no_permit(driver, back):
    """Its lease is that of a run which was cancelled, or of a lock that ended."""
    put(driver, limited("a", lease_until=NOW + 1, worker="w1", **{"due_at": None} | back))
    put(driver, limited("b", priority=1))
    assert taken(driver, worker="w2", now=NOW + 2) == ["b"]
    assert driver.hold([lock("a", "w3", now=NOW + 6, until=NOW + 50)]) == [DONE]
    assert driver.load(["a"])[0].locked_by == "w3"


def test_a_lock_on_what_runs_without_a_lease_needs_no_permit(driver):
    like = limited("like")
    put(driver, running("a", lane=like.lane, permit="k", lease_until=None))
    assert driver.hold([lock("a", "w3", until=NOW + 50)]) == [DONE]
    [stored] = driver.load(["a"])
    assert (stored.worker, stored.locked_by, stored.lease_until) == ("w1", "w3", NOW + 50)


def test_a_cancelled_run_cannot_be_renewed_either_once_another_has_its_permit(driver):
    [a], [b] = lapsed(driver, limited("a"), limited("b"))
    assert driver.swap([move(a, state="deleted", ends_lease=False)]) == [DONE]
    order = renewal(a, NOW + 50, now=NOW + 6)
    assert driver.hold([order]) == [STALE]
    assert driver.swap([move(b)]) == [DONE]
    assert driver.hold([order]) == [DONE]
    assert driver.used(NOW + 6, ["k"], []) == Used([1], [])


def test_rows_that_are_under_a_pace_alone_need_no_permit_to_live_again(driver):
    put(driver, paced("a", gap=1), paced("b", gap=1))
    [a] = driver.claim(claim(lease=5)).rows
    assert taken(driver, now=NOW + 5) == ["b"]
    assert driver.hold([renewal(a, NOW + 50, now=NOW + 6)]) == [DONE]


def test_the_verdicts_of_a_batch_of_holds_stand_each_for_itself(driver):
    [a], [b] = lapsed(driver, limited("a"), limited("b"))
    put(driver, limited("x", "j"), row("y"))
    [x, y] = driver.claim(claim(worker="w1", now=NOW + 5, lease=100)).rows
    orders = [renewal(one, NOW + 500, now=NOW + 6) for one in (x, a, y, b)]
    assert driver.hold(orders) == [DONE, STALE, DONE, DONE]
    until = [one.lease_until for one in driver.load(["x", "a", "y", "b"])]
    assert until == [NOW + 500, a.lease_until, NOW + 500, NOW + 500]
