"""A row that is stored alone is stored and told of in one round trip."""

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.drivers.postgres.session import Session
from qml.values.errors import StorageError

from . import postgres_store
from .making import everything, ids, put, row


@pytest.fixture
def driver(tmp_path):
    driver = PostgresDriver(postgres_store.config(tmp_path))
    driver.install()
    yield driver
    driver.close()


@pytest.fixture
def sent(driver, monkeypatch):
    """The hints that were sent."""
    hints, run = [], Session.run

    def spy(session, text, *given):
        hints.extend([text] if f"NOTIFY {driver._connections.sql.channel}" in text else [])
        return run(session, text, *given)

    monkeypatch.setattr(Session, "run", spy)
    return hints


def test_the_hint_of_one_row_goes_with_it(driver, sent):
    driver.insert([row("a")])
    driver.notify()
    assert len(sent) == 1
    driver.notify()
    assert len(sent) == 2


def test_of_many_it_goes_by_itself(driver, sent):
    driver.insert([row("a"), row("b")])
    assert not sent
    driver.notify()
    assert len(sent) == 1


def test_what_came_between_is_told_of_by_itself(driver, sent):
    driver.insert([row("a")])
    driver.write("name", "{}", 0)
    driver.notify()
    assert len(sent) == 2


def test_others_hear_of_it(driver, tmp_path):
    other = PostgresDriver(postgres_store.config(tmp_path))
    while other.wait(1):
        pass  # the first returns at once, another when it hears
    driver.insert([row("a")])
    assert other.wait(9)
    other.close()


def test_a_hint_that_is_refused_takes_nothing_back(driver):
    driver._connections.sql._texts["hint"] = "; COMMIT; SELECT 1 / 0"
    assert len(driver.insert([row("a")]).seqs) == 1
    driver.notify()
    assert ids(everything(driver)) == ["a"]


def test_a_row_that_is_refused_costs_no_session(driver):
    put(driver, row("a"))
    before = set(driver._connections.pool._all)
    assert driver.insert([row("a")]).obstacles
    with pytest.raises(StorageError):
        driver.insert([row("b", lane="[" + "x" * 3_000)])
    assert driver.load(["b"]) == [None]
    assert driver._connections.pool._all == before
