"""SQLite's wakeups: commits elsewhere, with and without a watch on the log; forks; the end."""

import gc
import os
import statistics
import subprocess
import sys
import threading
import time

import pytest

from qml.drivers.sqlite import SqliteDriver, claiming, wakeups
from qml.values.config import SqliteConfig
from qml.values.errors import StorageUnavailable
from tests.house.rules import REPO

from .making import NOW, SECOND, claim, later, move, put, row
from .test_life import LONG, drain_hints, waiting

INOTIFY = sys.platform == "linux"
FAR = 5.0  # where the poll is to be no help

COMMITS = """
import sys, time
from pathlib import Path
from qml.drivers.sqlite import SqliteDriver
from qml.values.config import SqliteConfig

driver = SqliteDriver(SqliteConfig(path=Path(sys.argv[1])))
driver.read("ready")
print("ready", flush=True)
for line in sys.stdin:
    begun = time.monotonic()
    driver.write(line.strip(), "{}", 0)
    print(begun, flush=True)
driver.close()
"""


class Other:
    """Another process that commits when told."""

    def __init__(self, file):
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMITS, str(file)],
            cwd=REPO,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def commit(self, name):
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()

    def begun(self):
        return float(self.process.stdout.readline())

    def end(self):
        self.process.communicate()
        assert self.process.returncode == 0


@pytest.fixture
def file(tmp_path):
    return tmp_path / "jobs.db"


@pytest.fixture
def driver(file):
    driver = SqliteDriver(SqliteConfig(path=file))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def other(driver, file):
    other = Other(file)
    yield other
    other.end()


@pytest.fixture
def far(monkeypatch):
    """Only the watch can wake in time, where there is one."""
    monkeypatch.setattr(wakeups, "POLL_WATCHED", FAR)
    monkeypatch.setattr(wakeups, "CHECK", FAR)
    if INOTIFY:
        monkeypatch.setattr(wakeups, "POLL", FAR)


@pytest.fixture
def no_watch(monkeypatch):
    def refuse(path):
        raise OSError(28, "no more watches")

    monkeypatch.setattr("qml.drivers.sqlite.driver.WalWatch", refuse)


def quiet(driver, watched=INOTIFY):
    """Wait until the watch is there and has nothing left to look for."""
    drain_hints(driver)
    while driver.wait(2 * wakeups.SLOWLY):
        pass
    assert (driver._wakeups._watch is not None) == watched


def delays(driver, other, count, name="r"):
    """Seconds from the begin of each commit of the other process until a waiter is awake."""
    found = []
    for number in range(count):
        thread, got = waiting(driver, FAR - 1)
        other.commit(f"{name}{number}")
        thread.join()
        woken = time.monotonic()
        found.append(woken - other.begun())
        assert got[0] is True
    return found


def threads():
    return [t for t in threading.enumerate() if t.name == "qml-sqlite-wakeups"]


def fds():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_a_commit_elsewhere_wakes_by_the_watch_alone(driver, other, far):
    quiet(driver)
    assert statistics.median(delays(driver, other, 11)) < 0.1


def test_a_commit_elsewhere_is_seen_without_a_watch(no_watch, driver, other):
    quiet(driver, watched=False)
    assert statistics.median(delays(driver, other, 11)) < 0.1
    assert threads() == []


@pytest.mark.parametrize("watched", [INOTIFY, False])
def test_a_commit_of_ones_own_is_no_news(watched, request, driver):
    if not watched:
        request.getfixturevalue("no_watch")
    quiet(driver, watched)
    put(driver, row("a"))
    drain_hints(driver)
    [held] = driver.claim(claim()).rows
    driver.swap([move(held)])
    assert driver.wait(2 * wakeups.SLOWLY) is False


def test_a_commit_elsewhere_that_meets_ones_own_is_seen(driver, other, monkeypatch):
    """What the log tells of then may be either."""
    monkeypatch.setattr(wakeups, "POLL_WATCHED", FAR)
    monkeypatch.setattr(wakeups, "CHECK", FAR)
    quiet(driver)
    driver._connections.writes.under_way = True
    assert statistics.median(delays(driver, other, 5)) < 0.5


