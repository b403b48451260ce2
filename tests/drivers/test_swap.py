"""swap: a change is carried out only where its guards hold, and alone."""

import pytest

from qml.seam.rows import (
    AHEAD,
    KEY_FREE,
    KEY_UNTIL_CLAIMED,
    KEY_UNTIL_FINAL,
    NEVER_AHEAD,
    Finished,
    Lapsed,
    Obstacle,
    Verdict,
)

from .making import (
    COLUMNS,
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
)

DONE, STALE, GONE, TAKEN = Verdict.DONE, Verdict.STALE, Verdict.GONE, Verdict.TAKEN

CHANGES = pytest.mark.parametrize("change", [move, rewrite])


def test_a_move_writes_its_columns_raises_the_version_and_leaves_the_rest(driver):
    [a, b] = put(
        driver,
        running("a", lease_until=NOW + 9, unique_key="k", version=4, payload="p", metadata="m"),
        running("b"),
    )
    written = {
        "state": "awaiting_retry",
        "detail": "later",
        "failures": "[2]",
        "attempt": 7,
        "max_attempts": 8,
        "ahead": NEVER_AHEAD,
        "due_at": NOW + 5,
        "finished_at": NOW + 6,
        "purge_at": NOW + 7,
        "key_held": KEY_UNTIL_CLAIMED,
    }
    assert driver.swap([move(a, **written, ends_lease=False)]) == [DONE]
    assert driver.load(["a", "b"]) == [a._replace(version=5, **written), b]


def test_a_move_may_empty_what_was_set(driver):
    [a] = put(driver, later("a", NOW, finished_at=NOW, purge_at=NOW))
    assert driver.swap([move(a, due_at=None, finished_at=None, purge_at=None)]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.due_at, after.finished_at, after.purge_at) == (None, None, None)


def test_a_move_ends_the_lease_and_leaves_who_held_it(driver):
    [a] = put(driver, running("a", "w7", NOW + 9))
    assert driver.swap([move(a, ends_lease=True)]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.worker, after.lease_until) == ("w7", None)


def test_a_move_ends_a_lock_too_or_leaves_it(driver):
    [a, b] = put(driver, row("a"), row("b"))
    driver.hold([lock("a", "w7", until=NOW + 9), lock("b", "w7", until=NOW + 9)])
    assert driver.swap([move(a, ends_lease=True), move(b, ends_lease=False)]) == [DONE, DONE]
    holds = [(r.locked_by, r.lease_until) for r in driver.load(["a", "b"])]
    assert holds == [(None, None), ("w7", NOW + 9)]


def test_a_move_may_leave_the_lease(driver):
    [a] = put(driver, running("a", "w7", NOW + 9))
    assert driver.swap([move(a, state="deleted", ends_lease=False)]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.worker, after.lease_until) == ("w7", NOW + 9)


@pytest.mark.parametrize("held", [KEY_FREE, KEY_UNTIL_CLAIMED, KEY_UNTIL_FINAL])
def test_a_move_without_key_held_leaves_it(driver, held):
    [a] = put(driver, row("a", unique_key="k", key_held=held))
    assert driver.swap([move(a, key_held=None)]) == [DONE]
    assert driver.load(["a"])[0].key_held == held


def test_a_rewrite_writes_every_column_but_id_seq_notes_and_those_of_tallies(driver):
    kept = {"notes": "kept", "batch": "b", "counts": '["t"]', "awaits": "t2", "needs_all": 1}
    [a, b] = put(
        driver,
        running("a", "w1", NOW + 9, unique_key="k", unique_while="queued", **kept),
        row("b"),
    )
    other = row(
        "a",
        seq=a.seq + 1_000,
        version=a.version + 1,
        state="failed",
        queue="q2",
        priority=4,
        method="other",
        attempt=11,
        fence=12,
        max_attempts=13,
        ahead=AHEAD,
        worker="w2",
        locked_by="w3",
        lease_until=NOW + 20,
        due_at=NOW + 21,
        finished_at=NOW + 22,
        purge_at=NOW + 24,
        expires_at=NOW + 25,
        created_at=NOW + 23,
        key_held=KEY_UNTIL_CLAIMED,
        unique_key="k2",
        unique_while="unfinished",
        max_retries=14,
        timeout_seconds=15.5,
        job_type="jt",
        lane='["q2","k","1",null,null,null]',
        permit="k",
        detail="d2",
        failures="f2",
        metadata="m2",
        payload="p2",
        notes="n2",
    )
    assert {name for name in COLUMNS if getattr(a, name) == getattr(other, name)} == {"id"}
    plain = rewrite(a)._replace(row=other)
    assert driver.swap([plain]) == [DONE]
    assert driver.load(["a", "b"]) == [other._replace(seq=a.seq, **kept), b]


