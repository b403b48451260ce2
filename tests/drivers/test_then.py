"""Move.then: what follows on an end is stored with it, in one step; or neither is."""

import threading

import pytest

from qml.seam.rows import KEY_FREE, After, Move, Page, Verdict

from .making import (
    NOW,
    claim,
    done,
    everything,
    ids,
    later,
    move,
    put,
    rewrite,
    row,
    running,
)
from .test_life import in_threads

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN


def test_a_follower_is_stored_as_an_insert_stores_it(driver):
    follower = row(
        "f",
        seq=-7,
        version=0,
        queue="rescue",
        priority=3,
        method="app.alarm",
        max_attempts=2,
        expires_at=NOW + 9,
        created_at=NOW + 2,
        unique_key="k",
        key_held=KEY_FREE,
        max_retries=1,
        timeout_seconds=2.5,
        job_type="t",
        metadata="m",
        notes="n",
    )
    [a] = put(driver, running("a"))
    assert driver.swap([move(a, state="failed", then=(follower,))]) == [DONE]
    [after, stored] = everything(driver)
    assert (after.id, after.state, after.version) == ("a", "failed", a.version + 1)
    assert stored == follower._replace(seq=stored.seq)
    assert stored.seq > a.seq
    assert driver.load(["f"]) == [stored]


def test_followers_keep_their_order(driver):
    [a, b] = put(driver, running("a"), running("b"))
    ends = [move(a, then=(row("z"), row("y"))), move(b, then=(row("x"),))]
    assert driver.swap(ends) == [DONE, DONE]
    assert ids(everything(driver)) == ["a", "b", "z", "y", "x"]
    assert ids(driver.claim(claim(now=NOW)).rows) == ["z", "y", "x"]


def test_an_end_alone_may_have_followers(driver):
    """A batch of one takes another way in some drivers."""
    [a] = put(driver, running("a"))
    assert driver.swap([move(a, then=(row("x"), row("y")))]) == [DONE]
    assert ids(everything(driver)) == ["a", "x", "y"]


def test_a_batch_may_mix_ends_with_and_without(driver):
    stored = put(driver, *(running(str(number)) for number in range(6)))
    ends = [
        move(one, then=(row(f"after {one.id}"),) if number % 2 else ())
        for number, one in enumerate(stored)
    ]
    assert driver.swap(ends) == [DONE] * 6
    assert ids(everything(driver))[6:] == ["after 1", "after 3", "after 5"]
    assert {one.version for one in driver.load([one.id for one in stored])} == {2}


def test_a_follower_is_claimed_counted_and_listed(driver):
    [a] = put(driver, running("a"))
    driver.swap([move(a, then=(row("now", priority=1), later("later", NOW + 5)))])
    assert driver.count(Page(), "state") == {"succeeded": 1, "enqueued": 1, "scheduled": 1}
    assert ids(driver.scan(Page(states=("enqueued", "scheduled")))) == ["later", "now"]
    claimed, next_due = driver.claim(claim(now=NOW))
    assert (ids(claimed), next_due) == (["now"], NOW + 5)
    assert claimed[0].payload == "payload of now"
    assert ids(driver.claim(claim(now=NOW + 5)).rows) == ["later"]


def test_the_follower_goes_its_own_way(driver):
    [a] = put(driver, running("a"))
    driver.swap([move(a, then=(row("f"),))])
    [claimed] = driver.claim(claim(worker="w2", now=NOW)).rows
    assert driver.swap([move(claimed)]) == [DONE]
    assert driver.erase(["a"], 1) == 1
    [f] = everything(driver)
    assert (f.id, f.state, f.payload) == ("f", "succeeded", "payload of f")
    assert driver.erase(["f"], 1) == 1
    assert driver.load(["f"]) == [None]


REFUSED = {
    "stale": (lambda a: a._replace(version=a.version + 1), {}, STALE),
    "of another seq": (lambda a: a._replace(seq=a.seq + 1_000), {}, STALE),
    "not lapsed": (lambda a: a, {"lapsed_by": NOW - 1}, STALE),
    "gone": (lambda a: a._replace(id="nobody"), {}, GONE),
    "taken": (lambda a: a, {"state": "enqueued", "key_held": 2}, TAKEN),
}


@pytest.mark.parametrize("company", [0, 1, 3])
@pytest.mark.parametrize("why", REFUSED)
def test_nothing_follows_what_was_not_done(driver, why, company):
    """Alone, and among others that are done: a batch may be tried as one first."""
    [a] = put(driver, running("a", lease_until=NOW, unique_key="k", key_held=KEY_FREE))
    put(driver, row("holder", unique_key="k", due_at=None))
    others = put(driver, *(running(f"other {number}") for number in range(company)))
    change, columns, verdict = REFUSED[why]
    refused = move(change(a), then=(row("f"),), **columns)
    ends = [move(one, then=(row(f"after {one.id}"),)) for one in others]
    assert driver.swap([*ends[:1], refused, *ends[1:]]) == [
        *[DONE] * len(ends[:1]),
        verdict,
        *[DONE] * len(ends[1:]),
    ]
    assert driver.load(["f", "a"]) == [None, a]
    assert ids(everything(driver))[2 + company :] == [f"after {one.id}" for one in others]


