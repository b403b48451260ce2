"""Hold.notes: what a run says of itself is kept with its row, and only its own claim writes it."""

import pytest

from qml.seam.rows import After, Available, Expired, Lapsed, Page, Verdict

from .making import NOW, claim, everything, ids, later, lock, move, put, renewal, rewrite, row
from .test_texts import TEXTS

DONE, STALE, GONE = Verdict.DONE, Verdict.STALE, Verdict.GONE


@pytest.fixture
def claimed(driver):
    """A row that w1 claimed at NOW, for 10 microseconds."""
    put(driver, row("a"), row("other", due_at=None, notes="of the other"))
    [taken] = driver.claim(claim(worker="w1", now=NOW, lease=10)).rows
    return taken


def notes_of(driver, job_id):
    return driver.load([job_id])[0].notes


def test_a_renewal_writes_lease_and_notes_and_nothing_else(driver, claimed):
    others = driver.load(["other"])
    assert driver.hold([renewal(claimed, NOW + 50, notes="half")]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 50, notes="half")]
    assert driver.load(["other"]) == others


def test_notes_raise_neither_version_nor_fence(driver, claimed):
    """The end of the run is not stale for what it said before."""
    assert driver.hold([renewal(claimed, NOW + 50, notes="half")]) == [DONE]
    assert driver.swap([move(claimed)]) == [DONE]
    [ended] = driver.load(["a"])
    assert (ended.version, ended.state, ended.notes) == (claimed.version + 1, "succeeded", "half")


def test_later_notes_replace_earlier_ones(driver, claimed):
    for text in ("one", "two", "", "three"):
        assert driver.hold([renewal(claimed, NOW + 50, notes=text)]) == [DONE]
        assert notes_of(driver, "a") == text


def test_a_renewal_without_notes_leaves_them(driver, claimed):
    driver.hold([renewal(claimed, NOW + 50, notes="half")])
    assert driver.hold([renewal(claimed, NOW + 60)]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 60, notes="half")]


@pytest.mark.parametrize(
    "other",
    [{"worker": "w2"}, {"fence": 0}, {"fence": 2}, {"seq": -1}],
    ids=["worker", "older", "newer", "seq"],
)
def test_another_claim_writes_no_notes(driver, claimed, other):
    assert driver.hold([renewal(claimed, NOW + 50, notes="late", **other)]) == [STALE]
    assert driver.load(["a"]) == [claimed]


def test_an_older_claim_of_the_same_worker_writes_no_notes(driver, claimed):
    driver.swap([move(claimed, state="enqueued", due_at=0, finished_at=None)])
    [again] = driver.claim(claim(worker="w1", now=NOW, lease=10)).rows
    assert driver.hold([renewal(claimed, NOW + 50, notes="late")]) == [STALE]
    assert driver.load(["a"]) == [again]
    assert driver.hold([renewal(again, NOW + 50, notes="mine")]) == [DONE]


def test_a_claim_that_ended_writes_no_notes(driver, claimed):
    driver.swap([move(claimed, ends_lease=True)])
    assert driver.hold([renewal(claimed, NOW + 50, notes="late")]) == [STALE]
    assert notes_of(driver, "a") == ""


def test_a_lapsed_claim_that_another_took_over_writes_no_notes(driver, claimed):
    driver.hold([lock("a", "w2", now=NOW + 10, until=NOW + 50)])
    assert driver.hold([renewal(claimed, NOW + 99, notes="late")]) == [STALE]
    assert notes_of(driver, "a") == ""


def test_a_lapsed_claim_that_nobody_took_over_may_still_say_something(driver, claimed):
    assert driver.hold([renewal(claimed, NOW + 99, now=NOW + 70, notes="here I am")]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 99, notes="here I am")]


def test_a_cancelled_run_holds_its_row_but_notes_no_more(driver, claimed):
    """The job has ended, and what has ended does not change."""
    driver.hold([renewal(claimed, NOW + 20, notes="before")])
    driver.swap([move(claimed, state="deleted", ends_lease=False)])
    before = driver.load(["a"])[0]
    assert driver.hold([renewal(claimed, NOW + 50, notes="after")]) == [DONE]
    assert driver.load(["a"]) == [before._replace(lease_until=NOW + 50)]
    assert before.notes == "before"


def test_notes_after_a_change_of_the_version_by_another(driver, claimed):
    driver.swap([move(claimed, state="processing", ends_lease=False, finished_at=None)])
    assert driver.hold([renewal(claimed, NOW + 50, notes="half")]) == [DONE]
    assert notes_of(driver, "a") == "half"


