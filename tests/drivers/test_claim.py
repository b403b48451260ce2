"""claim: the best rows, each once, never early, never another's."""

import pytest

from qml.seam.rows import (
    AHEAD,
    KEY_FREE,
    KEY_UNTIL_CLAIMED,
    KEY_UNTIL_FINAL,
    NEVER_AHEAD,
    NOT_AHEAD,
    Available,
    Verdict,
)

from .making import (
    NOW,
    SECOND,
    claim,
    done,
    everything,
    ids,
    later,
    lock,
    move,
    put,
    rewrite,
    row,
    running,
)


def test_what_a_claim_writes(driver):
    [a, other] = put(
        driver,
        later("a", NOW - 1, version=3, attempt=4, fence=5, worker="w0", metadata="m"),
        done("other"),
    )
    order = claim(1, worker="w9", now=NOW, lease=7, detail="started")
    claimed = driver.claim(order)
    assert claimed.rows == [
        a._replace(
            state="processing",
            version=4,
            attempt=5,
            fence=6,
            worker="w9",
            lease_until=NOW + 7,
            due_at=None,
            detail="started",
        )
    ]
    assert everything(driver) == [*claimed.rows, other]


def test_an_empty_store(driver):
    assert driver.claim(claim()) == ([], None)


def test_first_in_first_out(driver):
    put(driver, row("c"), row("a"))
    put(driver, row("b"))
    assert ids(driver.claim(claim()).rows) == ["c", "a", "b"]


def test_higher_priority_first(driver):
    put(driver, row("a"), row("b", priority=-1), row("c", priority=10), row("d", priority=2))
    put(driver, row("e", priority=10))
    assert ids(driver.claim(claim()).rows) == ["c", "e", "d", "a", "b"]


def test_a_claim_takes_no_more_than_its_limit_and_the_next_goes_on(driver):
    put(driver, *(row(str(number)) for number in range(5)))
    assert ids(driver.claim(claim(2)).rows) == ["0", "1"]
    assert ids(driver.claim(claim(2)).rows) == ["2", "3"]
    assert ids(driver.claim(claim(2)).rows) == ["4"]
    assert driver.claim(claim(2)).rows == []


def test_rows_that_are_not_due_ever_are_not_taken(driver):
    put(driver, row("a", due_at=None), done("b"), running("c", lease_until=NOW - 1))
    assert driver.claim(claim()) == ([], None)


def test_the_predicate_is_due_at_and_not_the_state(driver):
    put(driver, *(row(state, state=state) for state in ("scheduled", "failed", "succeeded")))
    assert ids(driver.claim(claim()).rows) == ["scheduled", "failed", "succeeded"]


@pytest.mark.parametrize("due", [1, NOW, NOW + 3 * SECOND])
def test_due_at_exactly_now_and_not_a_microsecond_before(driver, due):
    put(driver, later("a", due))
    assert driver.claim(claim(now=due - 1)) == ([], due)
    assert ids(driver.claim(claim(now=due)).rows) == ["a"]


def test_a_clock_that_steps_back_makes_nothing_early(driver):
    put(driver, row("first", priority=1), later("a", NOW), later("b", NOW, queue="q"))
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["first"]
    assert driver.claim(claim(now=NOW - 1)).rows == []
    assert driver.claim(claim(now=NOW - 1, queues=("q",))).rows == []
    assert ids(driver.claim(claim(now=NOW)).rows) == ["a", "b"]


def test_a_clock_that_steps_back_frees_nothing_early(driver):
    put(driver, row("a", priority=1), row("b"))
    driver.hold([lock("a", "w2", until=NOW), lock("b", "w2", until=NOW)])
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["a"]
    assert driver.claim(claim(now=NOW - 1)).rows == []
    assert ids(driver.claim(claim(now=NOW)).rows) == ["b"]


def test_a_due_row_keeps_its_place_in_the_order_of_insertion(driver):
    put(driver, row("a"), later("b", NOW), row("c"))
    assert ids(driver.claim(claim(now=NOW)).rows) == ["a", "b", "c"]


def test_next_due_is_the_first_time_at_which_a_waiting_row_falls_due(driver):
    put(driver, later("a", NOW + 9), later("b", NOW + 5), later("c", NOW + 7), row("d"))
    assert driver.claim(claim(now=NOW)).next_due == NOW + 5
    assert driver.claim(claim(now=NOW + 4)).next_due == NOW + 5
    assert driver.claim(claim(now=NOW + 5)).next_due == NOW + 7
    assert driver.claim(claim(now=NOW + 8)).next_due == NOW + 9
    assert driver.claim(claim(now=NOW + 9)).next_due is None


