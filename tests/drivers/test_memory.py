"""What is the memory driver's own: its limit, its bounds, what a claim costs."""

import time

import pytest

from qml.drivers.memory import MemoryDriver
from qml.seam.rows import Finished, Obstacle, Page, Verdict
from qml.seam.tallies import Parents, Tally
from qml.values.errors import CapacityExceeded

from .making import (
    NOW,
    claim,
    done,
    everything,
    finish,
    ids,
    later,
    limited,
    lock,
    move,
    paced,
    put,
    rewrite,
    row,
    taken,
    waiter,
)


def test_the_limit_and_the_remedy_are_named():
    driver = MemoryDriver(1_000)
    put(driver, *(row(str(number)) for number in range(999)))
    with pytest.raises(CapacityExceeded, match=r"at most 1,000 .* has 999 .*take 2 more.*Purge"):
        driver.insert([row("a"), row("b")])
    assert len(everything(driver)) == 999
    put(driver, row("a"))
    with pytest.raises(CapacityExceeded, match="max_jobs"):
        driver.insert([row("b")])


def test_finished_rows_count_until_they_are_erased():
    driver = MemoryDriver(1)
    put(driver, done("a"))
    with pytest.raises(CapacityExceeded):
        driver.insert([row("b")])
    driver.erase(Finished("succeeded", NOW), 1)
    put(driver, row("b"))


def test_a_full_store_still_knows_what_it_has():
    """After a lost reply the caller asks again with the same job."""
    driver = MemoryDriver(1)
    put(driver, row("a"))
    assert driver.insert([row("a")]).obstacles == [Obstacle(0, "id", "a")]
    assert driver.insert([]).obstacles == []


def test_a_store_without_a_limit():
    driver = MemoryDriver(None)
    put(driver, *(row(str(number)) for number in range(10_001)))
    assert "any number" in driver.describe()
    assert "10,001" in MemoryDriver(10_001).describe()


def test_what_is_behind_a_row_stays_bounded():
    """Thousands of changes of a few rows leave a few entries."""
    driver = MemoryDriver(None)
    put(driver, *(row(str(number), queue=f"q{number}") for number in range(20)))
    for turn in range(300):
        now = NOW + turn * 100
        driver.hold([lock(str(number), f"w{turn}", now=now, until=now + 50) for number in range(9)])
        changes = [rewrite(r, due_at=now + turn % 3, queue=f"q{turn}") for r in everything(driver)]
        assert driver.swap(changes) == [Verdict.DONE] * 20
        rows = driver.claim(claim(15, now=now + 60, lease=5)).rows
        back = {"state": "enqueued", "due_at": 0} if turn % 2 else {"state": "failed"}
        driver.swap([move(r, **back, finished_at=now) for r in rows])
    assert driver._table.entries() < 400


def test_what_lies_below_a_row_that_stays_on_top_is_bounded_too():
    driver = MemoryDriver(None)
    put(driver, later("top", NOW), later("changing", NOW + 1))
    for turn in range(2_000):
        [changing] = driver.load(["changing"])
        driver.swap([rewrite(changing, due_at=NOW + 1 + turn)])
    assert driver._table.entries() < 50


def test_nothing_is_left_behind_erased_rows():
    driver = MemoryDriver(None)
    for number in range(500):
        name = str(number)
        put(driver, row(name, queue=name, unique_key=name), later(f"{name}b", NOW + number))
        driver.hold([lock(name, name)])
        driver.erase([name, f"{name}b"], 2)
    table = driver._table
    kept = (table.rows, table._ids, table._keys, table._heaps, table._places)
    assert [len(part) for part in kept] == [0] * 5


