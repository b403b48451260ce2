"""scan and count: what an onlooker sees, in which order; and that looking changes nothing."""

import pytest

from qml.seam.onlooking import Batches
from qml.seam.rows import After, Available, Expired, Lapsed, Page, Verdict

from .making import (
    NOW,
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
    taken,
)


def pages(driver, **filters):
    return [int(row.id) for row in driver.scan(Page(**filters))]


def test_a_page_is_newest_first_whatever_the_priority(mixed):
    assert pages(mixed) == [*range(11, -1, -1)]


def test_a_page_gives_whole_rows(mixed):
    rows = mixed.scan(Page())
    assert rows == mixed.load(ids(rows))


def test_a_change_does_not_move_a_row_in_the_pages(mixed):
    [five] = mixed.load(["5"])
    assert mixed.swap([rewrite(five, metadata="new")]) == [Verdict.DONE]
    mixed.claim(claim(3))
    assert pages(mixed) == [*range(11, -1, -1)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"states": ("failed",)}, [11, 8, 5, 2]),
        ({"states": ("scheduled", "failed")}, [11, 10, 8, 7, 5, 4, 2, 1]),
        ({"states": ("failed", "failed")}, [11, 8, 5, 2]),
        ({"states": ("processing",)}, []),
        ({"states": ()}, []),
        ({"queue": "q1"}, [11, 9, 7, 5, 3, 1]),
        ({"queue": "Q1"}, []),
        ({"method": "m0"}, [5, 4, 3, 2, 1, 0]),
        ({"method": "m"}, []),
        ({"states": ("failed",), "queue": "q1", "method": "m1"}, [11]),
        ({"limit": 3}, [11, 10, 9]),
        ({"limit": 0}, []),
        ({"limit": 99}, [*range(11, -1, -1)]),
        ({"offset": 9}, [2, 1, 0]),
        ({"offset": 99}, []),
        ({"limit": 2, "offset": 3}, [8, 7]),
        ({"limit": 5, "offset": 10}, [1, 0]),
        ({"states": ("failed",), "limit": 2, "offset": 1}, [8, 5]),
    ],
)
def test_a_page_has_filters_and_then_bounds(mixed, filters, found):
    assert pages(mixed, **filters) == found


@pytest.mark.parametrize(
    ("filters", "by", "counts"),
    [
        ({}, "state", {"enqueued": 4, "scheduled": 4, "failed": 4}),
        ({}, "queue", {"q0": 6, "q1": 6}),
        ({}, "method", {"m0": 6, "m1": 6}),
        ({"queue": "q1"}, "state", {"enqueued": 2, "scheduled": 2, "failed": 2}),
        ({"states": ("failed",), "method": "m0"}, "queue", {"q0": 1, "q1": 1}),
        ({"states": ("failed", "enqueued")}, "state", {"enqueued": 4, "failed": 4}),
        ({"states": ()}, "state", {}),
        ({"queue": "none"}, "method", {}),
        ({"limit": 1, "offset": 7}, "queue", {"q0": 6, "q1": 6}),
    ],
)
def test_counts(mixed, filters, by, counts):
    assert mixed.count(Page(**filters), by) == counts


def test_counts_follow_every_change(driver):
    assert driver.count(Page(), "state") == {}
    put(driver, row("a"), row("b"), later("c", NOW + 1))
    assert driver.count(Page(), "state") == {"enqueued": 2, "scheduled": 1}
    [a] = driver.claim(claim(1, now=NOW)).rows
    assert driver.count(Page(), "state") == {"enqueued": 1, "processing": 1, "scheduled": 1}
    driver.swap([move(a)])
    assert driver.count(Page(), "state") == {"enqueued": 1, "succeeded": 1, "scheduled": 1}
    driver.erase(["a", "b"], 2)
    assert driver.count(Page(), "state") == {"scheduled": 1}


def test_available_is_what_a_claim_would_take_in_its_order(driver):
    put(
        driver,
        row("a"),
        later("b", NOW, priority=3),
        later("early", NOW + 1, priority=9),
        row("c", priority=3, queue="q"),
        done("d"),
        running("e", lease_until=NOW - 1),
        row("held", worker="w2", lease_until=NOW + 1),
        row("lapsed", worker="w2", lease_until=NOW),
    )
    available = driver.scan(Available(NOW))
    assert ids(available) == ["b", "c", "a", "lapsed"]
    assert available == driver.load(ids(available))
    assert ids(driver.claim(claim(now=NOW)).rows) == ids(available)


def test_available_shows_due_rows_whether_a_claim_saw_them_or_not(driver):
    put(driver, later("a", NOW, priority=-1), later("b", NOW + 5), row("c"))
    assert ids(driver.scan(Available(NOW))) == ["c", "a"]
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["c"]
    assert ids(driver.scan(Available(NOW))) == ["a"]
    assert ids(driver.scan(Available(NOW + 5))) == ["b", "a"]


def test_available_at_an_earlier_time(driver):
    """Another clock, or one that stepped back: what ripened later is not yet available."""
    put(driver, later("a", NOW), row("c", priority=1))
    driver.claim(claim(1, now=NOW))
    assert driver.scan(Available(NOW - 1)) == []


def test_available_has_a_limit(driver):
    put(driver, *(row(str(number), priority=number % 2) for number in range(6)))
    assert ids(driver.scan(Available(NOW, 4))) == ["1", "3", "5", "0"]
    assert driver.scan(Available(NOW, 0)) == []
    assert ids(driver.scan(Available(NOW, None))) == ["1", "3", "5", "0", "2", "4"]


