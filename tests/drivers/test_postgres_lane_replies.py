"""A reply that is lost where limits and tallies are in play: all is counted once."""

import pytest

from qml.drivers.postgres.session import Session
from qml.seam.lanes import Used
from qml.seam.rows import PAUSED, Obstacle, Verdict
from qml.seam.tallies import Parents, Tally

from .making import (
    NOW,
    claim,
    finish,
    ids,
    later,
    limited,
    lock,
    member,
    move,
    paced,
    put,
    renewal,
    rewrite,
    row,
    taken,
    waiter,
)
from .test_postgres_replies import CUTS, calm, driver, make, proxy

__all__ = ["calm", "driver", "make", "proxy"]  # fixtures

DONE, STALE = Verdict.DONE, Verdict.STALE


@CUTS
@pytest.mark.parametrize("where", [b"pg_try_advisory", b"qml_paces", b"COMMIT"])
def test_a_claim_of_lanes(driver, calm, proxy, cut, where):
    put(calm, limited("a", permits=2, pace="p", gap=10, burst=9), row("b"), paced("c", "q"))
    getattr(proxy, cut)(where)
    assert taken(driver) == ["a", "b", "c"]
    assert proxy.cuts
    assert [one.fence for one in calm.load(["a", "b", "c"])] == [1, 1, 1]
    assert calm.used(NOW, ["k"], ["p"]) == Used([1], [NOW + 10])


@CUTS
def test_a_claim_beside_a_paused_queue(driver, calm, proxy, cut):
    put(calm, row("a"), row("b", queue="q"), later("c", NOW))
    calm.write(PAUSED + "q", "{}", 0)
    getattr(proxy, cut)(b"COMMIT")
    assert taken(driver) == ["a", "c"]
    assert proxy.cuts
    assert taken(calm) == []


@CUTS
@pytest.mark.parametrize("change", [move, rewrite])
def test_an_end_counts_once(driver, calm, proxy, cut, change):
    stored = put(calm, *(member(f"{n}", "t", "u") for n in range(3)), waiter("w"))
    calm.tally("t", False)
    end = {"state": "failed", "finished_at": NOW, "due_at": None}
    getattr(proxy, cut)(b"UPDATE")
    assert driver.swap([change(one, **end) for one in stored[:2]]) == [DONE, DONE]
    assert proxy.cuts
    assert (calm.tally("t"), calm.tally("u")) == (Tally(1, False, 2), Tally(1, True, 2))
    getattr(proxy, cut)(b"UPDATE")
    assert driver.swap([change(stored[2], **end)]) == [DONE]
    assert (calm.tally("t"), calm.tally("u")) == (None, Tally(0, True, 3))
    [w] = calm.load(["w"])
    assert (w.due_at, w.version) == (0, 1)


@CUTS
@pytest.mark.parametrize("count", [1, 3])
def test_members_count_once(driver, calm, proxy, cut, count):
    getattr(proxy, cut)(b"INSERT")
    put(driver, *(member(f"{n}") for n in range(count)))
    assert proxy.cuts
    assert calm.tally("t") == Tally(count, True, 0)


@CUTS
def test_an_erasure_counts_once(driver, calm, proxy, cut):
    put(calm, member("a"), member("b"))
    getattr(proxy, cut)(b"DELETE")
    assert driver.erase(["a"], 5) == 1
    assert proxy.cuts
    assert calm.tally("t") == Tally(1, True, 1)


@CUTS
@pytest.mark.parametrize("where", [b"FOR UPDATE", b"INSERT", b"qml_tallies", b"COMMIT"])
def test_a_row_that_waits_for_others(driver, calm, proxy, cut, where):
    put(calm, row("p"), row("q"))
    getattr(proxy, cut)(where)
    rows = [waiter("c", "job/c"), row("beside", unique_key="k")]
    seqs, obstacles = driver.insert(rows, None, [Parents(0, ("p", "q"))])
    assert (obstacles, proxy.cuts > 0) == ([], True)
    assert [one.seq for one in calm.load(["c", "beside"])] == seqs
    assert calm.tally("job/c") == Tally(2, False, 0)
    finish(calm, "p", "q")
    assert taken(calm) == ["beside", "c"] or taken(calm) == []
    assert calm.load(["c"])[0].due_at is None


def test_a_row_that_waits_and_is_refused_leaves_its_parents_alone(calm):
    put(calm, row("p"), row("c", payload="another"))
    found = calm.insert([row("x"), waiter("c", "job/c")], None, [Parents(1, ("p",))])
    assert found.obstacles == [Obstacle(1, "id", "c")]
    assert calm.load(["p"])[0].counts is None
    assert calm.tally("job/c") is None


@CUTS
@pytest.mark.parametrize("more", [True, False])
def test_whether_more_are_to_come(driver, calm, proxy, cut, more):
    put(calm, member("a"), waiter("w"))
    getattr(proxy, cut)(b"qml_ticks")
    assert driver.tally("t", more) == Tally(1, more, 0)
    assert proxy.cuts


@CUTS
@pytest.mark.parametrize("where", [b"UPDATE", b"COMMIT"])
def test_a_lapsed_claim_that_lives_again(driver, calm, proxy, cut, where):
    put(calm, limited("a"), limited("b"))
    [a] = calm.claim(claim(1, lease=5)).rows
    getattr(proxy, cut)(where)
    assert driver.hold([renewal(a, NOW + 90, now=NOW + 9)]) == [DONE]
    assert proxy.cuts
    assert calm.used(NOW + 9, ["k"], []) == Used([1], [])
    assert driver.hold([lock("a", "w2", now=NOW + 10)]) == [STALE]


def trips(monkeypatch):
    """The texts that are sent."""
    sent, run = [], Session.run
    monkeypatch.setattr(
        Session, "run", lambda self, text, *given: sent.append(text) or run(self, text, *given)
    )
    return sent


def test_round_trips_of_what_is_shared(calm, monkeypatch):
    sent = trips(monkeypatch)

    def count(work, *given):
        sent.clear()
        work(*given)
        return len(sent)

    rows = [limited(f"{n}", f"k{n}", counts='["t"]') for n in range(300)]
    assert count(calm.insert, rows) == 1
    assert count(calm.claim, claim(200)) == 6  # the first has to find that there are limits
    assert count(calm.claim, claim(50)) == 5
    ends = [move(one) for one in calm.load([f"{n}" for n in range(200)])]
    assert count(calm.swap, ends) == 1
    assert count(calm.tally, "t", False) == 1
    assert count(calm.used, NOW, ["k1"], []) == 1
    assert count(calm.insert, [waiter("w")], None, [Parents(0, ("250",))]) == 4
    assert ids(calm.claim(claim(99)).rows)
    assert count(calm.claim, claim()) <= 4
    assert count(calm.claim, claim()) == 1  # the last has found that there are none
