"""claim: of rows in lanes with permits, no more are live than there are permits, in exact order."""

import pytest

from qml.seam.lanes import Lane, Used, decode, encode
from qml.seam.rows import NEVER_AHEAD, NOT_AHEAD, Available, Verdict

from .making import (
    NOW,
    claim,
    done,
    everything,
    finish,
    ids,
    later,
    limited,
    lock,
    put,
    renewal,
    row,
    taken,
)

DONE = Verdict.DONE


@pytest.mark.parametrize(
    "lane",
    [
        Lane("q", "k", 1),
        Lane('q "1" é\n', "k,[]", 2**53 + 1),
        Lane("q", None, None, "p", 1, 1),
        Lane("q", "k", 3, "p", 60_000_000, 2**40),
    ],
)
def test_a_lane_comes_back_from_its_text(lane):
    assert decode(encode(lane)) == lane
    assert encode(decode(encode(lane))) == encode(lane)


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", '["q","k","x",null,null,null]', "[" * 10_000]
)
def test_what_is_no_lane_is_one_without_limits(text):
    assert decode(text) == Lane("")


def test_a_row_whose_lane_is_damaged_keeps_back_nobody(driver):
    put(driver, limited("a"), row("b", lane="damaged", permit="k"), row("c", lane="damaged"))
    assert taken(driver) == ["a", "b", "c"]
    [b] = driver.load(["b"])
    assert driver.hold([renewal(b, b.lease_until + 5, now=b.lease_until)]) == [DONE]


def test_lane_and_permit_come_back(driver):
    [a] = put(driver, limited("a", 'key "1" é', 7, pace="p", gap=10, burst=2, queue="q"))
    assert decode(a.lane) == Lane("q", 'key "1" é', 7, "p", 10, 2)
    assert a.permit == 'key "1" é'
    [claimed] = driver.claim(claim()).rows
    assert (claimed.lane, claimed.permit) == (a.lane, a.permit)


def test_what_a_claim_writes_on_a_row_in_a_lane(driver):
    [a] = put(driver, limited("a", version=3, attempt=4, fence=5, ahead=NEVER_AHEAD))
    [claimed] = driver.claim(claim(worker="w9", lease=7, detail="started")).rows
    assert claimed == a._replace(
        state="processing",
        version=4,
        attempt=5,
        fence=6,
        worker="w9",
        lease_until=NOW + 7,
        due_at=None,
        detail="started",
    )
    assert everything(driver) == [claimed]


@pytest.mark.parametrize("permits", [1, 2, 3])
def test_a_claim_takes_as_many_as_there_are_permits(driver, permits):
    put(driver, *(limited(str(number), permits=permits) for number in range(5)))
    assert taken(driver) == [str(number) for number in range(permits)]
    assert taken(driver) == []
    assert taken(driver, worker="w2") == []


def test_a_permit_is_free_when_its_claim_has_finished(driver):
    put(driver, *(limited(name, permits=2) for name in "abcd"))
    assert taken(driver) == ["a", "b"]
    assert taken(driver) == []
    finish(driver, "a")
    assert taken(driver) == ["c"]
    assert taken(driver) == []


def test_a_claim_counts_those_of_earlier_claims_and_of_other_workers(driver):
    put(driver, *(limited(name, permits=3) for name in "abcd"))
    assert taken(driver, 1) == ["a"]
    assert taken(driver, worker="w2") == ["b", "c"]
    assert taken(driver) == []


def test_plain_rows_and_rows_in_lanes_keep_one_order(driver):
    put(
        driver,
        row("0"),
        limited("1", "k"),
        limited("2", "k"),
        row("3"),
        limited("4", "j", permits=2),
        row("5"),
        limited("6", "j", permits=2),
    )
    assert taken(driver, 4) == ["0", "1", "3", "4"]
    assert taken(driver) == ["5", "6"]


def test_priorities_go_over_plain_rows_and_lanes(driver):
    put(
        driver,
        row("plain 1", priority=1),
        limited("k 0"),
        limited("k 2", priority=2),
        limited("j 3", "j", permits=2, priority=3),
        row("plain 3", priority=3),
        limited("j 1", "j", permits=2, priority=1),
        row("plain -1", priority=-1),
        limited("j 4", "j", permits=2, priority=4),
    )
    assert taken(driver, 4) == ["j 4", "j 3", "plain 3", "k 2"]
    assert taken(driver) == ["plain 1", "plain -1"]


def test_what_is_kept_back_holds_up_no_row_behind_it(driver):
    put(driver, *(limited(f"k {number}", priority=9) for number in range(50)))
    put(driver, *(limited(f"j {number}", "j", priority=8) for number in range(50)), row("plain"))
    assert taken(driver) == ["k 0", "j 0", "plain"]


def test_of_many_lanes_the_best_heads_are_taken(driver):
    put(driver, *(limited(f"{number}", f"key {number % 20}") for number in range(60)))
    assert taken(driver, 7) == [str(number) for number in range(7)]
    assert taken(driver, 7) == [str(number) for number in range(7, 14)]
    assert taken(driver, 9) == [str(number) for number in range(14, 20)]


