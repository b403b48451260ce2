"""Many clients at once: no claim comes back empty while rows are there, nobody waits for ever."""

import random
import threading
import time

import pytest

from qml.drivers.postgres import claiming
from qml.drivers.postgres.statements import LOCKS
from qml.seam.rows import KEY_FREE, Lapsed, Verdict

from . import postgres_store
from .making import NOW, claim, everything, ids, later, lock, move, put, renewal, rewrite, row
from .postgres_clients import (
    CLIENTS,
    config,
    deadlocks,
    driver,
    drivers,
    other,
    schema,
    until_somebody_waits,
)
from .test_life import in_threads

__all__ = ["config", "driver", "drivers", "other", "schema"]  # fixtures

JOBS = 400
DONE = Verdict.DONE


def empty_too_early(drivers, **order):
    """All clients claim until each has found nothing; how many found nothing, though another that
    began later found something. Every row goes to one of them."""
    found, empty = [], []

    def work(number):
        while True:
            begun = time.monotonic()
            rows = drivers[number].claim(claim(10, worker=f"w{number}", now=NOW, **order)).rows
            if not rows:
                empty.append(time.monotonic())
                return
            found.append((begun, ids(rows)))

    in_threads(CLIENTS, work)
    taken = [job_id for _, claimed in found for job_id in claimed]
    assert len(set(taken)) == len(taken)
    last = max(begun for begun, _ in found)
    return len(taken), sum(ended < last for ended in empty)


SCENES = {
    "due": (lambda number: later(f"{number}", NOW - number), {}),
    "ready": (lambda number: row(f"{number}", priority=number % 3), {}),
    "due in queues": (
        lambda number: later(f"{number}", NOW - number, queue=f"q{number % 2}"),
        {"queues": ("q0", "q1", "q2")},
    ),
    "ready in queues": (
        lambda number: row(f"{number}", queue=f"q{number % 2}"),
        {"queues": ("q0", "q1")},
    ),
    "ready and ahead": (lambda number: row(f"{number}"), {"ahead": 5}),
}


@pytest.mark.parametrize("scene", SCENES)
def test_no_claim_is_empty_while_rows_are_there(drivers, scene, monkeypatch):
    # One that waited for another's ripening locks all that was ripened until its own claim is done.
    # On a machine that is busy that may last longer than a claim is patient.
    monkeypatch.setattr(claiming, "PATIENCE", 60)
    make, order = SCENES[scene]
    for _ in range(5):
        put(drivers[0], *(make(number) for number in range(JOBS)))
        assert empty_too_early(drivers, **order) == (JOBS, 0)
        drivers[0].erase([str(number) for number in range(JOBS)], JOBS)


def test_a_claim_goes_on_with_what_is_ready_while_another_ripens(driver, config, other):
    put(driver, row("ready"), later("due", NOW, priority=1))
    sql = driver._connections.sql
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, sql.lock("ripening")))
    assert ids(driver.claim(claim(now=NOW)).rows) == ["ready"]
    got = []
    thread = threading.Thread(target=lambda: got.append(driver.claim(claim(now=NOW)).rows))
    thread.start()
    thread.join(0.1)
    assert got == []  # nothing else is there, so it waits
    other.rollback()
    thread.join()
    assert ids(got[0]) == ["due"]


def test_idle_claims_take_no_lock(driver, config, other):
    put(driver, later("a", NOW + 1))
    driver.claim(claim(now=NOW))
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
    sql = driver._connections.sql
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, sql.lock("ripening")))
        assert driver.claim(claim(now=NOW)) == ([], NOW + 1)
        driver.erase(["a"], 1)
        assert driver.claim(claim(now=NOW)) == ([], None)
    other.rollback()
    assert postgres_store.ask(held, LOCKS) == [(0,)]


def test_a_row_that_another_transaction_has_locked_is_passed_over(driver, schema, other):
    put(driver, row("a"), row("b"), later("c", NOW), later("d", NOW))
    with other.cursor() as cursor:
        cursor.execute(f"SELECT FROM {schema}.qml_jobs WHERE id IN ('a', 'c') FOR UPDATE")
        claimed = driver.claim(claim(now=NOW))
        assert (ids(claimed.rows), claimed.next_due) == (["b", "d"], NOW)
        begun = time.monotonic()
        assert driver.claim(claim(now=NOW)).rows == []
        assert time.monotonic() - begun < 10  # it gives up, long before anybody's deadline
    other.rollback()
    assert ids(driver.claim(claim(now=NOW)).rows) == ["a", "c"]


