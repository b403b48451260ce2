"""What is acknowledged is flushed, claims and leases too; a hint need not be."""

import threading
import time

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.drivers.postgres.session import Session
from qml.seam.rows import Finished
from qml.values.config import PostgresConfig
from qml.values.errors import StorageUnavailable
from tests.servers import PostgresServer

from . import postgres_store
from .making import NOW, claim, everything, lock, move, put, row
from .test_life import in_threads

UNFLUSHED = "synchronous_commit = off"


@pytest.fixture
def sent(monkeypatch):
    """The texts that were sent."""
    texts = []
    run = Session.run

    def spy(session, text, values, deadline):
        texts.append(text)
        return run(session, text, values, deadline)

    monkeypatch.setattr(Session, "run", spy)
    return texts


WRITES = {
    "insert one": lambda driver: driver.insert([row("x")]),
    "insert many": lambda driver: driver.insert([row("y"), row("z")]),
    "swap": lambda driver: driver.swap([move(row("a", seq=1))]),
    "let go": lambda driver: driver.let_go("a", "w1", NOW),
    "erase": lambda driver: driver.erase(["a"], 1),
    "purge": lambda driver: driver.erase(Finished("succeeded", NOW), 1),
    "write": lambda driver: driver.write("r", "{}", 0),
    "claim": lambda driver: driver.claim(claim()),
    "hold": lambda driver: driver.hold([lock("a")]),
}
HINTS = {
    "notify": lambda driver: driver.notify(),
}


@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("verb", WRITES | HINTS)
def test_what_is_flushed(tmp_path, sent, verb, durability):
    driver = PostgresDriver(postgres_store.config(tmp_path, durability=durability))
    driver.install()
    put(driver, row("a"))
    sent.clear()
    (WRITES | HINTS)[verb](driver)
    driver.close()
    sql = driver._connections.sql
    known = [sql.schema, f"NOTIFY {sql.channel}", *(plan.name for plan in sql.plans.values())]
    mine = [text for text in sent if any(name in text for name in known)]
    assert mine  # and of other drivers' threads, whatever they sent
    begin = f"{sql['begin']};"
    for text in (whole.removeprefix(begin).split("COMMIT;")[0] for whole in mine):
        assert (UNFLUSHED in text) == (verb in HINTS or durability == "normal")
        assert text.index("SET LOCAL statement_timeout") == 0


def test_a_server_that_is_killed_loses_nothing_that_was_acknowledged():
    with PostgresServer(durable=True) as server:
        driver = PostgresDriver(PostgresConfig(server.url))
        driver.install()
        done = threading.Semaphore(0)

        def store(job):
            rows = [row(job), row(f"{job} twin")]
            while True:
                try:
                    return driver.insert(rows)
                except StorageUnavailable:
                    time.sleep(0.01)

        def work(number):
            if number:
                for each in range(40):
                    store(f"{number} {each}")
                    done.release()
            else:
                for _ in range(60):
                    done.acquire()
                server.kill()
                server.start()

        in_threads(4, work)
        names = [f"{number} {each}" for number in (1, 2, 3) for each in range(40)]
        stored = driver.load([name for job in names for name in (job, f"{job} twin")])
        assert None not in stored
        assert len(everything(driver)) == 240
        driver.close()
