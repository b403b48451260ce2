"""``qml stats``: right figures, and nothing changes by looking."""

import json
import sqlite3
from datetime import timedelta

import pytest

from qml import AwaitingRetry, Deleted, Failed, Job, Scheduled, SqliteConfig, Succeeded, connect
from qml.cli import stats
from qml.storage import servers
from tests.cli.calls import content_of

URL = ("--url", "sqlite:///jobs.db")


@pytest.fixture
def store(folder):
    """Jobs in every state, on two queues; two servers, one of them silent."""
    with connect("sqlite:///jobs.db") as storage:
        now = storage.now()
        for outcome in (
            Succeeded(result=1),
            Failed(exception="E: x"),
            Deleted(reason="no"),
            AwaitingRetry(retry_at=now - timedelta(seconds=1), last_exception="E: y"),
        ):
            storage.enqueue(Job("m", queue="a"))
            storage.finish(storage.fetch_and_lock_job("w", ["a"]), outcome)
            if isinstance(outcome, AwaitingRetry):
                break
        storage.enqueue(Job("m", queue="b"))
        storage.fetch_and_lock_job("w", ["b"])
        hour = timedelta(hours=1)
        for moment in (now - hour, now + hour, now + hour):
            storage.enqueue(Job("m", queue="b", state=Scheduled(enqueue_at=moment)))
        storage.enqueue_many([Job("m", queue="a") for _ in range(3)])
        facts = {"threads": 4, "queues": None, "running": 1}
        servers.beat(storage, "alive-1", facts)
        yield storage


def figures(qml):
    called = qml("stats", *URL, "--json")
    assert called.code == 0, called.err
    return json.loads(called.out)


def test_the_figures(qml, store):
    found = figures(qml)
    assert found["counts"] == {
        "enqueued": 3,
        "processing": 1,
        "succeeded": 1,
        "failed": 1,
        "deleted": 1,
        "scheduled": 3,
        "awaiting_retry": 1,
    }
    none = dict.fromkeys(stats.COLUMNS, 0)
    assert found["queues"] == {
        "a": {**none, "enqueued": 3, "due": 1, "awaiting_retry": 1},
        "b": {**none, "due": 1, "scheduled": 3, "processing": 1},
    }
    [server] = found["servers"]
    assert (server["name"], server["threads"]) == ("alive-1", 4)
    assert 0 <= server["silent_seconds"] < 30


def test_the_table(qml, store):
    out = qml("stats", *URL).out
    assert out.startswith("SQLite file ")
    assert "\nsucceeded          1\n" in out
    assert "\na             3    1          0               1           0\n" in out
    assert "\nb             0    1          3               0           1\n" in out
    assert "\nalive-1        4        1  every one  0 s ago\n" in out


def test_a_silent_server_is_said_to_be(qml, store, monkeypatch):
    monkeypatch.setattr(stats, "SILENT", -1.0)
    assert "0 s ago (silent: was it killed?)" in qml("stats", *URL).out


def test_too_many_to_look_at(qml, store, monkeypatch):
    monkeypatch.setattr(stats, "LOOKED_AT", 3)
    assert figures(qml)["queues"]["b"]["due"] is None
    assert "? more than 3 jobs wait" in qml("stats", *URL).out


def test_an_empty_store(qml, folder):
    connect("sqlite:///jobs.db").close()
    out = qml("stats", *URL).out
    assert "Nothing waits and nothing runs." in out
    assert "No server runs." in out


def test_the_url_from_the_environment(qml, store, monkeypatch):
    monkeypatch.setenv("QML_URL", "sqlite:///jobs.db")
    monkeypatch.setenv("QML_JSON", "1")
    assert json.loads(qml("stats").out)["counts"]["enqueued"] == 3


def test_no_url(qml, folder):
    called = qml("stats")
    assert called.code == 2
    assert "QML_URL" in called.err


@pytest.mark.parametrize("command", ["stats", "jobs list", "jobs show x", "jobs retry x"])
def test_a_file_that_does_not_exist_is_not_made(qml, folder, command):
    called = qml(*command.split(), *URL)
    assert called.code == 3
    assert f"there is no SQLite file {folder / 'jobs.db'}" in called.err
    assert list(folder.iterdir()) == []


def test_memory_cannot_be_seen_from_here(qml, folder):
    called = qml("stats", "--url", "memory://")
    assert called.code == 2
    assert "inside one process" in called.err


def test_an_unknown_scheme(qml, folder):
    called = qml("stats", "--url", "mongodb://user:secret@x")
    assert called.code == 2
    assert "sqlite:///" in called.err
    assert "secret" not in called.err


def test_a_file_that_is_no_store(qml, folder):
    (folder / "jobs.db").write_text("not a database at all, but long enough to be looked at" * 20)
    called = qml("stats", *URL)
    assert called.code == 3
    assert "Traceback" not in called.err


@pytest.mark.parametrize("command", ["stats", "jobs list", "jobs show {id}"])
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_looking_changes_nothing(qml, store, folder, command, flags):
    file = folder / "jobs.db"
    [job] = store.list(limit=1)
    before_jobs = store.list()
    store.close()
    before = content_of(file)
    called = qml(*command.format(id=job.id).split(), *URL, *flags)
    assert called.code == 0, called.err
    assert content_of(file) == before
    with connect(SqliteConfig(file)) as again:
        assert again.list() == before_jobs


def test_names_of_queues_and_servers_do_not_steer_the_terminal(qml, folder):
    with connect("sqlite:///jobs.db") as storage:
        storage.enqueue(Job("m", queue="q\x1b[2J\x9b"))
        servers.beat(storage, "s\x1b]0;x\x07", {"queues": ["\x1b[1m"], "threads": "\x1b[2m"})
    for flags in ((), ("--json",)):
        out = qml("stats", *URL, *flags).out
        assert out.replace("\n", "").isprintable()
    assert r"q\x1b[2J\x9b" in qml("stats", *URL).out


def test_somebody_elses_database_is_left_alone(qml, folder):
    file = folder / "jobs.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = file.read_bytes()
    for command in ("stats", "jobs list", "jobs retry x"):
        called = qml(*command.split(), *URL)
        assert called.code == 3
        assert "holds no jobs of qml, and looking makes nothing; they come with" in called.err
    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["jobs.db"]
