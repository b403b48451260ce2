"""Redis: what the server's answers mean for an operator."""

import pytest

from qml.drivers.redis import RedisDriver
from qml.drivers.redis.examination import Facts, judge
from qml.seam.findings import Severity
from qml.values.config import RedisConfig
from tests.servers import ValkeyServer

from .making import put, row

OK, NOTE, WARNING, ERROR = Severity

GOOD = {
    "redis_version": "7.2.4",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "maxmemory": 1_000,
    "used_memory": 10,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "rdb_last_save_time": 1,
    "connected_slaves": 0,
    "connected_clients": 3,
    "maxclients": 10_000,
}
SETTINGS = {"save": "", "appendfsync": "always", "min-replicas-to-write": "0"}


def judged(*, settings=SETTINGS, schema=1, wrong=(), **info):
    return judge(Facts(GOOD | info, dict(settings), schema, 10, [*wrong]))


def test_a_server_as_it_should_be():
    assert {found.severity for found in judged()} == {OK}
    assert all(found.remedy == "" for found in judged())


@pytest.mark.parametrize(
    ("facts", "severity", "topic", "words"),
    [
        ({"redis_version": "6.0.9"}, ERROR, "server", "6.0.9"),
        ({"role": "slave", "master_host": "h", "master_port": 1}, ERROR, "role", "replica of h:1"),
        ({"maxmemory_policy": "allkeys-lru"}, ERROR, "eviction", "it deletes jobs"),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 0}, WARNING, "eviction", "no maxmemory"),
        ({"maxmemory_policy": "volatile-ttl"}, WARNING, "eviction", "but no job"),
        ({"settings": SETTINGS | {"appendfsync": "everysec"}}, NOTE, "durability", "each second"),
        ({"settings": SETTINGS | {"appendfsync": "no"}}, WARNING, "durability", "half a minute"),
        ({"settings": {}}, NOTE, "durability", "hides"),
        ({"aof_enabled": 0}, ERROR, "durability", "loses every job"),
        ({"aof_enabled": 0, "settings": {"save": "9 1"}}, WARNING, "durability", "snapshots only"),
        ({"aof_enabled": 0, "settings": {}}, WARNING, "durability", "snapshots only"),
        ({"aof_last_write_status": "err"}, ERROR, "disk", "log"),
        ({"rdb_last_bgsave_status": "err"}, ERROR, "disk", "snapshot"),
        ({"connected_slaves": 1}, NOTE, "replicas", "1 replica that nobody waits for"),
        ({"used_memory": 800}, WARNING, "memory", "800 B of 1.0 kB"),
        ({"used_memory": 950}, ERROR, "memory", "950 B of 1.0 kB"),
        ({"maxmemory": 0}, NOTE, "memory", "without a limit"),
        ({"connected_clients": 8_000}, WARNING, "connections", "8,000 of 10,000"),
        ({"connected_clients": 9_995}, ERROR, "connections", "up to 11"),
        ({"schema": 2}, ERROR, "schema", "version 2"),
        ({"wrong": [("ready", 5, 0)]}, WARNING, "indexes", "ready has 0 of 5"),
    ],
)
def test_what_is_wrong_and_what_to_do(facts, severity, topic, words):
    wrong = {found.topic: found for found in judged(**facts) if found.severity is not OK}
    found = wrong.pop(topic)
    assert found.severity is severity
    assert set(wrong) <= {"memory"}  # which has no limit where there is no maxmemory
    assert words in found.fact
    assert found.remedy or severity is NOTE


def test_replicas_that_are_waited_for():
    found = judged(connected_slaves=2, settings=SETTINGS | {"min-replicas-to-write": "1"})
    assert [(one.severity, one.fact) for one in found if one.topic == "replicas"] == [
        (OK, "2 replicas")
    ]


def test_a_server_that_tells_nothing():
    found = judge(Facts({}, {}, 1, 10, []))
    assert [(one.severity, one.topic) for one in found] == [
        (NOTE, "server"),
        (OK, "indexes"),
        (OK, "schema"),
    ]


@pytest.mark.parametrize("durable", [True, False])
def test_a_real_server(durable):
    with ValkeyServer(durable=durable, password="secret") as server:
        driver = RedisDriver(RedisConfig(server.url))
        driver.install()
        put(driver, row("a"))
        found = {one.topic: one for one in driver.examine()}
        assert found["durability"].severity is (OK if durable else ERROR)
        assert found["server"].fact.startswith(("Valkey ", "Redis "))
        assert set(found) == {
            *("server", "eviction", "durability", "memory", "connections", "indexes", "schema")
        }
        assert "secret" not in str(found)
        driver.close()
