"""Tallies: how many of a group are left, open or closed, and how many failed, is always exact."""

import threading

import pytest

from qml.seam.rows import Finished, Overdue, Page, Verdict
from qml.seam.tallies import Tally

from .making import (
    NOW,
    claim,
    done,
    finish,
    ids,
    later,
    member,
    move,
    put,
    rewrite,
    row,
    running,
    taken,
    waiter,
)

DONE, STALE, GONE = Verdict.DONE, Verdict.STALE, Verdict.GONE


def group(driver, *names, waits="w", **columns):
    """A closed tally "t" with these members, and one who waits for it; the members."""
    assert driver.tally("t", True) == Tally(0, True, 0)
    stored = put(driver, *(member(name) for name in names), waiter(waits, **columns))
    driver.tally("t", False)
    return stored[:-1]


def test_the_columns_of_tallies_come_back(driver):
    full = row("a", batch="b", counts='["t", "u \\" é"]', awaits="batch/x", needs_all=1)
    [a] = put(driver, full)
    assert a == full._replace(seq=a.seq)
    [claimed] = driver.claim(claim()).rows
    assert (claimed.batch, claimed.counts) == (full.batch, full.counts)
    assert (claimed.awaits, claimed.needs_all) == ("batch/x", 1)


def test_a_tally_that_nobody_made_is_not_there(driver):
    assert driver.tally("t") is None
    assert driver.tally("t", False) is None
    assert driver.tally("t") is None
    put(driver, row("a"))
    assert driver.tally("") is None


def test_more_to_come_makes_it_and_no_more_removes_it(driver):
    assert driver.tally("t", True) == Tally(0, True, 0)
    assert driver.tally("t", True) == Tally(0, True, 0)
    assert driver.tally("t") == Tally(0, True, 0)
    assert driver.tally("t", False) is None
    assert driver.tally("t") is None


def test_an_insert_counts(driver):
    put(driver, member("a"), member("b"), row("c"), done("d", counts='["t"]'))
    assert driver.tally("t") == Tally(2, True, 0)
    put(driver, member("e", "t", "u"), later("f", NOW + 5, counts='["u"]'))
    put(driver, running("g", counts='["t"]'), member("h", due_at=None))
    assert driver.tally("t") == Tally(5, True, 0)
    assert driver.tally("u") == Tally(2, True, 0)


def test_a_row_that_is_inserted_finished_does_not_count(driver):
    put(driver, done("a", counts='["t"]'), done("b", counts='["t"]', state="failed"))
    assert driver.tally("t") is None
    driver.tally("t", True)
    put(driver, done("c", counts='["t"]', state="failed"))
    assert driver.tally("t") == Tally(0, True, 0)


def test_an_insert_that_is_refused_counts_nothing(driver):
    put(driver, row("a"))
    assert driver.insert([member("b"), row("a")]).obstacles
    assert driver.insert([waiter("w"), row("a")]).obstacles
    assert driver.tally("t") is None


def test_a_row_that_waits_makes_an_open_tally(driver):
    put(driver, waiter("w"))
    assert driver.tally("t") == Tally(0, True, 0)
    assert taken(driver) == []
    assert driver.tally("t", False) is None
    assert taken(driver) == ["w"]


def test_a_row_that_does_not_wait_any_more_makes_none(driver):
    put(driver, done("a", awaits="t"), row("b", awaits="t"), running("c", awaits="t"))
    assert driver.tally("t") is None


def test_an_insert_into_a_closed_tally_is_one_more(driver):
    group(driver, "a")
    put(driver, member("b"))
    assert driver.tally("t") == Tally(2, False, 0)
    finish(driver, "a")
    assert taken(driver) == ["b"]
    finish(driver, "b")
    assert taken(driver) == ["w"]


