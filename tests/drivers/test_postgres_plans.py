"""What a verb costs does not depend on how many rows there are, whatever the statistics say."""

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.rows import After, Finished, Lapsed, Page

from . import postgres_store
from .making import NOW, claim, later, lock, move, put, renewal, rewrite, row

MANY = 10_000

FILL = """
    INSERT INTO {jobs} (
        id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
        finished_at, created_at, key_held, unique_while, detail, failures, metadata, payload,
        ready, stamp
    )
    SELECT 'many ' || (SELECT coalesce(max(seq), 0) FROM {jobs}) + i,
        2, '{state}', 'default', 0, 'm', 1, 1, 6, 0, {due_at}, {finished_at},
        0, 0, 'unfinished', '', '[]', '{{}}', repeat('x', 100), {ready}, 0
    FROM generate_series(1, {count}) AS i
"""

KINDS = {
    "finished": {"state": "succeeded", "due_at": "NULL", "finished_at": "i", "ready": "false"},
    "future": {"state": "scheduled", "due_at": f"{NOW} + 1000 + i", "finished_at": "NULL"}
    | {"ready": "false"},
    "ready": {"state": "enqueued", "due_at": "0", "finished_at": "NULL", "ready": "true"},
}


@pytest.fixture
def driver(tmp_path):
    making = PostgresDriver(postgres_store.config(tmp_path))
    making.install()
    end(making)
    driver = PostgresDriver(making._config)
    yield driver
    driver.close()


def end(driver):
    """Close it, and wait until its sessions have told the statistics what they did."""
    sessions = [s._connection.info.backend_pid for s in driver._connections.pool._all]
    driver.close()
    postgres_store.wait_for_the_end_of(*sessions)


@pytest.fixture
def jobs(driver):
    table = postgres_store.quoted(driver._config.schema_name) + ".qml_jobs"
    # TRUNCATE: the store of an earlier test may have left dead rows and statistics.
    postgres_store.ask(f"TRUNCATE {table}; ALTER TABLE {table} SET (autovacuum_enabled = false)")
    yield table
    postgres_store.ask(f"TRUNCATE {table}; ALTER TABLE {table} RESET (autovacuum_enabled)")
    postgres_store.ask(f"ANALYZE {table}")


def fill(jobs, kind, count=MANY):
    postgres_store.ask(FILL.format(jobs=jobs, count=count, **KINDS[kind]))


def never_analyzed(jobs):
    fill(jobs, "finished")
    fill(jobs, "future")


def analyzed_now(jobs):
    never_analyzed(jobs)
    postgres_store.ask(f"ANALYZE {jobs}")


def analyzed_when_empty(jobs):
    postgres_store.ask(f"ANALYZE {jobs}")
    never_analyzed(jobs)


def analyzed_when_all_was_ready(jobs):
    fill(jobs, "ready")
    postgres_store.ask(f"ANALYZE {jobs}")
    postgres_store.ask(f"UPDATE {jobs} SET ready = false, due_at = NULL, state = 'succeeded'")
    fill(jobs, "future")


def analyzed_when_all_was_due(jobs):
    fill(jobs, "future")
    postgres_store.ask(f"UPDATE {jobs} SET due_at = 5")
    postgres_store.ask(f"ANALYZE {jobs}")
    postgres_store.ask(f"UPDATE {jobs} SET due_at = NULL, state = 'succeeded', finished_at = 1")


STATISTICS = [
    *(never_analyzed, analyzed_now, analyzed_when_empty),
    *(analyzed_when_all_was_ready, analyzed_when_all_was_due),
]


def work(driver):
    """Every verb that servers and clients use all the time. Not to count, and to show all that is
    available, which reads what fell due and was not seen by a claim yet."""
    assert driver.claim(claim(now=NOW)).rows == []
    put(driver, row("a"), row("b", unique_key="k"), later("c", NOW), row("d", queue="q"))
    put(driver, row("e"))
    driver.insert([row("a"), row("f", unique_key="k")])
    assert len(driver.claim(claim(2, now=NOW)).rows) == 2
    rows = driver.claim(claim(9, now=NOW, queues=("default", "q"))).rows
    assert len(rows) == 3
    driver.claim(claim(now=NOW, queues=("default", "q")))
    driver.hold([renewal(r, NOW + 9) for r in rows])
    driver.hold([lock("a"), lock("x")])
    driver.swap([move(rows[0])])
    driver.swap([move(r) for r in rows])
    driver.swap([rewrite(r) for r in rows])
    driver.let_go("a", "w1", NOW)
    driver.load(["a", "b"])
    driver.holder("k")
    for query in (
        Page(limit=50),
        Page(("succeeded",), limit=50),
        Page(("succeeded", "scheduled", "failed"), limit=50, offset=10),
        Lapsed(NOW, 10),
        After(5, 10),
    ):
        driver.scan(query)
    driver.erase(Finished("succeeded", NOW), 10)
    driver.erase(["a", "b"], 2)


@pytest.mark.parametrize("statistics", STATISTICS)
def test_no_verb_reads_the_whole_table(driver, jobs, statistics):
    statistics(jobs)
    postgres_store.end_session()
    scans = f"SELECT seq_scan FROM pg_stat_all_tables WHERE relid = '{jobs}'::regclass"
    before = postgres_store.ask(scans)
    work(driver)
    end(driver)
    assert postgres_store.ask(scans) == before
