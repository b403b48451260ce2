"""What a verb costs does not depend on how many rows there are, whatever the statistics say."""

import pytest

from qml.drivers.postgres import PostgresDriver
from qml.seam.onlooking import Batches
from qml.seam.rows import After, Expired, Finished, Lapsed, Overdue, Page, Write
from qml.seam.tallies import Parents
from qml.values.config import PostgresConfig
from tests.servers import postgres_url

from . import postgres_store
from .making import (
    NOW,
    alike,
    claim,
    done,
    ids,
    later,
    limited,
    lock,
    member,
    move,
    paced,
    put,
    renewal,
    rewrite,
    row,
    waiter,
)

MANY = 10_000

FILL = """
    INSERT INTO {jobs} (
        id, version, state, queue, priority, method, attempt, fence, max_attempts, ahead, due_at,
        finished_at, purge_at, expires_at, created_at, key_held, unique_while, detail, failures,
        metadata, payload, notes, ready, stamp, lane, permit, batch, awaits
    )
    SELECT 'many ' || (SELECT coalesce(max(seq), 0) FROM {jobs}) + i,
        2, '{state}', 'default', 0, 'm', 1, 1, 6, 0, {due_at}, {finished_at},
        {purge_at}, {expires_at}, 0, 0, 'unfinished', '', '[]', '{{}}', repeat('x', 100), '',
        {ready}, 0, {lane}, {permit}, {batch}, {awaits}
    FROM generate_series(1, {count}) AS i
"""

TIMES = ("due_at", "finished_at", "purge_at", "expires_at")
NULLS = dict.fromkeys((*TIMES, "lane", "permit", "batch", "awaits"), "NULL")
LATER = f"{NOW} + 1000 + i"
KINDS = {
    "finished": NULLS | {"state": "succeeded", "finished_at": "i", "ready": "false"},
    "kept": NULLS | {"state": "succeeded", "finished_at": "i", "purge_at": LATER, "ready": "false"},
    "future": NULLS
    | {"state": "scheduled", "due_at": LATER, "expires_at": LATER, "ready": "false"},
    "ready": NULLS | {"state": "enqueued", "due_at": "0", "ready": "true"},
    "kept back": NULLS
    | {"state": "enqueued", "due_at": "0", "ready": "true", "permit": "'full'"}
    | {"lane": "'" + (limited("like", "full").lane or "") + "'"},
    "in lanes": NULLS
    | {"state": "enqueued", "due_at": "0", "ready": "true", "permit": "'k' || i / 2"}
    | {"lane": """'["default","k' || i / 2 || '","1",null,null,null]'"""},
    "in a batch": NULLS
    | {"state": "succeeded", "finished_at": "i", "ready": "false", "batch": "'big'"},
    "waiting for others": NULLS
    | {"state": "enqueued", "ready": "false", "awaits": "'tally ' || i"},
}


@pytest.fixture
def driver(tmp_path):
    """On tables that nobody had before: a session of an earlier test that ends only now would tell
    the statistics of tables that are used again what it read."""
    config = PostgresConfig(postgres_url(), schema_name=f"plans-{tmp_path.name}")
    making = PostgresDriver(config)
    making.install()
    end(making)
    driver = PostgresDriver(config)
    yield driver
    driver.close()
    PostgresDriver(config).uninstall()


def end(driver):
    """Close it, and wait until its sessions have told the statistics what they did."""
    sessions = [s._connection.info.backend_pid for s in driver._connections.pool._all]
    driver.close()
    postgres_store.wait_for_the_end_of(*sessions)


