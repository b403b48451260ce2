"""purge_at and Overdue: rows that have a time of their own to go, and go by no other."""

import pytest

from qml.seam.rows import Finished, Overdue, Page, Verdict

from .making import NOW, claim, done, everything, ids, move, put, rewrite, row, running

DONE = Verdict.DONE


def test_rows_go_at_their_own_time(driver):
    put(
        driver,
        done("past", purge_at=NOW - 1),
        done("just", purge_at=NOW),
        done("young", purge_at=NOW + 1),
        done("as others"),
        row("waiting"),
        running("busy"),
    )
    assert driver.erase(Overdue(NOW), 10) == 2
    assert ids(everything(driver)) == ["young", "as others", "waiting", "busy"]
    assert driver.erase(Overdue(NOW), 10) == 0
    assert driver.erase(Overdue(NOW + 1), 10) == 1


@pytest.mark.parametrize("state", ["succeeded", "failed", "deleted"])
def test_of_any_state(driver, state):
    put(driver, done("a", state=state, purge_at=NOW))
    assert driver.erase(Overdue(NOW), 10) == 1


def test_longest_overdue_first(driver):
    put(
        driver,
        done("b", purge_at=NOW - 1),
        done("a", purge_at=NOW - 3),
        done("c", purge_at=NOW - 2),
        done("d", purge_at=NOW - 3),
        done("e", purge_at=NOW - 1),
    )
    assert driver.erase(Overdue(NOW), 0) == 0
    assert driver.erase(Overdue(NOW), 1) == 1
    assert ids(everything(driver)) == ["b", "c", "d", "e"]
    assert driver.erase(Overdue(NOW), 3) == 3
    assert ids(everything(driver)) == ["e"]


def test_the_retention_of_the_state_is_not_theirs(driver):
    """Neither a longer one nor a shorter one."""
    put(
        driver,
        done("longer", NOW - 9, purge_at=NOW + 9),
        done("shorter", NOW + 9, purge_at=NOW - 9),
        done("as others", NOW - 9),
    )
    assert driver.erase(Finished("succeeded", NOW), 10) == 1
    assert ids(everything(driver)) == ["longer", "shorter"]
    assert driver.erase(Finished("succeeded", NOW + 99), 10) == 0
    assert driver.erase(Overdue(NOW), 10) == 1
    assert ids(everything(driver)) == ["longer"]


def test_rows_with_a_time_of_their_own_hide_none_that_are_to_go(driver):
    put(driver, *(done(f"own {number}", NOW - 99, purge_at=NOW + 99) for number in range(30)))
    put(driver, done("a", NOW - 1), done("b", NOW - 2))
    assert driver.erase(Finished("succeeded", NOW), 1) == 1
    assert driver.load(["a", "b"])[1] is None


def test_a_move_sets_it(driver):
    [a, b, c] = put(driver, running("a"), running("b"), running("c"))
    assert driver.swap([move(a, finished_at=NOW, purge_at=NOW + 5)]) == [DONE]
    both = [move(b, finished_at=NOW, purge_at=NOW + 7), move(c, finished_at=NOW)]
    assert driver.swap(both) == [DONE, DONE]  # a batch takes another way in some drivers
    assert [one.purge_at for one in driver.load(["a", "b", "c"])] == [NOW + 5, NOW + 7, None]
    assert driver.erase(Overdue(NOW + 6), 10) == 1
    assert driver.erase(Finished("succeeded", NOW), 10) == 1
    assert ids(everything(driver)) == ["b"]
    assert driver.erase(Overdue(NOW + 7), 10) == 1


def test_a_move_clears_it(driver):
    """As of a job that is enqueued again."""
    [a, _] = put(driver, done("a", purge_at=NOW), done("b", purge_at=NOW))
    again = {"state": "enqueued", "due_at": 0, "finished_at": None}
    assert driver.swap([move(a, **again)]) == [DONE]
    assert driver.load(["a"])[0].purge_at is None
    assert driver.erase(Overdue(NOW), 10) == 1
    assert ids(driver.claim(claim()).rows) == ["a"]
    assert driver.load(["b"]) == [None]