def test_a_rewrite_may_empty_what_was_set(driver):
    [a] = put(
        driver,
        later("a", NOW, unique_key="k", max_retries=1, timeout_seconds=1.0, job_type="t")._replace(
            worker="w", locked_by="v", lease_until=NOW, finished_at=NOW, purge_at=1, expires_at=2
        ),
    )
    absent = dict.fromkeys(
        ["unique_key", "max_retries", "timeout_seconds", "job_type", "worker", "lease_until"]
    ) | dict.fromkeys(["finished_at", "purge_at", "expires_at", "due_at", "locked_by"])
    assert driver.swap([rewrite(a, key_held=KEY_FREE, **absent)]) == [DONE]
    assert driver.load(["a"])[0] == a._replace(version=1, key_held=KEY_FREE, **absent)


def test_a_rewrite_may_keep_worker_and_lease_as_they_are_stored_now(driver):
    [a] = put(driver, row("a", worker="w4"))
    driver.hold([lock("a", "w5", until=NOW + 77)])
    assert driver.swap([rewrite(a, keeps_lease=True, worker="w6", metadata="new")]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.worker, after.locked_by, after.lease_until) == ("w4", "w5", NOW + 77)
    assert after.metadata == "new"


def test_a_rewrite_may_keep_the_payload(driver):
    [a, b] = put(driver, row("a"), row("b"))
    changes = [
        rewrite(a, keeps_payload=True, payload="ignored"),
        rewrite(b, keeps_payload=False, payload="written"),
    ]
    assert driver.swap(changes) == [DONE, DONE]
    assert [r.payload for r in driver.load(["a", "b"])] == ["payload of a", "written"]


@CHANGES
@pytest.mark.parametrize("other", [-1, +1])
def test_another_version_is_stale(driver, change, other):
    [a] = put(driver, running("a", version=3))
    assert driver.swap([change(a._replace(version=3 + other))]) == [STALE]
    assert driver.load(["a"]) == [a]


@CHANGES
def test_another_seq_is_stale(driver, change):
    """The row was erased, and one with the same id, version and fence stored anew."""
    [old] = put(driver, row("a"))
    driver.erase(["a"], 1)
    [new] = put(driver, row("a"))
    assert driver.swap([change(old)]) == [STALE]
    assert driver.load(["a"]) == [new]


@CHANGES
def test_no_seq_is_whichever_row_has_the_id(driver, change):
    [a] = put(driver, row("a"))
    assert driver.swap([change(a)._replace(seq=None)]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.seq, after.version) == (a.seq, 1)


@CHANGES
def test_a_row_that_is_not_there_is_gone(driver, change):
    [a] = put(driver, row("a"))
    driver.erase(["a"], 1)
    assert driver.swap([change(a), change(a)._replace(seq=None)]) == [GONE, GONE]
    assert everything(driver) == []


@CHANGES
def test_the_second_of_two_equal_changes_is_stale(driver, change):
    [a] = put(driver, row("a"))
    assert driver.swap([change(a)]) == [DONE]
    assert driver.swap([change(a)]) == [STALE]
    assert driver.load(["a"])[0].version == 1


def test_two_changes_of_one_row_in_a_batch(driver):
    [a] = put(driver, row("a"))
    assert driver.swap([move(a, detail="first"), move(a, detail="second")]) == [DONE, STALE]
    assert driver.load(["a"])[0].detail == "first"


@pytest.mark.parametrize(("by", "verdict"), [(NOW - 1, STALE), (NOW, DONE), (NOW + 1, DONE)])
def test_a_move_may_ask_that_the_lease_has_ended(driver, by, verdict):
    [a] = put(driver, running("a", lease_until=NOW))
    assert driver.swap([move(a, lapsed_by=by)]) == [verdict]
    assert (driver.load(["a"]) == [a]) == (verdict is STALE)