@pytest.fixture
def jobs(driver):
    table = postgres_store.quoted(driver._config.schema_name) + ".qml_jobs"
    others = ("lanes", "news", "ends", "paces", "tallies")
    shared = ", ".join(table.replace("qml_jobs", f"qml_{name}") for name in others)
    # The store of an earlier test may have left dead rows, and statistics, which neither TRUNCATE
    # nor ANALYZE of an empty table takes away.
    postgres_store.ask(
        f"TRUNCATE {table}, {shared}; ALTER TABLE {table} SET (autovacuum_enabled = false)"
    )
    postgres_store.ask(f"DELETE FROM pg_statistic WHERE starelid = '{table}'::regclass")
    yield table
    postgres_store.ask(
        f"TRUNCATE {table}, {shared}; ALTER TABLE {table} RESET (autovacuum_enabled)"
    )
    postgres_store.ask(f"ANALYZE {table}")


def fill(jobs, kind, count=MANY):
    postgres_store.ask(FILL.format(jobs=jobs, count=count, **KINDS[kind]))


def never_analyzed(jobs):
    fill(jobs, "kept")
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
    put(driver, *alike(done("alike"), "like"))
    driver.insert(alike(row("liked"), "like"))
    assert len(driver.claim(claim(2, now=NOW)).rows) == 2
    rows = driver.claim(claim(9, now=NOW, queues=("default", "q"))).rows
    assert len(rows) == 3
    driver.claim(claim(now=NOW, queues=("default", "q")))
    driver.insert([row("g"), row("h")], Write("r", "{}", 0))
    driver.insert([row("g"), row("i")], Write("r", "{}", 1))
    driver.insert([], Write("r", "{}", 7))
    driver.hold([renewal(r, NOW + 9, notes="n") for r in rows])
    driver.hold([lock("a"), lock("x")])
    driver.swap([move(rows[0], then=(row("follows"),))])
    driver.swap([move(r, then=(row(f"after {r.id}"),)) for r in rows])
    driver.swap([move(r) for r in rows])
    driver.swap([rewrite(r) for r in rows])
    driver.let_go("a", "w1", NOW)
    driver.load(["a", "b"])
    driver.holder("k")
    for query in (
        Page(limit=50),
        Page(("succeeded",), limit=50),
        Page(("succeeded", "scheduled", "failed"), limit=50, offset=10),
        Page(limit=50, below=MANY),
        Page(("succeeded", "scheduled", "failed"), limit=50, below=MANY),
        Page(queue="default", limit=50, below=MANY),
        Page(queue="unknown", limit=50),
        Page(method="m", limit=50),
        Page(method="unknown", limit=50),
        Page(("succeeded", "failed"), "default", "m", limit=50, offset=10),
        Lapsed(NOW, 10),
        Expired(NOW, 10),
        After(5, 10),
    ):
        driver.scan(query)
    driver.erase(Finished("succeeded", NOW), 10)
    driver.erase(Overdue(NOW), 10)
    driver.erase(["a", "b"], 2)


SEEN = """
    SELECT seq_scan, idx_tup_fetch FROM pg_stat_all_tables WHERE relid = '{jobs}'::regclass
"""


@pytest.mark.parametrize("statistics", STATISTICS)
def test_no_verb_reads_the_whole_table(driver, jobs, statistics):
    """Nor walks along a whole index: past rows that wait, or have a time of their own to go."""
    statistics(jobs)
    postgres_store.end_session()
    [(scans, read)] = postgres_store.ask(SEEN.format(jobs=jobs))
    work(driver)
    end(driver)
    [(scans_after, read_after)] = postgres_store.ask(SEEN.format(jobs=jobs))
    assert scans_after == scans
    assert read_after - read < 2_000


def full_of_lanes(jobs):
    for kind in ("kept back", "in lanes", "in a batch", "waiting for others", "finished"):
        fill(jobs, kind, 2_000)


def full_of_lanes_and_analyzed(jobs):
    full_of_lanes(jobs)
    postgres_store.ask(f"ANALYZE {jobs}; ANALYZE {jobs.replace('jobs', 'lanes')}")


