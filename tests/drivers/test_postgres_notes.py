"""Large notes are kept apart by the server: what does not change them does not write them."""

import base64
import random

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import Verdict

from . import postgres_store
from .making import NOW, claim, lock, move, put, renewal, rewrite, row

DONE = Verdict.DONE


def text(seed):
    """20 kB that do not shrink."""
    return base64.b64encode(random.Random(seed).randbytes(15_000)).decode()


@pytest.fixture
def driver(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def apart(driver):
    """A function: what is kept apart now, and by whom each piece was written."""
    jobs = postgres_store.quoted(driver._config.schema_name) + ".qml_jobs"
    table = f"SELECT reltoastrelid::regclass FROM pg_class WHERE oid = '{jobs}'::regclass"
    [(pieces,)] = postgres_store.ask(table)
    return lambda: set(postgres_store.ask(f"SELECT chunk_id, chunk_seq, xmin::text FROM {pieces}"))


def test_they_are_written_with_a_renewal_that_brings_them_and_never_else(driver, apart):
    put(driver, row("a", payload=text("payload")), row("b"))
    arguments = apart()
    assert arguments
    [a] = driver.claim(claim(1, now=NOW)).rows
    assert driver.hold([renewal(a, NOW + 10)]) == [DONE]
    assert apart() == arguments
    assert driver.hold([renewal(a, NOW + 20, notes=text("notes"))]) == [DONE]
    with_notes = apart()
    assert with_notes > arguments
    assert driver.hold([renewal(a, NOW + 30), lock("b")._replace(notes="other")]) == [DONE, DONE]
    assert driver.hold([lock("a", "w2", now=NOW + 30, until=NOW + 40)]) == [DONE]
    [a] = driver.load(["a"])
    assert driver.swap([rewrite(a, keeps_payload=True, notes="another's")]) == [DONE]
    [a] = driver.load(["a"])
    again = {"state": "enqueued", "due_at": 0, "finished_at": None}
    assert driver.swap([move(a, then=(row("c"),), **again)]) == [DONE]
    assert driver.claim(claim(1, now=NOW, queues=("default",))).rows[0].notes == text("notes")
    assert driver.swap([move(r) for r in driver.load(["a", "b"])]) == [DONE, DONE]
    assert apart() == with_notes
    assert [r.notes for r in driver.load(["a", "b"])] == [text("notes"), ""]


def test_new_ones_take_the_place_of_the_old(driver, apart):
    put(driver, row("a"))
    [a] = driver.claim(claim(1, now=NOW)).rows
    for seed in range(3):
        assert driver.hold([renewal(a, NOW + seed, notes=text(seed))]) == [DONE]
        assert driver.load(["a"])[0].notes == text(seed)
        assert len({chunk for chunk, *_ in apart()}) == 1
    assert driver.hold([renewal(a, NOW + 9, notes="")]) == [DONE]
    assert apart() == set()
