"""Tallies that are over: who waits for one is woken then, by whatever ends it, and once."""

import json
import threading

import pytest

from qml.seam.rows import PROCESSING, Verdict
from qml.seam.tallies import Tally

from .making import (
    NOW,
    claim,
    everything,
    finish,
    ids,
    limited,
    member,
    move,
    put,
    rewrite,
    running,
    taken,
    waiter,
)
from .test_life import LONG, in_threads
from .test_tallies import group

DONE, STALE, GONE = Verdict.DONE, Verdict.STALE, Verdict.GONE


def test_the_last_end_wakes_who_waits(driver):
    group(driver, "a", "b", expires_at=NOW + 50)
    [w] = driver.load(["w"])
    finish(driver, "a")
    assert driver.load(["w"]) == [w]
    finish(driver, "b")
    assert driver.tally("t") is None
    assert driver.load(["w"]) == [w._replace(due_at=0, version=w.version + 1)]
    assert taken(driver) == ["w"]


@pytest.mark.parametrize("needs_all", [0, 1])
@pytest.mark.parametrize("failed", [0, 1])
def test_a_failure_expires_who_needs_all(driver, needs_all, failed):
    group(driver, "a", "b", needs_all=needs_all, expires_at=NOW + 50)
    finish(driver, "a", state="failed" if failed else "succeeded")
    finish(driver, "b")
    [w] = driver.load(["w"])
    assert (w.due_at, w.expires_at) == (0, 0 if failed and needs_all else NOW + 50)


def test_a_failure_that_was_taken_back_expires_nobody(driver):
    group(driver, "a", "b", needs_all=1)
    [a] = finish(driver, "a", state="failed")
    assert driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    finish(driver, "a", "b")
    [w] = driver.load(["w"])
    assert (w.due_at, w.expires_at) == (0, None)


def test_a_tally_that_is_open_is_not_over(driver):
    put(driver, waiter("w"), member("a"))
    finish(driver, "a")
    assert driver.tally("t") == Tally(0, True, 0)
    assert taken(driver) == []
    assert driver.tally("t", False) is None
    assert taken(driver) == ["w"]


def test_a_tally_may_be_opened_again_while_something_is_left(driver):
    group(driver, "a")
    assert driver.tally("t", True) == Tally(1, True, 0)
    finish(driver, "a")
    assert driver.tally("t") == Tally(0, True, 0)
    put(driver, member("b"))
    assert driver.tally("t", False) == Tally(1, False, 0)
    finish(driver, "b")
    assert taken(driver) == ["w"]


def test_closing_what_has_failed_expires_who_needs_all(driver):
    put(driver, waiter("w", needs_all=1), member("a"))
    finish(driver, "a", state="failed")
    assert driver.tally("t", False) is None
    [w] = driver.load(["w"])
    assert (w.due_at, w.expires_at) == (0, 0)


def test_an_empty_batch_is_over_when_no_more_is_to_come(driver):
    driver.tally("t", True)
    put(driver, waiter("w"))
    assert driver.tally("t", False) is None
    assert taken(driver) == ["w"]
    assert driver.tally("t", False) is None
    assert driver.load(["w"])[0].version == 2  # woken, and claimed


def test_everybody_who_waits_is_woken_and_nobody_else(driver):
    put(driver, waiter("u", "other"), *(waiter(f"w{n}", priority=n) for n in range(5)))
    group(driver, "a", waits="w5")
    finish(driver, "a")
    assert taken(driver) == ["w4", "w3", "w2", "w1", "w0", "w5"]


def test_who_waits_is_woken_exactly_once(driver):
    group(driver, "a")
    [a] = finish(driver, "a")
    [w] = driver.claim(claim()).rows
    assert driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    finish(driver, "a")
    assert driver.load(["w"]) == [w]
    assert driver.tally("t") is None


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "deleted", "finished_at": NOW},
        {"state": "scheduled", "due_at": NOW + 7},
        {"state": PROCESSING, "lease_until": NOW + 9},
    ],
)
def test_who_does_not_wait_any_more_is_not_woken(driver, columns):
    """Cancelled, released by hand, or run by hand meanwhile."""
    group(driver, "a", needs_all=1)
    [w] = driver.load(["w"])
    assert driver.swap([rewrite(w, **columns)]) == [DONE]
    before = driver.load(["w"])
    finish(driver, "a", state="failed")
    assert driver.load(["w"]) == before
    assert driver.tally("t") is None


def test_a_row_that_waits_again_is_woken(driver):
    group(driver, "a", "b")
    [w] = driver.load(["w"])
    assert driver.swap([rewrite(w, due_at=NOW + 5)]) == [DONE]
    [w] = driver.load(["w"])
    assert driver.swap([rewrite(w, due_at=None, metadata="new")]) == [DONE]
    finish(driver, "a", "b")
    assert taken(driver) == ["w"]


def test_who_waits_may_be_erased(driver):
    group(driver, "a")
    assert driver.erase(["w"], 1) == 1
    finish(driver, "a")
    assert ids(everything(driver)) == ["a"]


