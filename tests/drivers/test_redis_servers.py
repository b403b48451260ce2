"""Redis: servers that will not do, that refuse, that are a node of a cluster; and qml's words."""

import logging
import os
import shutil
import subprocess
import time
import traceback

import pytest

from qml.drivers.redis import RedisDriver, schema
from qml.seam.findings import Severity
from qml.seam.onlooking import Batches
from qml.seam.rows import Available, Expired, Finished, Lapsed, Overdue, Page, Verdict, Write
from qml.seam.tallies import Parents, Tally
from qml.values.config import RedisConfig
from qml.values.errors import (
    CapacityExceeded,
    ConfigurationError,
    MigrationError,
    StorageError,
    StorageUnavailable,
)
from tests.servers import ValkeyServer, redis_url
from tests.servers.clients import redis_client
from tests.servers.listener import Listener

from . import redis_indexes, redis_store
from .making import (
    NOW,
    claim,
    done,
    everything,
    ids,
    later,
    limited,
    lock,
    move,
    paced,
    put,
    renewal,
    row,
    waiter,
)
from .redis_counting import server

__all__ = ["server"]  # fixtures

SECRET = "s3cr/t@:é"


def connected(url, **settings):
    driver = RedisDriver(RedisConfig(url, **settings))
    driver.install()
    return driver


@pytest.fixture
def client(server):
    client = redis_client(server.url)
    client.flushall()
    yield client
    client.config_set("maxmemory", 0)
    client.config_set("maxmemory-policy", "noeviction")
    client.close()


@pytest.fixture
def driver(server, client):
    driver = connected(server.url)
    yield driver
    driver.close()


def facts(driver, topic):
    return [(f.severity, f.fact) for f in driver.examine() if f.topic == topic]


def test_a_newer_schema_is_refused(driver, client):
    client.set("{qml}:schema", 99)
    with pytest.raises(MigrationError, match="upgrade"):
        driver.install()
    assert facts(driver, "schema")[0][0] is Severity.ERROR
    assert client.get("{qml}:schema") == "99"


@pytest.mark.parametrize("found", ["one", "", "-1", "1.5"])
def test_a_version_that_is_no_number_is_refused(driver, client, found):
    client.set("{qml}:schema", found)
    with pytest.raises(MigrationError, match=r"the key \{qml\}:schema does not say"):
        driver.install()
    assert client.get("{qml}:schema") == found


@pytest.mark.parametrize("version", ["5.0.14", "6.0.20", "3.2"])
def test_an_old_server_is_refused(driver, monkeypatch, version):
    monkeypatch.setattr(schema, "server_info", lambda connections: {"redis_version": version})
    with pytest.raises(StorageError, match=r"needs Redis 6\.2"):
        driver.install()


def test_a_replica_is_refused_and_reads_are_not(server, client, driver):
    put(driver, row("a"))
    with ValkeyServer(replica_of=server) as replica:
        with pytest.raises(StorageUnavailable, match=f"primary, 127.0.0.1:{server.port}"):
            connected(replica.url)
        onlooker = RedisDriver(RedisConfig(replica.url))
        assert ids(onlooker.scan(Page())) == ["a"]
        with pytest.raises(StorageUnavailable, match="read-only replica"):
            onlooker.claim(claim())
        assert facts(onlooker, "role")[0][0] is Severity.ERROR
        assert "a failover may lose" in facts(driver, "replicas")[0][1]
        onlooker.close()


def test_an_eviction_policy_that_deletes_jobs_is_told_once(server, client, caplog):
    schema._warn_once.cache_clear()
    client.config_set("maxmemory-policy", "volatile-lru")
    connected(server.url).close()
    assert caplog.text == ""
    client.config_set("maxmemory-policy", "allkeys-lru")
    for _ in range(2):
        connected(server.url).close()
    assert caplog.text.count("maxmemory-policy is allkeys-lru") == 1
    driver = connected(server.url)
    assert facts(driver, "eviction")[0][0] is Severity.WARNING
    client.config_set("maxmemory", "100mb")
    assert facts(driver, "eviction")[0][0] is Severity.ERROR
    driver.close()


