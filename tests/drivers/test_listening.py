"""Hints from a server, heard by a thread: over a feed made of sockets, which a test can break."""

import gc
import logging
import os
import selectors
import signal
import socket
import stat
import threading
import time
import weakref

import pytest

from qml.drivers import listening
from qml.drivers.listening import Heard, Wakeups
from qml.values.errors import StorageError, StorageUnavailable

LONG = 20.0


class Line:
    """The server: what is sent goes to every feed, unless it is cut or swallows."""

    def __init__(self):
        self.feeds, self.sent = [], 0
        self.cut = self.swallows = False
        self.subscribed = 0

    def subscribe(self):
        self.subscribed += 1
        if self.cut:
            raise StorageUnavailable("no line")
        self.feeds.append(SocketFeed(self))
        return self.feeds[-1]

    def send(self, sign=b"!"):
        if self.cut:
            raise StorageUnavailable("no line")
        self.sent += 1
        for feed in [] if self.swallows else list(self.feeds):
            feed.far.send(sign)

    def send_own(self):
        self.send(b"o")

    def break_down(self):
        self.cut = True
        for feed in list(self.feeds):
            feed.far.close()


class SocketFeed:
    def __init__(self, line):
        self.line = line
        self.near, self.far = socket.socketpair()

    def fileno(self):
        return self.near.fileno()

    def drain(self):
        try:
            came = self.near.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return Heard.NOTHING
        if not came:
            raise StorageUnavailable("the line broke")
        return Heard.OTHERS if b"!" in came else Heard.OWN

    def close(self):
        self.line.feeds.remove(self)
        self.near.close()
        self.far.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(listening, "PROVE", 0.1)
    monkeypatch.setattr(listening, "TRY_AGAIN", (0.02, 0.1))


@pytest.fixture
def line():
    return Line()


@pytest.fixture
def wakeups(line):
    wakeups = Wakeups("the store", line.subscribe, line.send)
    yield wakeups
    wakeups.close()


def until(true):
    deadline = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def hearing(wakeups):
    """Wait until the thread hears, and take the hints that stand."""
    until(lambda: wakeups.wait(0.01) or wakeups._hears)
    until(lambda: not wakeups.wait(0.05) and wakeups._hears)


def in_thread(work):
    got = []
    thread = threading.Thread(target=lambda: got.append(work()))
    thread.start()
    return lambda: (thread.join(LONG), got[0])[1]


def test_a_hint_from_elsewhere_wakes_who_waits(line, wakeups):
    hearing(wakeups)
    answers = [in_thread(lambda: (wakeups.wait(0), wakeups.wait(LONG))) for _ in range(3)]
    until(lambda: wakeups._waiting == 3)
    start = time.monotonic()
    line.send()
    assert [answer() for answer in answers] == [(True, True)] * 3
    assert time.monotonic() - start < LONG / 2


def test_a_hint_from_here_wakes_without_the_server(line, wakeups):
    wakeups.wait(0)
    line.break_down()
    wakeups.notify()
    assert wakeups.wait(0) is True
    assert line.sent <= 1  # the proof of a thread that was quick; the hint itself was lost


def test_its_own_hints_prove_that_it_hears_and_wake_nobody_again(line):
    wakeups = Wakeups("the store", line.subscribe, line.send_own)
    hearing(wakeups)
    line.send_own()  # with a step, say, of which who waits here is told by ``wake``
    assert wakeups.wait(0.1) is False
    wakeups.wake()
    assert wakeups.wait(0) is True
    line.send(b"o!")
    assert wakeups.wait(LONG) is True
    wakeups.close()


def test_who_does_not_wait_needs_no_line(line, wakeups):
    wakeups.wait(0)
    assert wakeups.wait(0) is False
    assert wakeups._thread is None


def test_no_hint_no_waking(line, wakeups):
    hearing(wakeups)
    start = time.monotonic()
    assert wakeups.wait(3 * listening.POLL_DEAF) is False
    assert time.monotonic() - start >= 3 * listening.POLL_DEAF