def test_rows_that_are_due_and_left_behind_do_not_wait(driver):
    put(driver, later("a", NOW), later("b", NOW), row("c"))
    assert driver.claim(claim(1, now=NOW)).next_due is None


def test_next_due_regards_all_queues(driver):
    put(driver, later("a", NOW + 5, queue="other"))
    assert driver.claim(claim(now=NOW, queues=("mine",))) == ([], NOW + 5)


def test_next_due_forgets_what_was_erased_or_moved(driver):
    [_, b] = put(driver, later("a", NOW + 5), later("b", NOW + 6))
    driver.erase(["a"], 1)
    assert driver.claim(claim(now=NOW)).next_due == NOW + 6
    driver.swap([move(b)])
    assert driver.claim(claim(now=NOW)).next_due is None


def test_next_due_follows_a_row_that_is_put_off(driver):
    [a, _] = put(driver, later("a", NOW + 5), later("b", NOW + 9))
    assert driver.claim(claim(now=NOW)).next_due == NOW + 5
    assert driver.swap([rewrite(a, due_at=NOW + 7)]) == [Verdict.DONE]
    assert driver.claim(claim(now=NOW)).next_due == NOW + 7
    assert driver.claim(claim(now=NOW + 6)) == ([], NOW + 7)
    assert ids(driver.claim(claim(now=NOW + 7)).rows) == ["a"]


def test_a_thousand_join_at_once_in_exact_order(driver):
    put(driver, *(later(str(number), NOW + number) for number in range(1_000)))
    put(driver, later("best", NOW + 1_000, priority=-1), row("now", priority=1))
    driver.erase(["999"], 1)  # "best" is the thousandth
    [best] = driver.load(["best"])
    assert driver.swap([rewrite(best, priority=9)]) == [Verdict.DONE]
    claimed = driver.claim(claim(4, now=NOW + 2_000))
    assert ids(claimed.rows) == ["best", "now", "0", "1"]
    assert claimed.next_due is None


def test_of_more_than_a_thousand_those_due_first_join_first(driver):
    put(driver, *(later(f"late {number}", NOW + 2, priority=5) for number in range(500)))
    put(driver, *(later(f"early {number}", NOW + 1) for number in range(1_000)))
    first = driver.claim(claim(2, now=NOW + 3))
    assert ids(first.rows) == ["early 0", "early 1"]
    assert first.next_due == NOW + 2  # due already: ask again at once
    second = driver.claim(claim(2, now=NOW + 3))
    assert ids(second.rows) == ["late 0", "late 1"]
    assert second.next_due is None


def test_a_row_that_has_joined_stays_so_through_a_change(driver):
    """It has not newly fallen due, so it is no part of the next thousand."""
    put(driver, row("first", priority=9), later("a", NOW, priority=5))
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["first"]
    [a] = driver.load(["a"])
    assert driver.swap([rewrite(a, metadata="new")]) == [Verdict.DONE]
    assert driver.hold([lock("a", "w1", until=NOW + 5)]) == [Verdict.DONE]
    put(driver, *(later(str(number), NOW - 1) for number in range(1_000)))
    assert ids(driver.claim(claim(2, worker="w1", now=NOW)).rows) == ["a", "0"]


def test_rows_claimable_from_the_beginning_need_not_ripen(driver):
    put(driver, *(row(str(number)) for number in range(1_500)), row("best", priority=1))
    assert ids(driver.claim(claim(2)).rows) == ["best", "0"]


def test_thousands_that_fell_due_are_all_taken_in_the_end(driver):
    put(driver, *(later(str(number), NOW) for number in range(2_500)))
    taken = []
    for _ in range(25):
        taken += ids(driver.claim(claim(100, now=NOW)).rows)
    assert sorted(taken) == sorted(str(number) for number in range(2_500))


def test_queues_bound_a_claim_and_are_one_pool(driver):
    put(
        driver,
        row("a", queue="x"),
        row("b", queue="y", priority=1),
        row("c", queue="z", priority=9),
        row("d", queue="x"),
        row("e", queue="y"),
    )
    order = claim(4, queues=("x", "y"))
    assert ids(driver.claim(order).rows) == ["b", "a", "d", "e"]
    assert ids(driver.claim(claim(queues=("z",))).rows) == ["c"]


def test_no_queues_named_is_every_queue(driver):
    put(driver, row("a", queue="x"), row("b", queue="y", priority=1))
    assert ids(driver.claim(claim(queues=None)).rows) == ["b", "a"]


