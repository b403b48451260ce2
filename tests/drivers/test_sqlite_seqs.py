"""The numbers of rows on SQLite: each is given once, whatever is erased, and whatever is lost."""

import random

import pytest

from qml.drivers.sqlite import SqliteDriver
from qml.seam.rows import Finished
from qml.values.config import SqliteConfig
from tests.work.support import other_connection

from .making import NOW, done, everything, ids, move, put, row, running


@pytest.fixture
def driver(tmp_path):
    driver = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db"))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def other(tmp_path, driver):
    with other_connection(tmp_path / "jobs.db", timeout=0) as other:
        yield other


def alone(other):
    """The payloads without a row."""
    return other.execute(
        "SELECT seq, body, notes FROM qml_payloads WHERE seq NOT IN (SELECT seq FROM qml_jobs)"
    ).fetchall()


def test_law13_an_erased_row_leaves_its_number_at_most(driver, other):
    put(driver, *(row(name, payload="p" * 9, notes="n") for name in "abc"), done("old", notes="n"))
    driver.erase(["a", "b"], 9)
    assert alone(other) == []
    driver.erase(Finished("succeeded", NOW), 9)
    assert alone(other) == [(4, "", "")]
    put(driver, row("d"))
    driver.erase(["d"], 9)
    assert alone(other) == [(5, "", "")]
    [e] = put(driver, row("e"))
    assert e.seq == 6


@pytest.mark.parametrize("seed", range(20))
def test_a_number_is_given_once_whatever_is_erased(driver, other, seed):
    chance, highest, there = random.Random(seed), 0, []
    for step in range(40):
        names = [f"{step}.{number}" for number in range(chance.choice((1, 1, 2, 5)))]
        seqs = driver.insert([row(name) for name in names]).seqs
        assert seqs == sorted(set(seqs))
        assert seqs[0] > highest
        highest = seqs[-1]
        there += names
        while there and chance.random() < 0.6:
            newest = there[-chance.randint(1, len(there)) :]
            gone = newest if chance.random() < 0.5 else chance.sample(there, len(newest))
            assert driver.erase(gone, 99) == len(gone)
            there = [name for name in there if name not in gone]
        left = alone(other)
        assert len(left) <= len(there) + 1
        assert {texts for _, *texts in map(tuple, left) for texts in [tuple(texts)]} <= {("", "")}
    assert sorted(ids(everything(driver))) == sorted(there)


@pytest.mark.parametrize("many", [1, 2, 5])
@pytest.mark.parametrize("lost", [1, 3])
def test_where_payloads_were_lost_numbers_grow_all_the_same(driver, other, lost, many):
    put(driver, *(row(name, payload=name) for name in "abcd"))
    other.execute("DELETE FROM qml_payloads WHERE seq > ?", (4 - lost,))
    new = put(driver, *(row(f"new{number}", payload=f"p{number}") for number in range(many)))
    assert [one.payload for one in new] == [f"p{number}" for number in range(many)]
    assert [one.seq for one in new] == sorted(one.seq for one in new)
    assert new[0].seq > 4
    found = driver.load([*"abcd"])
    assert [one.payload for one in found] == [*"abcd"[: 4 - lost], *[None] * lost]
    [last] = put(driver, row("last"))
    assert last.seq > new[-1].seq


def test_where_payloads_were_lost_a_follower_is_stored(driver, other):
    [held] = put(driver, running("a"))
    other.execute("DELETE FROM qml_payloads")
    driver.swap([move(held, then=[row("b", payload="p")])])
    assert [(one.id, one.payload) for one in everything(driver)] == [("a", None), ("b", "p")]