def test_the_same_end_sent_twice_has_one_follower(driver):
    """After a lost reply: the follower's id is made from the claim."""
    [a] = put(driver, running("a"))
    end = move(a, then=(row("f"),))
    assert driver.swap([end]) == [DONE]
    before = everything(driver)
    assert driver.swap([end]) == [STALE]
    assert driver.swap([end, end]) == [STALE, STALE]
    assert everything(driver) == before


@pytest.mark.parametrize("company", [0, 2])
def test_a_follower_whose_id_is_taken_is_left_out_and_the_rest_is_done(driver, company):
    [a, taken] = put(driver, running("a"), done("taken", payload="the first"))
    others = put(driver, *(running(f"other {number}") for number in range(company)))
    end = move(a, then=(row("x"), row("taken", payload="the second"), row("y")))
    assert driver.swap([end, *map(move, others)]) == [DONE] * (1 + company)
    assert driver.load(["taken"]) == [taken]
    assert ids(everything(driver))[2 + company :] == ["x", "y"]
    assert driver.load(["a"])[0].state == "succeeded"


def test_of_two_followers_with_one_id_the_first_is_stored(driver):
    [a, b] = put(driver, running("a"), running("b"))
    ends = [
        move(a, then=(row("f", payload="first"), row("f", payload="second"))),
        move(b, then=(row("f", payload="third"), row("g"))),
    ]
    assert driver.swap(ends) == [DONE, DONE]
    assert [(one.id, one.payload) for one in everything(driver)[2:]] == [
        ("f", "first"),
        ("g", "payload of g"),
    ]


def test_a_row_may_not_follow_on_itself(driver):
    """Its id is taken: by itself."""
    [a] = put(driver, running("a"))
    assert driver.swap([move(a, then=(row("a", state="enqueued"),))]) == [DONE]
    [after] = everything(driver)
    assert (after.state, after.seq) == ("succeeded", a.seq)


def test_the_id_of_an_erased_row_is_free_for_a_follower(driver):
    [a, f] = put(driver, running("a"), row("f"))
    driver.erase(["f"], 1)
    assert driver.swap([move(a, then=(row("f"),))]) == [DONE]
    [again] = driver.load(["f"])
    assert again.seq > f.seq


def test_seqs_stay_in_order_around_followers(driver):
    [a] = put(driver, running("a"))
    driver.swap([move(a, then=(row("f"), row("g")))])
    put(driver, row("b"))
    assert ids(everything(driver)) == ["a", "f", "g", "b"]
    assert ids(driver.scan(After(a.seq, 9))) == ["f", "g", "b"]


def test_a_move_to_a_state_that_waits_may_have_followers(driver):
    [a] = put(driver, running("a"))
    again = move(a, state="awaiting_retry", due_at=NOW + 5, finished_at=None, then=(row("f"),))
    assert driver.swap([again]) == [DONE]
    assert ids(driver.claim(claim(now=NOW)).rows) == ["f"]
    assert ids(driver.claim(claim(now=NOW + 5)).rows) == ["a"]


def test_moves_with_followers_and_rewrites_in_a_batch(driver):
    [a, b] = put(driver, running("a"), row("b"))
    assert driver.swap([rewrite(b, metadata="new"), move(a, then=(row("f"),))]) == [DONE, DONE]
    assert ids(everything(driver)) == ["a", "b", "f"]
    assert driver.load(["b"])[0].metadata == "new"


def test_a_big_batch_with_followers(driver):
    """More rows than a database has parameters for one statement."""
    stored = put(driver, *(running(str(number)) for number in range(600)))
    ends = [move(one, then=(row(f"{one.id} x"), row(f"{one.id} y"))) for one in stored]
    assert driver.swap(ends) == [DONE] * 600
    assert ids(everything(driver))[600:] == [f"{n} {side}" for n in range(600) for side in "xy"]


def test_of_many_hands_one_has_followers(driver):
    stored = put(driver, *(running(str(number)) for number in range(40)))

    def work(number):
        order = stored[:: 1 if number % 2 else -1]
        ends: list[Move] = [move(one, then=(row(f"{number} {one.id}"),)) for one in order]
        verdicts = [driver.swap(ends[place : place + 3]) for place in range(0, 40, 3)]
        return [v for batch in verdicts for v in batch].count(DONE)

    assert sum(in_threads(4, work)) == 40
    followers = [one.id.split()[1] for one in everything(driver)[40:]]
    assert sorted(followers, key=int) == [str(number) for number in range(40)]


def test_onlookers_see_an_end_and_its_follower_at_once(driver):
    """The end is looked at first: who sees it must find the follower."""
    stored = put(driver, *(running(str(number)) for number in range(60)))
    stop = threading.Event()

    def look():
        seen = 0
        while not stop.is_set():
            ended = [one.id for one in driver.scan(Page(states=("succeeded",)))]
            assert None not in driver.load([f"after {job_id}" for job_id in ended])
            seen = max(seen, len(ended))
        return seen

    def work(number):
        if number:
            return look()
        try:
            for first in range(0, 60, 2):
                pair = stored[first : first + 2]
                ends = [move(one, then=(row(f"after {one.id}", due_at=None),)) for one in pair]
                assert driver.swap(ends) == [DONE, DONE]
        finally:
            stop.set()
        return 0

    in_threads(2, work)
