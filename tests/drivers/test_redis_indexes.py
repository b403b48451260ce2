"""Redis: the indexes are at all times what the rows make of them."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from qml.drivers.redis import RedisDriver
from qml.drivers.redis.scripts import reading
from qml.seam.rows import Finished, Row

from . import redis_indexes, redis_store
from .making import NOW, claim, done, later, lock, move, put, rewrite, row, running
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
            max_examples=50,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_the_columns_are_those_of_a_row():
    text = reading("load").text.decode()
    listed = text.split("local COLUMNS = {")[1].split("}")[0]
    assert tuple(name.strip(" '\n") for name in listed.split(",")[:-1]) == Row._fields


def test_nothing_is_left_when_all_rows_are_gone(tmp_path):
    config = redis_store.config(tmp_path)
    driver, client = RedisDriver(config), redis_store.raw_client()
    driver.install()
    put(driver, row("a", unique_key="k"), later("b", NOW + 9), running("c"), done("d"))
    driver.hold([lock("a", "w1", until=NOW + 5)])
    [taken, *_] = driver.claim(claim()).rows
    driver.swap([move(taken), rewrite(driver.load(["b"])[0], queue="other")])
    redis_indexes.check(client, config.key_prefix)
    driver.erase(Finished("succeeded", NOW + 9), 9)
    driver.erase(["a", "b", "c", "d"], 9)
    base = f"{{{config.key_prefix}}}:"
    left = {key[len(base) :].partition(":")[0] for key in client.scan_iter(match=f"{base}*")}
    assert left == {"schema", "seq", "call"}
    [lane] = client.scan_iter(match=f"{base}call:*")
    assert 0 < client.ttl(lane) < 1_000
    driver.close()
    client.close()
