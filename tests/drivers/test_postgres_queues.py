"""Claims of some queues beside others that hold rows of them, and calls that are asked again."""

import contextlib
import time
from types import SimpleNamespace

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, connections
from qml.seam.rows import Finished, Verdict
from tests.servers import postgres_url
from tests.servers.proxy import Proxy

from . import postgres_store
from .making import NOW, claim, done, ids, later, move, put, row

QUEUES = ("q1", "q2", "none")


@pytest.fixture
def config(tmp_path):
    """A claim that waits for another's lock is an error after these seconds."""
    return postgres_store.config(tmp_path, statement_timeout=5)


@pytest.fixture
def driver(config):
    driver = PostgresDriver(config)
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def locked(config):
    """A function: have another transaction lock rows by id, until the test ends."""
    schema = postgres_store.quoted(config.schema_name)
    with contextlib.closing(psycopg2.connect(postgres_url())) as other:

        def lock(*names):
            statement = f"SELECT FROM {schema}.qml_jobs WHERE id = ANY (%s) FOR UPDATE"
            other.cursor().execute(statement, ([*names],))

        yield lock


def test_a_row_of_a_queue_that_another_has_locked_is_passed_over(driver, locked):
    put(driver, row("a", queue="q1"), row("b", queue="q1"), row("c", queue="q2"))
    put(driver, later("d", NOW, queue="q2"), later("e", NOW, queue="q2"), row("f", queue="other"))
    locked("a", "d")
    assert ids(driver.claim(claim(now=NOW, queues=QUEUES)).rows) == ["b", "c", "e"]
    assert ids(driver.claim(claim(now=NOW, queues=("other",))).rows) == ["f"]


def test_a_finished_row_that_another_has_locked_is_left_for_the_next_time(driver, locked):
    put(driver, done("a"), done("b"))
    locked("a")
    assert driver.erase(Finished("succeeded", NOW), 10) == 1
    assert driver.load(["b"]) == [None]


@pytest.mark.parametrize("cut", ["cut_before_request", "cut_after_request"])
@pytest.mark.parametrize("queues", [None, QUEUES])
def test_a_claim_that_is_asked_again_tells_nothing_of_an_earlier_one(driver, config, cut, queues):
    """Of the same worker: it has had those rows already."""
    put(driver, *(row(name, queue="q1") for name in "abcd"))
    with Proxy.to(postgres_url()) as proxy:
        url = proxy.url_of(postgres_url())
        far = PostgresDriver(type(config)(url, schema_name=config.schema_name))
        try:
            assert ids(far.claim(claim(2, now=NOW, queues=queues)).rows) == ["a", "b"]
            getattr(proxy, cut)(b"qml_claim")
            assert ids(far.claim(claim(1, now=NOW, queues=queues)).rows) == ["c"]
            assert proxy.cuts
        finally:
            far.close()
    assert [found.state for found in driver.load([*"abcd"])] == ["processing"] * 3 + ["enqueued"]


def test_a_write_goes_on_though_its_line_is_cut_again_and_again(driver, config, monkeypatch):
    """The server is there each time, and carries it out; only its answers do not arrive."""
    [a] = put(driver, row("a"))
    with Proxy.to(postgres_url()) as proxy:

        def pause(seconds):
            if proxy.cuts < 3:
                proxy.cut_after_request(b"UPDATE")
            time.sleep(seconds)

        monkeypatch.setattr(
            connections, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pause)
        )
        far = PostgresDriver(
            type(config)(proxy.url_of(postgres_url()), schema_name=config.schema_name)
        )
        try:
            far.load(["a"])
            proxy.cut_after_request(b"UPDATE")
            assert far.swap([move(a)]) == [Verdict.DONE]
            assert proxy.cuts == 3
        finally:
            far.close()
    assert driver.load(["a"])[0].version == 1
