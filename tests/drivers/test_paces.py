"""claim: starts under a pace are its gap apart, and its burst at once after a quiet time."""

import pytest

from qml.seam.lanes import Used
from qml.seam.rows import Verdict
from qml.values.rate import LONGEST

from .making import NOW, claim, finish, limited, move, paced, put, rewrite, row, taken

DONE = Verdict.DONE


def test_one_start_per_gap(driver):
    put(driver, *(paced(name, gap=10) for name in "abcd"), row("plain"))
    assert driver.claim(claim()).next_due == NOW + 10
    assert driver.claim(claim(now=NOW + 9)) == ([], NOW + 10)
    assert taken(driver, now=NOW + 10) == ["b"]
    assert taken(driver, now=NOW + 25) == ["c"]  # late: the next is a whole gap from then on
    assert driver.claim(claim(now=NOW + 34)) == ([], NOW + 35)
    assert taken(driver, now=NOW + 35) == ["d"]


def test_what_started_stays_so_whatever_becomes_of_it(driver):
    put(driver, *(paced(name, gap=10) for name in "abc"))
    assert taken(driver) == ["a"]
    [a] = driver.load(["a"])
    back = move(a, state="enqueued", due_at=0, finished_at=None)
    assert driver.swap([back]) == [DONE]
    assert taken(driver, now=NOW + 1) == []
    driver.erase(["a"], 1)
    assert taken(driver, now=NOW + 9) == []
    assert taken(driver, now=NOW + 10) == ["b"]


def test_a_burst_at_once_and_then_one_per_gap(driver):
    put(driver, *(paced(str(number), gap=10, burst=3) for number in range(8)))
    assert taken(driver) == ["0", "1", "2"]
    assert driver.claim(claim()) == ([], NOW + 10)
    assert taken(driver, now=NOW + 10) == ["3"]
    assert taken(driver, now=NOW + 29) == ["4"]  # of 20 one and of 30 not yet
    assert driver.claim(claim(now=NOW + 29)) == ([], NOW + 30)
    assert taken(driver, now=NOW + 30) == ["5"]


def test_a_quiet_time_saves_a_burst_and_no_more(driver):
    put(driver, *(paced(str(number), gap=10, burst=3) for number in range(9)))
    assert len(taken(driver)) == 3
    assert len(taken(driver, now=NOW + 20)) == 2
    assert len(taken(driver, now=NOW + 1_000)) == 3
    assert taken(driver, now=NOW + 1_009) == []


def test_a_claim_takes_no_more_of_a_burst_than_its_limit(driver):
    put(driver, *(paced(str(number), gap=10, burst=3) for number in range(4)), row("plain"))
    assert taken(driver, 2) == ["0", "1"]
    assert taken(driver, 9) == ["2", "plain"]


def test_two_lanes_share_one_pace(driver):
    put(driver, paced("a", queue="q1"), paced("b", queue="q2"), paced("c", queue="q1"))
    put(driver, limited("d", "k", 5, pace="p", gap=10, burst=1, priority=1))
    assert taken(driver, queues=("q2",)) == ["b"]
    assert taken(driver) == []
    assert taken(driver, now=NOW + 10) == ["d"]
    assert taken(driver, now=NOW + 20, queues=("q2",)) == []
    assert taken(driver, now=NOW + 20) == ["a"]
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + 30])


def test_gap_and_burst_of_one_pace_may_differ_from_row_to_row(driver):
    """The time is the pace's; what a start adds, and how far ahead it may be, is the row's."""
    put(driver, paced("slow", gap=100), paced("quick", gap=10), paced("burst", gap=10, burst=20))
    assert taken(driver) == ["slow", "burst"]
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + 110])
    assert taken(driver, now=NOW + 109) == []
    assert taken(driver, now=NOW + 110) == ["quick"]


def test_paces_are_told_apart(driver):
    put(driver, *(paced(f"{n}", pace=name) for n, name in enumerate(["p", "P", "é", "", "p"])))
    assert taken(driver) == ["0", "1", "2", "3"]
    assert driver.used(NOW, [], ["", "p", "none"]) == Used([], [NOW + 10, NOW + 10, 0])


def test_permit_and_pace_have_to_be_open_both(driver):
    both = {"permits": 2, "pace": "p", "gap": 10, "burst": 1}
    put(driver, *(limited(str(number), **both) for number in range(4)))
    assert driver.claim(claim(lease=50)).next_due == NOW + 10
    assert driver.claim(claim(now=NOW + 10, lease=50)).next_due == NOW + 50
    assert taken(driver, now=NOW + 49) == []
    finish(driver, "0")
    assert taken(driver, now=NOW + 49, lease=50) == ["2"]
    finish(driver, "1")
    assert taken(driver, now=NOW + 58) == []
    assert taken(driver, now=NOW + 59) == ["3"]