def test_a_hint_between_the_look_and_the_wait_is_not_lost(line, wakeups):
    hearing(wakeups)
    seen = wakeups._count
    line.send()
    until(lambda: wakeups._count > seen)
    assert wakeups.wait(0) is True
    assert wakeups.wait(0) is False


def test_the_first_wait_of_a_thread_returns_at_once(wakeups):
    hearing(wakeups)
    assert in_thread(lambda: wakeups.wait(LONG))() is True


def test_while_it_is_deaf_who_waits_looks_often(line, wakeups, caplog):
    line.swallows = True
    wakeups.wait(0)
    for _ in range(3):
        start = time.monotonic()
        assert wakeups.wait(LONG) is True
        assert listening.POLL_DEAF * 0.9 < time.monotonic() - start < LONG / 2
    until(lambda: line.subscribed > 2)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    [said] = warnings  # once, however often it tries
    assert said.startswith("the store: hints of new jobs do not arrive (its own did not come back")
    assert "pooler" in said


def test_a_short_wait_of_the_deaf_is_only_as_long_as_asked(line, wakeups, monkeypatch):
    line.cut = True
    wakeups.wait(0)
    start = time.monotonic()
    monkeypatch.setattr(listening, "POLL_DEAF", LONG)
    assert wakeups.wait(0.02) is False
    assert time.monotonic() - start < LONG / 2


def test_hints_that_are_refused_are_lost_and_no_error(line, wakeups, monkeypatch, caplog):
    """A user may not send any, or there is no room for one more: what was done is done."""
    refusals = []

    def refuse():
        refusals.append(threading.current_thread().name)
        raise StorageError("not for you")

    monkeypatch.setattr(wakeups, "_send", refuse)
    wakeups.notify()
    assert wakeups.wait(0) is True
    until(lambda: not wakeups.wait(0.01) and refusals.count("qml-wakeups") > 1)
    [said] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert said.startswith("the store: hints of new jobs do not arrive (not for you)")


def test_it_hears_again_after_an_outage_and_says_each_outage_once(line, wakeups, caplog):
    for outage in range(1, 3):
        hearing(wakeups)
        line.break_down()
        tries = line.subscribed
        until(lambda tries=tries: wakeups.wait(0.01) or line.subscribed > tries + 2)
        assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == outage
        line.cut = False
        hearing(wakeups)
    assert len(line.feeds) == 1


def test_what_came_during_an_outage_is_looked_for_after_it(line, wakeups):
    hearing(wakeups)
    line.break_down()
    until(lambda: not wakeups._hears)
    while wakeups.wait(0):
        pass
    line.cut = False
    until(lambda: wakeups._hears)
    assert wakeups.wait(0) is True


def test_a_line_that_looks_alive_is_proved_after_a_silence(line, wakeups, monkeypatch, caplog):
    hearing(wakeups)
    monkeypatch.setattr(listening, "QUIET", 0.05)
    monkeypatch.setattr(listening, "LINGER", 0.02)
    line.send()  # it rests in a select of the old length
    over = threading.Event()
    waits = in_thread(lambda: [wakeups.wait(0.02) for _ in iter(over.is_set, True)])
    line.swallows = True
    until(lambda: "its own did not come back" in caplog.text)
    line.swallows = False
    until(lambda: wakeups._hears)
    over.set()
    assert waits()


def test_threads_that_notify_at_one_time_share_a_hint(line, wakeups, monkeypatch):
    monkeypatch.setattr(listening, "SHARE", LONG)
    entered, leave = threading.Event(), threading.Event()
    sent = []

    def slow():
        sent.append(threading.current_thread())
        entered.set()
        assert leave.wait(LONG)

    monkeypatch.setattr(wakeups, "_send", slow)
    first = in_thread(wakeups.notify)
    assert entered.wait(LONG)
    count = wakeups._count
    others = [in_thread(wakeups.notify) for _ in range(5)]
    until(lambda: wakeups._count == count + 5)
    leave.set()
    for ended in (first, *others):
        ended()
    assert len(sent) == 2  # its own, and one for the five that came meanwhile
    assert len(set(sent)) == 2  # each by one of those whom it concerns


