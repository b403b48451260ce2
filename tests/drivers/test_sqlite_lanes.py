"""What SQLite keeps of lanes and tallies beside the rows: true whoever changes a row, and no more
than is needed; and what limits keep back costs a claim nothing."""

import pytest

from qml.drivers.sqlite import SqliteDriver
from qml.seam.rows import PAUSED, Verdict
from qml.seam.tallies import Tally
from qml.values.config import SqliteConfig
from tests.work.support import other_connection

from .making import (
    NOW,
    SECOND,
    claim,
    finish,
    limited,
    move,
    paced,
    put,
    renewal,
    row,
    running,
    taken,
)


@pytest.fixture
def driver(tmp_path):
    driver = SqliteDriver(SqliteConfig(path=tmp_path / "jobs.db"))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def other(tmp_path, driver):
    """Another's connection to the file, which knows nothing of lanes and tallies."""
    with other_connection(tmp_path / "jobs.db", timeout=5) as other:
        yield other


@pytest.fixture
def told(driver):
    """The statements that the driver's readers and writer are told, as they come."""
    statements = []
    for lend in (driver._connections.read, driver._connections.write):
        lend(lambda connection: connection.set_trace_callback(statements.append))
    return statements


def rows_of(other, table):
    return other.execute(f"SELECT * FROM {table}").fetchall()


def test_a_claim_does_not_look_at_what_is_kept_back(driver, told):
    put(driver, *(limited(str(number), f"k{number % 40}") for number in range(80)))
    assert len(taken(driver, 40)) == 40
    put(driver, row("plain"))
    told.clear()
    assert taken(driver) == ["plain"]
    assert not [text for text in told if "j.lane = " in text or "permit = " in text]


def test_where_all_is_kept_back_a_claim_does_not_take_the_write_lock(driver, told):
    put(driver, limited("a"), limited("b"), paced("c", gap=SECOND), paced("d", gap=SECOND))
    assert taken(driver) == ["a", "c"]
    told.clear()
    assert driver.claim(claim()) == ([], NOW + SECOND)
    assert driver.claim(claim(queues=("default", "other"))) == ([], NOW + SECOND)
    assert "BEGIN IMMEDIATE" not in told


def test_where_all_queues_are_paused_it_does_not_either(driver, told):
    put(driver, row("a"), limited("b"), row("c", queue="q"), limited("d", queue="q"))
    for queue in ("default", "q"):
        driver.write(PAUSED + queue, "{}", 0)
    told.clear()
    assert driver.claim(claim()) == driver.claim(claim(queues=("q",))) == ([], None)
    assert "BEGIN IMMEDIATE" not in told


def test_a_lane_without_ready_rows_is_forgotten(driver, other):
    put(driver, *(limited(name, name, permits=2) for name in "abc"), limited("d", "a", 2))
    assert len(rows_of(other, "qml_lanes")) == 3
    assert taken(driver) == ["a", "b", "c", "d"]
    assert driver.claim(claim()) == ([], None)
    assert rows_of(other, "qml_lanes") == []


def test_times_of_paces_that_are_over_are_forgotten(driver, other):
    put(driver, *(paced(str(number), f"p{number}", gap=SECOND) for number in range(60)))
    assert len(taken(driver, 50)) == 50
    assert len(rows_of(other, "qml_paces")) == 50
    for turn in range(10):
        assert len(taken(driver, 1, now=NOW + (turn + 2) * SECOND)) == 1
    assert len(rows_of(other, "qml_paces")) == 1


def test_whoever_ends_a_claim_opens_its_lane(driver, other):
    put(driver, *(limited(name) for name in "abc"))
    assert taken(driver) == ["a"]
    assert taken(driver) == []
    other.execute("UPDATE qml_jobs SET lease_until = NULL, state = 'gone' WHERE id = 'a'")
    assert taken(driver) == ["b"]
    assert taken(driver) == []
    other.execute("DELETE FROM qml_jobs WHERE id = 'b'")
    assert taken(driver) == ["c"]


def test_whoever_makes_a_row_ready_makes_it_known(driver, other):
    put(driver, limited("a", due_at=NOW + SECOND), limited("b"))
    other.execute("UPDATE qml_jobs SET due_at = 0, ready = 1, priority = 5 WHERE id = 'a'")
    assert taken(driver) == ["a"]


def test_whoever_ends_a_row_counts_it_and_wakes_who_waits(driver, other):
    put(driver, *(row(name, counts='["t"]') for name in "abc"), row("w", due_at=None, awaits="t"))
    driver.tally("t", False)
    finish(driver, "a")
    other.execute("DELETE FROM qml_jobs WHERE id = 'b'")
    assert driver.tally("t") == Tally(1, False, 1)
    other.execute("UPDATE qml_jobs SET finished_at = 1, due_at = NULL, ready = 0 WHERE id = 'c'")
    assert rows_of(other, "qml_tallies") == []
    assert taken(driver) == ["w"]


def test_a_step_that_is_taken_back_takes_back_what_it_counted(driver):
    put(driver, row("a", counts='["t"]'), limited("b"))
    again = [row("c", counts='["t"]'), limited("d", "k2"), row("a")]
    assert driver.insert(again).obstacles
    assert driver.tally("t") == Tally(1, True, 0)
    assert taken(driver) == ["a", "b"]


def test_what_follows_is_counted_before_the_claim_that_ends(driver):
    """Ends of claims are written by one statement for all, and most followers after it."""
    put(driver, running("a", counts='["t"]'), running("b", counts='["t"]'))
    driver.tally("t", False)
    ends = [
        move(one, then=(row(f"after {one.id}", counts='["t"]'),)) for one in driver.load(["a", "b"])
    ]
    assert driver.swap(ends) == [Verdict.DONE] * 2
    assert driver.tally("t") == Tally(2, False, 0)


@pytest.mark.parametrize("text", ["{nope", "5", '{"a": 1}', "[" * 50_000])
def test_a_damaged_row_keeps_back_no_other(driver, other, text):
    put(driver, limited("a"), limited("b", "j", counts='["t"]'), row("c"))
    other.execute("UPDATE qml_jobs SET lane = ?1, counts = ?1 WHERE id IN ('a', 'b')", [text])
    held = driver.claim(claim(lease=5)).rows
    assert [one.id for one in held] == ["a", "b", "c"]
    late = [renewal(one, NOW + 50, now=NOW + 6) for one in held]
    assert driver.hold(late) == [Verdict.DONE] * 3
    finish(driver, "a", "c")
    assert driver.erase(["a", "b", "c"], 3) == 3
