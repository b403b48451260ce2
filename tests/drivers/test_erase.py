"""erase: rows go with all that belongs to them."""

import pytest

from qml.seam.rows import Available, Expired, Finished, Lapsed, Overdue, Page

from .making import NOW, claim, done, everything, ids, later, lock, move, put, row, running


def test_rows_with_these_ids(driver):
    put(driver, row("a"), row("b"), row("c"))
    assert driver.erase(["c", "nobody", "a"], 10) == 2
    assert ids(everything(driver)) == ["b"]
    assert driver.erase(["c", "a"], 10) == 0
    assert driver.erase([], 10) == 0


def test_an_id_given_twice_is_one_row(driver):
    put(driver, row("a"), row("b"))
    assert driver.erase(["a", "a"], 10) == 1
    assert ids(everything(driver)) == ["b"]


def test_ids_have_a_limit_too(driver):
    put(driver, row("a"), row("b"), row("c"))
    assert driver.erase(["a", "b", "c"], 2) == 2
    assert len(everything(driver)) == 1


@pytest.mark.parametrize(
    "stored",
    [
        row("a"),
        later("a", NOW + 1),
        later("a", NOW - 1),
        row("a", worker="w", lease_until=NOW + 1),
        running("a"),
        done("a"),
        row("a", expires_at=NOW - 1),
        later("a", NOW + 1, expires_at=NOW + 1),
        done("a", purge_at=NOW + 9),
    ],
)
def test_nothing_is_left_of_a_row_in_any_place(driver, stored):
    put(driver, stored._replace(unique_key="k", key_held=2))
    driver.claim(claim(0, now=NOW))
    assert driver.erase(["a"], 1) == 1
    assert driver.load(["a"]) == [None]
    assert driver.scan(Page()) == []
    assert driver.scan(Available(NOW + 9)) == []
    assert driver.scan(Lapsed(NOW + 9, 9)) == []
    assert driver.scan(Expired(NOW + 9, 9)) == []
    assert driver.count(Page(), "state") == {}
    assert driver.claim(claim(worker="w", now=NOW + 9)) == ([], None)
    assert driver.erase(Finished("succeeded", NOW + 9), 9) == 0
    assert driver.erase(Overdue(NOW + 9), 9) == 0
    [again] = put(driver, stored._replace(unique_key="k", key_held=2, payload="new"))
    assert again.payload == "new"


def test_a_lock_goes_with_its_row(driver):
    put(driver, row("a"))
    driver.hold([lock("a", "w2", until=NOW + 99)])
    driver.erase(["a"], 1)
    put(driver, row("a"))
    assert ids(driver.claim(claim(worker="w1", now=NOW)).rows) == ["a"]


def test_finished_rows_of_a_state_up_to_a_time(driver):
    put(
        driver,
        done("old", NOW - 1),
        done("just", NOW),
        done("young", NOW + 1),
        done("failed", NOW - 9, state="failed"),
        row("waiting"),
        running("busy"),
    )
    assert driver.erase(Finished("succeeded", NOW), 10) == 2
    assert ids(everything(driver)) == ["young", "failed", "waiting", "busy"]
    assert driver.erase(Finished("failed", NOW), 10) == 1
    assert driver.erase(Finished("deleted", NOW), 10) == 0


def test_longest_finished_first(driver):
    put(driver, done("b", NOW - 1), done("a", NOW - 3), done("c", NOW - 2), done("d", NOW - 3))
    assert driver.erase(Finished("succeeded", NOW), 3) == 3
    assert ids(everything(driver)) == ["b"]


def test_a_limit_of_none_at_all(driver):
    put(driver, done("a"))
    assert driver.erase(Finished("succeeded", NOW), 0) == 0
    assert driver.erase(["a"], 0) == 0
    assert ids(everything(driver)) == ["a"]


def test_a_row_of_the_state_without_a_time_is_not_finished(driver):
    put(driver, done("a", finished_at=None))
    assert driver.erase(Finished("succeeded", NOW), 9) == 0


def test_what_counts_is_when_it_finished_last(driver):
    [a] = put(driver, row("a", state="succeeded", finished_at=NOW - 5))
    driver.swap([move(a, state="deleted", finished_at=NOW + 5)])
    assert driver.erase(Finished("succeeded", NOW), 9) == 0
    assert driver.erase(Finished("deleted", NOW + 4), 9) == 0
    assert driver.erase(Finished("deleted", NOW + 5), 9) == 1


def test_a_row_that_came_back_is_not_finished(driver):
    [a] = put(driver, done("a", NOW - 5, state="failed"))
    driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)])
    assert driver.erase(Finished("failed", NOW), 9) == 0
    assert ids(driver.claim(claim()).rows) == ["a"]
