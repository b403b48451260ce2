"""insert with parents: a row waits for others that are stored, whatever becomes of them."""

import itertools
import json
import threading

import pytest

from qml.seam.rows import Obstacle, Verdict, Write
from qml.seam.tallies import Parents, Tally

from .making import (
    NOW,
    claim,
    done,
    finish,
    ids,
    limited,
    member,
    move,
    put,
    rewrite,
    row,
    running,
    taken,
    waiter,
)
from .test_life import LONG, in_threads

DONE, STALE = Verdict.DONE, Verdict.STALE


def put_after(driver, child, *parents):
    """Insert a row that waits for these parents; as it is stored."""
    seqs, obstacles = driver.insert([child], None, [Parents(0, parents)])
    assert obstacles == []
    [stored] = driver.load([child.id])
    assert [stored.seq] == seqs
    return stored


def child(id, **columns):
    return waiter(id, f"job/{id}", **columns)


def test_a_row_waits_for_its_parent(driver):
    [p] = put(driver, row("p"))
    c = child("c")
    stored = put_after(driver, c, "p")
    assert stored == c._replace(seq=stored.seq)
    assert driver.tally("job/c") == Tally(1, False, 0)
    [counting] = driver.load(["p"])
    assert json.loads(counting.counts) == ["job/c"]
    assert counting._replace(counts=None) == p  # its version, too
    assert taken(driver) == ["p"]
    finish(driver, "p")
    assert driver.tally("job/c") is None
    assert driver.load(["c"]) == [stored._replace(due_at=0, version=stored.version + 1)]
    assert taken(driver) == ["c"]


def test_the_parent_may_be_changed_and_claimed_by_who_read_it_before(driver):
    [p] = put(driver, row("p"))
    put_after(driver, child("c"), "p")
    assert driver.swap([rewrite(p, metadata="new")]) == [DONE]
    [p] = driver.load(["p"])
    assert (p.metadata, json.loads(p.counts)) == ("new", ["job/c"])
    assert driver.swap([move(p)]) == [DONE]
    assert taken(driver) == ["c"]


def test_a_row_waits_for_all_its_parents(driver):
    put(driver, *(row(name, due_at=None) for name in "pqr"))
    put_after(driver, child("c"), "p", "q", "r")
    for left, name in ((2, "q"), (1, "r")):
        finish(driver, name)
        assert driver.tally("job/c") == Tally(left, False, 0)
        assert taken(driver) == []
    finish(driver, "p")
    assert taken(driver) == ["c"]


PARENTS = {
    "waits": lambda id: row(id, due_at=None),
    "runs": running,
    "succeeded": done,
    "failed": lambda id: done(id, state="failed"),
    "deleted": lambda id: done(id, state="deleted"),
    "is missing": None,
}
LEFT, FAILED = {"waits", "runs"}, {"failed", "deleted", "is missing"}
MIXES = [mix for n in (1, 2, 3) for mix in itertools.combinations(PARENTS, n)]


@pytest.mark.parametrize("needs_all", [0, 1])
def test_any_mixture_of_parents(driver, needs_all):
    """Each mixture of one to three kinds, with what is left of it and what has failed."""
    for number, mix in enumerate(MIXES):
        names = [f"{number} {kind}" for kind in mix]
        make = [(PARENTS[kind], name) for kind, name in zip(mix, names, strict=True)]
        put(driver, *(parent(name) for parent, name in make if parent is not None))
        late = child(f"c{number}", needs_all=needs_all, expires_at=NOW + 50, version=3)
        stored = put_after(driver, late, *names)
        left, failed = len(LEFT & {*mix}), len(FAILED & {*mix})
        if left:
            assert driver.tally(late.awaits) == Tally(left, False, failed), mix
            assert stored == late._replace(seq=stored.seq), mix
            finish(driver, *(f"{number} {kind}" for kind in mix if kind in LEFT))
            [stored] = driver.load([late.id])
        assert driver.tally(late.awaits) is None, mix
        expires_at = 0 if failed and needs_all else NOW + 50
        assert (stored.due_at, stored.expires_at) == (0, expires_at), mix
        assert stored.version == 3 + bool(left), mix


def test_a_row_whose_parents_have_finished_is_claimable_at_once(driver):
    put(driver, done("p"), done("q"))
    put_after(driver, child("c", priority=1), "p", "q")
    put_after(driver, child("d", priority=2, lane=limited("x").lane, permit="k"), "p")
    assert driver.load(["p"])[0].counts is None
    assert taken(driver) == ["d", "c"]