def test_rows_that_are_stored_wake_by_themselves(driver, far):
    quiet(driver)
    thread, got = waiting(driver, FAR - 1)
    put(driver, row("a"))
    thread.join()
    assert got[0] is True
    drain_hints(driver)
    driver.notify()  # who stored them says so, too
    assert driver.wait(0.05) is False


def test_another_step_needs_a_hint_of_its_own(driver, far):
    quiet(driver)
    put(driver, row("a"))
    driver.claim(claim())
    thread, got = waiting(driver, FAR - 1)
    driver.notify()
    thread.join()
    assert got[0] is True


@pytest.mark.skipif(not INOTIFY, reason="no watch here")
def test_the_pages_of_own_writes_do_not_wake_the_thread_one_by_one(driver, far, monkeypatch):
    monkeypatch.setattr(wakeups, "OWN_GOES_ON", 0.1)
    quiet(driver)
    watch, told = driver._wakeups._watch, []
    real = watch.written
    watch.written = lambda longest: told.append(real(longest)) or told[-1]
    going_on = [True]

    def wait_on():
        while going_on:
            driver.wait(0.2)

    thread = threading.Thread(target=wait_on)
    thread.start()
    begun = time.monotonic()
    for number in range(20):
        put(driver, row(f"{number}"))
        time.sleep(0.01)
    took = time.monotonic() - begun
    going_on.clear()
    thread.join()
    assert 0 < sum(told) <= 2 * (2 + took / 0.1)  # two for each 0.1 s; else 20 and more


@pytest.mark.skipif(not INOTIFY, reason="no watch here")
def test_all_that_own_writes_tell_of_is_followed_by_one_look(driver, far, monkeypatch):
    """Also what comes while the thread lets them go on."""
    put(driver, *(row(f"{number}") for number in range(5)))
    quiet(driver)
    monkeypatch.setattr(wakeups, "OWN_GOES_ON", 0.1)
    looks, real = [], driver._wakeups._look
    driver._wakeups._look = lambda: looks.append(1) or real()
    thread, got = waiting(driver, 0.4)
    for _ in range(5):
        driver.claim(claim(limit=1))
        time.sleep(0.005)
    thread.join()
    assert got[0] is False
    assert 1 <= len(looks) <= 2  # else it looks for a commit for ``COMMITTING`` seconds


def test_a_claim_looks_first_unless_it_was_woken_for_rows(driver, file, monkeypatch):
    looks, real = [], claiming.outlook

    def look(connection, claim):
        looks.append(1)
        return real(connection, claim)

    monkeypatch.setattr(claiming, "outlook", look)
    quiet(driver)

    def woken_by(work):
        looks.clear()
        work()
        assert driver.wait(FAR)
        driver.claim(claim())
        return len(looks)

    assert woken_by(lambda: put(driver, row("a"))) == 0
    driver.claim(claim())
    assert len(looks) == 1  # the rows that woke it were claimed
    assert woken_by(driver.notify) == 1
    assert woken_by(lambda: put(driver, later("b", NOW + SECOND))) == 1
    elsewhere = SqliteDriver(SqliteConfig(path=file))
    assert woken_by(lambda: put(elsewhere, row("c"))) == 1  # others are woken by it, too
    elsewhere.close()


def test_a_slow_flush_is_waited_for(driver, far, monkeypatch):
    """The log is written long before the commit can be seen."""
    quiet(driver)
    real, version = driver._wakeups._ask_version, [0]
    monkeypatch.setattr(wakeups, "POLL", 0.008)
    driver._wakeups._ask_version = lambda: version[0]
    drain_hints(driver)
    thread, got = waiting(driver, FAR - 1)
    driver.write("r", "{}", 0)  # an event, and nothing to be seen yet
    time.sleep(0.05)
    version[0] += 1
    thread.join()
    driver._wakeups._ask_version = real
    assert got[0] is True
    assert got[1] < FAR / 2


def test_a_log_that_is_made_anew_is_watched_again(driver, file, far, monkeypatch):
    monkeypatch.setattr(wakeups, "TRY_AGAIN", 0.0)
    quiet(driver)
    driver._connections.before_fork()  # closes all connections: SQLite takes the log away
    assert not os.path.exists(f"{file}-wal")
    driver._connections.after_fork_in_parent()
    other = Other(file)
    quiet(driver)
    assert statistics.median(delays(driver, other, 5)) < 0.1
    other.end()