@pytest.mark.parametrize("state", ["succeeded", "failed", "deleted", "x"])
def test_an_end_is_one_less(driver, state):
    driver.tally("t", True)
    put(driver, member("a"), member("b"), member("c", "u"))
    finish(driver, "a", state=state)
    assert driver.tally("t") == Tally(1, True, int(state != "succeeded"))
    assert driver.tally("u") == Tally(1, True, 0)


def test_claims_renewals_and_changes_that_do_not_finish_count_nothing(driver):
    put(driver, member("a"), member("b"))
    [a, b] = driver.claim(claim()).rows
    back = move(b, state="retry", due_at=NOW + 5, finished_at=None)
    again = rewrite(a, metadata="new", keeps_lease=True)
    assert driver.swap([back, again]) == [DONE, DONE]
    assert driver.let_go("a", "w1", NOW) is DONE
    assert driver.tally("t") == Tally(2, True, 0)


def test_what_is_not_done_counts_nothing(driver):
    [a] = put(driver, member("a"))
    put(driver, row("k", unique_key="k"))
    other = rewrite(a, finished_at=NOW, unique_key="k", key_held=2)
    stale = [move(a._replace(version=7)), move(a, lapsed_by=NOW), move(a._replace(id="nobody"))]
    assert driver.swap([*stale, other]) == [STALE, STALE, GONE, Verdict.TAKEN]
    assert driver.tally("t") == Tally(1, True, 0)


def test_the_same_end_sent_twice_counts_once(driver):
    [a, _] = group(driver, "a", "b")
    end = move(a, state="failed")
    assert driver.swap([end]) == [DONE]
    assert driver.swap([end]) == [STALE]
    assert driver.swap([end, end]) == [STALE, STALE]
    assert driver.tally("t") == Tally(1, False, 1)
    finish(driver, "b")
    assert driver.tally("t") is None
    assert driver.swap([end]) == [STALE]
    assert driver.tally("t") is None


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_a_row_that_is_unfinished_again_takes_its_end_back(driver, state):
    driver.tally("t", True)
    put(driver, member("a"), member("b"))
    [a] = finish(driver, "a", state=state)
    again = move(a, state="enqueued", due_at=0, finished_at=None)
    assert driver.swap([again]) == [DONE]
    assert driver.tally("t") == Tally(2, True, 0)
    finish(driver, "a", "b")
    assert driver.tally("t") == Tally(0, True, 0)


