"""The pool: bounded, whatever fails; who finds nothing waits; what is broken is thrown away."""

import contextlib
import threading
import time

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, troubles
from qml.values.errors import StorageUnavailable
from tests.servers import PostgresServer, postgres_url

from . import postgres_store
from .making import claim, put, row
from .test_life import in_threads
from .test_postgres_replies import make, proxy

__all__ = ["make", "proxy"]  # fixtures

LONG = 20.0


def pool_of(driver):
    return driver._connections.pool


def sessions_of(name):
    """The server's sessions of a test's own application name."""
    found = postgres_store.ask(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY pid", name
    )
    return [pid for (pid,) in found]


def named(name):
    return f"{postgres_url()}?application_name={name}"


@contextlib.contextmanager
def all_lent(driver, count):
    """Sessions in other hands."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(postgres_store.lent(pool_of(driver)))
        yield


def test_no_more_sessions_than_allowed(make):
    driver = make(named("bounded"), max_connections=3)
    most = []

    def work(number):
        for each in range(30):
            put(driver, row(f"{number} {each}"))
            most.append(len(sessions_of("bounded")))

    in_threads(8, work)
    assert max(most) == 3


def test_one_thread_needs_one_session(make):
    driver = make(named("alone"))
    for number in range(10):
        put(driver, row(str(number)))
    assert len(sessions_of("alone")) == 1


def test_the_last_given_back_is_lent_first(make):
    driver = make(named("last"), max_connections=4)
    with all_lent(driver, 4):
        pass
    assert len(sessions_of("last")) == 4
    before = pool_of(driver)._idle[:]
    with postgres_store.lent(pool_of(driver)) as session:
        assert session is before[-1]
    assert pool_of(driver)._idle == before


def test_who_finds_all_lent_waits(make):
    driver = make(max_connections=2)
    got = []
    with all_lent(driver, 2):
        thread = threading.Thread(target=lambda: got.append(driver.load(["a"])))
        thread.start()
        thread.join(0.1)
        assert got == []
    thread.join(LONG)
    assert got == [[None]]


def test_who_waits_too_long_is_told_the_cure(make):
    driver = make(max_connections=2, pool_timeout=0.1)
    with all_lent(driver, 2):
        begun = time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"all 2 conn.*0\.1 s; raise max_connections"):
            driver.load(["a"])
        assert 0.1 <= time.monotonic() - begun < 10
    assert driver.load(["a"]) == [None]


def test_a_user_without_a_name_is_told_to_give_one():
    said = "local user with ID 12345 does not exist"  # by libpq, where the URL names nobody
    assert "name the user in the URL" in troubles.cure(said)


def test_what_libpq_says_in_two_lines_is_said_in_one():
    said = psycopg2.OperationalError("Connection refused\n\tIs the server running?\n")
    assert troubles.told(said, "postgresql://h/db") == "Connection refused; Is the server running?"


def test_closing_ends_the_waiting(make):
    driver = make(max_connections=1)
    errors = []

    def wait():
        with pytest.raises(StorageUnavailable, match="closed"):
            driver.load(["a"])
        errors.append(time.monotonic())

    with all_lent(driver, 1):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        closing = threading.Thread(target=driver.close)
        closing.start()
        thread.join(LONG)
        assert errors
    closing.join(LONG)
    assert not closing.is_alive()
    assert pool_of(driver)._all == set()


def test_a_pool_of_two_that_fails_a_hundred_times(make, proxy):
    url = proxy.url_of(postgres_url())
    driver = make(f"{url}?application_name=failing", max_connections=2, statement_timeout=5.0)
    for number in range(100):
        proxy.refuse()
        proxy.cut_after_request()
        with contextlib.suppress(StorageUnavailable):  # there may be a second session
            driver.load(["a"])
        proxy.cut()
        with pytest.raises(StorageUnavailable):
            driver.load(["a"])
        proxy.heal()
        if number % 10 == 0:
            assert in_threads(4, lambda _: driver.load(["a"])) == [[None]] * 4
            assert len(pool_of(driver)._all) <= 2
    assert pool_of(driver)._lent == 0
    assert driver.load(["a"]) == [None]


def test_refusals_of_the_server_keep_the_session(make):
    driver = make(named("refused"))
    driver.load(["a"])
    before = sessions_of("refused")
    for _ in range(100):
        with pytest.raises(Exception, match="count by"):
            driver.count(None, "nothing")
    put(driver, row("a"))
    assert driver.insert([row("a")]).obstacles
    assert sessions_of("refused") == before


def test_sessions_that_were_ended_while_idle_are_replaced_unnoticed(make):
    driver = make(named("ended"), max_connections=3)
    for _ in range(20):
        with all_lent(driver, 3):
            pass
        assert len(sessions_of("ended")) == 3
        for pid in sessions_of("ended"):
            postgres_store.ask("SELECT pg_terminate_backend(%s, 5000)", pid)
        assert driver.load(["a"]) == [None]  # which is not asked more often than twice
        assert len(pool_of(driver)._all) == 1


def test_a_server_restarted_while_idle_is_not_noticed():
    with PostgresServer(durable=True) as server:
        driver = PostgresDriver(postgres_store.PostgresConfig(server.url))
        driver.install()
        put(driver, row("a"))
        for stop in (server.stop, server.kill):
            stop()
            server.start()
            assert [r.id for r in driver.load(["a"])] == ["a"]
            stop()
            server.start()
            [taken] = driver.claim(claim()).rows
            assert taken.id == "a"
            put(driver, row("a again"))
            driver.erase(["a"], 1)
            driver.erase(["a again"], 1)
            put(driver, row("a"))
        driver.close()


def test_too_many_connections_for_the_server():
    with PostgresServer(max_connections=5, superuser_reserved_connections=0) as server:
        driver = PostgresDriver(postgres_store.PostgresConfig(server.url, max_connections=50))
        driver.install()
        with (
            pytest.raises(StorageUnavailable, match=r"too many clients"),
            all_lent(driver, 40),
        ):
            pass
        assert driver.load(["a"]) == [None]
        driver.close()
