"""A server that is there and refuses: which store, what happened, what to do; and no password."""

import contextlib
import logging
from urllib.parse import quote, urlsplit

import pytest

from qml import CapacityExceeded, Job, StorageClosed, StorageError, StorageUnavailable

from .secrets import shows_secret, told
from .stores import SECRET, Store, administrate, new_server
from .tasks import Log

CROWD = 8


@pytest.fixture(scope="module", params=["postgres", "redis"])
def guarded(request):
    """A store whose server asks for a password, and has room for few clients."""
    few = {"postgres": {"max_connections": CROWD}, "redis": {"maxclients": CROWD}}
    with new_server(request.param, password=SECRET, **few[request.param]) as server:
        store = Store(request.param, server.url)
        with store.open() as storage:
            storage.enqueue(Job("t"))
        yield store


def refused(store, call, kind=StorageUnavailable):
    """The error's text. Neither it nor the log shows a password."""
    with Log(logging.DEBUG) as log, pytest.raises(kind) as error:
        call()
    assert type(error.value) is kind
    assert not shows_secret(told(error.value) + "\n".join(log.lines))
    text = str(error.value)
    assert f"{urlsplit(store.url).hostname}:{urlsplit(store.url).port}" in text
    assert "\n" not in text
    return text


def login(store, user, password):
    """The URL of a user."""
    address = store.url.rpartition("@")[2]
    return f"{urlsplit(store.url).scheme}://{user}:{quote(password, safe='')}@{address}"


def test_a_wrong_password(guarded):
    user = urlsplit(guarded.url).username
    text = refused(guarded, lambda: guarded.open(login(guarded, user, SECRET + "x")))
    assert "password" in text
    assert "URL" in text


def test_no_password(guarded):
    user = urlsplit(guarded.url).username
    url = guarded.url.replace(f":{quote(SECRET, safe='')}@", "@" if user else "")
    assert "URL" in refused(guarded, lambda: guarded.open(url))


def test_a_database_that_does_not_exist(guarded):
    name = {"postgres": "nowhere", "redis": "99"}[guarded.kind]
    url = guarded.url.rpartition("/")[0] + f"/{name}"
    text = refused(guarded, lambda: guarded.open(url))
    assert {"postgres": "does not exist", "redis": "out of range"}[guarded.kind] in text
    assert f"/{name} " in text
    assert "URL" in text


def test_too_many_connections(guarded):
    with contextlib.ExitStack() as stack:

        def crowd():
            for _ in range(CROWD + 1):
                stack.enter_context(guarded.open())

        text = refused(guarded, crowd)
        cures = {"postgres": "raise the server's max_connections", "redis": "raise maxclients"}
        assert cures[guarded.kind] in text
    guarded.open().close()


@pytest.fixture
def stranger(guarded):
    """The URL of a user who may look and not change."""
    if guarded.kind == "postgres":
        administrate(
            guarded.url,
            f"CREATE ROLE stranger LOGIN PASSWORD '{SECRET}'",
            "GRANT USAGE ON SCHEMA qml TO stranger",
            "GRANT SELECT ON ALL TABLES IN SCHEMA qml TO stranger",
        )
        yield login(guarded, "stranger", SECRET)
        administrate(guarded.url, "DROP OWNED BY stranger", "DROP ROLE stranger")
    else:
        # What +@read leaves out, a script that changes nothing needs, too.
        administrate(
            guarded.url,
            f"ACL SETUSER stranger on >{SECRET} ~{{qml}}:* &{{qml}}:* +@read +@connection -select "
            "+time +eval +evalsha",
        )
        yield login(guarded, "stranger", SECRET)
        administrate(guarded.url, "ACL DELUSER stranger")


WRITES = {
    "enqueue": lambda storage: storage.enqueue(Job("t")),
    "claim": lambda storage: storage.fetch_and_lock_job("w"),
    "delete": lambda storage: storage.delete(storage.list()[0].id),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_user_without_the_right(guarded, stranger, write):
    with guarded.open(stranger) as storage:
        assert len(storage.list()) == 1
        text = refused(guarded, lambda: WRITES[write](storage), StorageError)
        assert len(storage.list("enqueued")) == 1
    assert {"postgres": "give the role", "redis": "ACL SETUSER"}[guarded.kind] in text


def test_a_user_who_may_not_make_the_schema(guarded, stranger):
    """Redis has none to make, and says the same when its version is written down."""
    other = Store(guarded.kind, guarded.url, "other")
    text = refused(guarded, lambda: other.open(stranger), StorageError)
    assert {"postgres": "give the role", "redis": "ACL SETUSER"}[guarded.kind] in text


def test_a_redis_user_who_may_not_choose_a_database(guarded, stranger):
    if guarded.kind == "redis":
        text = refused(guarded, lambda: guarded.open(stranger.rpartition("/")[0] + "/1"))
        assert "forbids this user a command" in text
        assert "ACL SETUSER" in text


def test_nothing_shows_the_password(guarded):
    with Log(logging.DEBUG) as log, guarded.open() as storage:
        config = guarded.config()
        texts = [repr(storage), repr(storage.driver), str(config), repr(config)]
        texts.append(storage.driver.describe())
        texts += [finding.fact + finding.remedy for finding in storage.driver.examine()]
        storage.driver.wait(0.1)
    assert not shows_secret("\n".join([*texts, *log.lines]))
    closed = refused(guarded, storage.list, StorageClosed)
    assert "closed; connect again" in closed


def test_a_full_redis_is_full():
    with new_server("redis", maxmemory_policy="noeviction", password=SECRET) as server:
        store = Store("redis", server.url)
        with store.open() as storage:
            administrate(server.url, "CONFIG SET maxmemory 1")
            text = refused(store, lambda: storage.enqueue(Job("t")), CapacityExceeded)
            assert "raise maxmemory" in text
            assert storage.list() == []
            administrate(server.url, "CONFIG SET maxmemory 0")
            storage.enqueue(Job("t"))


def test_a_redis_that_evicts_is_warned_of():
    with new_server("redis", maxmemory_policy="allkeys-lru") as server, Log() as log:
        store = Store("redis", server.url)
        store.open().close()
        store.open().close()
    [line] = log.lines
    assert f":{server.port}/0 " in line
    assert "allkeys-lru" in line
    assert "set it to noeviction" in line
