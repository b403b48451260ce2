"""Redis: keys of lanes, batches and tallies that were evicted or deleted by hand."""

import pytest

from qml.seam.rows import Page
from qml.seam.tallies import Tally

from . import redis_indexes
from .making import (
    NOW,
    claim,
    done,
    everything,
    finish,
    ids,
    limited,
    member,
    paced,
    put,
    row,
    running,
    taken,
    waiter,
)
from .test_redis_mending import store

__all__ = ["store"]  # fixtures


def fill(store):
    """Rows in every place where they share something with others."""
    put(
        store.driver,
        limited("a", batch="ä"),
        member("b", "t", queue="q"),
        waiter("c"),
        running("d", lease_until=NOW + 50, lane=limited("d", "j").lane, permit="j"),
        done("e", batch="ä", counts='["t"]'),
        paced("f", queue="q"),
    )
    store.driver.tally("t", False)


INDEXES = (
    *("laned", "laned:default", "laned:q", "permits", "batched", "awaiting"),
    *("tallies", "lanes", "open"),
)


def test_these_are_all_indexes(store):
    fill(store)
    others = {"seq", "schema", "all", "totals", "ready", "ready:q", "running"}
    plain = {name for name in store.names() if name.partition(":")[0] in {"job", "state", "of"}}
    left = store.names() - plain - others - {"finished:succeeded"}
    assert left == {*INDEXES, "counting:t"}


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_vanished_is_made_anew(store, name, caplog):
    fill(store)
    before = redis_indexes.stored(store.client, store.prefix), everything(store.driver)
    store.delete(name)
    store.upkeep()
    assert (redis_indexes.stored(store.client, store.prefix), everything(store.driver)) == before
    assert f"{name} has 0 of " in caplog.text or name in HINTED
    caplog.clear()
    store.upkeep()
    assert caplog.records == []


HINTED = {"open"}  # of which the hash has more


def test_who_counts_is_known_again_when_all_else_is_mended(store):
    fill(store)
    store.delete("counting:t")
    store.delete("laned")
    store.upkeep()
    store.check()
    assert store.driver.tally("t") == Tally(1, False, 0)


@pytest.mark.parametrize("name", ["closed", "lanes", "laned", "laned:default"])
def test_lanes_that_were_closed_may_be_open_again(store, name):
    put(store.driver, *(limited(str(n), f"k{n % 3}", queue=f"q{n % 2}") for n in range(12)))
    put(store.driver, limited("last", "k9", priority=-1))
    assert len(taken(store.driver)) == 4
    assert taken(store.driver) == []
    if name == "laned:default":
        put(store.driver, limited("held back", "k9"))
    store.delete(name)
    store.upkeep()
    store.check()
    assert taken(store.driver) == []
    store.check()
    finish(store.driver, "0")
    assert taken(store.driver) == ["3"]
    assert len(taken(store.driver, now=NOW * 2)) > 1


def test_a_lane_whose_way_back_vanished_opens_when_the_lease_would_have_ended(store):
    put(store.driver, limited("a"), limited("b"))
    assert taken(store.driver, lease=50) == ["a"]
    assert taken(store.driver) == []
    store.delete("shut")
    finish(store.driver, "a")
    assert store.driver.claim(claim()) == ([], NOW + 50)
    assert taken(store.driver, now=NOW + 50) == ["b"]
    store.check()


def test_hints_that_belong_nowhere_are_taken_out(store):
    put(store.driver, limited("a"), limited("b"), limited("c", "k2", queue="q"))
    lane, other = limited("").lane, limited("", "none").lane
    place = f"{1:026d}"
    time = str(redis_indexes.BIAS + NOW)
    store.client.zadd(store.key("open"), {f"7:default{place}{lane}": 0})
    store.client.zadd(store.key("open"), {f"7:default{place}{other}": 0, f"2:no{place}{lane}": 0})
    store.client.zadd(store.key("closed"), {f"{time}{other}": 0, f"{time}{lane}": 0})
    store.client.zadd(store.key("shut"), {f"1:k{place}{lane}": 0})
    store.client.hset(store.key("lanes"), other, place)
    assert taken(store.driver) == ["a", "c"]
    finish(store.driver, "a")
    assert taken(store.driver) == ["b"]
    store.upkeep()
    store.check()


@pytest.mark.parametrize("job_id", ["a", "b", "c"])
def test_a_row_of_a_lane_that_vanished_stops_nobody(store, job_id, caplog):
    put(store.driver, *(limited(name, permits=2) for name in "abc"))
    assert taken(store.driver, 1) == ["a"]
    store.delete(f"job:{job_id}")
    expected = {"a": ["b"], "b": ["c"], "c": ["b"]}[job_id]
    assert taken(store.driver) == expected
    store.driver.scan(Page())
    store.upkeep()
    assert f"job {job_id} has vanished" in caplog.text
    store.check()
    assert taken(store.driver) == (["c"] if job_id == "a" else [])


def test_a_member_that_vanished_has_failed(store):
    put(store.driver, *(member(name, batch="t") for name in "abc"), waiter("w", needs_all=1))
    store.driver.tally("t", False)
    finish(store.driver, "a")
    store.delete("job:b")
    assert store.driver.tally("t") == Tally(2, False, 0)
    store.driver.scan(Page())
    store.upkeep()
    assert store.driver.tally("t") == Tally(1, False, 1)
    store.delete("job:c")
    store.driver.scan(Page())
    store.upkeep()
    assert store.driver.tally("t") is None
    [w] = store.driver.load(["w"])
    assert (w.due_at, w.expires_at, w.version) == (0, 0, 1)
    assert store.driver.count(Page(batch="t"), "state") == {"succeeded": 1}
    store.check()


def test_when_all_tallies_vanished_nobody_waits_for_ever(store):
    put(store.driver, member("a"), waiter("w"), waiter("alone", "u"), row("x"))
    store.delete("tallies")
    store.upkeep()
    assert store.driver.tally("t") == Tally(1, False, 0)
    assert store.driver.tally("u") is None
    assert taken(store.driver) == ["a", "alone", "x"]
    finish(store.driver, "a")
    assert ids(store.driver.claim(claim()).rows) == ["w"]
    store.check()


def test_when_all_paces_vanished_they_begin_anew(store):
    put(store.driver, paced("a"), paced("b"))
    assert taken(store.driver) == ["a"]
    store.delete("paces")
    store.upkeep()
    store.check()
    assert taken(store.driver, now=NOW + 10) == ["b"]
