"""Redis: hints of other processes arrive by a subscription, also after the line was cut."""

import statistics
import threading
import time

import pytest

from qml.drivers import listening
from qml.drivers.redis import RedisDriver
from qml.values.config import RedisConfig
from qml.values.errors import StorageUnavailable
from tests.servers import Proxy, redis_url

from . import redis_store
from .making import claim, move, put, row
from .test_life import LONG, drain_hints, waiting

FAR = 5.0


@pytest.fixture
def pair(tmp_path, monkeypatch):
    """A driver behind a proxy, and another: only a subscription can wake in time."""
    monkeypatch.setattr(listening, "POLL_DEAF", FAR)
    straight = redis_store.config(tmp_path)
    with Proxy.to(redis_url()) as proxy:
        led = RedisConfig(proxy.url_of(redis_url()), key_prefix=straight.key_prefix)
        here, there = RedisDriver(led), RedisDriver(straight)
        yield proxy, here, there
        here.close()
        there.close()


def delay(here, there):
    """Seconds from the hint of the one until the other is awake."""
    thread, got = waiting(here, FAR - 1)
    begun = time.monotonic()
    there.notify()
    thread.join()
    assert got[0] is True
    return time.monotonic() - begun


def test_a_hint_of_another_arrives_at_once(pair):
    _, here, there = pair
    assert statistics.median(delay(here, there) for _ in range(9)) < 0.1


@pytest.fixture
def heard(tmp_path):
    """How many hints came since it was asked last."""
    client = redis_store.raw_client()
    with client.pubsub() as listener:
        listener.subscribe(f"{{{redis_store.config(tmp_path).key_prefix}}}:hints")
        assert listener.get_message(timeout=LONG)["type"] == "subscribe"

        def count():
            client.publish(*listener.channels, "end")
            messages = iter(lambda: listener.get_message(timeout=LONG)["data"], "end")
            return len([*messages])

        yield count
    client.close()


def test_what_stores_or_ends_jobs_hints_in_the_same_step(tmp_path, heard):
    """So a round trip does both."""
    driver = RedisDriver(redis_store.config(tmp_path))
    put(driver, row("a"), row("b"))
    assert heard() == 1
    driver.notify()
    assert heard() == 0
    held = driver.claim(claim(2)).rows
    assert heard() == 0  # or each claim would wake the others
    driver.swap([move(one) for one in held])
    assert heard() == 1
    driver.notify()
    assert heard() == 0
    driver.close()


def test_what_hints_of_nothing_leaves_it_to_notify(tmp_path, heard):
    driver = RedisDriver(redis_store.config(tmp_path))
    put(driver, row("a"))
    [held] = driver.claim(claim()).rows
    driver.swap([move(held)])
    heard()
    for change in (
        lambda: driver.swap([move(held)]),  # stale by now
        lambda: driver.insert([row("a")]),
        lambda: driver.erase(["a"], 1),
        lambda: (driver.insert([row("b")]), heard(), driver.write("r", "{}", 0)),
    ):
        change()
        assert heard() == 0
        driver.notify()
        assert heard() == 1
    driver.close()


def test_a_hint_of_another_prefix_does_not(pair, tmp_path):
    _, here, _ = pair
    stranger = RedisDriver(redis_store.config(tmp_path / "other"))
    drain_hints(here)
    stranger.notify()
    assert here.wait(0.2) is False
    stranger.close()


def test_it_hears_again_after_the_line_was_cut(pair, monkeypatch, caplog):
    monkeypatch.setattr(listening, "TRY_AGAIN", (0.01, 0.01))
    proxy, here, there = pair
    assert delay(here, there) < FAR / 2
    for _ in range(3):
        proxy.cut()
        while here._wakeups._hears:
            here.wait(0.01)
        assert delay(here, there) < FAR / 2
    assert caplog.text.count("hints of new jobs do not arrive") == 3


def test_it_listens_outside_the_pool(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "POLL_DEAF", FAR)
    driver = RedisDriver(redis_store.config(tmp_path, max_connections=1))
    drain_hints(driver)
    threads = [waiting(driver) for _ in range(4)]
    assert driver.time() > 0
    driver.notify()
    for thread, got in threads:
        thread.join(LONG)
        assert got[0] is True
    driver.close()


def test_closing_ends_waits_and_the_thread(pair):
    _, here, _ = pair
    drain_hints(here)
    ended = []

    def wait():
        try:
            while True:
                here.wait(LONG)
        except StorageUnavailable:
            ended.append(time.monotonic())

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    begun = time.monotonic()
    here.close()
    for waiter in waiters:
        waiter.join()
    assert max(ended) - begun < 1
    assert here._wakeups._thread is None
