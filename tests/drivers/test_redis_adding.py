"""Redis: new rows that need no more than a place: the short script stores them as the long one."""

import pytest

from qml.drivers.redis import RedisDriver, adding
from qml.seam.rows import Obstacle

from . import redis_indexes, redis_store
from .making import NOW, done, later, limited, member, put, row, running

PLAIN = {
    "ready": row("a"),
    "worse": row("a", priority=-7),
    "later": later("a", NOW + 5),
    "later, or never": later("a", NOW + 5, expires_at=NOW + 9),
    "soon, or never": row("a", expires_at=NOW + 9),
    "in a batch": row("a", batch="night"),
    "in words": row('ä/"\\', queue="мейл", method="naïve", batch="nächte", payload="ü" * 9_000),
    "noted": row("a", notes="n"),
    "told": row("a", notes="n", failures="[1]", metadata='{"a":1}', timeout_seconds=1.5),
    "with a key that is free": row("a", unique_key="k", key_held=0),
    "from before 1970": row("a", due_at=-7, created_at=-9),
}
OTHERS = {
    "with a key": row("a", unique_key="k"),
    "limited": limited("a"),
    "counted": member("a", "t"),
    "finished": done("a"),
    "leaving": done("a", purge_at=NOW),
    "running": running("a", lease_until=NOW + 9),
}


@pytest.fixture
def both(tmp_path):
    drivers = [RedisDriver(redis_store.config(tmp_path / name)) for name in ("short", "long")]
    for driver in drivers:
        driver.install()
    yield drivers
    for driver in drivers:
        driver.close()


def _of(driver):
    """What is stored: the rows' hashes, and all else."""
    client, prefix = redis_store.raw_client(), driver._config.key_prefix
    redis_indexes.check(client, prefix)
    base = f"{{{prefix}}}:"
    hashes = {key[len(base) :]: client.hgetall(key) for key in client.keys(f"{base}job:*")}
    for found in hashes.values():
        found["row"] = redis_indexes.columns(found)
    return hashes, redis_indexes.stored(client, prefix), client.get(f"{base}seq")


@pytest.mark.parametrize("kind", PLAIN)
def test_both_ways_store_the_same(both, kind, monkeypatch):
    first = PLAIN[kind]
    rows = [
        first,
        row("x", detail=first.detail),
        *(first._replace(id=name, payload=name) for name in "bc"),
    ]
    assert adding.words(rows)
    put(both[0], *rows)
    monkeypatch.setattr(adding, "words", lambda _: None)
    put(both[1], *rows)
    assert _of(both[0]) == _of(both[1])


@pytest.mark.parametrize("kind", OTHERS)
def test_the_others_need_more(kind):
    assert adding.words([OTHERS[kind]]) is None
    assert adding.words([row("x"), OTHERS[kind]]) is None


def test_more_than_the_server_takes_in_one_command(both):
    rows = [row(f"{number:05}", payload=str(number)) for number in range(4_500)]
    assert put(both[0], *rows) == [one._replace(seq=seq) for seq, one in enumerate(rows, 1)]
    assert both[0].insert([row("x"), *rows[4_400:]]).obstacles == [
        Obstacle(index, "id", one.id) for index, one in enumerate(rows[4_400:], 1)
    ]
    _of(both[0])


def test_more_than_a_command_may_have_words(both, monkeypatch):
    monkeypatch.setattr(adding, "MOST", 2)
    assert adding.words([row("a"), row("b")])
    assert adding.words([row("a"), row("b"), row("c")]) is None


def test_the_same_id_twice():
    assert adding.words([row("a"), row("b"), row("a")]) is None
