"""``with jobs.lock(...)``: never two at once, kept while its holder lives, told when it is lost."""

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

from qml import (
    ConfigurationError,
    JobCancelled,
    LockLost,
    LockTaken,
    Qml,
    StorageUnavailable,
    connect,
)
from qml.storage import locks as stored
from qml.testing import FaultyDriver
from qml.work import lock as lock_module
from qml.work import locks, renewal
from tests.house.rules import REPO
from tests.storage.stores import KINDS
from tests.work.support import PATIENCE, Gate, eventually, fork

quiet = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def often(monkeypatch):
    """Renewals come every 10 ms, and the term is a minute of any machine's time nevertheless."""
    monkeypatch.setattr(lock_module, "RENEWALS", 6_000)


@pytest.fixture
def hints_alone(monkeypatch):
    """Who waits is woken, or waits for longer than a test may take."""
    monkeypatch.setattr(locks, "LOOK_AGAIN", 3_600.0)


@pytest.fixture
def apart():
    """``apart(function)`` runs it in a thread; all have to end well."""
    threads, errors = [], []

    def run(function):
        def call():
            try:
                function()
            except BaseException as error:
                errors.append(error)

        threads.append(threading.Thread(target=call, daemon=True))
        threads[-1].start()
        return threads[-1]

    yield run
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert errors == []


def holders(storage):
    return {grant.name: grant.holder for grant in stored.held(storage)}


def someone_else(storage, name="nightly"):
    return stored.take(storage, name, "someone else", 60)


# -- a block -------------------------------------------------------------------------------------


def test_a_block_has_it_and_gives_it_back(app, storage, clock):
    with app.lock("nightly", seconds=30) as lock:
        [grant] = stored.held(storage)
        assert (lock.name, lock.fence) == ("nightly", grant.fence)
        assert (lock.until - clock.now()).total_seconds() == 30
        assert not lock.lost
        lock.check()
        for part in (f"pid {os.getpid()} ", f"thread {threading.current_thread().name} "):
            assert part in grant.holder
    assert stored.held(storage) == []
    with app.lock("nightly") as again:
        assert again.fence > lock.fence


def test_an_error_of_the_body_passes_and_it_is_free(app, storage):
    with pytest.raises(ZeroDivisionError), app.lock("nightly"):
        raise ZeroDivisionError
    assert stored.held(storage) == []


def test_nothing_is_taken_before_the_block(app, storage):
    app.lock("nightly")
    assert stored.held(storage) == []


def test_another_is_refused_at_once(app, storage, apart):
    def ask(other):
        with pytest.raises(LockTaken, match=f"held by {holder}") as taken, other.lock("nightly"):
            pass
        assert taken.value.holder == holder

    with app.lock("nightly"):
        holder = holders(storage)["nightly"]
        apart(lambda: ask(app)).join(PATIENCE)
        apart(lambda: ask(Qml(storage))).join(PATIENCE)
        assert holders(storage) == {"nightly": holder}


@pytest.mark.parametrize("timeout", [0, 1, None])
def test_its_own_thread_is_refused_at_once_and_told_why(memory_app, timeout):
    with (
        memory_app.lock("nightly"),
        memory_app.lock("other"),
        pytest.raises(LockTaken, match=r"by this very thread .* never end") as taken,
        memory_app.lock("nightly", timeout=timeout),
    ):
        pass
    assert taken.value.lock == "nightly"
    assert f"by this very thread ({taken.value.holder})" in str(taken.value)
    assert stored.held(memory_app.storage) == []


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("", {}, "lock name is ''"),
        ("a", {"seconds": 0}, "lock seconds is 0"),
        ("a", {"seconds": "1"}, "lock seconds is '1'"),
        ("a", {"timeout": -1}, "lock timeout is -1"),
        ("a", {"timeout": "1"}, "lock timeout is '1'"),
    ],
)
def test_what_cannot_be_is_said_at_once(memory_app, name, options, says):
    with pytest.raises(ConfigurationError, match=says):
        memory_app.lock(name, **options)


# -- never two at once ---------------------------------------------------------------------------


def test_law1_never_two_at_once(app, storage, apart):
    """Eight threads, two apps, and a counter that nothing else guards."""
    counter, fences = [0], []

    def work(own):
        for _ in range(6):
            with own.lock("counter", timeout=None) as lock:
                before = counter[0]
                time.sleep(0.0005)  # let the others run
                counter[0] = before + 1
                fences.append(lock.fence)

    apps = [app, Qml(storage)]
    threads = [apart(lambda number=number: work(apps[number % 2])) for number in range(8)]
    for thread in threads:
        thread.join(PATIENCE)
    assert counter == [48]
    assert len(fences) == 48
    assert fences == sorted(set(fences))