def test_a_queue_named_twice_counts_once(driver):
    put(driver, row("a", queue="x"), row("b", queue="x"))
    assert ids(driver.claim(claim(queues=("x", "x"))).rows) == ["a", "b"]


def test_queues_differ_in_case(driver):
    put(driver, row("a", queue="Mail"))
    assert driver.claim(claim(queues=("mail",))).rows == []


def test_many_queues(driver):
    names = tuple(f"queue {number}" for number in range(300))
    put(driver, *(row(name, queue=name) for name in names))
    assert ids(driver.claim(claim(300, queues=names[::-1])).rows) == [*names]


def test_a_due_row_of_another_queue_is_ripe_for_its_own(driver):
    put(driver, later("a", NOW, queue="x"))
    assert driver.claim(claim(now=NOW, queues=("y",))).rows == []
    assert ids(driver.claim(claim(now=NOW, queues=("x",))).rows) == ["a"]


def test_rows_beyond_the_limit_are_marked(driver):
    put(driver, *(row(str(number)) for number in range(5)))
    rows = driver.claim(claim(2, ahead=2)).rows
    assert [(r.id, r.ahead) for r in rows] == [
        ("0", NOT_AHEAD),
        ("1", NOT_AHEAD),
        ("2", AHEAD),
        ("3", AHEAD),
    ]
    assert driver.load(["0", "1", "2", "3"]) == rows
    assert [r.attempt for r in rows] == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("before", "limit", "after"),
    [(NOT_AHEAD, 0, AHEAD), (NOT_AHEAD, 1, NOT_AHEAD), (NEVER_AHEAD, 1, NEVER_AHEAD)],
)
def test_a_single_row_is_marked_alike(driver, before, limit, after):
    put(driver, row("a", ahead=before))
    [claimed] = driver.claim(claim(limit, ahead=1 - limit)).rows
    assert claimed.ahead == after
    assert driver.load(["a"]) == [claimed]


def test_without_ahead_nothing_is_marked(driver):
    put(driver, row("a"), row("b"))
    assert [r.ahead for r in driver.claim(claim(2)).rows] == [NOT_AHEAD, NOT_AHEAD]


def test_a_row_lost_ahead_before_is_taken_for_a_free_thread_only(driver):
    put(driver, row("a"), row("b", ahead=NEVER_AHEAD), row("c"))
    assert ids(driver.claim(claim(1, ahead=2)).rows) == ["a", "c"]
    [b] = driver.claim(claim(1, ahead=2)).rows
    assert (b.id, b.ahead) == ("b", NEVER_AHEAD)


def test_a_claim_for_no_free_thread(driver):
    put(driver, row("a", ahead=NEVER_AHEAD), row("b"), row("c"))
    assert [(r.id, r.ahead) for r in driver.claim(claim(0, ahead=2)).rows] == [("b", AHEAD)]
    assert driver.claim(claim(0)).rows == []


def test_a_mark_lasts_until_a_change_takes_it_away(driver):
    put(driver, row("a"))
    [a] = driver.claim(claim(0, ahead=1)).rows
    driver.swap([move(a, state="enqueued", due_at=0, ahead=NEVER_AHEAD)])
    assert driver.claim(claim(0, ahead=1)).rows == []
    assert driver.claim(claim(1)).rows[0].ahead == NEVER_AHEAD


def test_a_claim_frees_a_key_held_until_then_and_no_other(driver):
    put(
        driver,
        row("a", unique_key="k", key_held=KEY_UNTIL_CLAIMED),
        row("b", unique_key="l", key_held=KEY_UNTIL_FINAL),
    )
    rows = driver.claim(claim()).rows
    assert [r.key_held for r in rows] == [KEY_FREE, KEY_UNTIL_FINAL]
    assert driver.load(["a", "b"]) == rows
    put(driver, row("c", unique_key="k"))
    assert [found.by for found in driver.insert([row("d", unique_key="l")]).obstacles] == ["key"]


def test_a_row_that_another_holds_is_not_taken_until_the_hold_lapses(driver):
    put(driver, row("a"), row("b"))
    driver.hold([lock("a", "w2", until=NOW + 5)])
    assert driver.scan(Available(NOW + 4)) == driver.load(["b"])
    assert ids(driver.claim(claim(now=NOW + 4)).rows) == ["b"]
    assert ids(driver.claim(claim(now=NOW + 5)).rows) == ["a"]


