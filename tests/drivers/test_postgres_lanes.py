"""Lanes and tallies beside other transactions: nobody waits for one, and nothing is lost."""

import contextlib
import threading

import attrs
import pytest

from qml.drivers.postgres import PostgresDriver, claiming
from qml.drivers.postgres.connections import Call
from qml.drivers.postgres.statements import LANES, LOCKS
from qml.seam.lanes import Used
from qml.seam.rows import Page, Verdict
from qml.seam.tallies import Tally
from qml.values.errors import StorageError

from . import postgres_store
from .making import (
    NOW,
    claim,
    finish,
    ids,
    later,
    limited,
    member,
    move,
    paced,
    put,
    renewal,
    row,
    running,
    taken,
    waiter,
)
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

DONE, STALE = Verdict.DONE, Verdict.STALE


def in_the_midst(monkeypatch, name, work):
    """Have ``work`` done once, before a claim sends the statement of this name."""
    run, waiting = Call.run, [work]

    def watched(self, text, values):
        if waiting and text.endswith(self.sql[name]):
            waiting.pop()()
        return run(self, text, values)

    monkeypatch.setattr(Call, "run", watched)


# -- limits under many clients -----------------------------------------------------------------


@pytest.mark.parametrize("permits", [1, 3])
def test_a_limit_holds_under_many_clients_and_none_is_idle(drivers, permits, monkeypatch):
    """Of each claim all that are live are counted by the store while it is."""
    monkeypatch.setattr(claiming, "PATIENCE", 60)
    jobs, keys = 160, ["k0", "k1", "k2", "k3"]
    put(drivers[0], *(limited(f"{n}", f"k{n % 4}", permits) for n in range(jobs)))
    most, before = [], deadlocks()

    def work(number):
        did = turns = 0
        while drivers[0].count(Page(states=("succeeded",)), "state") != {"succeeded": jobs}:
            assert (turns := turns + 1) < 2_000
            rows = drivers[number].claim(claim(2, worker=f"w{number}")).rows
            most.append(max(drivers[number].used(NOW, keys, []).live))
            assert drivers[number].swap([move(one) for one in rows]) == [DONE] * len(rows)
            did += len(rows)
        return did

    assert sum(in_threads(CLIENTS, work)) == jobs
    assert max(most) <= permits
    assert drivers[0].used(NOW, keys, []) == Used([0] * 4, [])
    assert deadlocks() == before


def test_claims_at_one_time_start_no_more_than_a_pace_allows(drivers):
    put(drivers[0], *(paced(f"{n}", f"p{n % 2}", gap=10, burst=5) for n in range(60)))
    found = in_threads(CLIENTS, lambda n: taken(drivers[n], 3) + taken(drivers[n], 3))
    assert len([name for names in found for name in names]) == 10
    assert drivers[0].used(NOW, [], ["p0", "p1"]) == Used([], [NOW + 50, NOW + 50])


def test_no_claim_is_empty_while_a_lane_has_room(drivers):
    """Each client takes of lanes of its own kind, and looks at those of all."""
    put(drivers[0], *(limited(f"{n}", f"key {n}") for n in range(200)))

    def work(number):
        got = []
        while rows := drivers[number].claim(claim(5, worker=f"w{number}")).rows:
            got += ids(rows)
        return got

    found = [name for names in in_threads(CLIENTS, work) for name in names]
    assert sorted(found) == sorted(str(n) for n in range(200))


def test_a_limit_holds_whatever_isolation_the_database_is_set_to(config, driver, other):
    """Who has waited for the lock counts what was committed meanwhile."""
    late = PostgresDriver(repeatable(config))
    put(driver, limited("a"))
    lock = driver._connections.sql.lock(LANES)
    other.cursor().execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, lock))
    got = []
    thread = threading.Thread(target=lambda: got.append(taken(late)))
    thread.start()
    until_somebody_waits()
    put(driver, limited("b", state="processing", due_at=None, worker="w2", lease_until=NOW + 9))
    other.rollback()
    thread.join()
    late.close()
    assert got == [[]]


# -- what happens while a claim is under way ---------------------------------------------------


@pytest.mark.parametrize("name", ["tell_lanes", "open_lanes", "claim_chosen", "commit"])
def test_an_end_while_a_claim_closes_the_lane_opens_it_again(drivers, name, monkeypatch):
    """However late the claim counted: it found the lane full, and it is not."""
    name = "plain_rows" if name == "tell_lanes" else name  # the last of its text
    put(drivers[0], limited("a"), limited("b"))
    [a] = drivers[0].claim(claim(1)).rows
    in_the_midst(monkeypatch, name, lambda: drivers[1].swap([move(a)]))
    found = taken(drivers[2])
    assert found in ([], ["b"])
    assert found + taken(drivers[3]) == ["b"]