# -- waiting -------------------------------------------------------------------------------------


def test_one_who_waits_has_it_after_the_release(app, storage, apart, hints_alone):
    got = []

    def wait():
        with app.lock("nightly", timeout=None) as lock:
            got.append(lock.fence)

    with app.lock("nightly") as lock:
        for _ in range(3):
            waits = apart(wait)
        assert got == []
    waits.join(PATIENCE)
    eventually(lambda: len(got) == 3)
    assert [lock.fence, *got] == sorted({lock.fence, *got})


def test_one_who_waits_has_it_after_a_flush(app, storage, apart, hints_alone):
    someone_else(storage)
    gate = Gate()

    def wait():
        with app.lock("nightly", timeout=None):
            gate.wait()

    apart(wait)
    stored.flush(storage, "nightly")
    gate.someone_waits()
    assert holders(storage)["nightly"] != "someone else"
    gate.open()


def test_one_who_waits_finds_a_term_over(app, storage, clock, apart):
    """Nobody gives a hint: its holder is dead."""
    grant = someone_else(storage)

    def wait():
        with app.lock("nightly", timeout=None) as lock:
            assert lock.fence > grant.fence

    apart(wait)
    clock.advance(60)


def test_one_who_waits_in_vain_is_told_who_holds_it(app, storage):
    someone_else(storage)
    with (
        pytest.raises(LockTaken, match="held by someone else, until"),
        app.lock("nightly", timeout=0.05),
    ):
        pass
    assert holders(storage) == {"nightly": "someone else"}


def test_one_who_waits_does_not_look_at_every_hint(memory_app, monkeypatch):
    """A busy store hints thousands of times a second."""
    storage = memory_app.storage
    someone_else(storage)
    monkeypatch.setattr(storage.driver, "wait", lambda timeout: True)
    monkeypatch.setattr(locks, "BREATH", 0.1)
    looks = []
    read = storage.driver.read
    monkeypatch.setattr(storage.driver, "read", lambda name: looks.append(name) or read(name))
    with pytest.raises(LockTaken), memory_app.lock("nightly", timeout=0.5):
        pass
    assert len(looks) <= 7


def test_a_job_that_is_cancelled_waits_no_longer(memory_app):
    app, storage = memory_app, memory_app.storage
    someone_else(storage)
    gate, ended = Gate(), []

    @app.task(max_retries=0)
    def wait():
        gate.wait()
        try:
            with app.lock("nightly", timeout=None):
                ended.append("given")
        except JobCancelled:
            ended.append("cancelled")

    job = wait.enqueue()
    with app.server(threads=1):
        gate.someone_waits()
        storage.cancel(job.id)
        gate.open()
        eventually(lambda: ended)
    assert ended == ["cancelled"]


def test_in_a_job(app, storage):
    @app.task
    def work():
        with app.lock("nightly") as lock:
            return holders(storage)[lock.name]

    job = work.enqueue()
    app.server(threads=1).run(burst=True)
    assert f"pid {os.getpid()}" in app.result(job, timeout=0)
    assert holders(storage) == {}


# -- kept while its holder lives -----------------------------------------------------------------


def test_it_is_kept_for_longer_than_its_term(app, storage, clock, often):
    with app.lock("nightly", seconds=60) as lock:
        for _ in range(4):
            clock.advance(45)
            eventually(lambda: (lock.until - clock.now()).total_seconds() == 60)
        with pytest.raises(LockTaken):
            someone_else(storage)
        assert not lock.lost
    assert storage.now().timestamp() - lock.fence / 1e6 > 2 * 60


def test_one_thread_renews_all_and_ends_with_the_last(app, storage, clock, often):
    renewing = renewal.of(storage)
    with app.lock("first") as first:
        with Qml(storage).lock("second") as second:
            thread = renewing._thread
            clock.advance(45)
            for lock in (first, second):
                eventually(lambda lock=lock: (lock.until - clock.now()).total_seconds() == 60)
            assert renewing._thread is thread
        assert thread.is_alive()
        assert thread.daemon
    thread.join(PATIENCE)
    assert not thread.is_alive()
    with app.lock("third") as third:
        clock.advance(45)
        eventually(lambda: (third.until - clock.now()).total_seconds() == 60)