def work_with_lanes(driver):
    """Claims beside what is kept back, and what is shared."""
    for turn in range(3):
        order = {"now": NOW, "queues": ("default", "q")} if turn % 2 else {"now": NOW}
        rows = driver.claim(claim(5, **order)).rows
        assert len(rows) == 5
        driver.hold([renewal(r, NOW + 9) for r in rows])
        driver.hold([renewal(r, NOW + 99, now=NOW + 9) for r in rows[:1]])
        driver.swap([move(r) for r in rows])
    driver.used(NOW, ["full", "k1"], ["p"])
    put(driver, member("a"), paced("b", priority=9), row("c", priority=9), waiter("w"))
    driver.tally("t", False)
    driver.insert([waiter("x", "job/x")], None, [Parents(0, ("a", "w"))])
    driver.swap([move(r) for r in driver.load(["a"])])
    assert ids(driver.claim(claim(2, now=NOW)).rows) == ["b", "c"]
    driver.write("paused/q", "{}", 0)
    assert driver.claim(claim(2, now=NOW)).rows
    driver.write("paused/default", "{}", 0)
    assert driver.claim(claim(2, now=NOW)).rows == []
    for query in (
        Page(batch="big", limit=20),
        Page(("failed",), batch="big", limit=20),
        Page(("failed", "succeeded"), batch="big", limit=20, below=MANY, offset=5),
        Page(batch="small", limit=20),
        Batches("", 20),
    ):
        driver.scan(query)
    driver.erase(ids(rows), 10)


@pytest.mark.parametrize("statistics", [full_of_lanes, full_of_lanes_and_analyzed])
def test_no_verb_walks_past_what_is_kept_back(driver, jobs, statistics):
    statistics(jobs)
    assert len(driver.claim(claim(1, now=NOW)).rows) == 1  # a thousand lanes are told of
    postgres_store.end_session()
    end(driver)
    again = PostgresDriver(driver._config)
    [(scans, read)] = postgres_store.ask(SEEN.format(jobs=jobs))
    work_with_lanes(again)
    end(again)
    [(scans_after, read_after)] = postgres_store.ask(SEEN.format(jobs=jobs))
    for name in ("paused/q", "paused/default"):
        postgres_store.ask(f"DELETE FROM {jobs.replace('jobs', 'records')} WHERE name = %s", name)
    assert scans_after == scans
    assert read_after - read < 1_000


def test_what_is_seldom_used_costs_nothing_where_it_is_not(driver, jobs):
    put(driver, *(row(str(number), queue=f"q{number % 2}") for number in range(300)))
    put(driver, *(later(f"later {number}", NOW) for number in range(300)))
    driver.swap([move(r) for r in driver.claim(claim(500, now=NOW)).rows])
    sizes = dict(
        postgres_store.ask(
            "SELECT relname, pg_relation_size(oid) FROM pg_class "
            f"WHERE oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = '{jobs}'::regclass)"
        )
    )
    empty = postgres_store.ask("SELECT current_setting('block_size')::int")[0][0]
    # The first page of an index tells of it; the next would have entries.
    assert sizes["qml_jobs_overdue"] == sizes["qml_jobs_expiring"] == empty
    assert sizes["qml_jobs_finished"] > empty


def turn(driver, job_id):
    """What sessions plan once."""
    put(driver, row(job_id, queue="q", priority=9))
    [taken] = driver.claim(claim(1, now=NOW, queues=("q", "r"))).rows
    driver.hold([renewal(taken, NOW + 9)])
    driver.swap([move(taken)])
    put(driver, row(f"{job_id} again", priority=9))
    [taken] = driver.claim(claim(1, now=NOW)).rows
    driver.swap([move(taken)])
    driver.insert(alike(done(f"{job_id} alike"), f"like {job_id}", f"{job_id} like"))


def test_what_was_planned_for_an_empty_table_suits_a_full_one(driver, jobs):
    turn(driver, "first")
    never_analyzed(jobs)
    fill(jobs, "ready")
    postgres_store.end_session()
    [(scans, read)] = postgres_store.ask(SEEN.format(jobs=jobs))
    turn(driver, "second")
    end(driver)
    [(scans_after, read_after)] = postgres_store.ask(SEEN.format(jobs=jobs))
    assert scans_after == scans
    assert read_after - read < 500
