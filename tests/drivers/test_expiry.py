"""expires_at and Expired: what waited for too long is found, earliest expiry first."""

import pytest

from qml.seam.rows import Expired, Verdict

from .making import (
    NOW,
    claim,
    done,
    everything,
    ids,
    later,
    lock,
    move,
    put,
    renewal,
    rewrite,
    row,
    running,
)

DONE = Verdict.DONE


def expired(driver, now=NOW, limit=10):
    return ids(driver.scan(Expired(now, limit)))


def test_earliest_expiry_first_whatever_priority_and_time(driver):
    put(
        driver,
        row("a", expires_at=NOW - 1, priority=9),
        row("b", expires_at=NOW - 3),
        later("c", NOW + 1_000, expires_at=NOW - 2),
        row("d", expires_at=NOW),
        row("young", expires_at=NOW + 1),
        row("ever"),
    )
    rows = driver.scan(Expired(NOW, 10))
    assert ids(rows) == ["b", "c", "a", "d"]
    assert rows == driver.load(ids(rows))
    assert expired(driver, limit=2) == ["b", "c"]
    assert expired(driver, limit=0) == []
    assert expired(driver, NOW - 3) == ["b"]
    assert expired(driver, NOW - 4) == []


def test_of_equal_times_the_first_stored_is_first(driver):
    put(driver, *(row(name, expires_at=NOW - 1) for name in "cabd"))
    assert expired(driver) == ["c", "a", "b", "d"]
    assert expired(driver, limit=3) == ["c", "a", "b"]


def test_only_what_waits_expires(driver):
    """A run that began in time may go on, and what has ended has ended."""
    late = {"expires_at": NOW - 1}
    put(
        driver,
        running("running", **late),
        running("rescued by nobody", lease_until=None, **late),
        done("done", **late),
        row("never due", due_at=None, **late),
        row("waiting", **late),
    )
    assert expired(driver) == ["waiting"]


def test_a_claim_takes_what_has_expired_and_tells_when_it_did(driver):
    """Whether it is run is the rules' business."""
    put(driver, row("a", expires_at=NOW - 5), later("b", NOW, expires_at=NOW + 5), row("c"))
    taken = driver.claim(claim(now=NOW)).rows
    assert [(one.id, one.expires_at) for one in taken] == [
        ("a", NOW - 5),
        ("b", NOW + 5),
        ("c", None),
    ]
    assert driver.load(["a", "b", "c"]) == taken
    assert expired(driver, NOW + 9) == []


def test_a_retry_is_found_again(driver):
    put(driver, row("a", expires_at=NOW + 5))
    [a] = driver.claim(claim(now=NOW)).rows
    assert driver.hold([renewal(a, NOW + 99)]) == [DONE]
    assert expired(driver, NOW + 9) == []
    again = move(a, state="awaiting_retry", due_at=NOW + 50, finished_at=None)
    assert driver.swap([again]) == [DONE]
    assert driver.load(["a"])[0].expires_at == NOW + 5
    assert expired(driver, NOW + 4) == []
    assert expired(driver, NOW + 5) == ["a"]
    assert driver.claim(claim(0, now=NOW + 51)).rows == []  # it ripens
    assert expired(driver, NOW + 51) == ["a"]


def test_what_ended_is_found_no_more(driver):
    [a, b] = put(driver, row("a", expires_at=NOW), later("b", NOW + 9, expires_at=NOW))
    ends = [move(one, state="deleted", due_at=None) for one in (a, b)]
    assert driver.swap(ends) == [DONE, DONE]
    assert expired(driver) == []
    assert [one.expires_at for one in driver.load(["a", "b"])] == [NOW, NOW]


def test_an_end_that_is_undone_is_found_again(driver):
    [a] = put(driver, done("a", expires_at=NOW))
    assert expired(driver) == []
    assert driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    assert expired(driver) == ["a"]


@pytest.mark.parametrize("make", [row, lambda id, **columns: later(id, NOW + 50, **columns)])
def test_a_rewrite_sets_changes_and_clears_it(driver, make):
    [a] = put(driver, make("a"))
    for moment in (NOW - 1, NOW - 7, NOW + 1, NOW, None, NOW - 2):
        assert driver.swap([rewrite(a, expires_at=moment)]) == [DONE]
        [a] = driver.load(["a"])
        assert a.expires_at == moment
        assert expired(driver) == (["a"] if moment is not None and moment <= NOW else [])
        assert expired(driver, NOW - 3) == (["a"] if moment == NOW - 7 else [])


def test_what_is_locked_is_found_too(driver):
    """Whether to leave it to its holder is the rules' business."""
    put(driver, row("a", expires_at=NOW))
    driver.hold([lock("a", "w1", until=NOW + 50)])
    assert expired(driver) == ["a"]
    assert driver.let_go("a", "w1", NOW + 1) is DONE
    assert expired(driver) == ["a"]


def test_an_erased_row_is_found_no_more(driver):
    put(driver, row("a", expires_at=NOW), row("b", expires_at=NOW))
    driver.erase(["a"], 1)
    assert expired(driver) == ["b"]
    put(driver, row("a"))
    assert expired(driver) == ["b"]


def test_looking_for_expired_rows_changes_nothing(driver):
    put(driver, row("a", expires_at=NOW), later("b", NOW - 1, expires_at=NOW))
    before = everything(driver)
    driver.scan(Expired(NOW, 1))
    assert everything(driver) == before
    assert driver.claim(claim(0, now=NOW - 2)).next_due == NOW - 1


def test_times_of_the_year_9999_expire_after_all_others(driver):
    far = 253_402_300_799_999_999
    put(driver, row("far", expires_at=far), row("near", expires_at=NOW))
    assert expired(driver, far - 1) == ["near"]
    assert expired(driver, far) == ["near", "far"]


def test_many_that_expired_are_found_in_steps(driver):
    put(driver, *(row(str(number), expires_at=NOW - 400 + number) for number in range(400)))
    found = []
    while rows := driver.scan(Expired(NOW, 150)):
        assert driver.swap([move(one, state="deleted") for one in rows]) == [DONE] * len(rows)
        found += ids(rows)
    assert found == [str(number) for number in range(400)]