def test_a_parent_may_have_several_children(driver):
    put(driver, member("p", "t"), row("q"))
    put_after(driver, child("c"), "p")
    put_after(driver, child("d"), "p", "q")
    put_after(driver, child("e", priority=1), "p")
    [p] = driver.load(["p"])
    assert json.loads(p.counts) == ["t", "job/c", "job/d", "job/e"]
    finish(driver, "p")
    assert driver.tally("t") == Tally(0, True, 0)
    assert taken(driver) == ["e", "q", "c"]
    finish(driver, "q")
    assert taken(driver) == ["d"]


def test_children_of_one_insert(driver):
    put(driver, row("p"), done("q", state="failed"))
    rows = [row("first"), child("c"), child("d"), child("e", needs_all=1), waiter("w", "t")]
    after = [Parents(1, ("p", "q")), Parents(2, ("p",)), Parents(3, ("q",))]
    assert driver.insert(rows, None, after).obstacles == []
    assert driver.tally("job/c") == Tally(1, False, 1)
    assert driver.tally("job/d") == Tally(1, False, 0)
    assert driver.tally("t") == Tally(0, True, 0)
    assert json.loads(driver.load(["p"])[0].counts) == ["job/c", "job/d"]
    assert [one.expires_at for one in driver.load(["c", "e"])] == [None, 0]
    assert taken(driver) == ["p", "first", "e"]
    finish(driver, "p")
    assert taken(driver) == ["c", "d"]


def test_children_of_children(driver):
    put(driver, row("a"))
    put_after(driver, child("b"), "a")
    put_after(driver, child("c"), "b")
    put_after(driver, child("d"), "a", "c")
    for name in "abcd":
        assert taken(driver) == [name]
        finish(driver, name)


def test_a_parent_that_is_erased_has_failed(driver):
    put(driver, row("p"), row("q"))
    put_after(driver, child("c", needs_all=1), "p", "q")
    assert driver.erase(["p"], 1) == 1
    assert driver.tally("job/c") == Tally(1, False, 1)
    finish(driver, "q")
    assert driver.load(["c"])[0].expires_at == 0