def test_its_holder_takes_a_held_row_in_its_place(driver):
    put(driver, row("a"), row("b", priority=1), row("c", priority=1))
    driver.hold([lock("b", "w1", until=NOW + 5)])
    [b, c, a] = driver.claim(claim(worker="w1", now=NOW)).rows
    assert (b.id, c.id, a.id) == ("b", "c", "a")
    assert b.lease_until == NOW + 30 * SECOND


def test_its_holder_takes_a_held_row_within_its_queues(driver):
    put(driver, row("a", queue="x"), row("b", queue="y"))
    driver.hold([lock("a", "w1"), lock("b", "w1")])
    assert ids(driver.claim(claim(worker="w1", now=NOW, queues=("y",))).rows) == ["b"]


def test_a_held_row_falls_due_for_its_holder_first(driver):
    put(driver, later("a", NOW + 2))
    driver.hold([lock("a", "w2", until=NOW + 9)])
    assert driver.claim(claim(worker="w2", now=NOW + 1)) == ([], NOW + 2)
    assert driver.claim(claim(worker="w1", now=NOW + 2)) == ([], None)
    assert ids(driver.claim(claim(worker="w2", now=NOW + 2)).rows) == ["a"]


def test_a_hold_that_lapsed_before_the_row_fell_due(driver):
    put(driver, later("a", NOW + 5))
    driver.hold([lock("a", "w2", until=NOW + 2)])
    assert ids(driver.claim(claim(worker="w1", now=NOW + 5)).rows) == ["a"]


def test_a_hold_let_go_gives_the_row_to_everybody(driver):
    put(driver, row("a"))
    driver.hold([lock("a", "w2")])
    assert driver.claim(claim(now=NOW)).rows == []
    driver.let_go("a", "w2", NOW)
    assert ids(driver.claim(claim(now=NOW)).rows) == ["a"]


def test_a_hold_renewed_by_its_holder_goes_on(driver):
    put(driver, row("a"))
    driver.hold([lock("a", "w2", until=NOW + 5)])
    driver.hold([lock("a", "w2", until=NOW + 9)])
    assert driver.claim(claim(now=NOW + 5)).rows == []
    assert ids(driver.claim(claim(now=NOW + 9)).rows) == ["a"]


def test_a_hold_taken_over_after_it_lapsed(driver):
    put(driver, row("a"))
    driver.hold([lock("a", "w2", until=NOW + 5)])
    assert driver.claim(claim(0, now=NOW + 5)).rows == []
    driver.hold([lock("a", "w3", now=NOW + 5, until=NOW + 9)])
    assert driver.claim(claim(worker="w2", now=NOW + 6)).rows == []
    assert ids(driver.claim(claim(worker="w3", now=NOW + 6)).rows) == ["a"]


def test_rows_held_by_others_take_no_part_of_the_limit(driver):
    put(driver, *(row(str(number)) for number in range(20)))
    driver.hold([lock(str(number), "w2") for number in range(15)])
    assert ids(driver.claim(claim(5, worker="w1", now=NOW)).rows) == ["15", "16", "17", "18", "19"]


def test_a_claimed_row_is_nobodys_to_claim_again(driver):
    put(driver, row("a"))
    driver.claim(claim(worker="w1", now=NOW, lease=5))
    assert driver.claim(claim(worker="w1", now=NOW + 9)).rows == []
    assert driver.claim(claim(worker="w2", now=NOW + 9)).rows == []


def test_a_row_given_back_takes_its_old_place(driver):
    put(driver, row("a"), row("b"))
    [a] = driver.claim(claim(1)).rows
    driver.swap([move(a, state="enqueued", due_at=0, finished_at=None)])
    assert ids(driver.claim(claim()).rows) == ["a", "b"]


def test_the_fence_rises_with_every_claim(driver):
    put(driver, row("a"))
    fences = []
    for _ in range(3):
        [a] = driver.claim(claim(1)).rows
        fences.append(a.fence)
        driver.swap([move(a, state="enqueued", due_at=0, attempt=0)])
    assert fences == [1, 2, 3]


def test_an_erased_row_is_not_claimed(driver):
    put(driver, row("a"), later("b", NOW), row("c"))
    driver.hold([lock("c", "w1")])
    driver.erase(["a", "b", "c"], 3)
    assert driver.claim(claim(now=NOW)) == ([], None)


def test_priorities_and_places_hold_through_thousands(driver):
    put(driver, *(row(str(number), priority=number * 7 % 11) for number in range(1_000)))
    expected = sorted(range(1_000), key=lambda number: (-(number * 7 % 11), number))
    taken = []
    while rows := driver.claim(claim(37)).rows:
        taken += [int(r.id) for r in rows]
    assert taken == expected
