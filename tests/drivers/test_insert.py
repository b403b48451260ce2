"""insert and load: all rows or none, in order, whole."""

import pytest

from qml.seam.rows import (
    KEY_FREE,
    KEY_UNTIL_CLAIMED,
    NEVER_AHEAD,
    Obstacle,
    Verdict,
)

from .making import (
    NOW,
    alike,
    claim,
    done,
    everything,
    ids,
    later,
    limited,
    member,
    move,
    put,
    rewrite,
    row,
    running,
    taken,
)


def test_every_column_comes_back(driver):
    full = row(
        "a",
        version=3,
        state="awaiting_retry",
        queue="mail",
        priority=-7,
        method="m.f",
        attempt=4,
        fence=5,
        max_attempts=9,
        ahead=NEVER_AHEAD,
        worker="w",
        locked_by="v",
        lease_until=NOW + 1,
        due_at=NOW + 2,
        finished_at=NOW + 3,
        purge_at=NOW + 5,
        expires_at=NOW + 6,
        created_at=NOW + 4,
        key_held=KEY_UNTIL_CLAIMED,
        unique_key="k",
        unique_while="queued",
        max_retries=8,
        timeout_seconds=0.1,
        job_type="t",
        lane='["mail","k","1",null,null,null]',
        permit="k",
        batch="b",
        counts='["batch/b"]',
        awaits="batch/other",
        needs_all=1,
        detail="d",
        failures="f",
        metadata="m",
        payload="p",
        notes="n",
    )
    assert [name for name in full._fields if getattr(full, name) is None] == ["seq"]
    [stored] = put(driver, full)
    assert stored == full._replace(seq=stored.seq)
    assert type(stored.seq) is int
    assert everything(driver) == [stored]


def test_absent_values_come_back_as_none(driver):
    [stored] = put(driver, row("a", due_at=None))
    absent = [name for name, value in stored._asdict().items() if value is None]
    assert absent == [
        "worker",
        "locked_by",
        "lease_until",
        "due_at",
        "finished_at",
        "purge_at",
        "expires_at",
        "unique_key",
        "max_retries",
        "timeout_seconds",
        "job_type",
        "lane",
        "permit",
        "batch",
        "counts",
        "awaits",
    ]


@pytest.mark.parametrize("number", [-(2**31) + 1, 2**31 - 1])
def test_the_ends_of_the_range_of_priorities(driver, number):
    put(driver, row("plain"), row("a", priority=number))
    assert driver.load(["a"])[0].priority == number
    best = "a" if number > 0 else "plain"
    assert ids(driver.claim(claim(1)).rows) == [best]


@pytest.mark.parametrize("timeout", [1e-9, 30.0, 0.1, 999_999_999.5])
def test_a_timeout_keeps_its_fraction(driver, timeout):
    [stored] = put(driver, row("a", timeout_seconds=timeout))
    assert stored.timeout_seconds == timeout


def test_times_of_the_year_9999_come_back(driver):
    far = 253_402_300_799_999_999
    names = ("due_at", "created_at", "lease_until", "finished_at", "purge_at", "expires_at")
    [stored] = put(driver, row("a", **dict.fromkeys(names, far)))
    assert {getattr(stored, name) for name in names} == {far}


def test_seq_follows_the_order_of_insertion_over_all_batches(driver):
    put(driver, row("c"), row("a"))
    put(driver, row("b"))
    seqs = [stored.seq for stored in driver.load(["c", "a", "b"])]
    assert seqs == sorted(set(seqs))


def test_the_seq_of_the_given_row_is_ignored(driver):
    [a] = put(driver, row("a", seq=500))
    [b] = put(driver, row("b", seq=a.seq))
    assert a.seq < b.seq


def test_a_seq_is_never_used_again(driver):
    [a, b] = put(driver, row("a"), row("b"))
    assert driver.erase(["b"], 1) == 1
    [again] = put(driver, row("b"))
    assert again.seq > b.seq
    assert driver.erase(["a", "b"], 2) == 2
    [alone] = put(driver, row("c"))
    assert alone.seq > again.seq > a.seq


def test_nothing_to_insert(driver):
    assert driver.insert([]).obstacles == []
    assert everything(driver) == []


def test_a_taken_id_stands_in_the_way_and_is_left_untouched(driver):
    [a] = put(driver, row("a"))
    assert driver.insert([row("b"), row("a", payload="other")]).obstacles == [
        Obstacle(1, "id", "a")
    ]
    assert everything(driver) == [a]


def test_a_taken_id_stands_in_the_way_whatever_became_of_it(driver):
    put(driver, done("a"))
    assert driver.insert([row("a")]).obstacles == [Obstacle(0, "id", "a")]