def test_what_comes_into_a_lane_while_a_claim_empties_it_is_found(drivers, monkeypatch):
    put(drivers[0], limited("a", permits=9))
    late = limited("b", permits=9, priority=5)
    in_the_midst(monkeypatch, "claim_chosen", lambda: put(drivers[1], late))
    assert taken(drivers[2]) == ["a"]
    assert taken(drivers[3]) == ["b"]


def test_a_lane_is_not_looked_at_by_two(drivers, other):
    """Who does not get the lock goes on with what has no lane, and waits where there is nothing."""
    put(drivers[0], limited("laned", priority=9), row("plain"))
    lock = drivers[0]._connections.sql.lock(LANES)
    other.cursor().execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, lock))
    found, next_due = drivers[0].claim(claim())
    assert (ids(found), next_due) == (["plain"], NOW)  # it is to ask again at once
    got = []
    thread = threading.Thread(target=lambda: got.append(taken(drivers[0])))
    thread.start()
    until_somebody_waits()
    assert got == []
    other.rollback()
    thread.join()
    assert got == [["laned"]]


def test_a_lapsed_claim_and_a_new_one_at_one_time_are_never_both_live(drivers):
    for turn in range(30):
        key = f"k{turn}"
        put(drivers[0], limited(f"old {turn}", key), limited(f"new {turn}", key))
        [old] = drivers[0].claim(claim(1, lease=5)).rows
        late = NOW + 5

        def work(number, old=old, late=late):
            if number:
                return drivers[1].claim(claim(1, worker="w2", now=late, lease=50)).rows
            return drivers[0].hold([renewal(old, late + 50, now=late)])

        held, rows = in_threads(2, work)
        assert (held, len(rows)) in (([DONE], 0), ([STALE], 1))
        assert drivers[0].used(late, [key], []) == Used([1], [])
        drivers[0].erase([f"old {turn}", f"new {turn}"], 2)


def test_a_lapsed_claim_lives_again_while_no_claim_counts_permits(driver, other):
    put(driver, limited("a"))
    [old] = driver.claim(claim(1, lease=5)).rows
    lock = driver._connections.sql.lock(LANES)
    other.cursor().execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCKS, lock))
    got = []
    late = renewal(old, NOW + 55, now=NOW + 5)
    thread = threading.Thread(target=lambda: got.extend(driver.hold([late])))
    thread.start()
    until_somebody_waits()
    assert got == []
    other.rollback()
    thread.join()
    assert got == [DONE]


# -- transactions that go on -------------------------------------------------------------------


def test_a_transaction_that_enqueues_into_a_lane_holds_up_nobody(drivers, other):
    put(drivers[0], limited("a", permits=2), limited("b", permits=2))
    drivers[1].insert_in(other, [limited("c", permits=2, priority=9)])
    assert taken(drivers[0], 1) == ["a"]
    finish(drivers[0], "a")
    assert taken(drivers[0]) == ["b"]
    other.commit()
    assert taken(drivers[0]) == ["c"]


def test_what_was_enqueued_before_others_and_committed_after_them_is_found(drivers, other):
    drivers[1].insert_in(other, [limited("first", permits=9)])
    put(drivers[0], limited("second", permits=9))
    assert taken(drivers[0]) == ["second"]
    other.commit()
    assert taken(drivers[0]) == ["first"]


def test_a_transaction_that_enqueues_into_a_batch_holds_up_nobody(drivers, other):
    put(drivers[0], member("a"), waiter("w"))
    drivers[0].tally("t", False)
    drivers[1].insert_in(other, [member("b")])
    put(drivers[0], member("c"))
    finish(drivers[0], "a")
    assert drivers[0].tally("t") == Tally(1, False, 0)
    other.commit()
    assert drivers[0].tally("t") == Tally(2, False, 0)
    finish(drivers[0], "b", "c")
    assert taken(drivers[0]) == ["w"]


def test_what_is_rolled_back_counts_nowhere(drivers, other, schema):
    drivers[1].insert_in(other, [member("a"), limited("b"), waiter("w")])
    other.rollback()
    assert drivers[0].tally("t") is None
    assert taken(drivers[0]) == []
    for table in ("ticks", "news", "ends", "lanes", "tallies"):
        assert postgres_store.ask(f"SELECT count(*) FROM {schema}.qml_{table}") == [(0,)]


def test_who_comes_to_wait_for_what_is_over_by_then_waits_for_more(drivers, other):
    """Its transaction began before the last end, and commits after it."""
    put(drivers[0], member("a"))
    drivers[1].insert_in(other, [waiter("w")])
    drivers[0].tally("t", False)
    finish(drivers[0], "a")
    assert drivers[0].tally("t") is None
    other.commit()
    assert drivers[0].tally("t") == Tally(0, True, 0)
    assert drivers[0].tally("t", False) is None
    assert taken(drivers[0]) == ["w"]