def test_one_that_was_finished_from_the_start_may_become_one_of_it(driver):
    driver.tally("t", True)
    [a] = put(driver, done("a", counts='["t"]'))
    assert driver.swap([rewrite(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    assert driver.tally("t") == Tally(1, True, 0)


@pytest.mark.parametrize("state", ["succeeded", "failed"])
def test_an_end_that_is_changed_for_another_counts_nothing(driver, state):
    driver.tally("t", True)
    put(driver, member("a"))
    [a] = finish(driver, "a", state="failed")
    assert driver.swap([move(a, state=state, finished_at=NOW + 9)]) == [DONE]
    assert driver.tally("t") == Tally(0, True, 1)


def test_a_rewrite_counts_when_it_changes_finality(driver):
    [a, _] = group(driver, "a", "b")
    assert driver.swap([rewrite(a, state="deleted", due_at=None, finished_at=NOW)]) == [DONE]
    assert driver.tally("t") == Tally(1, False, 1)
    [a] = driver.load(["a"])
    assert driver.swap([rewrite(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    assert driver.tally("t") == Tally(2, False, 0)
    [a] = driver.load(["a"])
    assert driver.swap([rewrite(a, state="succeeded", due_at=None, finished_at=NOW)]) == [DONE]
    assert driver.tally("t") == Tally(1, False, 0)


def test_a_rewrite_leaves_what_a_row_has_to_do_with_tallies(driver):
    [a] = put(driver, row("a", batch="b", counts='["t"]', awaits="x", needs_all=1))
    other = {"batch": "other", "counts": '["u"]', "awaits": None, "needs_all": 0}
    assert driver.swap([rewrite(a, metadata="new", **other)]) == [DONE]
    [stored] = driver.load(["a"])
    assert stored == a._replace(version=a.version + 1, metadata="new")
    finish(driver, "a")
    assert (driver.tally("t"), driver.tally("u")) == (Tally(0, True, 0), None)


def test_erasing_what_has_not_finished_fails_in_it(driver):
    group(driver, "a", "b", "c", needs_all=1)
    assert driver.erase(["a"], 1) == 1
    assert driver.tally("t") == Tally(2, False, 1)
    finish(driver, "b")
    assert driver.erase(["c", "nobody"], 9) == 1
    assert driver.tally("t") is None
    [w] = driver.load(["w"])
    assert (w.due_at, w.expires_at) == (0, 0)


def test_erasing_what_has_finished_counts_nothing(driver):
    driver.tally("t", True)
    put(driver, *(member(name) for name in "abcde"))
    finish(driver, "a", "b", state="failed")
    finish(driver, "c", "d")
    put(driver, done("f", counts='["t"]', purge_at=NOW))
    assert driver.erase(["a", "c"], 9) == 2
    assert driver.erase(Finished("failed", NOW + 1), 9) == 1
    assert driver.erase(Overdue(NOW), 9) == 1
    assert driver.tally("t") == Tally(1, True, 2)


def test_erasing_stops_counting_at_its_limit(driver):
    driver.tally("t", True)
    put(driver, *(member(name) for name in "abc"))
    assert driver.erase(["a", "b", "c"], 2) == 2
    assert driver.tally("t") == Tally(1, True, 2)


def test_a_copy_tells_how_many_have_failed(driver):
    assert driver.tally("t", failed=3) is None
    assert driver.tally("t", True, 3) == Tally(0, True, 3)
    put(driver, member("a"), waiter("w", needs_all=1))
    assert driver.tally("t", None, 1) == Tally(1, True, 1)
    assert driver.tally("t", False, 0) == Tally(1, False, 0)
    finish(driver, "a")
    assert driver.load(["w"])[0].expires_at is None
    put(driver, waiter("w2", needs_all=1))
    assert driver.tally("t", False, 1) is None
    assert driver.load(["w2"])[0].expires_at == 0


def test_pages_and_counts_of_a_batch(driver):
    put(driver, *(row(str(n), batch="b" if n % 2 else "c", queue=f"q{n % 3}") for n in range(7)))
    put(driver, row("none"), row("B", batch="B"))
    finish(driver, "1")
    assert ids(driver.scan(Page(batch="b"))) == ["5", "3", "1"]
    assert ids(driver.scan(Page(batch="b", limit=1, offset=1))) == ["3"]
    assert ids(driver.scan(Page(batch="b", states=("enqueued",), queue="q2"))) == ["5"]
    [three] = driver.load(["3"])
    assert ids(driver.scan(Page(batch="b", below=three.seq))) == ["1"]
    assert driver.count(Page(batch="b"), "state") == {"enqueued": 2, "succeeded": 1}
    assert driver.count(Page(batch="c", method="app.send"), "queue") == {"q0": 2, "q1": 1, "q2": 1}
    assert driver.scan(Page(batch="nobody")) == []
    assert driver.count(Page(batch=""), "state") == {}


def test_the_states_of_a_batch_are_counted_at_one_moment(driver):
    """Others move its rows meanwhile, into states that no row was in before."""
    names = [str(number) for number in range(60)]
    put(driver, *(row(name, batch="b") for name in names))
    seen = []
    counts = threading.Thread(target=_count, args=(driver, seen), daemon=True)
    counts.start()
    for _ in names:
        [claimed] = driver.claim(claim(1)).rows
        finish(driver, claimed.id, state="succeeded")
    counts.join(60)
    assert seen[-1] == {"succeeded": 60}
    assert {sum(counted.values()) for counted in seen} == {60}


def _count(driver, seen):
    while not seen or seen[-1] != {"succeeded": 60}:
        seen.append(driver.count(Page(batch="b"), "state"))