@pytest.mark.parametrize("verb", ["read", "write"])
@pytest.mark.parametrize("way", ["fail", "lose_reply"])
def test_an_outage_is_a_pause(app, storage, clock, often, verb, way, monkeypatch):
    monkeypatch.setattr(lock_module, "LONGEST_PAUSE", 0.01)
    storage.driver = faulty = FaultyDriver(storage.driver)
    with app.lock("nightly") as lock:
        clock.advance(45)
        getattr(faulty, way)(verb, times=5)
        eventually(lambda: (lock.until - clock.now()).total_seconds() == 60)
        assert not lock.lost
        with pytest.raises(LockTaken):
            someone_else(storage)
    assert stored.held(storage) == []


def test_an_error_nobody_thought_of_ends_no_renewal(
    app, storage, clock, often, monkeypatch, caplog
):
    monkeypatch.setattr(lock_module, "LONGEST_PAUSE", 0.01)
    storage.driver = faulty = FaultyDriver(storage.driver)
    with app.lock("nightly") as lock:
        clock.advance(45)
        faulty.fail("read", RuntimeError("odd"))
        eventually(lambda: (lock.until - clock.now()).total_seconds() == 60)
    assert "RuntimeError: odd" in caplog.text


# -- lost, and told ------------------------------------------------------------------------------


class Turned:
    """The steady counter, turned by hand; no thread renews."""

    def __init__(self, monkeypatch):
        self.micros = 10**9
        for module in (lock_module, renewal, locks):
            monkeypatch.setattr(module, "steady_micros", lambda: self.micros)
        monkeypatch.setattr(renewal.Renewal, "add", lambda self, lock: None)

    def on(self, seconds):
        self.micros += round(seconds * 1e6)


@pytest.fixture
def turned(monkeypatch):
    return Turned(monkeypatch)


def test_it_is_lost_when_its_term_has_passed_without_renewal(app, storage, clock, turned, caplog):
    storage.driver = faulty = FaultyDriver(storage.driver)
    with app.lock("nightly", seconds=40) as lock:
        assert lock.renew_at == turned.micros + 10_000_000
        turned.on(20)
        faulty.fail("write")
        renewal.renew(lock)
        turned.on(20 - 1e-6)
        lock.check()
        turned.on(1e-6)
        assert lock.lost
        with pytest.raises(LockLost, match=r"'nightly' is lost: .* within 40 s; .* told to fail"):
            lock.check()
        renewal.renew(lock)  # too late: somebody has been told
        assert lock.lost
    assert "without its lock: lock 'nightly' is lost" in caplog.text


def test_a_renewal_counts_from_when_it_was_asked_for(app, storage, turned, monkeypatch):
    """What the store was asked for at 30, and said at 39, is over at 70 and not at 79."""
    with app.lock("nightly", seconds=40) as lock:
        turned.on(30)
        read = storage.driver.read
        monkeypatch.setattr(storage.driver, "read", lambda name: turned.on(9) or read(name))
        renewal.renew(lock)
        turned.on(70 - 39 - 1e-6)
        assert not lock.lost
        turned.on(1e-6)
        assert lock.lost


def test_an_answer_after_the_end_of_the_term_comes_too_late(app, storage, turned, monkeypatch):
    with app.lock("nightly", seconds=40) as lock:
        turned.on(30)
        read = storage.driver.read
        monkeypatch.setattr(storage.driver, "read", lambda name: turned.on(10) or read(name))
        renewal.renew(lock)
        assert lock.lost
        monkeypatch.undo()


def test_a_loss_is_told_while_the_block_lasts_and_at_its_end(app, storage, caplog):
    """By real clocks: all renewals fail."""
    storage.driver = faulty = FaultyDriver(storage.driver)
    with caplog.at_level(logging.WARNING, "qml.locks"):
        with app.lock("nightly", seconds=0.3) as lock:
            faulty.fail("write", times=1_000)
            eventually(lambda: "lock 'nightly' is lost" in caplog.text)
            assert lock.lost
            with pytest.raises(LockLost):
                lock.check()
            faulty.heal()
            caplog.clear()
        assert "without its lock: lock 'nightly' is lost" in caplog.text


def test_a_holder_learns_that_it_was_flushed(app, storage, often, caplog):
    with caplog.at_level(logging.WARNING, "qml.locks"), app.lock("nightly") as lock:
        stored.flush(storage, "nightly")
        other = someone_else(storage)
        eventually(lambda: lock.lost)
        with pytest.raises(LockLost, match="'nightly' is lost: it was flushed"):
            lock.check()
        eventually(lambda: "is lost: it was flushed" in caplog.text)
    assert stored.held(storage) == [other]  # leaving the block freed what was its own only


