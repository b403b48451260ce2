"""Redis: the indexes are at all times what the rows make of them."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from qml.drivers.redis import RedisDriver
from qml.drivers.redis.scripts import reading
from qml.seam.rows import Finished, Overdue, Row, Write

from . import redis_indexes, redis_store
from .making import NOW, claim, done, later, lock, move, put, renewal, rewrite, row, running
from .test_machine import DriverMachine


class IndexMachine(DriverMachine):
    """Any order of verbs, and the indexes made anew after each."""

    @staticmethod
    def make(folder):
        return RedisDriver(redis_store.config(folder))

    def __init__(self):
        super().__init__()
        self.client = redis_store.raw_client()
        self.prefix = self.driver._config.key_prefix

    def teardown(self):
        redis_store.remove(self.prefix)
        self.client.close()
        super().teardown()

    @invariant()
    def the_indexes_are_what_the_rows_make_of_them(self):
        redis_indexes.check(self.client, self.prefix)


def test_any_order_of_verbs_leaves_the_indexes_right():
    run_state_machine_as_test(
        IndexMachine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_the_columns_are_those_of_a_row():
    text = reading("load").text.decode()
    listed = text.split("local COL = {")[1].split("}")[0]
    places = [entry.split("=") for entry in listed.split(",")[:-1]]
    assert [int(place) for _, place in places] == [*range(1, len(places) + 1)]
    texts = text.split("local TEXTS = {")[1].split("}")[0]
    names = [name.strip(" '") for name in texts.split(",")]
    found = tuple(name.strip() for name, _ in places)
    assert found == redis_indexes.COLUMNS
    assert (*found[:-2], *names) == Row._fields


def test_what_a_job_does_not_use_takes_no_room(tmp_path):
    config = redis_store.config(tmp_path)
    driver, client = RedisDriver(config), redis_store.raw_client()
    put(driver, row("a"), later("b", NOW))
    [taken, _] = driver.claim(claim()).rows
    driver.hold([renewal(taken, NOW + 9)])
    driver.swap([move(taken)])
    base = f"{{{config.key_prefix}}}:"
    for name in "ab":
        stored = client.hgetall(f"{base}job:{name}")
        found = {*stored, *redis_indexes.columns(stored)}
        assert not {"notes", "expires_at", "purge_at"} & found
    assert client.exists(f"{base}expiring", f"{base}leaving") == 0
    driver.close()
    client.close()


def test_nothing_is_left_when_all_rows_are_gone(tmp_path):
    config = redis_store.config(tmp_path)
    driver, client = RedisDriver(config), redis_store.raw_client()
    driver.install()
    put(driver, row("a", unique_key="k"), later("b", NOW + 9, expires_at=NOW), running("c"))
    put(driver, done("d"), done("e", purge_at=NOW))
    driver.hold([lock("a", "w1", until=NOW + 5)])
    [taken, *_] = driver.claim(claim()).rows
    driver.hold([renewal(taken, NOW + 9, notes="half")])
    then = (row("f", expires_at=NOW), row("a"))
    driver.swap([move(taken, then=then), rewrite(driver.load(["b"])[0], queue="other")])
    driver.insert([row("g")], Write("r", "{}", 0))
    driver.write("r", None, 1)
    redis_indexes.check(client, config.key_prefix)
    assert driver.erase(Finished("succeeded", NOW + 9), 9) == 2
    assert driver.erase(Overdue(NOW), 9) == 1
    assert driver.erase(["b", "c", "f", "g"], 9) == 4
    base = f"{{{config.key_prefix}}}:"
    left = {key[len(base) :].partition(":")[0] for key in client.scan_iter(match=f"{base}*")}
    assert left == {"schema", "seq", "call"}
    [lane] = client.scan_iter(match=f"{base}call:*")
    assert 0 < client.ttl(lane) < 1_000
    driver.close()
    client.close()
