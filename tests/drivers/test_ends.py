"""Batches of ends of claims, the quick way: each end stands alone, and is done once."""

import pytest

from qml.seam.rows import KEY_FREE, Verdict

from .making import NOW, SECOND, claim, everything, lock, move, put, row

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


@pytest.fixture
def claimed(driver):
    """Five claimed rows."""
    put(driver, *(row(name, unique_key=f"key of {name}") for name in "abcde"))
    return driver.claim(claim(5)).rows


def versions(driver):
    return {found.id: found.version for found in everything(driver)}


def test_all_hold(driver, claimed):
    assert driver.swap([move(one) for one in claimed]) == [DONE] * 5
    assert versions(driver) == dict.fromkeys("abcde", 2)
    assert {found.lease_until for found in everything(driver)} == {None}


@pytest.mark.parametrize("place", range(5))
def test_one_that_is_stale_stops_no_other(driver, claimed, place):
    moves = [move(one) for one in claimed]
    moves[place] = moves[place]._replace(version=0)
    expected = [DONE] * 5
    expected[place] = STALE
    assert driver.swap(moves) == expected
    left = claimed[place].id
    assert versions(driver) == dict.fromkeys("abcde", 2) | {left: 1}
    assert driver.swap([move(claimed[place])]) == [DONE]


@pytest.mark.parametrize("stale", [None, 0, 255, 256, 599])
def test_many_end_as_few_do(driver, stale):
    put(driver, *(row(f"many {n}") for n in range(600)))
    moves = [move(one) for one in driver.claim(claim(600)).rows]
    expected = [DONE] * 600
    if stale is not None:
        moves[stale], expected[stale] = moves[stale]._replace(version=0), STALE
    assert driver.swap(moves) == expected
    left = [found.id for found in everything(driver) if found.version != 2]
    assert left == ([] if stale is None else [f"many {stale}"])


@pytest.mark.parametrize("seq", [None, 10**6])
def test_one_of_another_generation_stops_no_other(driver, claimed, seq):
    moves = [move(one) for one in claimed]
    moves[1] = moves[1]._replace(seq=seq, version=1 if seq else 0)
    assert driver.swap(moves) == [DONE, STALE, DONE, DONE, DONE]
    assert versions(driver) == dict.fromkeys("abcde", 2) | {"b": 1}


def test_one_that_is_gone_stops_no_other(driver, claimed):
    driver.erase(["c"], 1)
    assert driver.swap([move(one) for one in claimed]) == [DONE, DONE, GONE, DONE, DONE]
    assert versions(driver) == dict.fromkeys("abde", 2)


def test_one_that_ended_before_is_not_ended_again(driver, claimed):
    assert driver.swap([move(claimed[0])]) == [DONE]
    assert driver.swap([move(one) for one in claimed]) == [STALE, DONE, DONE, DONE, DONE]
    assert versions(driver) == dict.fromkeys("abcde", 2)


def test_one_given_twice_is_ended_once(driver, claimed):
    twice = [move(claimed[0]), move(claimed[1]), move(claimed[0])]
    assert driver.swap(twice) == [DONE, DONE, STALE]
    assert versions(driver) == dict.fromkeys("ab", 2) | dict.fromkeys("cde", 1)


def test_one_that_was_made_ready_again_is_not_ended(driver, claimed):
    """By hand and behind its version: its place in the index of what is ready says so."""
    back = move(claimed[0], state="enqueued", due_at=0, finished_at=None, key_held=None)
    assert driver.swap([back]) == [DONE]
    ends = [move(claimed[0], version=2), move(claimed[1])]
    assert driver.swap(ends) == [DONE, DONE]
    assert driver.claim(claim(5, worker="w2")).rows == []


def test_a_key_that_another_took_is_told(driver, claimed):
    assert driver.swap([move(claimed[0])]) == [DONE]
    put(driver, row("next", unique_key="key of a"))
    [ended] = driver.load(["a"])
    ends = [move(ended, key_held=2), move(claimed[1]), move(claimed[2])]
    assert driver.swap(ends) == [TAKEN, DONE, DONE]
    assert driver.holder("key of a") == "next"
    assert driver.load(["a"])[0].key_held == KEY_FREE


def test_an_end_of_a_row_that_another_has_locked(driver):
    """Over a lapsed claim: who locked it holds it under another fence and version."""
    put(driver, row("a"), row("b"))
    rows = driver.claim(claim(2, lease=SECOND)).rows
    later = NOW + 2 * SECOND
    assert driver.hold([lock("a", "w2", now=later, until=later + 9)]) == [DONE]
    assert driver.swap([move(one) for one in rows]) == [STALE, DONE]
    [locked] = driver.load(["a"])
    assert (locked.worker, locked.lease_until, locked.state) == ("w2", later + 9, "processing")