def test_a_parent_that_is_tried_again_is_waited_for(driver):
    put(driver, row("p"), row("q"))
    put_after(driver, child("c", needs_all=1), "p", "q")
    [p] = finish(driver, "p", state="failed")
    assert driver.swap([move(p, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    finish(driver, "q")
    assert driver.tally("job/c") == Tally(1, False, 0)
    finish(driver, "p")
    assert driver.load(["c"])[0].expires_at is None


def test_the_follower_of_a_parent_is_its_own(driver):
    """What comes after a job does not wait for what follows on its end."""
    put(driver, row("p"))
    put_after(driver, child("c"), "p")
    finish(driver, "p", then=(row("f"),))
    assert taken(driver) == ["c", "f"]


def test_an_insert_that_is_refused_leaves_parents_alone(driver):
    [p] = put(driver, row("p", unique_key="k"))
    refused = [
        ([child("c"), row("p")], None),
        ([child("c"), row("x", unique_key="k")], None),
        ([child("c")], Write("r", "{}", 3)),
    ]
    for rows, record in refused:
        assert driver.insert(rows, record, [Parents(0, ("p",))]).obstacles
    assert driver.load(["p", "c"]) == [p, None]
    assert driver.tally("job/c") is None


def test_an_insert_with_a_record_may_have_parents(driver):
    put(driver, row("p"))
    record = Write("r", "{}", 0)
    assert driver.insert([child("c")], record, [Parents(0, ("p",))]).obstacles == []
    assert driver.read("r").version == 1
    assert driver.tally("job/c") == Tally(1, False, 0)


def test_the_same_insert_sent_twice_counts_once(driver):
    put(driver, row("p"))
    put_after(driver, child("c"), "p")
    before = driver.load(["p", "c"])
    again = driver.insert([child("c")], None, [Parents(0, ("p",))])
    assert [one.by for one in again.obstacles] == ["id"]
    assert driver.load(["p", "c"]) == before
    assert driver.tally("job/c") == Tally(1, False, 0)


def test_the_id_of_an_erased_child_may_wait_again(driver):
    """Its tally is there still, and what is left of that goes on counting for it."""
    put(driver, row("p", due_at=None), row("q", due_at=None))
    put_after(driver, child("c"), "p")
    assert driver.erase(["c"], 1) == 1
    put_after(driver, child("c"), "p", "q")
    finish(driver, "p")
    assert taken(driver) == []
    finish(driver, "q")
    assert taken(driver) == ["c"]


def test_a_crowd_of_parents(driver):
    """More than a database has parameters for one statement, and a parent with many children."""
    put(driver, *(running(str(number)) for number in range(600)))
    put_after(driver, child("c"), *(str(number) for number in range(600)))
    assert driver.tally("job/c") == Tally(600, False, 0)
    rows = [child(f"d{number}") for number in range(200)]
    after = [Parents(number, ("0",)) for number in range(200)]
    assert driver.insert(rows, None, after).obstacles == []
    finish(driver, *(str(number) for number in range(600)))
    assert taken(driver, 500) == ["c", *(f"d{number}" for number in range(200))]


def test_a_parent_that_ends_while_its_child_is_inserted_is_not_missed(driver):
    """Fifty rounds: it counts, or it was seen to have ended; the child is not left asleep."""
    parents = put(driver, *(running(f"p{turn}") for turn in range(50)))
    at_once = threading.Barrier(2)

    def work(number):
        for turn, parent in enumerate(parents):
            at_once.wait(LONG)
            if number == 0:
                put_after(driver, child(f"c{turn}", needs_all=1), parent.id)
            else:
                assert driver.swap([move(parent)]) == [DONE]

    in_threads(2, work)
    children = driver.load([f"c{turn}" for turn in range(50)])
    assert {(one.due_at, one.expires_at) for one in children} == {(0, None)}
    assert {driver.tally(one.awaits) for one in children} == {None}
    assert len(driver.claim(claim(99)).rows) == 50


def test_parents_that_end_at_once_wake_their_child_once(driver):
    at_once = threading.Barrier(3)
    families = []
    for turn in range(20):
        families.append(put(driver, *(running(f"{turn} {n}") for n in range(3))))
        put_after(driver, child(f"c{turn}"), *ids(families[-1]))

    def work(number):
        for family in families:
            at_once.wait(LONG)
            state = "failed" if number == 2 else "succeeded"
            assert driver.swap([move(family[number], state=state)]) == [DONE]

    in_threads(3, work)
    children = driver.load([f"c{turn}" for turn in range(20)])
    assert {(one.due_at, one.version) for one in children} == {(0, 1)}


def test_a_stale_end_of_a_parent_wakes_nobody(driver):
    [p] = put(driver, row("p"))
    put_after(driver, child("c"), "p")
    assert driver.swap([move(p, lapsed_by=NOW)]) == [STALE]
    assert driver.tally("job/c") == Tally(1, False, 0)


# -- what is to be there -------------------------------------------------------------------------


def test_a_row_waits_for_a_tally_that_is_there(driver):
    put(driver, member("p", "batch/n"))
    assert driver.insert([waiter("c", "batch/n")], None, [Parents(0, None)]).obstacles == []
    assert driver.tally("batch/n") == Tally(1, True, 0)
    driver.tally("batch/n", False)
    finish(driver, "p")
    assert taken(driver) == ["c"]


def test_what_is_over_is_waited_for_by_nobody(driver):
    """Nothing is stored, whatever else stands in the way; and no tally is made."""
    put(driver, member("p", "batch/n"), row("x"))
    driver.tally("batch/n", False)
    finish(driver, "p")
    rows = [row("y"), waiter("c", "batch/n"), row("x")]
    for record in (None, Write("r", "{}", 0), Write("r", "{}", 7)):
        seqs, obstacles = driver.insert(rows, record, [Parents(1, None)])
        assert (seqs, obstacles) == ([], [Obstacle(1, "tally", "batch/n")])
    assert driver.load(["y", "c"]) == [None, None]
    assert (driver.read("r"), driver.tally("batch/n")) == (None, None)


def test_an_end_and_an_insert_at_once_lose_nobody(driver):
    """Threads end the last of a batch while others come to wait for it: who is stored wakes."""
    stored = []
    for turn in range(20):
        name = f"batch/{turn}"
        put(driver, member(f"p{turn}", name), member(f"q{turn}", name))
        driver.tally(name, False)
        waiting = waiter(f"c{turn}", name)
        steps = [
            lambda turn=turn: finish(driver, f"p{turn}"),
            lambda turn=turn: finish(driver, f"q{turn}"),
            lambda waiting=waiting: driver.insert([waiting], None, [Parents(0, None)]),
        ]
        *_, inserted = in_threads(3, lambda number, steps=steps: steps[number]())
        stored += [] if inserted.obstacles else [waiting.id]
        assert driver.tally(name) is None
    assert taken(driver, 500) == stored
