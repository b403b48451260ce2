"""Batches whose order matters: one statement would carry them out in the order of their ids."""

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import KEY_FREE, KEY_UNTIL_FINAL, Verdict

from . import postgres_store
from .making import NOW, claim, lock, move, put, renewal, rewrite, row

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


@pytest.fixture
def driver(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path))
    driver.install()
    yield driver
    driver.close()


def taking(stored):
    return move(stored, key_held=KEY_UNTIL_FINAL)


def freeing(stored):
    return move(stored, key_held=KEY_FREE)


@pytest.mark.parametrize("holder", ["a", "c"])
@pytest.mark.parametrize("between", [0, 3])
def test_who_asks_before_the_holder_lets_go_is_refused(driver, holder, between):
    [held] = put(driver, row(holder, unique_key="k"))
    [b] = put(driver, row("b", unique_key="k", key_held=KEY_FREE))
    others = [move(r) for r in put(driver, *(row(str(each)) for each in range(between)))]
    assert driver.swap([taking(b), *others, freeing(held)]) == [TAKEN, *[DONE] * (between + 1)]
    assert driver.swap([taking(b)]) == [DONE]


@pytest.mark.parametrize("holder", ["a", "c"])
def test_who_asks_after_the_holder_let_go_is_not(driver, holder):
    [held] = put(driver, row(holder, unique_key="k"))
    [b] = put(driver, row("b", unique_key="k", key_held=KEY_FREE))
    assert driver.swap([freeing(held), taking(b)]) == [DONE, DONE]
    assert driver.holder("k") == "b"


def test_the_first_who_asks_gets_it(driver):
    names = ("c", "a", "b")
    rows = put(driver, *(row(name, unique_key="k", key_held=KEY_FREE) for name in names))
    assert driver.swap([taking(r) for r in rows]) == [DONE, TAKEN, TAKEN]
    assert driver.holder("k") == "c"


def test_two_that_change_keys(driver):
    a, b = put(driver, row("a", unique_key="k"), row("b", unique_key="l"))
    changes = [rewrite(a, unique_key="l"), rewrite(b, unique_key="k")]
    assert driver.swap(changes) == [TAKEN, TAKEN]
    changes = [rewrite(a, unique_key="m"), rewrite(b, unique_key="k")]
    assert driver.swap(changes) == [DONE, DONE]


def test_rewrites_that_keep_their_keys_are_one_batch(driver):
    rows = put(driver, *(row(str(each), unique_key=str(each)) for each in range(5)))
    assert driver.swap([rewrite(r, metadata="new") for r in rows]) == [DONE] * 5


def test_moves_and_rewrites_in_turn(driver):
    [a] = put(driver, row("a"))
    changes = [
        move(a, detail="first"),
        rewrite(a._replace(version=1), detail="second"),
        move(a._replace(version=1)),
        move(row("x", seq=1)),
        rewrite(a._replace(version=2), detail="last"),
    ]
    assert driver.swap(changes) == [DONE, DONE, STALE, GONE, DONE]
    assert driver.load(["a"])[0].detail == "last"


def test_holds_of_one_row_in_turn(driver):
    put(driver, row("a"), row("b"))
    [a] = driver.claim(claim(1, now=NOW, lease=10)).rows
    orders = [
        lock("a", "w2", now=NOW + 10, until=NOW + 20),
        renewal(a, NOW + 99),
        lock("a", "w3", now=NOW + 10),
        lock("b", "w2", now=NOW, until=NOW + 5),
        lock("b", "w3", now=NOW + 5, until=NOW + 9),
    ]
    assert driver.hold(orders) == [DONE, STALE, STALE, DONE, DONE]
    assert driver.load(["a"])[0].fence == a.fence + 1