def test_available_is_not_bounded_by_what_ripens_at_once(driver):
    put(driver, *(later(str(number), NOW) for number in range(1_200)))
    assert len(driver.scan(Available(NOW))) == 1_200


def test_available_leaves_out_what_anybody_holds(driver):
    put(driver, row("a"))
    driver.hold([lock("a", "w1", until=NOW + 5)])
    assert driver.scan(Available(NOW + 4)) == []
    assert ids(driver.scan(Available(NOW + 5))) == ["a"]


def test_lapsed_is_longest_ago_first(driver):
    put(
        driver,
        running("a", lease_until=NOW - 1),
        running("b", lease_until=NOW - 3),
        running("c", lease_until=NOW - 2),
        running("d", lease_until=NOW),
        running("live", lease_until=NOW + 1),
        running("nobody", lease_until=None),
    )
    rows = driver.scan(Lapsed(NOW, 10))
    assert ids(rows) == ["b", "c", "a", "d"]
    assert rows == driver.load(ids(rows))
    assert ids(driver.scan(Lapsed(NOW, 2))) == ["b", "c"]
    assert ids(driver.scan(Lapsed(NOW - 3, 10))) == ["b"]
    assert driver.scan(Lapsed(NOW - 4, 10)) == []


def test_rows_that_need_no_rescue_hide_none_that_do(driver):
    held = {"worker": "w", "lease_until": NOW - 9}
    put(driver, *(row(f"lock {number}", **held) for number in range(20)))
    put(driver, *(running(f"ended {number}", state="deleted", **held) for number in range(20)))
    put(driver, running("orphan", lease_until=NOW - 1))
    assert ids(driver.scan(Lapsed(NOW, 1))) == ["orphan"]


def test_lapsed_follows_claims_renewals_and_ends(driver):
    put(driver, row("a"), row("b"), row("c"))
    [_, b, c] = driver.claim(claim(now=NOW, lease=5)).rows
    assert driver.scan(Lapsed(NOW + 4, 10)) == []
    driver.hold([lock("b", "w1", until=NOW + 20)])
    driver.swap([move(c)])
    assert ids(driver.scan(Lapsed(NOW + 5, 10))) == ["a"]
    assert ids(driver.scan(Lapsed(NOW + 20, 10))) == ["a", "b"]
    driver.swap([move(b, state="deleted", ends_lease=False)])
    assert ids(driver.scan(Lapsed(NOW + 20, 10))) == ["a"]


def test_after_goes_through_the_whole_store_page_by_page(driver):
    stored = put(driver, row("a"), later("b", NOW), running("c"), done("d"), row("e", priority=9))
    assert driver.scan(After(0, 2)) == stored[:2]
    assert driver.scan(After(stored[1].seq, 2)) == stored[2:4]
    assert driver.scan(After(stored[3].seq, 2)) == stored[4:]
    assert driver.scan(After(stored[4].seq, 2)) == []
    driver.erase(["c"], 1)
    assert ids(driver.scan(After(stored[1].seq - 1, 9))) == ["b", "d", "e"]


def test_looking_changes_nothing(driver):
    put(driver, row("a"), later("b", NOW), running("c", lease_until=NOW - 5), done("d"))
    driver.write("r", "{}", 0)
    before = everything(driver)
    for look in (
        Page(),
        Page(below=99),
        Available(NOW + 9),
        Lapsed(NOW + 9, 9),
        Expired(NOW + 9, 9),
        After(0, 9),
    ):
        driver.scan(look)
    driver.count(Page(), "state")
    driver.load(["a"])
    driver.read("r")
    driver.list("")
    assert everything(driver) == before
    assert driver.claim(claim(0, now=NOW - 1)).next_due == NOW


NAMES = ["b", "a", "ab", "a 2", "é", "e", "B", "", "10:a", "aa:1", "😀", "z" * 40, "ab1", "7"]


@pytest.mark.parametrize(
    "start", ["", "a", "ab0", "ab1", "b\x01", "e", "é", "zz", "😀", "\U0010ffff"]
)
def test_batches_come_by_name_one_row_of_each(driver, start):
    names = NAMES + NAMES[::2] + [None]
    rows = [row(str(n), batch=name, state=f"s{n % 3}") for n, name in enumerate(names)]
    driver.insert(rows)
    wanted = [name for name in sorted(NAMES) if name >= start]
    found = driver.scan(Batches(start, 100))
    assert [one.batch for one in found] == wanted
    assert found == driver.load(ids(found))
    assert [one.batch for one in driver.scan(Batches(start, 3))] == wanted[:3]
    driver.erase([one.id for one in rows if one.batch == "e"], 10)
    assert [one.batch for one in driver.scan(Batches("b", 2))] == ["b", "z" * 40]


def test_of_many_queues_the_rows_come_in_their_order(driver):
    """As many streams that are merged, some of which end sooner."""
    queues = [f"q{n * n % 31}" for n in range(90)]
    rows = put(driver, *(row(f"{n}", queue=q, priority=n % 4) for n, q in enumerate(queues)))
    states = ("enqueued", "failed", *queues)
    assert driver.scan(Page(states=states)) == rows[::-1]
    assert driver.scan(Page(states=states, limit=9, offset=70)) == rows[::-1][70:79]
    best = sorted(rows, key=lambda one: (-one.priority, one.seq))
    assert taken(driver, 40, queues=(*queues, "none")) == ids(best[:40])
    driver.write("paused/none", "{}", 0)
    assert taken(driver, 99) == ids(best[40:])
