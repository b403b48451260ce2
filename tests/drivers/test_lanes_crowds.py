"""Lanes with thousands of rows, thousands of lanes, and many threads that claim of them at once."""

import threading

import pytest

from qml.seam.lanes import Used
from qml.seam.rows import Page, Verdict

from .making import NOW, claim, finish, ids, limited, move, paced, put, row, taken
from .test_life import in_threads

MANY = 3_000

KEYS = ["k", *(f"k{number}" for number in range(5))]

ENDED = Page(states=("succeeded",))


def test_thousands_that_are_kept_back_hide_nothing(driver):
    put(driver, *(limited(str(number), priority=5) for number in range(MANY)))
    put(driver, limited("other", "j", priority=-1), row("plain", priority=-2))
    assert taken(driver) == ["0", "other", "plain"]
    for number in range(1, 20):
        finish(driver, str(number - 1))
        assert taken(driver) == [str(number)]
    put(driver, row("late", priority=-9))
    assert taken(driver) == ["late"]


def test_thousands_that_are_kept_back_and_fell_due_hide_nothing(driver):
    """They ripen a thousand at a time; then what fell due behind them is found."""
    put(driver, *(limited(str(number), due_at=NOW) for number in range(1_500)))
    put(driver, limited("best", due_at=NOW, priority=1), row("plain", due_at=NOW))
    found, next_due = driver.claim(claim(now=NOW))
    assert len(found) == 1
    if next_due == NOW:
        found += driver.claim(claim(now=NOW)).rows
    assert "plain" in ids(found)
    finish(driver, found[0].id)
    finish(driver, *(name for name in taken(driver) if name != "plain"))
    assert len(taken(driver)) == 1


def test_a_thousand_leases_that_lapse_at_once_open_all_their_lanes(driver):
    """A thousand lanes may join the open ones per claim; who claims hears to ask again at once."""
    names = [str(number) for number in range(1_200)]
    put(driver, *(limited(f"{name} first", name) for name in names))
    assert len(taken(driver, 2_000, lease=30)) == 1_200
    put(driver, *(limited(f"{name} next", name) for name in names))
    assert driver.claim(claim(2_000)) == ([], NOW + 30)
    found, next_due = driver.claim(claim(2_000, now=NOW + 30, lease=100))
    assert len(found) >= 1_000
    while next_due is not None and next_due <= NOW + 30:
        more, next_due = driver.claim(claim(2_000, now=NOW + 30, lease=100))
        found += more
    assert sorted(ids(found)) == sorted(f"{name} next" for name in names)


def test_hundreds_of_paces_pass_one_start_each(driver):
    for turn in range(2):
        put(driver, *(paced(f"{n} {turn}", pace=f"{n}", gap=50) for n in range(300)))
    assert taken(driver, 5_000) == [f"{n} 0" for n in range(300)]
    assert driver.claim(claim()) == ([], NOW + 50)
    found = taken(driver, 5_000, now=NOW + 50)
    found += taken(driver, 5_000, now=NOW + 50)
    assert sorted(found) == sorted(f"{n} 1" for n in range(300))


class Live:
    """How many claims of each permit live now: counted before a row is worked on, and uncounted
    before it ends, so that no count is higher than what the store gave out."""

    def __init__(self):
        self._lock = threading.Lock()
        self._now = {}
        self.most = {}
        self.given_up = threading.Event()

    def begin(self, permit):
        with self._lock:
            self._now[permit] = self._now.get(permit, 0) + 1
            self.most[permit] = max(self.most.get(permit, 0), self._now[permit])

    def end(self, permit):
        with self._lock:
            self._now[permit] -= 1


def work_off(driver, total, live, number, **how):
    """Claim and end until ``total`` rows have ended, by whatever hand. How many this one did."""
    try:
        return _work_off(driver, total, live, number, **how)
    except BaseException:
        live.given_up.set()
        raise


def _work_off(driver, total, live, number, *, retries=False):
    worker, did = f"w{number}", 0
    while not live.given_up.is_set():
        rows = driver.claim(claim(1 + number % 3, worker=worker)).rows
        if not rows and driver.count(ENDED, "state").get("succeeded", 0) == total:
            return did
        for one in rows:
            live.begin(one.permit)
        assert not rows or max(driver.used(NOW, KEYS, []).live) <= 2  # while they are counted, too
        for one in rows:
            live.end(one.permit)
            again = retries and one.attempt == 1 and one.seq % 3 == 0
            back = {"state": "retry", "due_at": NOW, "finished_at": None} if again else {}
            assert driver.swap([move(one, **back)]) == [Verdict.DONE]
            did += not again
    return did


@pytest.mark.parametrize("permits", [1, 2])
def test_many_hands_never_exceed_a_limit_and_end_all(driver, permits):
    put(driver, *(limited(str(number), permits=permits) for number in range(100)))
    live = Live()
    assert sum(in_threads(4, lambda number: work_off(driver, 100, live, number))) == 100
    assert 1 <= live.most["k"] <= permits
    assert driver.used(NOW, ["k"], []) == Used([0], [])


def test_many_hands_on_many_lanes_and_plain_rows(driver):
    rows = [limited(f"k {n}", f"k{n % 5}", 1 + n % 2, priority=n % 3) for n in range(120)]
    put(driver, *rows, *(row(f"plain {n}") for n in range(40)))
    live = Live()
    done = in_threads(4, lambda number: work_off(driver, 160, live, number, retries=True))
    assert sum(done) == 160
    del live.most[None]
    assert set(live.most) == {f"k{n}" for n in range(5)}
    assert max(live.most.values()) <= 2
