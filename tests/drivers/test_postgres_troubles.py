"""What the server refuses comes as qml's own errors, with what to do; nothing else is broken."""

import random

import psycopg2
import pytest

from qml.drivers.postgres import PostgresDriver, connections, troubles
from qml.drivers.postgres.session import Session
from qml.values.errors import MigrationError, StorageError, StorageUnavailable

from . import postgres_store
from .making import everything, limited, member, paced, put, row, waiter
from .test_postgres_deadlines import within

TROUBLES = {
    "53100": (StorageUnavailable, "disk is full"),
    "53200": (StorageUnavailable, "no memory"),
    "53300": (StorageUnavailable, "max_connections"),
    "57014": (StorageUnavailable, "statement_timeout"),
    "55P03": (StorageUnavailable, "holds a lock"),
    "25006": (StorageUnavailable, "primary"),
    "58030": (StorageUnavailable, "ask again later"),
    "08006": (StorageUnavailable, "ask again later"),
    "42501": (StorageError, "give the role USAGE on the schema"),
    "42P01": (MigrationError, "connect anew"),
    "3F000": (MigrationError, "connect anew"),
    "XX001": (StorageError, "trouble of the test"),
    "22003": (StorageError, "trouble of the test"),
}


@pytest.fixture
def driver(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path, statement_timeout=5.0))
    driver.install()
    yield driver
    driver.close()


def raising(code):
    """A statement that the server refuses so."""
    raised = f"RAISE EXCEPTION 'trouble of the test' USING ERRCODE = '{code}';"
    return lambda call: call.run(f"DO $$ BEGIN {raised} END $$", {})


@pytest.mark.parametrize("code", TROUBLES)
def test_what_the_server_refuses(driver, code):
    kind, cure = TROUBLES[code]
    with pytest.raises(StorageError, match=cure) as error:
        driver._connections.write(raising(code))
    assert type(error.value) is kind
    assert str(error.value).startswith(driver.describe() + ": trouble of the test")
    assert isinstance(error.value.__cause__, psycopg2.Error)
    put(driver, row("a"))


@pytest.mark.parametrize(
    "columns", ["id", "queue", "unique_key", "batch", "awaits", "counts", "permit", "pace", "lane"]
)
def test_a_name_that_is_too_long_is_told_in_words_of_our_own(driver, columns):
    """And not in the server's, which are of its indexes."""
    noise = random.Random(1)
    long = "".join(chr(noise.randrange(33, 50_000)) for _ in range(1_000))
    rows = {
        "id": row(long),
        "queue": row("b", queue=long),
        "unique_key": row("b", unique_key=long),
        "batch": row("b", batch=long),
        "awaits": waiter("b", long),
        "counts": member("b", long),
        "permit": limited("b", long),
        "pace": paced("b", long),
        "lane": limited("b", long[:500], pace=long[500:], gap=1),
    }
    with pytest.raises(StorageError) as error:
        driver.insert([row("a"), rows[columns]])
    assert str(error.value) == f"{driver.describe()}: {troubles.TOO_LONG['54000']}"
    assert type(error.value) is StorageError
    assert isinstance(error.value.__cause__, psycopg2.Error)
    put(driver, row("a"))


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_what_is_tried_again(driver, code, monkeypatch):
    monkeypatch.setattr(connections, "NAP", (0.0, 0.0))
    tries = []

    def work(call):
        tries.append(1)
        return raising(code)(call) if len(tries) < 4 else "done"

    assert driver._connections.write(work) == "done"
    assert len(tries) == 4


def test_what_does_not_end_is_given_up(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path, statement_timeout=0.2))
    # Or no answer within the last millisecond.
    with within(2), pytest.raises(StorageUnavailable, match=r"deadlocks did not end|no answer"):
        driver._connections.write(raising("40P01"))
    driver.close()


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_texts_that_no_database_keeps(driver, text):
    """The rules above let none through; here they are no more than an error."""
    with pytest.raises(StorageError, match="cannot keep such a text"):
        driver.insert([row("a"), row("b", payload=text)])
    with pytest.raises(StorageError, match="cannot keep such a text"):
        driver.insert([row(text)])
    assert everything(driver) == []


def test_numbers_too_large_for_a_column(driver):
    with pytest.raises(StorageError, match="out of range"):
        driver.insert([row("a", attempt=2**63)])
    with pytest.raises(StorageError, match="out of range"):
        driver.insert([row("a", priority=2**31), row("b")])
    assert everything(driver) == []


def test_a_fault_of_ours_is_not_called_an_outage(driver, monkeypatch):
    def broken(*given):
        raise psycopg2.ProgrammingError("can't adapt type")

    monkeypatch.setattr(Session, "run", broken)
    with pytest.raises(StorageError) as error:
        driver.load(["a"])
    assert not isinstance(error.value, StorageUnavailable)
