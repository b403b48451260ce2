"""Each turn has an empty store, which is gone afterwards."""

import contextlib

import psycopg2
import pytest

from benchmarks import stores
from benchmarks.stores import STORES, opened
from qml import Job, connect
from qml.storage.urls import parse_url
from tests.servers import ServerFailed, postgres_url, redis_url
from tests.servers.clients import redis_client


def test_a_store_is_new_each_time(store):
    for _ in range(2):
        with store.new() as url, connect(url) as storage:
            assert sum(storage.get_job_counts().values()) == 0
            storage.enqueue(Job("nothing"))


def test_nothing_is_left_behind(shared):
    with shared.new() as url, connect(url) as storage:
        storage.enqueue_many(Job("nothing") for _ in range(1_200))
        assert traces(url)
    assert not traces(url)


def traces(url):
    config = parse_url(url)
    if shared_by_redis := getattr(config, "key_prefix", None):
        with redis_client(redis_url()) as client:
            return [*client.scan_iter(match=f"*{shared_by_redis}*", count=1_000)]
    if hasattr(config, "path"):
        return config.path.exists()
    with contextlib.closing(psycopg2.connect(postgres_url())) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [config.schema_name])
        return cursor.fetchall()


def test_a_name_of_ours_is_removed_wherever_it_stands():
    """As others write it."""
    store = STORES["redis"]._replace(address=redis_url())
    with redis_client(redis_url()) as client:
        with store.new() as url:
            key = f"huey.redis.{parse_url(url).key_prefix}"
            client.set(key, "1")
            client.set("qml-bench-other", "1")
        assert client.exists(key) == 0
        assert client.getdel("qml-bench-other") == "1"


def test_our_own_servers_flush_each_commit():
    with opened(["postgres", "redis"]) as [postgres, redis]:
        assert "fsync is on, synchronous_commit is on" in postgres.facts()
        assert "on disk before it is answered" in redis.facts()


def test_a_server_of_the_users_is_used_instead(monkeypatch):
    def start():
        raise ServerFailed("it must not be started")

    monkeypatch.setattr(stores, "SERVERS", dict.fromkeys(stores.SERVERS, start))
    urls = ["postgres://u:secret@h/d?schema_name=mine&sslmode=require", "rediss://h:1/0"]
    with opened(["memory", "redis", "postgres"], urls) as found:
        assert [store.address for store in found] == [
            "",
            "rediss://h:1/0",
            "postgres://u:secret@h/d?sslmode=require",
        ]
    with pytest.raises(ServerFailed), opened(["redis"]):
        pass
    with opened(["memory", "sqlite"]):
        pass


def test_only_a_store_in_memory_is_not_shared():
    assert [name for name, store in STORES.items() if not store.shared] == ["memory"]