def test_a_row_that_its_permit_keeps_back_starts_nothing(driver):
    """Its pace goes on for others."""
    put(driver, limited("a"), limited("b", pace="p", gap=10), paced("c"))
    assert taken(driver) == ["a", "c"]
    assert driver.used(NOW, ["k"], ["p"]) == Used([1], [NOW + 10])


def test_a_row_that_its_pace_keeps_back_uses_no_permit(driver):
    put(driver, paced("a"), limited("b", pace="p", gap=10, burst=1), limited("c"))
    assert taken(driver) == ["a", "c"]
    assert driver.used(NOW, ["k"], ["p"]) == Used([1], [NOW + 10])


def test_what_is_kept_back_by_its_pace_holds_up_no_row_behind_it(driver):
    put(driver, *(paced(str(number), priority=5) for number in range(60)), row("plain"))
    put(driver, *(limited(f"k {number}", "k", 2, priority=4) for number in range(3)))
    assert taken(driver) == ["0", "k 0", "k 1", "plain"]


def test_a_claim_by_a_clock_that_is_behind_does_not_turn_the_pace_back(driver):
    put(driver, *(paced(str(number), gap=10, burst=3) for number in range(6)))
    assert taken(driver, 1) == ["0"]
    assert taken(driver, 1, now=NOW - 5) == ["1"]
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + 20])


@pytest.mark.parametrize("gap", [1, 86_400_000_000])
def test_paces_of_any_gap(driver, gap):
    put(driver, paced("a", gap=gap), paced("b", gap=gap))
    assert driver.claim(claim()).next_due == NOW + gap
    assert taken(driver, now=NOW + gap - 1) == []
    assert taken(driver, now=NOW + gap) == ["b"]


def test_the_largest_burst_is_counted_exactly(driver):
    """As large as a Rate may have it: 30 years, counted in microseconds since 1970."""
    gap, burst = LONGEST // 9, 9
    put(driver, *(paced(str(n), gap=gap, burst=burst) for n in range(burst + 2)))
    rows, next_due = driver.claim(claim(99))
    assert (len(rows), next_due) == (burst, NOW + gap)
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + burst * gap])
    assert taken(driver, now=NOW + gap - 1) == []
    assert taken(driver, now=NOW + gap) == [str(burst)]


def test_a_pace_of_a_row_that_waits_is_asked_when_it_is_due(driver):
    put(driver, paced("a", gap=10), paced("b", gap=10, due_at=NOW + 5))
    assert driver.claim(claim()).next_due == NOW + 5
    assert driver.claim(claim(now=NOW + 5)) == ([], NOW + 10)
    assert taken(driver, now=NOW + 10) == ["b"]


def test_a_better_pace_for_the_row_that_waits_opens_its_lane(driver):
    put(driver, paced("a", gap=1_000), paced("b", gap=1_000))
    assert taken(driver) == ["a"]
    assert taken(driver) == []
    [b] = driver.load(["b"])
    other = paced("other", pace="new")
    assert driver.swap([rewrite(b, lane=other.lane)]) == [DONE]
    assert taken(driver) == ["b"]


def test_a_row_that_has_expired_uses_up_no_start(driver):
    """It is taken, to be ended: others may start in its place."""
    late = {"gap": 10, "expires_at": NOW}
    put(driver, paced("late", **late), paced("a", gap=10), paced("late too", **late))
    put(driver, paced("b", gap=10), paced("just", gap=10, expires_at=NOW + 1))
    assert taken(driver) == ["late", "a"]
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + 10])
    assert taken(driver, now=NOW + 10) == ["late too", "b"]
    assert taken(driver, now=NOW + 20) == ["just"]
    assert driver.used(NOW, [], ["p"]) == Used([], [NOW + 20])


def test_a_quiet_pace_may_be_forgotten_and_a_live_one_not(driver):
    """Far more paces than are live at any time."""
    for wave in range(4):
        now = NOW + wave * 100
        put(driver, *(paced(f"{wave} {n}", f"{wave} {n}", gap=50) for n in range(400)))
        assert len(taken(driver, 2_000, now=now)) == 400
    put(driver, *(paced(f"again {n}", f"3 {n}", gap=50) for n in range(400)))
    assert taken(driver, 2_000, now=NOW + 349) == []
    assert len(taken(driver, 2_000, now=NOW + 350)) == 400