def test_one_that_hears_of_it_at_its_end(app, storage, caplog):
    with app.lock("nightly") as lock:
        stored.flush(storage, "nightly")
        assert not lock.lost
    assert lock.lost
    assert "without its lock: lock 'nightly' is lost: it was flushed" in caplog.text


def test_one_that_cannot_be_freed_harms_nobody(app, storage, caplog):
    storage.driver = faulty = FaultyDriver(storage.driver)
    with app.lock("nightly") as lock:
        faulty.fail("read")
    assert f"free from {lock.until:%Y-%m-%d %H:%M:%S} UTC" in caplog.text
    assert "nightly" in holders(storage)

    def body():
        faulty.fail("read")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), app.lock("other"):
        body()


# -- asking, while the store is away -------------------------------------------------------------


def test_law9_a_lost_reply_leaves_nothing_behind(app, storage):
    storage.driver = faulty = FaultyDriver(storage.driver)
    faulty.lose_reply("write")
    with pytest.raises(StorageUnavailable), app.lock("nightly"):
        pass
    assert stored.held(storage) == []


@pytest.mark.parametrize("way", ["fail", "lose_reply"])
def test_one_who_waits_sits_an_outage_out(app, storage, way, monkeypatch):
    """And is no obstacle to itself, when it was given the lock and did not hear of it."""
    monkeypatch.setattr(locks, "Backoff", Short)
    storage.driver = faulty = FaultyDriver(storage.driver)
    getattr(faulty, way)("write", times=4)
    with app.lock("nightly", timeout=None) as lock:
        assert [grant.fence for grant in stored.held(storage)] == [lock.fence]


class Short:
    def next(self):
        return 0.001


def test_one_who_waits_gives_up_when_a_holder_would_have_lost_it(app, storage):
    storage.driver = faulty = FaultyDriver(storage.driver)
    faulty.fail("read", times=1_000)
    with pytest.raises(StorageUnavailable), app.lock("nightly", seconds=0.3, timeout=None):
        pass


def test_ctrl_c_while_it_is_given_leaves_nothing_behind(app, storage):
    storage.driver = faulty = FaultyDriver(storage.driver)
    faulty.lose_reply("write", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), app.lock("nightly"):
        pass
    assert stored.held(storage) == []


def test_without_a_thread_to_renew_it_it_is_not_given(app, storage, monkeypatch):
    def none(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none)
    with pytest.raises(RuntimeError, match="can't start"), app.lock("nightly"):
        pass
    monkeypatch.undo()
    assert stored.held(storage) == []
    with app.lock("nightly"):
        pass


# -- other processes -----------------------------------------------------------------------------

HOLD = """
import pickle, sys, time
from qml import Qml, connect

jobs = Qml(connect(pickle.loads(bytes.fromhex(sys.argv[1]))))
with jobs.lock("nightly", seconds=2, timeout=60) as lock:
    print(lock.fence, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "memory"])
def test_it_is_free_after_its_term_when_its_process_is_killed(kind, tmp_path):
    config = KINDS[kind](tmp_path)
    with connect(config) as storage:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, pickle.dumps(config).hex()],
            cwd=REPO,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            fence = int(process.stdout.readline())
            assert all(f"pid {process.pid} " in holder for holder in holders(storage).values())
            process.send_signal(signal.SIGKILL)
            process.wait(PATIENCE)
            until = max((grant.until for grant in stored.held(storage)), default=0)
            with Qml(storage).lock("nightly", timeout=None) as lock:
                assert lock.fence > fence
                assert lock.grant.since >= until  # and not before its term was over
        finally:
            process.kill()
            process.communicate()


@quiet
def test_a_forked_child_neither_renews_nor_frees_its_parents(app, storage, often):
    block = app.lock("nightly")
    lock = block.__enter__()

    def child():
        assert not renewal.of(storage).held_here(lock.grant.holder)
        block.__exit__(None, None, None)  # it comes to the end of the block it was forked in
        assert stored.find(storage, "nightly").fence == lock.fence
        with app.lock("child's own") as own:
            assert renewal.of(storage).held_here(own.grant.holder)
            until = own.until
            storage.clock.advance(1)
            eventually(lambda: own.until > until)

    assert fork(child) == 0
    assert not lock.lost
    assert holders(storage) == {"nightly": lock.grant.holder}
    block.__exit__(None, None, None)
    assert holders(storage) == {}


def test_whoever_looks_at_a_lock_after_its_block_is_not_told_that_it_is_held(memory_app):
    with memory_app.lock("a") as lock:
        assert not lock.lost
    assert lock.lost
    with pytest.raises(LockLost, match="lock 'a' is lost: its block has ended"):
        lock.check()
