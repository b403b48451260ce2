"""Two things in one step beside others at the same time: rows with a record, an end with what
follows on it."""

import contextlib
import threading

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import Obstacle, Record, Verdict, Write

from .making import NOW, claim, everything, ids, move, put, renewal, row
from .postgres_clients import (
    CLIENTS,
    config,
    deadlocks,
    driver,
    drivers,
    other,
    repeatable,
    schema,
    until_somebody_waits,
)
from .test_life import in_threads

__all__ = ["config", "driver", "drivers", "other", "schema"]  # fixtures

DONE, STALE, GONE = Verdict.DONE, Verdict.STALE, Verdict.GONE
LATE = [Obstacle(-1, "record", "r")]


@pytest.fixture
def begun():
    """A function: do it in a thread until it waits for another's lock; what it is to bring."""
    threads = []

    def begin(work):
        got = []
        threads.append(threading.Thread(target=lambda: got.append(work())))
        threads[-1].start()
        until_somebody_waits()
        assert got == []
        return lambda: (threads[-1].join(), got[0])[1]

    yield begin
    for thread in threads:
        thread.join()


# -- rows with a record ------------------------------------------------------------------------


def slot(number, by="", rows=2):
    """What each client makes of a slot: the same ids, as of a schedule, or its own."""
    return [row(f"slot {number} {each}{by}") for each in range(rows)]