def test_a_silent_server_holds_up_one_thread_only(line, wakeups, monkeypatch):
    entered, leave = threading.Event(), threading.Event()
    monkeypatch.setattr(wakeups, "_send", lambda: entered.set() or leave.wait(LONG))
    first = in_thread(wakeups.notify)
    assert entered.wait(LONG)
    start = time.monotonic()
    wakeups.notify()
    assert time.monotonic() - start < LONG / 2
    leave.set()
    first()


def test_the_thread_ends_when_nobody_waits_and_comes_back(line, wakeups, monkeypatch):
    monkeypatch.setattr(listening, "LINGER", 0.05)
    wakeups.wait(0)
    wakeups.wait(0.02)
    until(lambda: wakeups._thread is None)
    assert line.feeds == []
    hearing(wakeups)


def test_a_forgotten_one_is_not_kept_alive(line, monkeypatch):
    monkeypatch.setattr(listening, "LINGER", 0.05)
    wakeups = Wakeups("the store", line.subscribe, line.send)
    wakeups.wait(0.01)
    wakeups.wait(0.01)
    gone = weakref.ref(wakeups)
    del wakeups
    until(lambda: gc.collect() is not None and gone() is None)


def test_close_lets_go_of_everything_at_once(line, wakeups):
    hearing(wakeups)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    waits = in_thread(lambda: (wakeups.wait(0), wakeups.wait(LONG)))
    until(lambda: wakeups._waiting == 1)
    start = time.monotonic()
    wakeups.close()
    assert waits() == (True, True)
    assert time.monotonic() - start < listening.LINGER / 2
    assert line.feeds == []
    assert wakeups._thread is None
    after = set(os.listdir("/proc/self/fd")) if before else set()
    assert len(before - after) == (5 if before else 0)  # two sockets, a pipe's ends, the selector
    with pytest.raises(StorageUnavailable, match="the store: this storage is closed"):
        wakeups.wait(0)
    wakeups.close()


def test_close_while_it_rests_between_two_attempts(line, wakeups, monkeypatch):
    monkeypatch.setattr(listening, "TRY_AGAIN", (LONG, LONG))
    line.cut = True
    wakeups.wait(0)
    wakeups.wait(0.05)
    start = time.monotonic()
    wakeups.close()
    assert time.monotonic() - start < listening.LINGER / 2
    assert wakeups._thread is None


def test_only_sockets_are_waited_for(line, wakeups, monkeypatch):
    """As on Windows, where nothing else can be."""

    class Sockets(selectors.SelectSelector):
        def register(self, file, *events):
            number = file if isinstance(file, int) else file.fileno()
            assert stat.S_ISSOCK(os.fstat(number).st_mode)
            return super().register(file, *events)

    monkeypatch.setattr(selectors, "DefaultSelector", Sockets)
    hearing(wakeups)
    line.break_down()
    line.cut = False
    hearing(wakeups)


def test_no_more_threads(line, wakeups, monkeypatch):
    """It stays deaf, and who waits looks often."""

    def full(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    wakeups.wait(0)
    assert wakeups.wait(LONG) is True
    assert wakeups._bell is None
    monkeypatch.undo()
    hearing(wakeups)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_begin_anew_in_a_child(line, wakeups):
    hearing(wakeups)
    held, over = threading.Event(), threading.Event()

    def hold():  # the locks, by a thread that the child does not have
        with wakeups._changed, wakeups._sending:
            held.set()
            over.wait(LONG)

    holds = in_thread(hold)
    assert held.wait(LONG)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)  # ends it if it hangs
        wakeups.begin_anew()
        wakeups.notify()
        os._exit(0 if wakeups.wait(LONG) and wakeups.wait(LONG) else 1)
    over.set()
    holds()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    hearing(wakeups)