def test_overlapping_batches_in_any_order_do_not_deadlock(drivers):
    put(drivers[0], *(row(f"{number:02}") for number in range(60)))
    rows = drivers[0].claim(claim(60, now=NOW)).rows
    before = deadlocks()

    def work(number):
        order = random.Random(number)
        for each in range(20):
            part = order.sample(rows, 30)
            if each % 3:
                drivers[number].hold([renewal(r, NOW + each) for r in part])
            else:
                drivers[number].swap([move(r, state="processing", version=0) for r in part])
        return drivers[number].swap([move(r) for r in order.sample(rows, 60)]).count(DONE)

    assert sum(in_threads(CLIENTS, work)) == 60
    assert deadlocks() == before
    assert {r.version for r in everything(drivers[0])} == {2}


def test_a_deadlock_with_somebody_else_is_tried_again(driver, schema, other):
    """Another order of locks, by hand: the server ends one of the two after a second."""
    a, b = put(driver, row("a"), row("b"))
    with other.cursor() as cursor:
        # It waits longer for its own turn to look for a deadlock, so it is not the one that ends.
        cursor.execute("SET deadlock_timeout = '60s'")
        cursor.execute(f"SELECT FROM {schema}.qml_jobs WHERE id = 'b' FOR UPDATE")
        got = []
        thread = threading.Thread(target=lambda: got.append(driver.swap([move(b), move(a)])))
        thread.start()
        until_somebody_waits()
        cursor.execute(f"SELECT FROM {schema}.qml_jobs WHERE id = 'a' FOR UPDATE")
        other.rollback()
        thread.join()
    assert got == [[DONE, DONE]]


def test_two_inserts_of_one_id_or_key_at_one_time(drivers):
    def work(number):
        won = 0
        for each in range(30):
            rows = [
                row(f"{number} {each}", unique_key=f"key {each}"),
                row(f"own {number} {each}"),
                row(f"same {each}"),
            ]
            random.Random(number).shuffle(rows)
            seqs, obstacles = drivers[number].insert(rows)
            assert (seqs == []) == (obstacles != [])
            won += not obstacles
        return won

    assert sum(in_threads(CLIENTS, work)) == 30
    assert len(everything(drivers[0])) == 90


def test_a_key_is_taken_by_one_of_many_changes(drivers):
    names = [str(number) for number in range(CLIENTS)]
    rows = put(drivers[0], *(row(name, unique_key="k", key_held=KEY_FREE) for name in names))

    def work(number):
        return drivers[number].swap([move(rows[number], key_held=2), move(row("x"))])[0]

    assert in_threads(CLIENTS, work).count(DONE) == 1


def test_a_rescue_and_a_renewal_at_one_time(drivers):
    """Only one of the two comes to pass: a row is renewed, or it is rescued."""
    put(drivers[0], *(row(str(number)) for number in range(200)))
    rows = drivers[0].claim(claim(200, now=NOW, lease=5)).rows

    def work(number):
        if number % 2:
            lapsed = drivers[number].scan(Lapsed(NOW + 5, 200))
            return drivers[number].swap([move(r, lapsed_by=NOW + 5, due_at=0) for r in lapsed])
        return [v for r in rows for v in drivers[number].hold([renewal(r, NOW + 50, now=NOW + 5)])]

    in_threads(4, work)
    for r in everything(drivers[0]):
        assert (r.version, r.lease_until) in ((1, NOW + 50), (2, None))


def test_locks_go_to_one_of_many(drivers):
    put(drivers[0], *(row(str(number)) for number in range(50)))

    def work(number):
        order = random.Random(number).sample(range(50), 50)
        orders = [lock(str(each), f"w{number}", now=NOW, until=NOW + 9) for each in order]
        return drivers[number].hold(orders).count(DONE)

    assert sum(in_threads(CLIENTS, work)) == 50


def test_a_rewrite_and_a_claim_at_one_time(drivers):
    """The claim sees the row as it became, and is not based on an older look."""
    for each in range(50):
        [a] = put(drivers[0], row(f"job {each}"))

        def work(number, a=a):
            if number:
                return drivers[1].swap([rewrite(a, metadata="new", fence=7)])
            return drivers[0].claim(claim(1, now=NOW)).rows

        rows, verdicts = in_threads(2, work)
        [stored] = drivers[0].load([a.id])
        if verdicts == [DONE]:
            assert (stored.fence, stored.metadata) == (7 + len(rows), "new")
        else:
            assert (stored.fence, stored.metadata) == (1, "{}")
        drivers[0].erase([a.id], 1)
