"""hold and let_go: leases and locks."""

import pytest

from qml.seam.rows import Lapsed, Verdict

from .making import NOW, claim, done, everything, ids, lock, move, put, renewal, row, running

DONE, STALE, GONE = Verdict.DONE, Verdict.STALE, Verdict.GONE


@pytest.fixture
def claimed(driver):
    """A row that w1 claimed at NOW, for 10 microseconds."""
    put(driver, row("a"), row("other", due_at=None))
    [taken] = driver.claim(claim(worker="w1", now=NOW, lease=10)).rows
    return taken


def test_a_renewal_moves_the_end_of_the_lease_and_nothing_else(driver, claimed):
    others = driver.load(["other"])
    assert driver.hold([renewal(claimed, NOW + 50, now=NOW + 5)]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 50)]
    assert driver.load(["other"]) == others


@pytest.mark.parametrize("now", [NOW + 10, NOW + 1_000])
def test_a_claim_that_lapsed_is_renewed_if_nobody_took_it_over(driver, claimed, now):
    assert driver.hold([renewal(claimed, now + 50, now=now)]) == [DONE]
    assert driver.load(["a"])[0].lease_until == now + 50
    assert driver.scan(Lapsed(now, 10)) == []


@pytest.mark.parametrize(
    "other", [{"worker": "w2"}, {"fence": 0}, {"fence": 2}], ids=["worker", "older", "newer"]
)
def test_only_the_claim_with_this_worker_and_fence_is_renewed(driver, claimed, other):
    assert driver.hold([renewal(claimed, NOW + 50, **other)]) == [STALE]
    assert driver.load(["a"]) == [claimed]


def test_the_same_worker_with_an_older_claim_renews_nothing(driver, claimed):
    driver.swap([move(claimed, state="enqueued", due_at=0)])
    [again] = driver.claim(claim(worker="w1", now=NOW, lease=10)).rows
    assert driver.hold([renewal(claimed, NOW + 50)]) == [STALE]
    assert driver.load(["a"]) == [again]


def test_a_claim_that_ended_is_not_renewed(driver, claimed):
    driver.swap([move(claimed, ends_lease=True)])
    [ended] = driver.load(["a"])
    assert (ended.worker, ended.fence) == (claimed.worker, claimed.fence)
    assert driver.hold([renewal(claimed, NOW + 50)]) == [STALE]
    assert driver.load(["a"]) == [ended]


def test_a_claim_that_was_given_back_is_not_renewed(driver, claimed):
    driver.swap([move(claimed, state="enqueued", due_at=0, ends_lease=True)])
    assert driver.hold([renewal(claimed, NOW + 50)]) == [STALE]


def test_a_cancelled_run_that_goes_on_is_renewed(driver, claimed):
    driver.swap([move(claimed, state="deleted", ends_lease=False)])
    assert driver.hold([renewal(claimed, NOW + 50, now=NOW + 20)]) == [DONE]
    assert driver.load(["a"])[0].lease_until == NOW + 50


def test_a_renewal_after_a_change_of_the_version(driver, claimed):
    driver.swap([move(claimed, state="processing", ends_lease=False)])
    assert driver.hold([renewal(claimed, NOW + 50)]) == [DONE]


def test_a_renewal_of_a_row_stored_anew_is_refused(driver, claimed):
    """The same id, worker and fence, but another row."""
    driver.erase(["a"], 1)
    [new] = put(driver, claimed)
    assert driver.hold([renewal(claimed, NOW + 50)]) == [STALE]
    assert driver.load(["a"]) == [new]
    assert driver.hold([renewal(new, NOW + 50)]) == [DONE]


def test_a_renewal_without_seq_regards_worker_and_fence(driver, claimed):
    assert driver.hold([renewal(claimed, NOW + 50, seq=None)]) == [DONE]
    assert driver.hold([renewal(claimed, NOW + 50, seq=None, fence=9)]) == [STALE]


def test_a_row_that_is_not_there_is_gone(driver, claimed):
    driver.erase(["a"], 1)
    assert driver.hold([renewal(claimed, NOW + 50), lock("a")]) == [GONE, GONE]
    assert driver.hold([renewal(claimed, NOW + 50, seq=None)]) == [GONE]


