"""``qml bench``: figures of a store of one's own, measured beside what is in it."""

import json
import signal

import pytest

from qml import Job, connect
from qml.cli.bench import limits
from qml.cli.benching import Figures
from tests.cli.calls import ended, until
from tests.servers import postgres_url, redis_url

FIGURES = {
    *("storage", "threads", "flush_ms", "round_trip_ms", "enqueue_per_second"),
    *("enqueue_many_per_second", "claim_and_finish_per_second", "drain_per_second"),
    *("latency_p50_ms", "latency_p99_ms", "latency_tries", "limits"),
}


def measured(qml, url):
    called = qml("bench", url, "--seconds", "0.6", "--threads", "2", "--json")
    assert called.code == 0, called.err
    found = json.loads(called.out)
    assert found.keys() == FIGURES
    assert all(found[name] > 0 for name in FIGURES if name.endswith(("_second", "_tries")))
    assert 0 < found["latency_p50_ms"] <= found["latency_p99_ms"]
    return found


def test_a_sqlite_file_and_nothing_is_left(qml, folder):
    with connect("sqlite:///jobs.db") as storage:
        job = storage.enqueue(Job("mine"))
        before = {path.name for path in folder.iterdir()}
        found = measured(qml, "sqlite:///jobs.db")
        assert storage.list() == [job]
        assert {path.name for path in folder.iterdir()} == before
    assert found["storage"].endswith("jobs.db")
    assert found["flush_ms"] > 0
    assert "flush of this disk" in found["limits"][0]


def test_a_postgresql_database(qml):
    found = measured(qml, postgres_url())
    assert found["flush_ms"] is None
    assert "round trip" in found["limits"][0]


def test_a_redis_server(qml):
    assert measured(qml, redis_url())["round_trip_ms"] > 0


def test_for_people(qml, folder):
    called = qml("bench", "sqlite:///jobs.db", "--seconds", "0.3", "--threads", "1")
    assert called.code == 0, called.err
    assert called.out.splitlines()[0].startswith("beside SQLite file ")
    for text in ("enqueue, one by one", "a server of 1 thread ", "jobs/s", "from enqueue to start"):
        assert text in called.out
    assert max(map(len, called.out.splitlines())) <= 100
    assert not list(folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(start, folder, number):
    process = start("bench", "sqlite:///jobs.db", "--seconds", "60")
    until(lambda: list(folder.glob("qml_test_*")) or process.poll() is not None)
    process.send_signal(number)
    assert ended(process).code == 130
    assert not list(folder.iterdir())


@pytest.mark.parametrize("url", ["memory://", "nothing"])
def test_no_stored_jobs(qml, url):
    assert qml("bench", url).code == 2


def test_no_store_given(qml):
    called = qml("bench")
    assert called.code == 2
    assert "which store?" in called.err


def test_a_store_that_does_not_answer_and_its_password(qml):
    called = qml("bench", "redis://:hunter2@127.0.0.1:1/0", "--seconds", "1")
    assert called.code == 3
    assert "hunter2" not in called.err


def test_what_limits_it():
    slow = Figures(8, 4.0, 0.1, 200.0, 9e3, 9e3, 1e4, 1.0, 2.0, 100)
    flush, share, job = limits(slow)
    assert "is bound to 250 a second; of enqueue, one by one, it is 80 %" in flush
    assert "share the wait" in share
    assert "100 us on a job" in job
    fast = Figures(8, None, 0.1, 5_000.0, 9e3, 9e3, 1e4, 1.0, 2.0, 100)
    assert len(list(limits(fast))) == 3