def test_a_tally_may_be_made_again_after_it_was_over(driver):
    group(driver, "a")
    finish(driver, "a", state="failed")
    assert driver.tally("t", True) == Tally(0, True, 0)
    put(driver, member("b"), waiter("w2", needs_all=1))
    assert driver.tally("t", False) == Tally(1, False, 0)
    finish(driver, "b")
    [w2] = driver.load(["w2"])
    assert (w2.due_at, w2.expires_at) == (0, None)


def test_members_of_a_tally_that_is_over_end_once_more_in_vain(driver):
    group(driver, "a")
    [a] = finish(driver, "a")
    assert driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    assert driver.tally("t") is None
    assert driver.tally("t", True) == Tally(0, True, 0)
    finish(driver, "a")  # it takes one from a tally that knows nothing of it
    put(driver, waiter("w2"))
    assert driver.tally("t", False) is None
    assert driver.load(["w2"])[0].due_at == 0


def test_all_ends_of_one_batch_count(driver):
    names = [str(number) for number in range(300)]
    group(driver, *names)
    finish(driver, *names[:200])
    assert driver.tally("t") == Tally(100, False, 0)
    finish(driver, *names[200:-1], state="failed")
    assert driver.tally("t") == Tally(1, False, 99)
    finish(driver, names[-1])
    assert driver.tally("t") is None
    assert taken(driver) == ["w"]


def test_a_row_may_count_for_many_and_wait_itself(driver):
    put(driver, member("a", "t", "u", "v"), waiter("w", "t", counts='["u"]'), waiter("x", "u"))
    for name in "tuv":
        driver.tally(name, False)
    finish(driver, "a")
    assert (driver.tally("t"), driver.tally("v")) == (None, None)
    assert driver.tally("u") == Tally(1, False, 0)
    assert taken(driver) == ["w"]
    finish(driver, "w")
    assert taken(driver) == ["x"]


def test_the_names_of_tallies_are_told_apart_exactly(driver):
    names = ["t", "T", "t ", "é", "e\u0301", '"t"', "t,u", "[]", "", "t%", "batch/t", "0", "\\"]
    put(driver, *(member(f"m {name}", name, due_at=None) for name in names))
    put(driver, *(waiter(f"w {name}", name) for name in names))
    for name in names:
        assert driver.tally(name, False) == Tally(1, False, 0)
    for name in names:
        finish(driver, f"m {name}")
        assert taken(driver) == [f"w {name}"]


def test_a_follower_may_count_and_wait(driver):
    [a] = put(driver, running("a"))
    then = (member("f"), waiter("w", priority=1), limited("l", counts='["t"]'))
    assert driver.swap([move(a, then=then)]) == [DONE]
    assert driver.swap([move(a, then=then)]) == [STALE]
    assert driver.tally("t", False) == Tally(2, False, 0)
    assert taken(driver) == ["f", "l"]
    finish(driver, "f", "l")
    assert taken(driver) == ["w"]


def test_a_follower_whose_id_is_taken_does_not_count(driver):
    [a, _] = put(driver, running("a"), member("f"))
    assert driver.swap([move(a, then=(member("f"), member("g")))]) == [DONE]
    assert driver.tally("t") == Tally(2, True, 0)


def test_a_batch_is_not_over_while_the_end_of_its_last_has_a_follower_in_it(driver):
    group(driver, "a")
    finish(driver, "a", then=(member("f"),))
    assert driver.tally("t") == Tally(1, False, 0)
    assert taken(driver) == ["f"]
    finish(driver, "f")
    assert taken(driver) == ["w"]


def test_who_is_woken_is_found_by_claims_in_its_lane(driver):
    put(driver, limited("x"), limited("y"))
    assert taken(driver) == ["x"]
    group(driver, "a", lane=limited("like").lane, permit="k", priority=5)
    finish(driver, "a", "x")
    assert taken(driver) == ["w"]
    finish(driver, "w")
    assert taken(driver) == ["y"]


@pytest.mark.parametrize("together", [False, True])
def test_of_two_last_ends_at_once_one_wakes(driver, together):
    """Fifty rounds: counted exactly, and woken once, whoever comes last."""

    def work(number):
        verdicts = []
        for turn in range(50):
            at_once.wait(LONG)
            verdicts += driver.swap(ends[turn][number])
            at_once.wait(LONG)
            if number == 0:
                [w] = driver.load([f"w{turn}"])
                assert (w.due_at, w.version) == (0, 1), turn
                assert driver.tally(f"t{turn}") is None
        return verdicts

    at_once = threading.Barrier(2)
    ends = []
    for turn in range(50):
        name, other = f"t{turn}", f"u{turn}"
        names = [name, other] if turn % 2 else [other, name]
        columns = {"counts": json.dumps(names if together else [name])}
        pair = put(driver, *(running(f"{turn} {n}", **columns) for n in range(2)))
        put(driver, waiter(f"w{turn}", name))
        driver.tally(name, False)
        ends.append([[move(one)] for one in pair])
    assert in_threads(2, work) == [[DONE] * 50] * 2
