"""The bare loops do what qml does: the same rows, in the same order, each to one hand."""

import pytest

from benchmarks.contestants import bare, qml
from benchmarks.loops import drained
from qml import RedisConfig, connect
from qml.seam.rows import Page
from qml.storage.urls import parse_url
from tests.drivers.redis_indexes import columns
from tests.servers.clients import redis_client

from .conftest import store_of

# What a row holds that is another's each time.
OWN = ("id", "worker", "lease_until", "finished_at", "created_at", "detail")


def row_of(contestant, url):
    drained(contestant, 5)
    contestant.close()
    with connect(url) as storage:
        newest = storage.driver.scan(Page())[0]
    shown = {name: value is None for name, value in newest._asdict().items()}
    return shown | {n: v for n, v in newest._asdict().items() if n not in OWN}


@pytest.mark.parametrize("name", ["sqlite", "postgres"])
def test_it_leaves_the_row_that_qml_leaves(name):
    store, rows = store_of(name), []
    for module in (qml, bare):
        with store.new() as url:
            rows.append(row_of(module.Contestant(url), url))
    assert rows[0] == rows[1]


def test_on_redis_it_leaves_the_columns_that_qml_leaves():
    store, found = store_of("redis"), []
    for module in (qml, bare):
        with store.new() as url, redis_client(store.address) as client:
            contestant = module.Contestant(url)
            drained(contestant, 5)
            contestant.close()
            [*keys] = client.scan_iter(match=f"*{parse_url(url).key_prefix}*:job:*")
            assert len(keys) == 5
            row = client.hgetall(keys[0])
            if "row" in row:  # the other keeps each column in a field of its own
                row = {**row, **columns(row)}
                del row["row"]
            found.append((set(row), row["version"], row["attempt"], row["fence"], row["state"]))
    assert found[0] == found[1]


def test_the_first_stored_is_claimed_first_and_by_one(shared, monkeypatch):
    with shared.new() as url:
        contestant = bare.Contestant(url)
        module = contestant._module
        monkeypatch.setattr(module, "uuid4", iter("ecabd").__next__)
        one, other = (module.Connection(contestant._config) for _ in range(2))
        one.insert(4)
        one.insert(1)
        taken = [one.claim(2), other.claim(10), one.claim(1)]
        assert [[id_of(row) for row in rows] for rows in taken] == [["e", "c"], ["a", "b", "d"], []]
        one.close()
        other.close()


def test_it_goes_on_until_all_is_done(shared):
    with shared.new() as url:
        contestant = bare.Contestant(url)
        drained(contestant, 1_000)  # more than a batch for each of eight threads
        assert contestant._connection().claim(1) == []
        contestant.close()


def id_of(row):
    """The first text of a row, whatever the driver makes of it."""
    texts = (value.decode() if isinstance(value, bytes) else value for value in row)
    return next(value for value in texts if isinstance(value, str))


def test_a_stale_hand_finishes_nothing(shared):
    with shared.new() as url:
        contestant = bare.Contestant(url)
        connection = contestant._module.Connection(contestant._config)
        connection.insert(1)
        [row] = connection.claim(1)
        version = max(at for at, value in enumerate(row) if isinstance(value, int))
        connection.finish([[*row[:version], row[version] - 1, *row[version + 1 :]]])
        assert connection.claim(1) == []
        assert not finished(url, contestant)
        connection.finish([row])
        assert finished(url, contestant)
        connection.close()


def finished(url, contestant):
    if isinstance(contestant._config, RedisConfig):
        with redis_client(contestant._config.url) as client:
            return client.zcard(f"{{{contestant._config.key_prefix}}}:finished")
    with connect(url) as storage:
        return storage.get_job_counts()["succeeded"]