def test_a_lease_renewed_meanwhile_has_not_ended(driver):
    """A renewal changes no version: only this guard stands between rescue and a live run."""
    [a] = put(driver, running("a", lease_until=NOW))
    [seen] = driver.scan(Lapsed(NOW, 10))
    driver.hold([lock("a", "w1", now=NOW - 1, until=NOW + 5)])
    assert driver.swap([move(seen, lapsed_by=NOW)]) == [STALE]
    assert driver.load(["a"]) == [a._replace(lease_until=NOW + 5)]


def test_no_lease_is_none_that_ended(driver):
    [a] = put(driver, running("a", lease_until=None))
    assert driver.swap([move(a, lapsed_by=NOW)]) == [STALE]


def test_each_change_stands_alone(driver):
    [a, b, c, d] = put(
        driver, row("a"), row("b"), row("c", unique_key="k", key_held=KEY_FREE), row("d")
    )
    put(driver, row("holder", unique_key="k"))
    changes = [
        move(a._replace(version=9)),
        move(b),
        move(c, key_held=KEY_UNTIL_FINAL),
        rewrite(d),
        move(row("nobody", seq=1)),
        rewrite(a, metadata="new"),
    ]
    assert driver.swap(changes) == [STALE, DONE, TAKEN, DONE, GONE, DONE]
    assert [r.version for r in driver.load(["a", "b", "c", "d"])] == [1, 1, 0, 1]


def test_nothing_to_swap(driver):
    assert driver.swap([]) == []


def test_a_key_that_another_row_took_is_taken_and_nothing_changes(driver):
    [a] = put(driver, row("a", unique_key="k", key_held=KEY_FREE))
    [b] = put(driver, row("b", unique_key="k"))
    again = [
        move(a, state="enqueued", key_held=KEY_UNTIL_FINAL),
        move(a, state="enqueued", key_held=KEY_UNTIL_CLAIMED),
        rewrite(a, key_held=KEY_UNTIL_CLAIMED),
    ]
    assert driver.swap(again) == [TAKEN, TAKEN, TAKEN]
    assert driver.load(["a", "b"]) == [a, b]
    # Without the key it may go.
    assert driver.swap([move(a, state="enqueued", key_held=KEY_FREE)]) == [DONE]


def test_a_stale_change_is_stale_though_its_key_is_taken(driver):
    [a] = put(driver, row("a", unique_key="k", key_held=KEY_FREE, version=2))
    put(driver, row("b", unique_key="k"))
    stale = a._replace(version=1)
    changes = [move(stale, key_held=KEY_UNTIL_FINAL), rewrite(stale, key_held=KEY_UNTIL_FINAL)]
    assert driver.swap(changes) == [STALE, STALE]


def test_the_holder_of_a_key_may_keep_it_through_a_change(driver):
    [a] = put(driver, row("a", unique_key="k"))
    assert driver.swap([move(a, key_held=KEY_UNTIL_CLAIMED)]) == [DONE]
    assert driver.swap([rewrite(driver.load(["a"])[0], key_held=KEY_UNTIL_FINAL)]) == [DONE]
    assert driver.insert([row("b", unique_key="k")]).obstacles == [Obstacle(0, "key", "a")]


@CHANGES
def test_a_change_frees_the_key_at_once(driver, change):
    [a] = put(driver, row("a", unique_key="k"))
    assert driver.swap([change(a, key_held=KEY_FREE)]) == [DONE]
    put(driver, row("b", unique_key="k"))


@CHANGES
def test_a_freed_key_is_taken_again(driver, change):
    [a] = put(driver, row("a", unique_key="k", key_held=KEY_FREE))
    assert driver.swap([change(a, key_held=KEY_UNTIL_FINAL)]) == [DONE]
    assert driver.insert([row("b", unique_key="k")]).obstacles == [Obstacle(0, "key", "a")]


def test_a_stale_hand_frees_no_key(driver):
    [a] = put(driver, row("a", unique_key="k"))
    driver.erase(["a"], 1)
    put(driver, row("b", unique_key="k"))
    assert driver.swap([move(a, key_held=KEY_FREE)]) == [GONE]
    assert driver.insert([row("c", unique_key="k")]).obstacles == [Obstacle(0, "key", "b")]


