"""Forks: a child uses and closes nothing of its parent's, and works on sessions of its own."""

import gc
import os
import socket
import stat
import threading
import time

import pytest

from qml.drivers.postgres import PostgresDriver
from tests.servers import postgres_url
from tests.work.support import fork

from . import postgres_store
from .making import put, row
from .test_life import drain_hints, waiting

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system"),
]


def open_driver(tmp_path, name, **settings):
    config = postgres_store.config(tmp_path, **settings)
    url = f"{postgres_url()}?application_name={name}"
    driver = PostgresDriver(type(config)(url, config.schema_name, **settings))
    driver.install()
    return driver


def sessions_of(name, after=0.0):
    postgres_store.ask("SELECT pg_sleep(%s)", after)
    return postgres_store.ask(
        "SELECT pid, backend_start FROM pg_stat_activity WHERE application_name = %s ORDER BY 1",
        name,
    )


def settled_sessions():
    """Those that remain when the last child's have ended, which takes a moment."""
    while sessions_of("forks") != (found := sessions_of("forks", 0.2)):
        pass
    return found


def name_of(fd):
    """The name of this end of a TCP connection; None for what is none."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
    except OSError:
        return None
    with socket.socket(fileno=os.dup(fd)) as held:
        return held.getsockname() if held.family == socket.AF_INET else None


def sessions(driver):
    return driver._connections.pool._all


@pytest.fixture
def driver(tmp_path):
    driver = open_driver(tmp_path, "forks")
    yield driver
    driver.close()


def test_eighty_forks_leave_the_parents_sessions_be(driver):
    put(driver, row("a"))
    before = sessions_of("forks")

    def work():
        assert driver.load(["a"])[0].id == "a"
        assert driver.load(["a"])[0].id == "a"
        driver.close()

    for _ in range(80):
        assert fork(work) == 0
        assert driver.load(["a"])[0].id == "a"
    assert settled_sessions() == before


def test_a_child_that_collects_its_garbage_says_no_goodbye(driver):
    put(driver, row("a"))
    before = sessions_of("forks")

    def work():
        nonlocal driver
        driver = None
        gc.collect()

    assert fork(work) == 0
    assert driver.load(["a"])[0].id == "a"
    assert settled_sessions() == before


def test_a_child_that_closes_its_storage_closes_not_its_parents(driver):
    put(driver, row("a"))
    before = sessions_of("forks")
    assert fork(driver.close) == 0
    assert driver.load(["a"])[0].id == "a"
    assert settled_sessions() == before


def test_a_child_holds_no_socket_of_its_parent(driver):
    """Else the server would not learn that the parent was killed."""
    drain_hints(driver)
    pool = driver._connections.pool
    with postgres_store.lent(pool), postgres_store.lent(pool):
        lent = {name_of(session.fileno()) for session in sessions(driver)}
        assert len(lent) == 3  # and the one that listens

        def work():
            assert lent.isdisjoint(map(name_of, range(500)))

        assert fork(work) == 0
        assert lent <= {*map(name_of, range(500))}


def test_forks_among_threads_that_open_sessions(tmp_path):
    """A session comes back in the middle of a transaction, so the pool opens a new one."""
    driver = open_driver(tmp_path, "opening", max_connections=4)
    put(driver, row("a"))
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            with postgres_store.lent(driver._connections.pool) as session:
                session.run("BEGIN", None, time.monotonic() + 20)

    postgres_store.end_session()
    others = {name_of(fd) for fd in range(500)} - {name_of(s.fileno()) for s in sessions(driver)}

    def work():
        assert {*map(name_of, range(500))} <= others
        pool = driver._connections.pool
        assert (pool._lent, pool._idle, pool._all) == (0, [], set())
        assert driver.load(["a"])[0].id == "a"

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        assert [fork(work) for _ in range(60)] == [0] * 60
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    driver.close()


def test_parent_and_child_both_hear(driver):
    drain_hints(driver)
    heard = []

    def work():
        drain_hints(driver)
        os.write(ready, b"!")
        assert driver.wait(20)

    see, ready = os.pipe()
    thread = threading.Thread(target=lambda: heard.append(fork(work)))
    thread.start()
    os.read(see, 1)
    waiter, got = waiting(driver)
    driver.notify()
    waiter.join()
    thread.join()
    assert got[0] is True
    assert heard == [0]
    os.close(see)
    os.close(ready)