def test_ends_of_many_batches_in_any_order_do_not_deadlock(drivers):
    """Each call ends rows of all tallies, the names in another order."""
    names = [f"t{n}" for n in range(6)]
    rows = [
        [running(f"{number} {n}", counts=f'["{name}"]') for n, name in enumerate(names)]
        for number in range(CLIENTS * 20)
    ]
    put(drivers[0], *(one for each in rows for one in each))
    stored = [drivers[0].load(ids(each)) for each in rows]
    put(drivers[0], *(waiter(f"w {name}", name) for name in names))
    for name in names:
        drivers[0].tally(name, False)
    before = deadlocks()

    def work(number):
        verdicts = []
        for each in stored[number::CLIENTS]:
            shift = number % len(names)
            verdicts += drivers[number].swap([move(one) for one in each[shift:] + each[:shift]])
        return verdicts.count(DONE)

    assert sum(in_threads(CLIENTS, work)) == CLIENTS * 20 * len(names)
    assert sorted(taken(drivers[0])) == [f"w {name}" for name in names]
    assert deadlocks() == before


# -- the schema --------------------------------------------------------------------------------


@pytest.mark.parametrize("due_at", [0, NOW + 5, None])
def test_a_lane_that_no_index_can_keep_is_refused(driver, due_at):
    """And not found by the claim for which it falls due, which would never get past it."""
    key = "".join(chr(0x4E00 + n % 20_000) for n in range(0, 20_000 * 7, 7))[:1_000]
    for make in (limited(key[:3]), row("plain")):
        put(driver, make)
    with pytest.raises(StorageError, match="concurrency_key"):
        driver.insert([limited("x", key, due_at=due_at)])
    [stored] = driver.load(["plain"])
    with pytest.raises(StorageError, match="concurrency_key"):
        driver.swap([move(stored, then=(limited("x", key, due_at=due_at),))])
    assert driver.load(["x"]) == [None]


def test_a_schema_may_be_renamed(driver, config, schema):
    put(driver, limited("a"), limited("b"), member("c"), waiter("w"))
    assert taken(driver, 1) == ["a"]
    ask = postgres_store.ask
    ask(f'ALTER SCHEMA {schema} RENAME TO "renamed {config.schema_name}"')
    try:
        other = attrs.evolve(config, schema_name=f"renamed {config.schema_name}")
        with contextlib.closing(PostgresDriver(other)) as renamed:
            renamed.install()
            finish(renamed, "a")
            assert taken(renamed) == ["b", "c"]
            renamed.tally("t", False)
            finish(renamed, "c")
            put(renamed, later("d", NOW + 1, **{"lane": limited("x").lane, "permit": "k"}))
            finish(renamed, "b")
            assert taken(renamed, now=NOW + 1) == ["w", "d"]
    finally:
        ask(f'ALTER SCHEMA "renamed {config.schema_name}" RENAME TO {schema}')


def test_nothing_is_left_of_what_has_ended(driver, schema):
    put(driver, *(limited(f"{n}", f"k{n}", pace=f"p{n}", gap=1, burst=1) for n in range(30)))
    put(driver, member("a"))
    assert len(taken(driver, 50)) == 31
    finish(driver, "a", *(f"{n}" for n in range(30)))
    driver.tally("t", False)
    put(driver, paced("last", "q", gap=1))
    assert taken(driver, now=NOW + 50) == ["last"]
    for table in ("ticks", "news", "ends", "lanes", "tallies"):
        assert postgres_store.ask(f"SELECT count(*) FROM {schema}.qml_{table}") == [(0,)]
    [(paces,)] = postgres_store.ask(f"SELECT count(*) FROM {schema}.qml_paces")
    assert paces < 31  # some are forgotten with each start


# -- renewals that come late -------------------------------------------------------------------


def test_a_renewal_whose_clock_is_behind_finds_its_claim_lapsed(driver):
    put(driver, limited("a"), limited("b"))
    [a] = driver.claim(claim(1, lease=5)).rows
    assert taken(driver, now=NOW + 5, lease=100) == ["b"]
    late = renewal(a, NOW + 90, now=NOW + 4)
    assert driver.hold([late]) == [STALE]
    finish(driver, "b")
    assert driver.hold([late]) == [DONE]
    assert driver.used(NOW + 6, ["k"], []) == Used([1], [])


def test_a_lapsed_claim_that_is_just_renewed_counts_as_live(driver, other, schema):
    """Its row is in another's hands, and nobody knows yet what it will be."""
    put(driver, limited("a", permits=2), limited("b", permits=2), limited("c", permits=2))
    driver.claim(claim(1, lease=5))
    with other.cursor() as cursor:
        cursor.execute(f"UPDATE {schema}.qml_jobs SET lease_until = %s WHERE id = 'a'", [NOW + 99])
        assert taken(driver, now=NOW + 5, lease=100) == ["b"]
    other.commit()
    assert driver.used(NOW + 6, ["k"], []) == Used([2], [])
    assert taken(driver, now=NOW + 6) == []
    finish(driver, "a")
    assert taken(driver, now=NOW + 6) == ["c"]