def test_each_hold_stands_alone(driver):
    put(driver, row("a"), row("b"), row("c"))
    [a, b, c] = driver.claim(claim(worker="w1")).rows
    orders = [
        renewal(a, NOW + 1),
        renewal(b, NOW + 2, worker="w2"),
        lock("nobody"),
        renewal(c, NOW + 3),
        lock("b", "w3"),
    ]
    assert driver.hold(orders) == [DONE, STALE, GONE, DONE, STALE]
    assert driver.load(["a", "b", "c"]) == [
        a._replace(lease_until=NOW + 1),
        b,
        c._replace(lease_until=NOW + 3),
    ]


def test_nothing_to_hold(driver):
    assert driver.hold([]) == []


@pytest.mark.parametrize(
    "make",
    [
        row,
        done,
        lambda id: row(id, due_at=None),
        lambda id: row(id, due_at=NOW + 9),
        lambda id: row(id, worker="w9", lease_until=NOW),
        lambda id: running(id, state="deleted", lease_until=NOW),
        lambda id: running(id, lease_until=None),
    ],
    ids=["ready", "done", "never due", "waiting", "lapsed lock", "ended run", "held by nobody"],
)
def test_a_lock_holds_a_row_and_changes_nothing_else(driver, make):
    [a, b] = put(driver, make("a"), make("b"))
    assert driver.hold([lock("a", "w1", now=NOW, until=NOW + 5)]) == [DONE]
    assert driver.load(["a", "b"]) == [a._replace(locked_by="w1", lease_until=NOW + 5), b]


@pytest.mark.parametrize("make", [row, done, running])
def test_a_row_that_another_holds_is_not_locked(driver, make):
    [a] = put(driver, make("a")._replace(worker="w2", lease_until=NOW + 1))
    assert driver.hold([lock("a", "w1", now=NOW)]) == [STALE]
    assert driver.load(["a"]) == [a]


def test_a_lock_asked_for_again_is_longer_and_may_be_shorter(driver):
    [a] = put(driver, row("a"))
    driver.hold([lock("a", "w1", until=NOW + 5)])
    assert driver.hold([lock("a", "w1", now=NOW + 1, until=NOW + 50)]) == [DONE]
    assert driver.load(["a"]) == [a._replace(locked_by="w1", lease_until=NOW + 50)]
    assert driver.hold([lock("a", "w1", now=NOW + 2, until=NOW + 3)]) == [DONE]
    assert driver.load(["a"]) == [a._replace(locked_by="w1", lease_until=NOW + 3)]


def test_the_holder_of_a_live_claim_may_lengthen_it_by_a_lock(driver, claimed):
    assert driver.hold([lock("a", "w1", now=NOW + 9, until=NOW + 50)]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 50)]


@pytest.mark.parametrize("worker", ["w1", "w2"])
def test_a_lock_over_a_lapsed_claim_makes_the_old_hand_stale(driver, claimed, worker):
    assert driver.hold([lock("a", worker, now=NOW + 10, until=NOW + 50)]) == [DONE]
    [taken] = driver.load(["a"])
    assert taken == claimed._replace(
        worker=worker, lease_until=NOW + 50, fence=claimed.fence + 1, version=claimed.version + 1
    )
    assert driver.hold([renewal(claimed, NOW + 99)]) == [STALE]
    assert driver.swap([move(claimed)]) == [STALE]
    assert driver.load(["a"]) == [taken]
    assert driver.hold([renewal(taken, NOW + 99)]) == [DONE]


def test_a_lock_with_seq_is_for_that_row_only(driver):
    [old] = put(driver, row("a"))
    assert driver.hold([lock("a")._replace(seq=old.seq)]) == [DONE]
    driver.erase(["a"], 1)
    [new] = put(driver, row("a"))
    assert driver.hold([lock("a")._replace(seq=old.seq)]) == [STALE]
    assert driver.load(["a"]) == [new]


def test_a_lock_does_not_change_what_is_lapsed(driver):
    """A locked row that nobody processes is no orphan when the lock lapses."""
    put(driver, row("a"))
    driver.hold([lock("a", "w1", until=NOW + 5)])
    assert driver.scan(Lapsed(NOW + 9, 10)) == []