def test_a_log_that_goes_while_somebody_waits(driver, file, far, monkeypatch):
    monkeypatch.setattr(wakeups, "TRY_AGAIN", 0.0)
    quiet(driver)
    thread, got = waiting(driver, 2 * FAR)
    driver._connections.before_fork()
    driver._connections.after_fork_in_parent()
    time.sleep(0.3)
    other = Other(file)
    other.commit("r")
    thread.join()
    woken = time.monotonic()
    assert got[0] is True
    assert woken - other.begun() < FAR / 5  # however long the other process took to begin
    other.end()


@pytest.mark.parametrize("how", ["unlink", "rename", "replace"])
def test_a_watch_ends_with_its_file(how, tmp_path):
    if not INOTIFY:
        with pytest.raises(OSError, match="inotify"):
            wakeups.WalWatch(str(tmp_path / "a-wal"))
        return
    path = tmp_path / "a-wal"
    path.write_text("")
    watch = wakeups.WalWatch(str(path))
    assert not watch.written(0)
    with path.open("w") as file:  # somebody has it open
        file.write("x")
        file.flush()
        assert watch.written(LONG)
        assert not watch.over
        if how == "replace":
            (tmp_path / "b").write_text("")
            os.replace(tmp_path / "b", path)
        else:
            path.unlink() if how == "unlink" else path.rename(tmp_path / "c")
        assert watch._poll.poll(0)  # it is told, and need not look
        watch.written(0.01)
    assert watch.over
    watch.close()
    watch.close()
    watch.stop()


def test_there_is_no_watch_on_what_is_not_there(tmp_path):
    before = fds()
    with pytest.raises(OSError):  # noqa: PT011 - whichever
        wakeups.WalWatch(str(tmp_path / "a-wal"))
    assert fds() == before


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_fork_while_a_thread_waits(driver, file, far, monkeypatch):
    monkeypatch.setattr(wakeups, "TRY_AGAIN", 0.0)
    quiet(driver)
    lent = [*driver._wakeups._watch._fds] if INOTIFY else []
    thread, got = waiting(driver, 2 * FAR)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            held = driver._wakeups._watch, threads(), [fd for fd in lent if is_open(fd)]
            quiet(driver)
            code = 0 if held == (None, [], []) else 2
            driver.close()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert thread.is_alive() or got[0] is True
    thread.join(0)
    other = Other(file)
    other.commit("r")
    other.begun()
    thread.join()
    assert got[0] is True
    quiet(driver)
    assert statistics.median(delays(driver, other, 5)) < 0.1
    other.end()


def test_closing_ends_waits_and_the_thread(driver, far):
    quiet(driver)
    assert len(threads()) == INOTIFY
    ended = []

    def wait():
        try:
            while True:
                driver.wait(LONG)
        except StorageUnavailable:
            ended.append(time.monotonic())

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    time.sleep(0.05)
    begun = time.monotonic()
    driver.close()
    for waiter in waiters:
        waiter.join()
    driver.close()
    assert max(ended) - begun < 1
    assert threads() == []


def test_a_forgotten_storage_goes(file, monkeypatch):
    monkeypatch.setattr(wakeups, "LINGER", 0.05)
    driver = SqliteDriver(SqliteConfig(path=file))
    driver.install()
    quiet(driver)
    for thread in threads():
        thread.join(LONG)
    assert driver._wakeups._watch is None
    driver.close()


def test_nothing_is_left_behind(file):
    def life():
        driver = SqliteDriver(SqliteConfig(path=file))
        driver.install()
        drain_hints(driver)
        driver.wait(0.002)
        while INOTIFY and driver._wakeups._watch is None:  # it was held up for so long
            driver.wait(0.002)
        driver.close()

    life()
    gc.collect()
    before = fds(), threading.active_count()
    for _ in range(200):
        life()
    assert fds() == before[0]
    assert threading.active_count() <= before[1]  # one of an earlier test may have ended