def test_a_full_server_takes_no_new_jobs_and_lets_work_go_on(driver, client):
    """What is there can be claimed, finished and purged: else it would never be less."""
    put(driver, *(row(str(n), unique_key=f"k{n}") for n in range(10)), later("due", NOW))
    taken = driver.claim(claim(2, now=NOW - 1)).rows
    client.config_set("maxmemory", 1)
    before = everything(driver)
    with pytest.raises(CapacityExceeded, match="raise maxmemory"):
        driver.insert([row("new"), row("newer")])
    with pytest.raises(CapacityExceeded):
        driver.write("r", "{}", 0)
    for rows in ([], [row("new")]):
        with pytest.raises(CapacityExceeded):
            driver.insert(rows, Write("r", "{}", 0))
    assert everything(driver) == before
    assert driver.list("") == []
    assert driver.hold([renewal(one, NOW + 99, notes="n") for one in taken]) == [Verdict.DONE] * 2
    assert driver.hold([lock("5")]) == [Verdict.DONE]
    assert driver.let_go("5", "w1", NOW) is Verdict.DONE
    then = (row("follows", due_at=None),)
    assert driver.swap([move(one, purge_at=1, then=then) for one in taken]) == [Verdict.DONE] * 2
    assert [one.notes for one in driver.load(["0", "1", "follows"])] == ["n", "n", ""]
    assert ids(driver.claim(claim(1, now=NOW)).rows) == ["2"]
    full = move(driver.load(["2"])[0])._replace(due_at=1, finished_at=1, ends_lease=False)
    assert driver.swap([full]) == [Verdict.DONE]
    assert driver.erase(["0"], 9) == driver.erase(Overdue(1), 9) == 1
    redis_indexes.check(client, "qml")


def test_a_full_server_lets_work_go_on_in_lanes_and_batches(driver, client):
    put(driver, *(limited(name, counts='["t"]', batch="b") for name in "abc"), waiter("w"))
    put(driver, paced("p"), paced("q"), later("due", NOW, lane=limited("a").lane, permit="k"))
    [a, _] = driver.claim(claim(now=NOW - 1)).rows
    driver.claim(claim(now=NOW - 1))
    client.config_set("maxmemory", 1)
    before = everything(driver)
    with pytest.raises(CapacityExceeded):
        driver.insert([waiter("v", "job/v")], None, [Parents(0, ("b",))])
    with pytest.raises(CapacityExceeded):
        driver.insert([limited("d", "l")])
    assert everything(driver) == before
    assert driver.tally("t", False) == Tally(3, False, 0)
    assert driver.swap([move(a)]) == [Verdict.DONE]
    assert ids(driver.claim(claim(now=NOW + 9)).rows) == ["b", "q"]
    assert driver.erase(["b", "c"], 9) == 2
    assert ids(driver.claim(claim(now=NOW + 9)).rows) == ["w", "due"]
    redis_indexes.check(client, "qml")


def test_a_full_server_is_purged_though_it_cannot_be_mended(driver, client, caplog):
    put(driver, row("a"), done("b"))
    client.delete("{qml}:ready")
    client.config_set("maxmemory", 1)
    assert driver.erase(Finished("succeeded", NOW), 9) == 1
    assert "mending has to wait" in caplog.text
    client.config_set("maxmemory", 0)
    driver._mending.suspect()
    driver.erase(Finished("succeeded", NOW), 9)
    redis_indexes.check(client, "qml")


def test_a_server_that_cannot_save_takes_no_writes(driver, client, server):
    put(driver, row("a"))
    (server.folder / "dump.rdb").unlink(missing_ok=True)
    (server.folder / "dump.rdb").mkdir()
    client.config_set("save", "3600 1")
    try:
        client.bgsave()
        while client.info("persistence")["rdb_bgsave_in_progress"]:
            pass
        with pytest.raises(StorageUnavailable, match="cannot save"):
            driver.insert([row("b")])
        assert facts(driver, "disk")[0][0] is Severity.ERROR
    finally:
        client.config_set("save", "")
        (server.folder / "dump.rdb").rmdir()
    put(driver, row("b"))


def test_a_user_who_may_not_do_all(server, client, driver):
    client.acl_setuser("few", enabled=True, passwords=["+x"], keys=["*"], commands=["+@read"])
    few = RedisDriver(RedisConfig(f"redis://few:x@127.0.0.1:{server.port}"))
    with pytest.raises(StorageError, match="forbids this user"):
        few.claim(claim())
    few.close()