def test_letting_go_of_a_lock(driver):
    [a, _] = put(driver, row("a"), row("b"))
    driver.hold([lock("a", "w1"), lock("b", "w1")])
    assert driver.let_go("a", "w1", NOW + 9) is DONE
    [free, held] = driver.load(["a", "b"])
    assert free == a
    assert held.lease_until == NOW + 10
    assert driver.hold([lock("a", "w2", now=NOW + 9)]) == [DONE]


def test_a_lock_is_no_claim_to_be_renewed(driver, claimed):
    """The claim has ended; that its worker has locked the row since does not bring it back."""
    ended = move(claimed, state="succeeded", due_at=None, ends_lease=True)
    assert driver.swap([ended]) == [DONE]
    assert driver.hold([lock("a", "w1", now=NOW + 1, until=NOW + 50)]) == [DONE]
    before = driver.load(["a"])
    assert driver.hold([renewal(claimed, NOW + 99)]) == [STALE]
    assert driver.load(["a"]) == before
    assert (before[0].worker, before[0].locked_by) == ("w1", "w1")


def test_letting_go_of_a_claim_ends_the_lease_now(driver, claimed):
    assert driver.let_go("a", "w1", NOW + 4) is DONE
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 4)]
    assert ids(driver.scan(Lapsed(NOW + 4, 10))) == ["a"]
    assert driver.swap([move(claimed, lapsed_by=NOW + 4)]) == [DONE]


def test_letting_go_of_a_cancelled_run_ends_its_hold(driver, claimed):
    driver.swap([move(claimed, state="deleted", ends_lease=False)])
    assert driver.let_go("a", "w1", NOW + 4) is DONE
    assert driver.load(["a"])[0].lease_until is None


def test_of_a_claim_only_that_one_is_let_go_of(driver, claimed):
    one, other = (claimed.seq, claimed.fence), (claimed.seq, claimed.fence + 1)
    before = (claimed.seq - 1, claimed.fence)  # of a record that was deleted
    assert driver.let_go("a", "w1", NOW + 4, other) is STALE
    assert driver.let_go("a", "w1", NOW + 4, before) is STALE
    assert driver.let_go("a", "w2", NOW + 4, one) is STALE
    assert driver.load(["a"]) == [claimed]
    assert driver.let_go("a", "w1", NOW + 4, one) is DONE
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 4)]


def test_of_a_claim_no_lock_is_let_go_of(driver, claimed):
    """The claim of a cancelled run lapsed, and its worker locked the job since."""
    driver.swap([move(claimed, state="deleted", ends_lease=False)])
    assert driver.hold([lock("a", "w1", now=NOW + 99, until=NOW + 200)]) == [DONE]
    before = driver.load(["a"])
    assert before[0].fence == claimed.fence
    assert driver.let_go("a", "w1", NOW + 100, (claimed.seq, claimed.fence)) is STALE
    assert driver.load(["a"]) == before
    assert driver.let_go("a", "w1", NOW + 100) is DONE


@pytest.mark.parametrize("now", [NOW + 10, NOW + 11])
def test_a_hold_that_lapsed_is_not_let_go_of(driver, claimed, now):
    put(driver, row("b"))
    driver.hold([lock("b", "w1", until=NOW + 10)])
    before = everything(driver)
    assert driver.let_go("a", "w1", now) is STALE
    assert driver.let_go("b", "w1", now) is STALE
    assert everything(driver) == before


def test_nobody_lets_go_of_anothers_hold(driver, claimed):
    assert driver.let_go("a", "w2", NOW + 4) is STALE
    assert driver.load(["a"]) == [claimed]


def test_nobody_lets_go_twice(driver, claimed):
    put(driver, row("b"))
    driver.hold([lock("b", "w1")])
    assert driver.let_go("b", "w1", NOW + 4) is DONE
    assert driver.let_go("b", "w1", NOW + 4) is STALE
    assert driver.let_go("a", "w1", NOW + 4) is DONE
    assert driver.let_go("a", "w1", NOW + 4) is STALE


def test_letting_go_of_what_was_never_held(driver):
    [a] = put(driver, row("a", worker="w1"))
    assert driver.let_go("a", "w1", NOW) is STALE
    assert driver.load(["a"]) == [a]


def test_letting_go_of_a_row_that_is_not_there(driver):
    assert driver.let_go("nobody", "w1", NOW) is GONE