@pytest.mark.parametrize("company", [0, 2])
@pytest.mark.parametrize("moment", [None, NOW + 7])
def test_an_end_of_a_claim_writes_over_what_was_there(driver, company, moment):
    """Ends have a way of their own in some drivers, alone and in batches."""
    [a] = put(driver, running("a", purge_at=NOW))
    others = put(driver, *(running(f"other {number}") for number in range(company)))
    assert driver.swap([move(a, purge_at=moment), *map(move, others)]) == [DONE] * (1 + company)
    assert driver.load(["a"])[0].purge_at == moment
    assert driver.erase(Overdue(NOW + 6), 10) == 0
    assert driver.erase(Overdue(NOW + 7), 10) == (0 if moment is None else 1)


def test_a_move_that_was_not_done_sets_nothing(driver):
    [a] = put(driver, running("a"))
    stale = move(a._replace(version=9), purge_at=NOW)
    assert driver.swap([stale]) == [Verdict.STALE]
    assert driver.swap([stale, stale]) == [Verdict.STALE] * 2
    assert driver.load(["a"]) == [a]
    assert driver.erase(Overdue(NOW + 9), 10) == 0


def test_a_rewrite_sets_changes_and_clears_it(driver):
    [a] = put(driver, done("a", NOW - 50))
    for moment in (NOW + 9, NOW + 5, None, NOW + 7):
        assert driver.swap([rewrite(a, purge_at=moment)]) == [DONE]
        [a] = driver.load(["a"])
        assert a.purge_at == moment
        assert driver.erase(Overdue(NOW + 4), 10) == 0
    assert driver.erase(Finished("succeeded", NOW), 10) == 0
    assert driver.erase(Overdue(NOW + 6), 10) == 0
    assert driver.erase(Overdue(NOW + 7), 10) == 1


def test_a_rewrite_gives_a_row_back_to_the_retention_of_its_state(driver):
    [a] = put(driver, done("a", NOW - 50, purge_at=NOW - 9))
    assert driver.swap([rewrite(a, purge_at=None)]) == [DONE]
    assert driver.erase(Overdue(NOW), 10) == 0
    assert driver.erase(Finished("succeeded", NOW - 51), 10) == 0
    assert driver.erase(Finished("succeeded", NOW - 50), 10) == 1


def test_a_claim_leaves_it(driver):
    """Rules give none to a row that waits; a driver does not ask."""
    put(driver, row("a", purge_at=NOW))
    [a] = driver.claim(claim(now=NOW)).rows
    assert a.purge_at == NOW
    assert driver.load(["a"]) == [a]


def test_nothing_is_left_of_an_overdue_row(driver):
    stored = done("a", purge_at=NOW, expires_at=NOW, unique_key="k", key_held=2)
    put(driver, stored)
    assert driver.erase(Overdue(NOW), 1) == 1
    assert driver.load(["a"]) == [None]
    assert driver.scan(Page()) == []
    assert driver.count(Page(), "state") == {}
    assert driver.erase(Finished("succeeded", NOW + 9), 9) == 0
    assert driver.erase(Overdue(NOW + 9), 9) == 0
    [again] = put(driver, stored._replace(payload="new", notes="new"))
    assert (again.payload, again.notes) == ("new", "new")


def test_a_row_erased_by_its_id_is_not_overdue(driver):
    put(driver, done("a", purge_at=NOW))
    assert driver.erase(["a"], 1) == 1
    put(driver, done("a"))
    assert driver.erase(Overdue(NOW + 9), 9) == 0
    assert ids(everything(driver)) == ["a"]


def test_many_go_in_steps(driver):
    put(driver, *(done(str(number), purge_at=NOW - number % 7) for number in range(300)))
    assert [driver.erase(Overdue(NOW), 120) for _ in range(4)] == [120, 120, 60, 0]
    assert everything(driver) == []