def test_the_next_of_a_lane_is_its_best_by_then(driver):
    put(driver, limited("a"), limited("b"))
    assert taken(driver) == ["a"]
    assert taken(driver) == []
    put(driver, limited("c", priority=1))
    assert taken(driver) == []
    finish(driver, "a")
    assert taken(driver) == ["c"]


def test_limits_under_one_permit_may_differ_from_row_to_row(driver):
    put(driver, limited("two", permits=2), limited("three", permits=3), limited("one", permits=1))
    put(driver, limited("more", permits=3), limited("last", permits=3))
    assert taken(driver) == ["two", "three", "more"]
    finish(driver, "two", "three")
    assert taken(driver) == ["last"]  # "one" needs that no other is live
    finish(driver, "more")
    assert taken(driver) == []
    finish(driver, "last")
    assert taken(driver) == ["one"]


def test_a_permit_counts_over_queues(driver):
    put(driver, limited("a", queue="q1"), limited("b", queue="q2"), row("c", queue="q2"))
    assert taken(driver, queues=("q2",)) == ["b", "c"]
    assert taken(driver, queues=("q1",)) == []
    finish(driver, "b")
    assert taken(driver, queues=("q2",)) == []
    assert taken(driver) == ["a"]


def test_a_claim_restricted_to_queues_takes_lanes_of_those_alone(driver):
    put(driver, limited("a", "k1", queue="q1"), limited("b", "k2", queue="q2"))
    put(driver, limited("c", "k3", queue="q3"), row("d", queue="q3"))
    assert taken(driver, queues=("q2", "q3")) == ["b", "c", "d"]
    assert taken(driver, queues=()) == []
    assert taken(driver, queues=("q1", "q1")) == ["a"]


def test_the_names_of_permits_are_told_apart_exactly(driver):
    names = ["k", "K", "k ", "é", "e\u0301", "k:1", '"k"', "k%", "", "0"]
    put(driver, *(limited(f"{name} first", name) for name in names))
    put(driver, *(limited(f"{name} second", name) for name in names))
    assert taken(driver, 99) == [f"{name} first" for name in names]
    assert driver.used(NOW, names, []) == Used([1] * len(names), [])


def test_rows_in_lanes_are_not_taken_ahead(driver):
    put(driver, limited("a", permits=9), limited("b", permits=9), row("c"), row("d"), row("e"))
    claimed = driver.claim(claim(1, ahead=2)).rows
    assert [(one.id, one.ahead) for one in claimed] == [("a", NOT_AHEAD), ("c", 1), ("d", 1)]
    assert taken(driver, 0, ahead=9) == ["e"]
    assert taken(driver) == ["b"]


def test_a_row_that_may_not_go_ahead_counts_as_one_beside_lanes(driver):
    put(driver, limited("a"), row("b", ahead=NEVER_AHEAD), row("c"), row("d"))
    assert taken(driver, 1, ahead=2) == ["a", "c"]
    assert taken(driver, 1) == ["b"]


def test_what_was_taken_ahead_without_a_lane_leaves_permits_alone(driver):
    put(driver, row("a"), row("b"), limited("c"), limited("d"))
    assert taken(driver, 1, ahead=1) == ["a", "b"]
    assert taken(driver, 2) == ["c"]


def test_a_claim_for_nobody_takes_nothing_of_a_lane(driver):
    put(driver, limited("a"))
    assert driver.claim(claim(0)) == ([], None)
    assert taken(driver) == ["a"]


def test_available_disregards_lanes(driver):
    put(driver, limited("a"), limited("b"), row("c"))
    assert taken(driver, 1) == ["a"]
    assert ids(driver.scan(Available(NOW))) == ["b", "c"]


def test_used_counts_the_live_claims_of_each_permit(driver):
    put(driver, *(limited(name, permits=2) for name in "abc"), limited("d", "j"), row("e"))
    assert driver.used(NOW, ["k", "j"], []) == Used([0, 0], [])
    driver.claim(claim(lease=5))
    assert driver.used(NOW, ["j", "k", "none"], []) == Used([1, 2, 0], [])
    assert driver.used(NOW + 4, ["k"], []) == Used([2], [])
    assert driver.used(NOW + 5, ["k"], []) == Used([0], [])
    assert driver.used(NOW, [], []) == Used([], [])


def test_rows_without_a_permit_use_none(driver):
    put(driver, row("a"), done("b"), later("c", NOW + 9))
    driver.claim(claim())
    assert driver.used(NOW, ["", "k", "None"], []) == Used([0, 0, 0], [])


def test_locks_use_no_permit(driver):
    put(driver, limited("a"), limited("b"))
    assert driver.hold([lock("a", "w2", until=NOW + 9)]) == [DONE]
    assert driver.used(NOW, ["k"], []) == Used([0], [])
    assert taken(driver) == ["b"]
    assert driver.used(NOW, ["k"], []) == Used([1], [])