@pytest.mark.parametrize("queues", [None, ("default",)])
def test_a_claim_costs_the_same_whatever_else_is_stored(queues):
    """Fifty thousand finished, future and held rows. The bound is generous: they would cost 10 ms
    a claim if it walked past them."""
    driver = MemoryDriver(None)
    put(driver, *(done(f"done {number}") for number in range(20_000)))
    put(driver, *(later(f"later {number}", NOW + 10**9 + number) for number in range(20_000)))
    put(driver, *(row(f"held {number}", priority=9) for number in range(10_000)))
    driver.hold([lock(f"held {number}", "w2", until=NOW + 10**9) for number in range(10_000)])
    put(driver, *(row(str(number)) for number in range(1_000)))
    driver.claim(claim(10, queues=queues))
    costs = []
    for _ in range(50):
        start = time.perf_counter()
        rows = driver.claim(claim(10, queues=queues)).rows
        costs.append(time.perf_counter() - start)
        assert len(rows) == 10
    assert min(costs) < 0.002


def test_each_thread_is_spared_its_next_wait():
    """A hint stands for every thread that has not waited since, not only for the first to ask."""
    driver = MemoryDriver(None)
    driver.notify()
    assert driver.wait(0) is True
    assert driver.wait(0) is False
    driver.notify()
    driver.notify()
    assert driver.wait(0) is True
    assert driver.wait(0) is False


def test_rows_seen_by_an_onlooker_stay_as_they_were():
    driver = MemoryDriver(None)
    put(driver, row("a"), row("b"))
    page = driver.scan(Page())
    driver.erase(["a", "b"], 2)
    assert ids(page) == ["b", "a"]


@pytest.mark.parametrize("counts", ["", "x", "{}", "5", "[", "[" * 10_000])
def test_what_is_no_list_of_tallies_is_damage_that_stops_nothing(counts):
    driver = MemoryDriver(None)
    put(driver, row("a", counts=counts), row("b", counts=counts), row("c", counts='["t"]'))
    finish(driver, "a", "c")
    assert driver.erase(["b", "c"], 9) == 2
    assert driver.load(["a"])[0].counts == counts
    assert driver.tally("t") == Tally(0, True, 0)


def test_a_parent_whose_counts_are_damaged_counts_for_its_child():
    driver = MemoryDriver(None)
    put(driver, row("p", counts="x"))
    assert driver.insert([waiter("c")], None, [Parents(0, ("p",))]).obstacles == []
    finish(driver, "p")
    assert taken(driver) == ["c"]


def test_what_a_claim_reads_where_a_queue_is_paused_is_short():
    """The paused queues, and those of what is ready, beside thousands of records and lanes."""
    driver = MemoryDriver(None)
    for number in range(2_000):
        driver.write(f"schedule/{number}", "{}", 0)
    driver.write("paused/q", "{}", 0)
    put(driver, *(limited(str(number), f"k{number}", queue="q") for number in range(2_000)))
    table = driver._table
    assert driver._paused == {"q"}
    assert taken(driver) == []
    assert table.queues() == set()
    put(driver, row("a", queue="q1"), row("b", queue="q2"))
    assert table.queues() == {"q1", "q2"}
    assert taken(driver) == ["a", "b"]
    assert table.queues() == set()


def test_times_of_paces_that_are_over_are_forgotten():
    driver = MemoryDriver(None)
    for wave in range(20):
        now = NOW + wave * 1_000
        put(driver, *(paced(f"{wave} {n}", f"p{wave} {n}", gap=10) for n in range(200)))
        assert len(taken(driver, 500, now=now)) == 200
    assert len(driver._table.lanes.paces) <= 1_600


def test_what_is_behind_a_lane_stays_bounded():
    driver = MemoryDriver(None)
    for turn in range(300):
        put(driver, *(limited(f"{turn} {n}", f"k{turn} {n}", queue=f"q{turn}") for n in range(3)))
        first, second, third = taken(driver)
        finish(driver, first)
        driver.erase([first, second], 2)
        driver.let_go(third, "w1", NOW)
        driver.erase([third], 1)
    hints = driver._table.lanes
    assert (hints.known, dict(hints._open), dict(hints._of_permit)) == ({}, {}, {})
    assert driver._table.entries() == 0
