"""A place of one's own: empty, of the kind asked for, and gone afterwards."""

import pytest

from qml import Job, connect
from qml.storage import batches
from qml.testing.namespaces import emptied, namespace
from qml.values.config import MemoryConfig, SqliteConfig
from tests.drivers import postgres_store, redis_store
from tests.storage.stores import KINDS


@pytest.fixture(params=KINDS)
def url_or_config(request, tmp_path):
    return KINDS[request.param](tmp_path)


def fill(config):
    with connect(config) as storage:
        assert storage.list() == []
        storage.enqueue_many([Job("task", unique_key=str(n)) for n in range(3)])


def test_two_places_have_nothing_in_common(url_or_config, tmp_path):
    with connect(url_or_config) as mine:
        job = mine.enqueue(Job("mine"))
        with namespace(url_or_config, tmp_path) as one, namespace(url_or_config, tmp_path) as other:
            fill(one)
            fill(other)
        assert mine.list() == [job]


def test_a_place_keeps_the_settings(tmp_path):
    with namespace("memory://?max_jobs=7", tmp_path) as place:
        assert place == MemoryConfig(7)
    with namespace("sqlite:////var/real.db?durability=normal&create=false", tmp_path) as place:
        assert isinstance(place, SqliteConfig)
        assert (place.durability, place.create, place.path.parent) == ("normal", True, tmp_path)
    assert list(tmp_path.iterdir()) == []
    with namespace(f"sqlite:///{tmp_path}/real.db") as place:
        fill(place)
        assert {path.name.partition(".")[0] for path in tmp_path.iterdir()} == {place.path.stem}
    assert list(tmp_path.iterdir()) == []


def fail_in(place, seen):
    """Use it, note what ``seen`` finds of it, and end with an error."""
    found = []

    def use():
        with place as config:
            fill(config)
            found.extend((config, seen(config)))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    return found


def test_a_schema_is_gone_even_after_an_error(tmp_path):
    def seen(config):
        schemas = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
        return postgres_store.ask(schemas, config.schema_name)

    given = postgres_store.config(tmp_path, durability="normal")
    place, before = fail_in(namespace(given, tmp_path), seen)
    assert (place.durability, before) == ("normal", [(1,)])
    assert seen(place) == []


def test_a_prefix_is_gone_even_after_an_error(tmp_path):
    def seen(config):
        return [*client.scan_iter(f"*{config.key_prefix}*")]

    with redis_store.raw_client() as client:
        place, before = fail_in(namespace(redis_store.config(tmp_path), tmp_path), seen)
        assert len(before) > 3
        assert seen(place) == []


def test_it_may_stay_empty_and_unmade(url_or_config, tmp_path):
    with namespace(url_or_config, tmp_path):
        pass


def test_emptied_leaves_nothing(url_or_config, tmp_path):
    with namespace(url_or_config, tmp_path) as config, connect(config) as storage:
        storage.enqueue_many([Job("t", unique_key=str(n)) for n in range(1200)])
        storage.fetch_and_lock_job("w")
        storage.driver.write("a record", "{}", 0)
        batches.expect(storage.driver, "night", more=True)  # no job tells of it
        assert emptied(storage) is storage
        assert storage.list() == []
        assert storage.driver.list("") == []
        assert storage.driver.holder("1") is None
        assert not batches.progress(storage.driver, "night").open