def test_a_command_that_is_switched_off_is_told_without_what_was_sent():
    with ValkeyServer(rename_command=("EVALSHA", '""')) as server:
        driver = RedisDriver(RedisConfig(server.url))
        with pytest.raises(StorageError, match=r"'EVALSHA'\).*rename-command") as caught:
            driver.insert([row("a", payload="secret")])
        driver.close()
    assert "secret" not in str(caught.value)


def test_a_user_who_may_do_no_more_than_needed(server, client):
    """The keys and channels of the prefix, the commands in use, and nothing told of the server."""
    commands = ["+@hash", "+@sortedset", "+@string", "+@scripting", "+@connection", "+@keyspace"]
    client.execute_command(
        *("ACL", "SETUSER", "just", "on", ">x", "~{qml}:*", "resetchannels", "&{qml}:*"),
        *(*commands, "+publish", "+subscribe", "+time"),
    )
    driver = connected(f"redis://just:x@127.0.0.1:{server.port}")
    put(driver, row("a"))
    [a] = driver.claim(claim()).rows
    driver.swap([move(a)])
    driver.notify()
    assert driver.wait(1)
    assert driver.time() > 0
    assert driver._mending.step() is None
    assert facts(driver, "server")[0][0] is Severity.NOTE
    driver.close()


@pytest.mark.parametrize("given", ["wrong", ""])
def test_a_wrong_password_is_said_and_not_shown(given, caplog):
    with ValkeyServer(password=SECRET) as server, caplog.at_level(logging.DEBUG):
        login = f":{given}{SECRET[:4]}@".replace("/", "%2F") if given else ""
        driver = RedisDriver(RedisConfig(f"redis://{login}127.0.0.1:{server.port}"))
        with pytest.raises(StorageUnavailable, match="refuses the login") as caught:
            driver.install()
        assert "may or may not" not in str(caught.value)
        assert driver.wait(0.01) in (True, False)
        told = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(driver)
        assert SECRET[:4] not in told.replace("test_a_wrong", "")
        driver.close()
        right = connected(server.url)
        put(right, row("a"))
        assert SECRET not in right.describe() + repr(right._connections._config)
        right.close()


@pytest.mark.parametrize(
    "query",
    ["socket_timeout=much", "db=x", "nonsense=1", "ssl_cert_reqs=none", "protocol=3&nothing=2"],
)
def test_a_setting_that_cannot_be_used_is_said_at_once(query):
    with pytest.raises(ConfigurationError, match="RedisConfig url") as caught:
        RedisDriver(RedisConfig(f"redis://:{SECRET[:4].replace('/', '%2F')}@127.0.0.1:1/0?{query}"))
    assert ("'nonsense' is no setting" in str(caught.value)) == (query == "nonsense=1")
    assert SECRET[:4] not in "".join(traceback.format_exception(caught.value))


def test_no_url_changes_what_qml_relies_on(server, client):
    query = "retry_on_timeout=yes&socket_timeout=99&max_connections=77&protocol=3&timeout=9"
    driver = connected(f"{server.url}?{query}", answer_timeout=7, max_connections=2)
    made = driver._connections.alone()
    assert made.retry.get_retries() == 0 if hasattr(made.retry, "get_retries") else True
    assert made.retry._retries == 0
    assert (made.socket_timeout, made.protocol) == (7, 2)
    assert driver._connections._pool.most == 2
    driver.close()


