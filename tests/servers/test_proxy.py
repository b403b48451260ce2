"""Each fault of the proxy is what it says, to clients of both servers."""

import socket
import threading
import time

import psycopg2
import pytest
import redis

from tests.servers import Proxy, postgres_url, redis_url
from tests.servers.clients import ask, connection, redis_client


@pytest.fixture
def proxy():
    before = threading.active_count()
    with Proxy.to(redis_url()) as proxy:
        yield proxy
    assert threading.active_count() == before


@pytest.fixture
def client(proxy):
    with redis_client(proxy.url_of(redis_url())) as client:
        client.delete("n")
        yield client


@pytest.fixture
def truth():
    """A client that goes past the proxy."""
    with redis_client(redis_url()) as client:
        yield client


def test_a_url_is_led_through_it(proxy):
    assert proxy.url_of("redis://:se%40cret@host:1/0?a=b") == (
        f"redis://:se%40cret@127.0.0.1:{proxy.port}/0?a=b"
    )


def test_without_faults_all_passes(client):
    text = "x" * 3_000_000
    client.set("n", text)
    assert client.get("n") == text


def test_cut_ends_what_is_connected(proxy):
    ends = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(3)]
    for end in ends:
        end.sendall(b"PING\r\n")
        assert end.recv(99) == b"+PONG\r\n"
    proxy.cut()
    for end in ends:
        assert end.recv(99) == b""
        end.close()


def test_a_request_is_lost_once(proxy, client, truth):
    proxy.cut_before_request()
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert (truth.get("n"), proxy.cuts) == (None, 1)
    assert client.incr("n") == 1


def test_a_reply_is_lost_once(proxy, client, truth):
    proxy.cut_after_request()
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert (truth.get("n"), proxy.cuts) == ("1", 1)
    assert client.incr("n") == 2


def test_a_trap_waits_for_its_text(proxy, client, truth):
    proxy.cut_after_request(containing=b"INCR")
    assert client.set("n", 5)
    with pytest.raises(redis.ConnectionError):
        client.incr("n")
    assert truth.get("n") == "6"


def test_refused_is_who_comes_not_who_is_there(proxy, client):
    client.ping()
    proxy.refuse()
    assert client.ping()
    with redis_client(proxy.url_of(redis_url())) as late:
        with pytest.raises(redis.ConnectionError, match="refused"):
            late.ping()
        proxy.heal()
        assert late.ping()


def test_silence_is_a_timeout_for_all(proxy, truth):
    url = proxy.url_of(redis_url())
    with redis_client(url, timeout=0.3) as early, redis_client(url, timeout=0.3) as late:
        early.set("n", 1)
        proxy.silence()
        for silenced in (early, late):
            with pytest.raises(redis.TimeoutError):
                silenced.incr("n")
        proxy.heal()
        assert truth.get("n") == "1"
        assert (early.incr("n"), late.incr("n")) == (2, 3)


def test_a_connection_silent_until_healed_is_cut(proxy):
    with redis_client(proxy.url_of(redis_url())) as client:
        client.ping()
        proxy.silence()
        threading.Timer(0.05, proxy.heal).start()
        with pytest.raises(redis.ConnectionError, match="closed"):
            client.ping()


def test_delayed_is_every_reply(proxy, client):
    client.ping()
    proxy.delay(0.05)
    begin = time.monotonic()
    client.ping()
    client.ping()
    assert time.monotonic() - begin >= 0.1
    proxy.heal()


def test_a_commit_whose_reply_is_lost_is_a_commit():
    with Proxy.to(postgres_url()) as proxy, connection(postgres_url()) as truth:
        ask(truth, "CREATE TABLE lost (n int)")
        connected = psycopg2.connect(proxy.url_of(postgres_url()))
        ask(connected, "INSERT INTO lost VALUES (1)")
        proxy.cut_after_request(containing=b"COMMIT")
        with pytest.raises(psycopg2.OperationalError):
            connected.commit()
        assert ask(truth, "SELECT count(*) FROM lost") == 1
        ask(truth, "DROP TABLE lost")


def test_where_no_server_is_clients_are_cut():
    with (
        Proxy("127.0.0.1", 1) as proxy,
        redis_client(f"redis://127.0.0.1:{proxy.port}") as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.ping()
