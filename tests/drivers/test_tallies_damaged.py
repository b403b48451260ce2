"""A list of tallies that is damaged names none, and stops no other row."""

import pytest

from qml.seam.rows import Verdict
from qml.seam.tallies import Parents, Tally

from .making import finish, member, move, put, row, running, taken, waiter

DAMAGE = ["", "x", "{}", "5", "null", '"t"', "[", "[null]", '["t"', '["\\ud800"]', "[" * 10_000]


@pytest.mark.parametrize("counts", DAMAGE, ids=range(len(DAMAGE)))
def test_what_is_no_list_of_tallies_stops_nothing(driver, counts):
    put(driver, row("a", counts=counts), row("b", counts=counts), row("c", counts='["t"]'))
    put(driver, running("d", counts=counts), member("e"), waiter("w"))
    assert driver.tally("t", False) == Tally(2, False, 0)
    ends = [move(stored) for stored in driver.load(["a", "c", "d"])]
    assert driver.swap(ends) == [Verdict.DONE] * 3
    assert driver.tally("t") == Tally(1, False, 0)
    assert driver.erase(["b", "e"], 9) == 2
    assert taken(driver) == ["w"]
    assert [stored.counts for stored in driver.load(["a", "d"])] == [counts] * 2
    finish(driver, "a")  # once more, as another state may be told


@pytest.mark.parametrize("counts", DAMAGE, ids=range(len(DAMAGE)))
def test_a_parent_whose_list_is_damaged_counts_for_its_child(driver, counts):
    put(driver, row("p", counts=counts))
    assert driver.insert([waiter("c", "job/c")], None, [Parents(0, ("p",))]).obstacles == []
    assert taken(driver) == ["p"]
    finish(driver, "p")
    assert taken(driver) == ["c"]