def test_an_id_twice_in_a_batch(driver):
    assert driver.insert([row("a"), row("b"), row("a")]).obstacles == [Obstacle(2, "id", "a")]
    assert everything(driver) == []


def test_a_held_key_stands_in_the_way_and_names_its_holder(driver):
    [a] = put(driver, row("a", unique_key="k"))
    assert driver.insert([row("b", unique_key="k"), row("c")]).obstacles == [
        Obstacle(0, "key", "a")
    ]
    assert everything(driver) == [a]


def test_a_key_twice_in_a_batch(driver):
    batch = [row("a", unique_key="k"), row("b", unique_key="l"), row("c", unique_key="k")]
    assert driver.insert(batch).obstacles == [Obstacle(2, "key", "a")]
    assert everything(driver) == []
    assert driver.insert([row("c", unique_key="k")]).obstacles == []


def test_every_row_that_meets_an_obstacle_is_named(driver):
    put(driver, row("a", unique_key="k"), row("b"))
    batch = [row("b"), row("x"), row("y", unique_key="k"), row("x"), row("z")]
    assert driver.insert(batch).obstacles == [
        Obstacle(0, "id", "b"),
        Obstacle(2, "key", "a"),
        Obstacle(3, "id", "x"),
    ]


def test_the_id_counts_before_the_key(driver):
    """A lost reply: the same job comes again, and learns that it is there."""
    put(driver, row("a", unique_key="k"))
    assert driver.insert([row("a", unique_key="k")]).obstacles == [Obstacle(0, "id", "a")]


def test_a_row_that_cannot_be_stored_is_in_nobodys_way(driver):
    put(driver, row("a"))
    batch = [row("a", unique_key="k"), row("b", unique_key="k")]
    assert driver.insert(batch).obstacles == [Obstacle(0, "id", "a")]


def test_a_key_that_is_not_held_is_in_nobodys_way(driver):
    put(driver, row("a", unique_key="k", key_held=KEY_FREE))
    put(driver, row("b", unique_key="k"))
    put(driver, row("c", unique_key="k", key_held=KEY_FREE))
    assert driver.insert([row("d", unique_key="k")]).obstacles == [Obstacle(0, "key", "b")]


def test_rows_without_a_key_are_in_nobodys_way(driver):
    put(driver, row("a", key_held=KEY_UNTIL_CLAIMED), row("b", key_held=KEY_UNTIL_CLAIMED))


def test_keys_are_one_space_whatever_queue_and_method(driver):
    put(driver, row("a", unique_key="k", queue="x", method="f"))
    assert driver.insert([row("b", unique_key="k", queue="y", method="g")]).obstacles != []


def test_a_refused_batch_reserves_no_key_and_no_id(driver):
    put(driver, row("a"))
    assert driver.insert([row("b", unique_key="k"), row("a")]).obstacles != []
    put(driver, row("b"), row("c", unique_key="k"))


def test_an_erased_row_frees_id_and_key(driver):
    put(driver, row("a", unique_key="k"))
    driver.erase(["a"], 1)
    put(driver, row("a"), row("b", unique_key="k"))


def test_load_follows_the_ids_given(driver):
    [a, b] = put(driver, row("a"), row("b"))
    assert driver.load(["b", "nobody", "a", "b"]) == [b, None, a, b]
    assert driver.load([]) == []


def test_ids_differ_in_case_and_in_spaces(driver):
    put(driver, row("a"), row("A"), row("a "), row(" a"))
    assert driver.load(["a  "]) == [None]
    assert [found.id for found in driver.load(["A", "a "])] == ["A", "a "]


def test_rows_given_out_are_not_changed_by_what_comes_later(driver):
    [before] = put(driver, row("a"))
    again = before._replace()
    [claimed] = driver.claim(claim()).rows
    assert driver.swap([move(claimed)]) == [Verdict.DONE]
    assert before == again


def test_the_holder_of_a_key_is_who_reserves_it_now(driver):
    put(driver, row("old", unique_key="k", key_held=KEY_FREE))
    assert driver.holder("k") is None
    put(driver, row("a", unique_key="k", key_held=KEY_UNTIL_CLAIMED), row("b", unique_key="l"))
    assert [driver.holder(key) for key in ("k", "l", "nobody's", "K")] == ["a", "b", None, None]
    driver.claim(claim())
    assert (driver.holder("k"), driver.holder("l")) == (None, "b")
    driver.erase(["b"], 1)
    assert driver.holder("l") is None