def test_a_renewal_without_seq_writes_notes_too(driver, claimed):
    assert driver.hold([renewal(claimed, NOW + 50, seq=None, notes="half")]) == [DONE]
    assert driver.hold([renewal(claimed, NOW + 50, seq=None, fence=9, notes="no")]) == [STALE]
    assert notes_of(driver, "a") == "half"


def test_a_lock_writes_no_notes(driver, claimed):
    order = lock("a", "w1", now=NOW + 1, until=NOW + 50)._replace(notes="mine")
    other = lock("other", "w3")._replace(notes="mine")
    assert driver.hold([order, other]) == [DONE, DONE]
    assert [one.notes for one in driver.load(["a", "other"])] == ["", "of the other"]


def test_a_row_that_is_not_there_has_no_notes(driver, claimed):
    driver.erase(["a"], 1)
    assert driver.hold([renewal(claimed, NOW + 50, notes="late")]) == [GONE]
    assert ids(everything(driver)) == ["other"]
    [again] = put(driver, row("a"))
    assert again.notes == ""


def test_each_of_a_batch_writes_its_own(driver):
    put(driver, *(row(name) for name in "abcd"))
    [a, b, c, d] = driver.claim(claim(worker="w1")).rows
    orders = [
        renewal(a, NOW + 1, notes="of a"),
        renewal(b, NOW + 2, worker="w2", notes="of b"),
        renewal(d, NOW + 3),
        renewal(c, NOW + 4, notes="of c"),
        renewal(a._replace(id="nobody"), NOW + 5, notes="of nobody"),
    ]
    assert driver.hold(orders) == [DONE, STALE, DONE, DONE, GONE]
    assert [one.notes for one in driver.load([*"abcd"])] == ["of a", "", "of c", ""]
    assert [one.lease_until for one in driver.load([*"acd"])] == [NOW + 1, NOW + 4, NOW + 3]


def test_notes_stay_through_the_whole_life_of_a_row(driver, claimed):
    """Retry, second claim, rewrite, end: the log of the first attempt is still there."""
    driver.hold([renewal(claimed, NOW + 50, notes="first")])
    retry = move(claimed, state="awaiting_retry", due_at=NOW + 60, finished_at=None)
    assert driver.swap([retry]) == [DONE]
    assert notes_of(driver, "a") == "first"
    [again] = driver.claim(claim(worker="w2", now=NOW + 60)).rows
    assert again.notes == "first"
    assert driver.load(["a"]) == [again]
    driver.hold([renewal(again, NOW + 90, now=NOW + 61, notes="first, second")])
    assert driver.let_go("a", "w2", NOW + 62) is DONE
    assert driver.swap([move(again)]) == [DONE]
    assert notes_of(driver, "a") == "first, second"


@pytest.mark.parametrize("keeps_payload", [True, False])
@pytest.mark.parametrize("keeps_lease", [True, False])
def test_a_rewrite_never_writes_notes(driver, claimed, keeps_lease, keeps_payload):
    driver.hold([renewal(claimed, NOW + 50, notes="half")])
    change = rewrite(
        claimed, keeps_lease=keeps_lease, keeps_payload=keeps_payload, notes="none", metadata="new"
    )
    assert driver.swap([change]) == [DONE]
    [after] = driver.load(["a"])
    assert (after.notes, after.metadata) == ("half", "new")


def test_notes_given_with_an_insert_are_stored(driver):
    """As by a copy of a store."""
    [a] = put(driver, row("a", notes="brought along"))
    assert a.notes == "brought along"


def test_every_way_to_look_shows_the_notes(driver):
    put(
        driver,
        row("ready", notes="of ready"),
        later("late", NOW, expires_at=NOW, notes="of late"),
        row("running", priority=9),
    )
    [taken] = driver.claim(claim(1, now=NOW, lease=5)).rows
    assert driver.hold([renewal(taken, NOW + 5, notes="of running")]) == [DONE]
    looks = {
        Page(): ["of running", "of late", "of ready"],
        Page(states=("processing",)): ["of running"],
        Page(states=("enqueued", "processing")): ["of running", "of ready"],
        After(0, 9): ["of ready", "of late", "of running"],
        Available(NOW): ["of ready", "of late"],
        Lapsed(NOW + 5, 9): ["of running"],
        Expired(NOW, 9): ["of late"],
    }
    for look, found in looks.items():
        assert [one.notes for one in driver.scan(look)] == found, look
    rows = driver.claim(claim(now=NOW, worker="w2", queues=("default",))).rows
    assert [one.notes for one in rows] == ["of ready", "of late"]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_notes_of_any_text(driver, claimed, text):
    assert driver.hold([renewal(claimed, NOW + 50, notes=text)]) == [DONE]
    assert driver.load(["a"]) == [claimed._replace(lease_until=NOW + 50, notes=text)]
    assert driver.load(["other"])[0].notes == "of the other"