def test_a_node_of_a_cluster():
    """Every verb, with the cluster's own check that all keys of a call are in one slot."""
    with ValkeyServer(cluster_enabled="yes") as server:
        client = redis_client(server.url)
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16_384))
        while "cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
            pass
        with pytest.raises(Exception, match="same slot"):
            client.mget("a", "b")
        driver = connected(server.url, key_prefix="some/prefix é")
        put(driver, row("a", unique_key="k"), row("b", queue="q"), row("c"))
        [a, b] = driver.claim(claim(2, queues=("default", "q"))).rows
        assert driver.hold([renewal(a, NOW + 9), lock("c")]) == [Verdict.DONE] * 2
        assert driver.swap([move(a), move(b, state="enqueued", due_at=NOW)]) == [Verdict.DONE] * 2
        assert driver.let_go("c", "w1", NOW) is Verdict.DONE
        then = (row("d", due_at=None), row("e", due_at=NOW * 2, expires_at=NOW))
        assert driver.swap([move(driver.load(["a"])[0], purge_at=NOW, then=then)]) == [Verdict.DONE]
        assert ids(driver.scan(Expired(NOW, 9))) == ["e"]
        assert driver.erase(Overdue(NOW), 9) == 1
        assert driver.insert([row("a", due_at=None)], Write("r", "{}", 0)).obstacles == []
        assert [record.name for record in driver.list("")] == ["r"]
        assert ids(driver.scan(Available(NOW))) == ["b", "c"]
        assert driver.scan(Lapsed(NOW, 9)) == []
        client.delete("{some/prefix é}:ready")
        driver._mending.suspect()
        assert driver.erase(["a"], 1) == 1
        driver._mending.step()
        assert ids(driver.claim(claim(9)).rows) == ["b", "c"]
        driver.notify()
        assert driver.wait(1)
        assert "a node of a cluster" in facts(driver, "server")[0][1]
        redis_indexes.check(client, "some/prefix é")
        driver.close()
        client.close()


def test_a_cluster_that_is_down():
    with ValkeyServer(cluster_enabled="yes") as server:
        driver = RedisDriver(RedisConfig(server.url))
        with pytest.raises(StorageUnavailable, match="takes no calls now"):
            driver.install()
        driver.close()


def test_a_server_that_still_loads_its_data():
    """It was asked and did nothing: told at once, and as that."""

    def serve(client):
        with client:
            while client.recv(9_999):
                client.sendall(b"-LOADING Redis is loading the dataset in memory\r\n" * 2)

    listener = Listener(serve)
    driver = RedisDriver(RedisConfig(f"redis://127.0.0.1:{listener.port}"))
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"loading the dataset.*nothing was changed"):
        driver.time()
    assert time.monotonic() - begun < 4
    driver.close()
    listener.close()


def test_other_prefixes_and_databases_do_not_meet(tmp_path):
    url = redis_url()
    one = redis_store.config(tmp_path / "one")
    drivers = [
        connected(url, key_prefix=one.key_prefix),
        connected(url, key_prefix=redis_store.config(tmp_path / "two").key_prefix),
        connected(url.rpartition("/")[0] + "/3", key_prefix=one.key_prefix),
    ]
    for number, driver in enumerate(drivers):
        put(driver, row("a", queue=str(number)))
    assert [driver.load(["a"])[0].queue for driver in drivers] == ["0", "1", "2"]
    drivers[2].erase(["a"], 1)
    for driver in drivers:
        driver.close()


def test_a_unix_socket(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    path = f"{tmp_path}/socket"
    if len(path) > 100:  # a socket's path has 107 bytes at most, that of TMPDIR may have more
        path = f"/proc/{os.getpid()}/fd/{folder}/socket"
    with ValkeyServer(unixsocket=path):
        driver = connected(f"unix://{path}?db=2")
        put(driver, row("a"))
        assert driver.wait(1)
        assert driver.describe() == f"Redis at {path}/2 (prefix qml)"
        driver.close()
    os.close(folder)


# -- servers with a locale ---------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("localedef") is None, reason="makes a locale as glibc has them")
def test_batches_come_by_name_whatever_the_locale_of_the_server(tmp_path, monkeypatch):
    order = "\n".join(["<U0062>", "<U0061>"])  # b before a
    source = f"LC_COLLATE\norder_start forward\n{order}\norder_end\nEND LC_COLLATE\n"
    (tmp_path / "source").write_text(source)
    make = ["localedef", "-c", "-i", tmp_path / "source", tmp_path / "backwards"]
    subprocess.run(make, capture_output=True, check=False)  # it warns of all that is left out
    monkeypatch.setenv("LOCPATH", str(tmp_path))
    with ValkeyServer(locale_collate="backwards") as server:
        with redis_client(server.url) as client:
            assert client.eval("return 'b' < 'a'", 0) == 1
        driver = connected(server.url)
        driver.install()
        put(driver, *(row(name, batch=name) for name in ("b", "a", "aa", "ab")))
        assert ids(driver.scan(Batches("", 9))) == ["a", "aa", "ab", "b"]
        assert ids(driver.scan(Batches("aa", 9))) == ["aa", "ab", "b"]
        driver.close()
