"""Redis: connections are few, each is lent to one at a time, and none goes through a fork."""

import gc
import os
import threading
import time

import pytest
import redis

from qml.drivers.redis import RedisDriver
from qml.seam.rows import Page
from qml.values.config import RedisConfig
from qml.values.errors import StorageUnavailable
from tests.servers import Proxy, redis_url

from . import redis_store
from .making import claim, everything, ids, put, row
from .test_life import LONG, drain_hints, in_threads

FORKS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@pytest.fixture
def client():
    client = redis_store.raw_client()
    yield client
    client.close()


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**settings):
        made.append(RedisDriver(redis_store.config(tmp_path, **settings)))
        made[-1].install()
        return made[-1]

    yield make
    for driver in made:
        driver.close()


def connected(client, driver):
    """The server's numbers of the connections in the pool."""
    return sorted(Asked(line.connection).ask_for_id() for line in driver._connections._pool._idle)


def free(driver):
    """How many connections may be taken without a wait."""
    pool = driver._connections._pool
    return pool.most - len(pool._lines) + len(pool._idle)


class Asked:
    """A connection of redis-py, asked for its number in the server."""

    def __init__(self, connection):
        self.connection = connection

    def ask_for_id(self):
        self.connection.send_command("CLIENT", "ID")
        return self.connection.read_response()


def test_never_more_connections_than_allowed_and_everybody_is_served(make, client):
    driver = make(max_connections=2)
    put(driver, *(row(str(number)) for number in range(200)))
    base = client.info("clients")["connected_clients"]
    most = []

    def work(number):
        taken = []
        while rows := driver.claim(claim(3, worker=f"w{number}")).rows:
            taken += ids(rows)
            if number == 0:
                most.append(client.info("clients")["connected_clients"])
        return taken

    taken = [job for part in in_threads(8, work) for job in part]
    assert sorted(taken) == sorted(str(number) for number in range(200))
    assert max(most, default=base) <= base + 1  # one was there
    assert len(driver._connections._pool._lines) == 2


def test_a_pool_that_is_exhausted_says_so(make, tmp_path):
    with Proxy.to(redis_url()) as proxy:
        prefix = redis_store.config(tmp_path).key_prefix
        url = proxy.url_of(redis_url())
        settings = {"max_connections": 1, "pool_timeout": 0.1, "key_prefix": prefix}
        driver = RedisDriver(RedisConfig(url, **settings))
        driver.install()
        proxy.delay(0.5)
        other = threading.Thread(target=driver.time)
        other.start()
        while free(driver):
            time.sleep(0.001)
        with pytest.raises(StorageUnavailable, match=r"all 1 connections.*raise max_connections"):
            driver.insert([row("a")])
        other.join()
        proxy.heal()
        put(driver, row("a"))
        driver.close()


def test_a_failed_call_gives_its_connection_back(make, client):
    driver = make(max_connections=2, pool_timeout=0.5)
    client.set(f"{driver._connections.base}names", "no sorted set")
    for _ in range(100):
        with pytest.raises(Exception, match="WRONGTYPE"):
            driver.list("")
    assert free(driver) == 2


@pytest.mark.parametrize("moment", ["send_command", "read_response"])
def test_an_interrupt_in_the_middle_leaves_no_reply_behind(make, monkeypatch, moment):
    """The next call must not read the answer of the one that was interrupted."""
    driver = make(max_connections=1)
    put(driver, row("a"), row("b"))
    real = getattr(redis.Connection, moment)

    def interrupted(self, *arguments, **options):
        if moment == "send_command":
            real(self, *arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(redis.Connection, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        driver.load(["a"])
    monkeypatch.setattr(redis.Connection, moment, real)
    assert driver.load(["nobody"]) == [None]
    assert ids(driver.load(["b"])) == ["b"]


def test_nothing_is_left_behind(make, client):
    """No connection, no thread, no descriptor; one more or less may be another test's."""

    def life():
        driver = make()
        drain_hints(driver)
        driver.close()

    def left():
        gc.collect()
        client.ping()
        fds = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
        return len(fds), threading.active_count(), client.info("clients")["connected_clients"]

    def more(before):
        return max(now - then for now, then in zip(left(), before, strict=True))

    life()
    time.sleep(0.05)
    before, lives = left(), 20
    for _ in range(lives):
        life()
    deadline = time.monotonic() + 5
    while (grown := more(before)) >= lives / 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert grown < lives / 2


def test_closing_lets_calls_under_way_end(make):
    driver = make()
    put(driver, *(row(str(number)) for number in range(2_000)))
    ends = []

    def work():
        try:
            while True:
                ends.append(len(everything(driver)))
        except StorageUnavailable as error:
            ends.append("closed" in str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not ends:
        time.sleep(0.001)
    driver.close()
    for thread in threads:
        thread.join(LONG)
    assert set(ends) <= {2_000, True}
    assert ends.count(True) == 3


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_eighty_forks_leave_the_parents_connections_be(make, client):
    """The children use their own; the parent's are the same ones before and after."""
    driver = make(max_connections=3)
    put(driver, *(row(str(number)) for number in range(400)))
    in_threads(3, lambda number: [driver.time() for _ in range(20)])
    drain_hints(driver)
    before = connected(client, driver)
    stop, taken = threading.Event(), []

    def busy():
        while not stop.is_set():
            taken.extend(ids(driver.claim(claim(1, worker="parent")).rows))

    thread = threading.Thread(target=busy)
    thread.start()
    codes = [_in_child(driver, f"child {number}") for number in range(80)]
    stop.set()
    thread.join()
    assert codes == [0] * 80
    assert connected(client, driver) == before
    claimed = [one for one in everything(driver) if one.state == "processing"]
    assert {one.fence for one in claimed} == {1}
    mine = sorted(one.id for one in claimed if one.worker == "parent")
    assert mine == sorted(taken)
    assert sum(one.worker != "parent" for one in claimed) + len(mine) == len(claimed)


def _in_child(driver, worker):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            rows = driver.claim(claim(1, worker=worker)).rows
            told = driver.count(Page(), "state")
            code = 0 if sum(told.values()) == 400 and len(rows) <= 1 else 2
            if worker.endswith("0"):  # some leave tidily, some do not
                driver.close()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@FORKS
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_child_has_lanes_of_its_own(make):
    """Else the server would take a call of the one for a repetition of the other's."""
    driver = make()
    put(driver, row("a"), row("b"))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, ",".join(ids(driver.claim(claim(1)).rows)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 9) == b"a"
    assert ids(driver.claim(claim(1)).rows) == ["b"]
    os.close(read)
    os.close(write)
