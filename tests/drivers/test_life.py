"""notify, wait, time, describe, install, close; threads and forks."""

import itertools
import os
import sys
import threading
import time

import pytest

from qml.seam.rows import Available, Expired, Lapsed, Page, Verdict
from qml.values.errors import StorageClosed

from .making import NOW, claim, everything, ids, lock, move, put, row

LONG = 20.0


def drain_hints(driver):
    """Hints may come for nothing: take those that stand. One who listens to a server gives some
    when it begins to hear, and hears its own come back."""
    wakeups = getattr(driver, "_wakeups", None)
    pause = 0.05 if hasattr(wakeups, "_hears") else 0
    while driver.wait(pause) or not getattr(wakeups, "_hears", True):
        pass


def in_threads(count, work):
    """Run ``work(number)`` in threads at once; the results in order of number."""
    results, errors = {}, []
    barrier = threading.Barrier(count)

    def run(number):
        try:
            barrier.wait(LONG)
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    return [results[number] for number in range(count)]


def waiting(driver, timeout=LONG):
    """A thread that waits, once it does, and what it got and how long that took."""
    ready, got = threading.Event(), []

    def wait():
        drain_hints(driver)
        ready.set()
        start = time.monotonic()
        got.append(driver.wait(timeout))
        got.append(time.monotonic() - start)

    thread = threading.Thread(target=wait)
    thread.start()
    assert ready.wait(LONG)
    time.sleep(0.05)
    return thread, got


def test_a_wait_ends_when_its_time_has_passed(driver):
    drain_hints(driver)
    start = time.monotonic()
    assert driver.wait(0.05) is False
    assert 0.04 < time.monotonic() - start < 5


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_wait_without_time_only_looks(driver, timeout):
    drain_hints(driver)
    assert driver.wait(timeout) is False


def test_a_hint_wakes_everybody_who_waits(driver):
    waiters = [waiting(driver) for _ in range(3)]
    driver.notify()
    for thread, got in waiters:
        thread.join()
        assert got[0] is True
        assert got[1] < LONG / 2


def test_rows_that_are_stored_here_wake_once(driver):
    """A server that listens hears its own hints, too."""
    drain_hints(driver)
    for number in range(3):
        put(driver, row(f"r{number}"))
        driver.notify()
        assert driver.wait(LONG) is True
        assert driver.wait(0.1) is False


def test_a_hint_between_a_look_and_the_wait_is_not_lost(driver):
    drain_hints(driver)
    driver.notify()
    assert driver.wait(LONG) is True
    drain_hints(driver)
    assert driver.wait(0.01) is False