@pytest.mark.parametrize("own_ids", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_each_slot_is_issued_by_one_of_many(drivers, own_ids, rows):
    """From the first, of which there is no record yet."""

    def work(number):
        won = []
        for version in range(12):
            made = slot(version, f" by {number}" if own_ids else "", rows)
            seqs, obstacles = drivers[number].insert(made, Write("r", f"{number}", version))
            assert obstacles in ([], LATE)
            if not obstacles:
                assert len(seqs) == rows
                won.append(version)
        return won

    won = [version for versions in in_threads(CLIENTS, work) for version in versions]
    stored = everything(drivers[0])
    assert len({r.id.split()[1] for r in stored}) == len(set(won)) * bool(rows)
    assert len(stored) == rows * len(won)
    assert sorted(won) == list(range(len(won)))
    assert drivers[0].read("r").version == len(won)


@pytest.mark.parametrize("expected", [0, 1])
@pytest.mark.parametrize("rows", [0, 2])
def test_who_comes_second_waits_for_the_first_and_stores_nothing(
    driver, schema, other, begun, expected, rows
):
    if expected:
        driver.write("r", "old", 0)
    other.cursor().execute(
        f"INSERT INTO {schema}.qml_records VALUES ('r', 1, 'first', 0) "
        "ON CONFLICT (name) DO UPDATE SET version = 2, body = 'first'"
    )
    answer = begun(lambda: driver.insert(slot(0, rows=rows), Write("r", "second", expected)))
    other.commit()
    assert answer() == ([], LATE)
    assert everything(driver) == []
    assert driver.read("r") == Record("r", expected + 1, "first")


@pytest.mark.parametrize("expected", [0, 1])
def test_who_comes_second_is_the_first_if_the_other_gives_up(
    driver, schema, other, begun, expected
):
    if expected:
        driver.write("r", "old", 0)
    other.cursor().execute(
        f"INSERT INTO {schema}.qml_records VALUES ('r', 1, 'first', 0) "
        "ON CONFLICT (name) DO UPDATE SET version = 2"
    )
    answer = begun(lambda: driver.insert(slot(0), Write("r", "second", expected)))
    other.rollback()
    assert answer().obstacles == []
    assert len(everything(driver)) == 2
    assert driver.read("r") == Record("r", expected + 1, "second")


def test_the_record_is_left_when_another_is_faster_with_an_id(driver, schema, other, begun):
    """Not seen when the statement began: the record is written by then, and has to go back."""
    driver.write("r", "old", 0)
    put(driver, row("a"))
    other.cursor().execute(f"UPDATE {schema}.qml_jobs SET id = 'b' WHERE id = 'a'")
    answer = begun(lambda: driver.insert([row("x"), row("b")], Write("r", "new", 1)))
    other.commit()
    assert answer() == ([], [Obstacle(1, "id", "b")])
    assert driver.read("r") == Record("r", 1, "old")
    assert ids(everything(driver)) == ["b"]


def test_a_record_that_is_removed_meanwhile_does_not_come_back(driver, schema, other, begun):
    driver.write("r", "old", 0)
    other.cursor().execute(f"DELETE FROM {schema}.qml_records")
    answer = begun(lambda: driver.insert([row("a")], Write("r", "new", 1)))
    other.commit()
    assert answer() == ([], LATE)
    assert (driver.read("r"), everything(driver)) == (None, [])


# -- an end with what follows on it ------------------------------------------------------------


def test_one_of_many_ends_a_claim_and_what_follows_comes_once(drivers):
    put(drivers[0], *(row(f"{number:02}") for number in range(20)))
    rows = drivers[0].claim(claim(20, now=NOW)).rows
    before = deadlocks()

    def work(number):
        part = rows[number:] + rows[:number]
        ends = [move(r, then=(row(f"after {r.id}"), row(f"and {r.id}"))) for r in part]
        return drivers[number].swap(ends).count(DONE)

    assert sum(in_threads(CLIENTS, work)) == 20
    assert len(everything(drivers[0])) == 60
    assert deadlocks() == before


def test_nothing_follows_on_an_end_that_comes_second(driver, schema, other, begun):
    a, b = put(driver, row("a"), row("b"))
    other.cursor().execute(f"UPDATE {schema}.qml_jobs SET version = 1 WHERE id = 'a'")
    ends = [move(r, then=(row(f"after {r.id}"),)) for r in (b, a)]
    answer = begun(lambda: driver.swap(ends))
    other.commit()
    assert answer() == [DONE, STALE]
    assert ids(everything(driver)) == ["a", "b", "after b"]


@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_an_id_that_another_is_just_taking(driver, schema, other, begun, ending):
    a, _ = put(driver, row("a"), row("x"))
    other.cursor().execute(f"UPDATE {schema}.qml_jobs SET id = 'b' WHERE id = 'x'")
    answer = begun(lambda: driver.swap([move(a, then=(row("b"), row("c")))]))
    getattr(other, ending)()
    assert answer() == [DONE]
    assert len(everything(driver)) == (3 if ending == "commit" else 4)


def test_a_ring_of_those_who_wait_for_ids_is_tried_again(driver, schema, other, begun):
    """No two jobs of qml have the same one following; but ids are free."""
    a, x, y = put(driver, row("a"), row("x"), row("y"))
    with other.cursor() as cursor:
        # It waits longer for its own turn to look for a deadlock, so it is not the one that ends.
        cursor.execute("SET deadlock_timeout = '60s'")
        cursor.execute(f"UPDATE {schema}.qml_jobs SET id = 'second' WHERE id = 'y'")
        answer = begun(lambda: driver.swap([move(a, then=(row("first"), row("second")))]))
        cursor.execute(f"UPDATE {schema}.qml_jobs SET id = 'first' WHERE id = 'x'")
    other.commit()
    assert answer() == [DONE]
    assert ids(driver.load(["first", "second"])) == ["first", "second"]
    assert [r.seq for r in everything(driver)] == [a.seq, x.seq, y.seq]


def test_batches_that_go_one_by_one_take_what_follows_along(driver):
    """Since the order given matters: a key that is freed and taken, a row named twice."""
    a, b = put(driver, row("a", unique_key="k"), row("b", unique_key="k", key_held=0))
    changes = [
        move(b, key_held=2, then=(row("too early"),)),
        move(a, then=(row("after a"),)),
        move(b, key_held=2, then=(row("after b"),)),
        move(row("x", seq=1), then=(row("after x"),)),
    ]
    assert driver.swap(changes) == [Verdict.TAKEN, DONE, DONE, GONE]
    assert ids(everything(driver)) == ["a", "b", "after a", "after b"]
    [c, d] = put(driver, row("c", unique_key="l"), row("d", unique_key="l", key_held=0))
    changes = [move(c, then=(row("after c"),)), move(d, key_held=2, then=(row("after d"),))]
    assert driver.swap(changes) == [DONE, DONE]
    assert ids(everything(driver))[-2:] == ["after c", "after d"]


TEXTS = ('"', "\\", "{a,b}", "NULL", "", "\n\t\x01", "é👩", "%s %(id)s", "'", "\\u0041", "{}")


def test_what_follows_comes_as_it_was_given(driver):
    far = 253_402_300_799_999_999
    [a] = put(driver, row("a"))
    full = row(
        "b",
        **dict.fromkeys(("due_at", "finished_at", "purge_at", "expires_at", "lease_until"), far),
        **{"version": 2**53 + 1, "priority": -7, "timeout_seconds": 0.1 + 0.2, "max_retries": 0},
        **{"worker": "w", "locked_by": "v", "job_type": "t", "unique_key": "k", "key_held": 0},
    )
    rows = [
        row(f"{number}", payload=text, queue=text, notes=text, detail=text)
        for number, text in enumerate(TEXTS)
    ]
    assert driver.swap([move(a, then=(full, *rows))]) == [DONE]
    assert [r._replace(seq=None) for r in everything(driver)[1:]] == [full, *rows]
    assert ids(driver.claim(claim(99, now=NOW)).rows) == [r.id for r in rows]


# -- the transaction of a task -----------------------------------------------------------------


def test_a_task_ends_whose_lease_was_renewed_whatever_isolation_the_database_is_set_to(
    config, driver
):
    put(driver, row("a"))
    [a] = driver.claim(claim()).rows
    with contextlib.closing(PostgresDriver(repeatable(config))) as of_task:
        transaction = of_task.begin()
        transaction.connection.cursor().execute("SELECT 1")
        assert driver.hold([renewal(a, NOW + 99)]) == [DONE]
        assert transaction.swap([move(a)]) == [DONE]
        transaction.commit()
    assert driver.load(["a"])[0].state == "succeeded"