def test_a_big_batch(driver):
    """More rows than a database has parameters for one statement."""
    many = [row(f"job {number}", unique_key=f"key {number}") for number in range(3_000)]
    stored = put(driver, *many)
    assert [s._replace(seq=None) for s in stored] == many
    assert driver.swap([rewrite(s, priority=1) for s in stored]) == [Verdict.DONE] * 3_000
    assert ids(driver.claim(claim(3_000)).rows) == [r.id for r in many]
    assert driver.erase([r.id for r in many], 3_000) == 3_000


def test_a_finished_row_may_be_given_with_a_lease(driver):
    [stored] = put(driver, running("a", state="deleted", finished_at=NOW))
    assert stored.lease_until == NOW


# -- rows that are alike -------------------------------------------------------------------------


KINDS = {
    "plain": row("a"),
    "told": row("a", notes="told"),
    "better": row("a", priority=7, queue="mail"),
    "later": later("a", NOW + 5, expires_at=NOW + 9),
    "done": done("a", purge_at=NOW + 7),
    "finished": done("a"),
    "running": running("a", lease_until=NOW + 9),
    "limited": limited("a"),
    "member": member("a", "t", batch="night"),
    "noted": row("a", notes="n", failures="f", metadata="m"),
    "was keyed": done("a", unique_key="k", key_held=KEY_FREE),
    "no failures": row("a", notes="", failures="", metadata=""),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_alike(driver, kind):
    first = KINDS[kind]
    rows = alike(first, *"bcd")
    stored = put(driver, *rows)
    assert [one._replace(seq=None) for one in stored] == rows
    assert everything(driver) == stored
    assert driver.insert(alike(first._replace(id="x"), "b", "y")).obstacles == [
        Obstacle(1, "id", "b")
    ]
    assert driver.insert(alike(first._replace(id="x"), "y", "x")).obstacles == [
        Obstacle(2, "id", "x")
    ]
    assert everything(driver) == stored


def test_rows_of_several_kinds_and_some_of_each(driver):
    rows = [one for kind in (*KINDS, *KINDS, "plain") for one in alike(KINDS[kind], *"bc")]
    rows = [one._replace(id=f"{number:02}", payload=f"{number}") for number, one in enumerate(rows)]
    stored = put(driver, *rows)
    assert [one._replace(seq=None) for one in stored] == rows
    assert everything(driver) == stored
    best = [one.id for one in rows if one.priority == 7]
    plain = [one.id for one in rows if one.state == "enqueued" and one.priority == 0]
    limited_ones = [one.id for one in rows if one.lane][1:]
    assert taken(driver, 99) == best + [id for id in plain if id not in limited_ones]
    members = [one for one in rows if one.counts]
    assert driver.tally("t").left == len(members)


def test_one_key_of_rows_that_are_alike(driver):
    rows = alike(row("a", unique_key="k"), "b", "c")
    assert driver.insert(rows).obstacles == [Obstacle(1, "key", "a"), Obstacle(2, "key", "a")]
    put(driver, rows[0])
    assert driver.holder("k") == "a"
    assert driver.insert([*alike(row("x"), "y"), rows[1]]).obstacles == [Obstacle(2, "key", "a")]
    assert ids(everything(driver)) == ["a"]


def test_what_comes_after_rows_that_are_alike_has_the_next_place(driver):
    put(driver, *alike(row("a"), "b", "c"))
    put(driver, row("d"))
    put(driver, *alike(row("e"), "f"))
    assert taken(driver) == [*"abcdef"]


@pytest.mark.parametrize("there", ["b", "d", "f"])
def test_one_of_rows_that_are_alike_is_there(driver, there):
    put(driver, row("c"), row(there))
    before = everything(driver)
    rows = alike(row("d"), "f", "b")
    assert [each.holder for each in driver.insert(rows).obstacles] == [there]
    assert everything(driver) == before


def test_rows_that_are_alike_around_another(driver):
    put(driver, row("c"))
    put(driver, *alike(row("d"), "f", "b"))
    assert taken(driver) == [*"cdfb"]


LINES = [
    "",
    "\n",
    "two\nlines",
    "'quoted'",
    '"',
    "\\",
    "\\n",
    "{,}",
    "NULL",
    "ä €",
    "\r",
    "%s",
    ",",
]


@pytest.mark.parametrize("text", LINES)
def test_any_text_is_stored_of_rows_that_are_alike(driver, text):
    rows = [
        *(
            one._replace(id=f"{one.id}{text}{one.id}", payload=text)
            for one in alike(row("a"), *"bc")
        ),
        *(one._replace(id=f"{one.id}{text}") for one in alike(row("d"), *"ef")),
        *(one._replace(payload=text) for one in alike(row("g"), *"hi")),
    ]
    for some in (rows[:3], rows[3:6], rows[6:]):
        assert [one._replace(seq=None) for one in put(driver, *some)] == some
    assert [one._replace(seq=None) for one in everything(driver)] == rows