def test_ending_a_row_that_holds_no_key_frees_nobody_elses(driver):
    [a] = put(driver, row("a", unique_key="k", key_held=KEY_FREE))
    put(driver, row("b", unique_key="k"))
    assert driver.swap([move(a, key_held=KEY_FREE)]) == [DONE]
    assert driver.erase(["a"], 1) == 1
    assert driver.insert([row("c", unique_key="k")]).obstacles == [Obstacle(0, "key", "b")]


def test_a_rewrite_may_change_the_key(driver):
    [a] = put(driver, row("a", unique_key="old"))
    put(driver, row("b", unique_key="other"))
    assert driver.swap([rewrite(a, unique_key="other")]) == [TAKEN]
    assert driver.swap([rewrite(a, unique_key="new")]) == [DONE]
    put(driver, row("c", unique_key="old"))
    assert driver.insert([row("d", unique_key="new")]).obstacles == [Obstacle(0, "key", "a")]


def test_a_key_freed_by_a_change_is_there_for_the_next_of_the_batch(driver):
    [a] = put(driver, row("a", unique_key="k"))
    [b] = put(driver, row("b", unique_key="k", key_held=KEY_FREE))
    assert driver.swap([move(a), move(b, key_held=KEY_UNTIL_FINAL)]) == [DONE, DONE]
    assert driver.insert([row("c", unique_key="k")]).obstacles == [Obstacle(0, "key", "b")]


@CHANGES
def test_a_change_makes_a_row_claimable(driver, change):
    [a] = put(driver, done("a"))
    assert driver.swap([change(a, state="enqueued", due_at=0, finished_at=None)]) == [DONE]
    assert ids(driver.claim(claim()).rows) == ["a"]


@CHANGES
def test_a_change_makes_a_row_wait(driver, change):
    [a] = put(driver, row("a"))
    assert driver.swap([change(a, state="scheduled", due_at=NOW + 5)]) == [DONE]
    assert driver.claim(claim(now=NOW)) == ([], NOW + 5)
    assert ids(driver.claim(claim(now=NOW + 5)).rows) == ["a"]


@CHANGES
def test_a_change_takes_a_row_from_the_claims(driver, change):
    [a, b] = put(driver, row("a"), later("b", NOW + 5))
    changes = [change(r, state="deleted", due_at=None, finished_at=NOW) for r in (a, b)]
    assert driver.swap(changes) == [DONE, DONE]
    assert driver.claim(claim(now=NOW + 9)) == ([], None)
    assert driver.erase(Finished("deleted", NOW), 9) == 2


def test_a_rewrite_moves_a_row_to_another_queue_and_priority(driver):
    [a, _] = put(driver, row("a", queue="x"), row("b", queue="y"))
    assert driver.swap([rewrite(a, queue="y", priority=1)]) == [DONE]
    assert driver.claim(claim(queues=("x",))).rows == []
    assert ids(driver.claim(claim(queues=("y",))).rows) == ["a", "b"]


def test_a_rewrite_of_a_row_that_has_ripened_leaves_it_claimable(driver):
    put(driver, later("a", NOW), row("first", priority=1))
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["first"]
    [a] = driver.load(["a"])
    assert driver.swap([rewrite(a, metadata="new")]) == [DONE]
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["a"]


def test_a_row_that_had_ripened_waits_again_for_a_new_time(driver):
    put(driver, later("a", NOW), row("first", priority=1))
    driver.claim(claim(1, now=NOW))
    [a] = driver.load(["a"])
    assert driver.swap([move(a, state="scheduled", due_at=NOW + 1)]) == [DONE]
    assert driver.claim(claim(1, now=NOW)) == ([], NOW + 1)
    assert ids(driver.claim(claim(1, now=NOW + 1)).rows) == ["a"]


def test_texts_that_say_nothing_are_written_over_what_was_said(driver):
    [stored] = put(driver, row("a", failures="f", metadata="m"))
    assert driver.swap([rewrite(stored, failures="[]", metadata="{}")]) == [Verdict.DONE]
    [new] = driver.load(["a"])
    assert (new.failures, new.metadata) == ("[]", "{}")