def test_time_is_the_machines_and_goes_on(driver):
    first = driver.time()
    assert type(first) is int
    assert abs(first - time.time_ns() // 1000) < 5_000_000
    time.sleep(0.02)
    assert 15_000 < driver.time() - first < 5_000_000


def test_time_never_goes_back(driver):
    times = [driver.time() for _ in range(200)]
    assert times == sorted(times)


def test_a_driver_says_what_it_is(driver):
    assert driver.describe()
    assert "\n" not in driver.describe()


def test_installing_again_changes_nothing(driver):
    put(driver, row("a"))
    driver.write("r", "{}", 0)
    before = everything(driver)
    driver.install()
    assert everything(driver) == before
    assert driver.read("r") is not None


def test_closing_again_does_nothing(driver):
    driver.close()
    driver.close()
    assert driver.describe()


VERBS = {
    "insert": [[row("a")]],
    "load": [["a"]],
    "holder": ["k"],
    "swap": [[move(row("a", seq=1))]],
    "claim": [claim()],
    "hold": [[lock("a")]],
    "let_go": ["a", "w", NOW],
    "scan": [Page()],
    "count": [Page(), "state"],
    "erase": [["a"], 1],
    "read": ["a"],
    "write": ["a", "{}", 0],
    "list": [""],
    "wait": [0.01],
    "install": [],
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_closed_driver_says_so(driver, verb):
    driver.close()
    with pytest.raises(StorageClosed, match="closed"):
        getattr(driver, verb)(*VERBS[verb])


@pytest.mark.parametrize("query", [Available(NOW), Lapsed(NOW, 1), Expired(NOW, 1)])
def test_a_closed_driver_says_so_to_every_onlooker(driver, query):
    driver.close()
    with pytest.raises(StorageClosed, match="closed"):
        driver.scan(query)


def test_closing_wakes_everybody_who_waits(driver):
    waiters = [waiting(driver) for _ in range(3)]
    driver.close()
    for thread, got in waiters:
        thread.join(LONG / 2)
        assert not thread.is_alive()
        assert got[1] < LONG / 2


def test_no_row_is_given_to_two_of_many_claims(driver):
    put(driver, *(row(str(number), priority=number % 3) for number in range(600)))

    def work(number):
        taken = []
        while rows := driver.claim(claim(1 + number * 2, worker=f"w{number}", ahead=2)).rows:
            assert {r.worker for r in rows} == {f"w{number}"}
            taken += ids(rows)
        return taken

    taken = [job for part in in_threads(4, work) for job in part]
    assert sorted(taken) == sorted(str(number) for number in range(600))


def test_of_many_hands_one_finishes(driver):
    put(driver, *(row(str(number)) for number in range(50)))
    claimed = driver.claim(claim(50)).rows

    def work(number):
        changes = [move(r, detail=f"by {number}") for r in claimed[:: 1 if number % 2 else -1]]
        verdicts = [driver.swap(changes[place : place + 7]) for place in range(0, 50, 7)]
        return sum(batch.count(Verdict.DONE) for batch in verdicts)

    assert sum(in_threads(4, work)) == 50
    assert {r.version for r in everything(driver)} == {2}


def test_of_many_hands_one_takes_the_key_the_id_and_the_lock(driver):
    put(driver, row("locked"))

    def work(number):
        twins = driver.insert([row(f"job {number}", unique_key="k")]).obstacles
        same = driver.insert([row("same", detail=str(number))]).obstacles
        [locked] = driver.hold([lock("locked", f"w{number}", until=NOW + 9)])
        written = driver.write("r", str(number), 0)
        return (not twins, not same, locked is Verdict.DONE, written is Verdict.DONE)

    for won in zip(*in_threads(4, work), strict=True):
        assert won.count(True) == 1


def test_onlookers_see_whole_batches(driver):
    stop = threading.Event()

    def look():
        seen = set()
        while not stop.is_set():
            seen.add(sum(driver.count(Page(), "state").values()) % 10)
        return seen

    def work(number):
        if number:
            return look()
        try:
            for batch in range(30):
                put(driver, *(row(f"{batch} {place}") for place in range(10)))
                driver.erase([f"{batch} {place}" for place in range(10)], 10)
        finally:
            stop.set()
        return {0}

    assert in_threads(2, work) == [{0}, {0}]


# Python warns of a fork among threads, which is what this is about.
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_goes_on(driver, make_driver):
    """While threads are in the middle of verbs: no lock is taken along, no batch is half there."""
    put(driver, row("a"), row("b"))
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            driver.insert(BATCH)
            driver.erase([r.id for r in BATCH], len(BATCH))

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        codes = [_in_child(driver, number) for number in range(5)]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert codes == [0] * 5
    put(driver, row("later"))
    shared = make_driver.kind != "memory"
    assert driver.load(["from child 0", "from child 4"]).count(None) == (0 if shared else 2)
    assert ids(driver.claim(claim(2)).rows) == ["a", "b"]


BATCH = [row(f"batch {place}", due_at=None) for place in range(50)]


def _in_child(driver, number):
    """Fork, work there, and return the exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # In this thread and in another: a lock taken along may still suit the first.
            _work_in_child(driver, f"from child {number}")
            in_threads(1, lambda _: _work_in_child(driver, f"from a thread of child {number}"))
            driver.close()
            code = 0
        finally:
            os._exit(code)
    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hangs"


def _work_in_child(driver, name):
    found = driver.load([r.id for r in BATCH])
    assert found.count(None) in (0, len(BATCH))
    seen = [r.id for r in everything(driver)]
    assert len(seen) == len(set(seen))
    put(driver, row(name, due_at=None))
    [a] = driver.load(["a"])
    assert a.payload == "payload of a"
    assert driver.wait(0.01) in (True, False)
    driver.notify()
    assert driver.wait(LONG)
    assert driver.time() > 0


def broken_off(work, at):
    """Do it, but have it raise KeyboardInterrupt as the ``at``th of its calls begins, as a signal
    may; whether it has made so many."""
    calls = itertools.count()

    def look(frame, event, _):
        ours = any(part in frame.f_code.co_filename for part in ("/drivers/", "threading.py"))
        if ours and event == "call" and next(calls) == at:
            raise KeyboardInterrupt

    before = sys.gettrace()
    sys.settrace(look)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


@pytest.fixture
def hasty(monkeypatch):
    """To close a store does not wait for long for a call that was broken off."""
    monkeypatch.setattr("qml.drivers.sqlite.connections.PATIENCE", 0.01)
    monkeypatch.setattr("qml.drivers.postgres.pool.PATIENCE", 0.01)


def test_a_ctrl_c_at_any_call_keeps_nobody_else_waiting(hasty, driver):
    stored, at = threading.Semaphore(0), 0
    for at in itertools.count():
        mine, other = row(f"mine {at}"), row(f"other {at}")
        broken = broken_off(lambda mine=mine: (driver.insert([mine]), driver.notify()), at)
        insert = lambda other=other: driver.insert([other]).seqs and stored.release()  # noqa: E731
        threading.Thread(target=insert, daemon=True).start()
        assert stored.acquire(timeout=5), at
        if not broken:
            break
    assert at > 5
