"""insert(rows, record): rows and a record move together, or neither does."""

import threading

import pytest

from qml.seam.rows import Inserted, Obstacle, Record, Verdict, Write

from .making import NOW, claim, everything, ids, later, put, row
from .test_life import in_threads

DONE, STALE = Verdict.DONE, Verdict.STALE

STALE_RECORD = Inserted([], [Obstacle(-1, "record", "r")])


def test_rows_and_a_new_record(driver):
    seqs, obstacles = driver.insert([row("b"), row("a")], Write("r", "one", 0))
    assert obstacles == []
    stored = everything(driver)
    assert [one.seq for one in stored] == seqs
    assert [one._replace(seq=None) for one in stored] == [row("b"), row("a")]
    assert driver.read("r") == Record("r", 1, "one")
    assert driver.list("") == [Record("r", 1, "one")]
    assert ids(driver.claim(claim()).rows) == ["b", "a"]


def test_rows_and_the_next_version_of_a_record(driver):
    driver.write("other", "{}", 0)
    for version in range(3):
        assert driver.insert([row(str(version))], Write("r", f"body {version}", version))[1] == []
        assert driver.read("r") == Record("r", version + 1, f"body {version}")
    assert ids(everything(driver)) == ["0", "1", "2"]
    assert driver.read("other") == Record("other", 1, "{}")


def test_a_record_without_rows(driver):
    assert driver.insert([], Write("r", "one", 0)) == Inserted([], [])
    assert driver.insert([], Write("r", "two", 1)) == Inserted([], [])
    assert driver.read("r") == Record("r", 2, "two")
    assert driver.insert([], Write("r", "late", 1)) == STALE_RECORD
    assert driver.read("r") == Record("r", 2, "two")
    assert everything(driver) == []


def test_neither_rows_nor_a_record(driver):
    assert driver.insert([], None) == Inserted([], [])
    assert driver.insert([]) == Inserted([], [])


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_a_stale_record_stops_the_rows(driver, expected):
    driver.write("r", "one", 0)
    driver.write("r", "two", 1)
    assert driver.insert([row("a"), row("b")], Write("r", "late", expected)) == STALE_RECORD
    assert everything(driver) == []
    assert driver.read("r") == Record("r", 2, "two")
    assert driver.claim(claim()) == ([], None)


@pytest.mark.parametrize("expected", [1, 5])
def test_a_record_that_is_not_there_has_no_version_but_0(driver, expected):
    assert driver.insert([row("a")], Write("r", "late", expected)) == STALE_RECORD
    assert everything(driver) == []
    assert driver.read("r") is None


def test_a_record_that_was_removed_begins_anew(driver):
    driver.write("r", "one", 0)
    driver.write("r", None, 1)
    assert driver.insert([row("a")], Write("r", "late", 1)) == STALE_RECORD
    assert driver.insert([row("a")], Write("r", "again", 0)).obstacles == []
    assert driver.read("r") == Record("r", 1, "again")


def test_rows_that_cannot_be_stop_the_record(driver):
    driver.write("r", "one", 0)
    put(driver, row("a"), row("b", unique_key="k"))
    batch = [row("new"), row("a"), row("c", unique_key="k"), row("new")]
    assert driver.insert(batch, Write("r", "two", 1)) == Inserted(
        [], [Obstacle(1, "id", "a"), Obstacle(2, "key", "b"), Obstacle(3, "id", "new")]
    )
    assert ids(everything(driver)) == ["a", "b"]
    assert driver.read("r") == Record("r", 1, "one")
    assert driver.insert([row("a")], Write("new", "one", 0)).obstacles == [Obstacle(0, "id", "a")]
    assert driver.read("new") is None


def test_a_stale_record_is_the_one_obstacle(driver):
    put(driver, row("a"), row("b", unique_key="k"))
    batch = [row("a"), row("c", unique_key="k"), row("d")]
    assert driver.insert(batch, Write("r", "late", 4)) == STALE_RECORD
    assert ids(everything(driver)) == ["a", "b"]


def test_what_was_refused_leaves_nothing_in_the_way(driver):
    assert driver.insert([row("a", unique_key="k")], Write("r", "x", 1)) == STALE_RECORD
    put(driver, row("b", unique_key="k"), row("a"))


def test_write_and_insert_share_one_version(driver):
    driver.insert([row("a")], Write("r", "one", 0))
    assert driver.write("r", "late", 0) is STALE
    assert driver.write("r", "two", 1) is DONE
    assert driver.insert([row("b")], Write("r", "three", 2)).obstacles == []
    assert driver.write("r", None, 3) is DONE
    assert ids(everything(driver)) == ["a", "b"]


def test_rows_that_wait_and_hold_keys(driver):
    rows = [later("a", NOW + 5, expires_at=NOW + 9, notes="n"), row("b", unique_key="k")]
    assert driver.insert(rows, Write("r", "{}", 0)).obstacles == []
    assert [one._replace(seq=None) for one in everything(driver)] == rows
    assert driver.holder("k") == "b"
    assert driver.claim(claim(now=NOW)).next_due == NOW + 5


@pytest.mark.parametrize("body", ["", " ", "null", '{"a": "\\u0000 😀 \'"}', "x" * 100_000])
def test_bodies_and_names_are_kept_as_they_are(driver, body):
    name = f"schedule/a%_'{body[:9]}"
    assert driver.insert([row("a")], Write(name, body, 0)).obstacles == []
    assert driver.read(name) == Record(name, 1, body)
    assert driver.insert([row("b")], Write(name, body, 0)).obstacles == [
        Obstacle(-1, "record", name)
    ]


def test_a_big_batch_with_a_record(driver):
    """More rows than a database has parameters for one statement."""
    many = [row(f"job {number}") for number in range(3_000)]
    assert len(driver.insert(many, Write("r", "{}", 0)).seqs) == 3_000
    assert driver.read("r") == Record("r", 1, "{}")
    assert driver.insert([row("x"), *many], Write("r", "{}", 1)).obstacles[0] == Obstacle(
        1, "id", "job 0"
    )
    assert driver.read("r").version == 1


def test_of_many_hands_one_has_each_version(driver):
    """As schedulers of many servers at one tick: whoever is second stores nothing."""

    def work(number):
        won = 0
        for tick in range(25):
            jobs = [row(f"{tick} of {number}"), row(f"{tick} of {number} too")]
            inserted = driver.insert(jobs, Write("r", f"{tick} {number}", tick))
            assert inserted.obstacles in ([], [Obstacle(-1, "record", "r")])
            won += not inserted.obstacles
            assert driver.read("r").version > tick
        return won

    assert sum(in_threads(4, work)) == 25
    stored = ids(everything(driver))
    assert len(stored) == 50
    assert [name.split()[0] for name in stored] == [str(tick) for tick in range(25) for _ in "ab"]
    assert driver.read("r").version == 25


def test_onlookers_see_the_record_and_its_rows_at_once(driver):
    """The record is looked at first: who sees it must find its rows."""
    stop = threading.Event()

    def look():
        while not stop.is_set():
            record = driver.read("r")
            if record is not None:
                assert None not in driver.load([f"{record.version} {side}" for side in "ab"])

    def work(number):
        if number:
            return look()
        try:
            for tick in range(40):
                jobs = [row(f"{tick + 1} {side}") for side in "ab"]
                assert driver.insert(jobs, Write("r", "{}", tick)).obstacles == []
        finally:
            stop.set()
        return None

    in_threads(2, work)
