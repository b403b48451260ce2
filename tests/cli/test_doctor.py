"""``qml doctor``: what is printed, its exit code; it changes nothing and tells no password."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from qml import Job, MigrationError, StorageError, StorageUnavailable, connect
from qml.cli import codes, doctor
from qml.drivers.sqlite import library, place
from qml.seam.findings import Finding, Severity
from qml.storage import health, servers
from tests.cli.calls import content_of
from tests.servers import PostgresServer, ValkeyServer, postgres_url, redis_url
from tests.servers.clients import ask, connection, redis_client

URL = "sqlite:///jobs.db"
OK, NOTE, WARNING, ERROR = Severity

SECRET = "s3cr3t-Pa%40ss"
SERVERS = (
    f"postgresql://me:{SECRET}@127.0.0.1:1/jobs",
    f"postgresql://me@127.0.0.1:1/jobs?password={SECRET}",
    f"redis://me:{SECRET}@127.0.0.1:1/0",
)


@pytest.fixture(autouse=True)
def _good_machine(monkeypatch):
    """A mended SQLite, a local disk with room: what the tests run on may have neither."""
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(library, "has_wal_reset_bug", lambda version: False)
    monkeypatch.setattr(place, "_mount", lambda folder: place.Mount("ext4", "/"))
    monkeypatch.setattr(place.shutil, "disk_usage", lambda folder: Usage(10**12, 0, 10**12))


@pytest.fixture
def store(folder):
    """A store with a live server and a job."""
    with connect(URL) as storage:
        storage.enqueue(Job("m"))
        servers.beat(storage, "host-1", {"threads": 4, "queues": None, "running": 0})
        yield storage


@pytest.fixture
def find(monkeypatch):
    """``find(Finding(...))``: what the examination finds, whatever the store."""
    return lambda *found: monkeypatch.setattr(
        health, "examine", lambda storage, **options: health.worst_first([*found])
    )


def lines(called):
    return called.out.splitlines()


# -- what is printed -------------------------------------------------------------------------------


def test_a_good_store(qml, store, folder):
    called = qml("doctor", URL)
    assert (called.code, called.err) == (0, "")
    first, *rest, last = lines(called)
    assert first == f"SQLite file {folder / 'jobs.db'}"
    assert last == "Verdict: ok"
    assert all(line.startswith("ok ") for line in rest if line)
    assert "ok       servers       1 server alive, with 4 threads" in rest
    assert "ok       journal       write-ahead log" in rest


def test_the_worst_comes_first_and_the_verdict_last(qml, store, find):
    find(
        Finding(OK, "one", "fine"),
        Finding(NOTE, "two", "so"),
        Finding(WARNING, "three", "weak", "strengthen it"),
        Finding(ERROR, "four", "broken", "mend it"),
        Finding(NOTE, "five", "so, too"),
    )
    called = qml("doctor", URL)
    assert lines(called)[2:] == [
        "ERROR    four   broken",
        "                -> mend it",
        "WARNING  three  weak",
        "                -> strengthen it",
        "note     two    so",
        "note     five   so, too",
        "ok       one    fine",
        "",
        "Verdict: error (1 error, 1 warning, 2 notes)",
    ]


@pytest.mark.parametrize(
    ("severity", "code", "verdict"),
    [
        (OK, 0, "ok"),
        (NOTE, 0, "note"),
        (WARNING, 5, "warning"),
        (ERROR, 6, "error"),
    ],
)
def test_the_code_tells_the_worst(qml, store, find, severity, code, verdict):
    find(Finding(OK, "fine", "x"), Finding(severity, "topic", "x"), Finding(OK, "fine", "x"))
    assert qml("doctor", URL).code == code
    called = qml("doctor", URL, "--json")
    assert called.code == code
    assert json.loads(called.out)["verdict"] == verdict


def test_the_codes_are_stable():
    assert (codes.WARNED, codes.BROKEN) == (5, 6)


@pytest.mark.parametrize("topic", ["reachability", "schema"])
def test_a_store_that_went_away_has_its_usual_code(qml, store, find, topic):
    find(Finding(ERROR, topic, "x"), Finding(ERROR, "orphans", "x"))
    assert qml("doctor", URL).code == 3
    find(Finding(WARNING, topic, "x"), Finding(ERROR, "orphans", "x"))
    assert qml("doctor", URL).code == 6


def test_the_json(qml, store, find, folder):
    find(Finding(OK, "one", "fine"), Finding(WARNING, "two", "weak", "strengthen it"))
    called = qml("doctor", URL, "--json")
    assert called.err == ""
    assert json.loads(called.out) == {
        "storage": f"SQLite file {folder / 'jobs.db'}",
        "verdict": "warning",
        "findings": [
            {"severity": "warning", "topic": "two", "fact": "weak", "remedy": "strengthen it"},
            {"severity": "ok", "topic": "one", "fact": "fine", "remedy": ""},
        ],
    }


def test_the_variables(qml, store, monkeypatch, find):
    monkeypatch.setenv("QML_URL", URL)
    monkeypatch.setenv("QML_JSON", "1")
    assert json.loads(qml("doctor").out)["verdict"] == "ok"
    monkeypatch.setenv("QML_DEEP", "1")
    topics = {found["topic"] for found in json.loads(qml("doctor").out)["findings"]}
    assert "structure" in topics


@pytest.mark.parametrize("width", [60, 80, 120])
def test_long_facts_are_wrapped(qml, store, find, monkeypatch, width):
    find(Finding(ERROR, "topic", "word " * 50, "cure " * 50))
    monkeypatch.setenv("COLUMNS", str(width))
    out = lines(qml("doctor", URL))
    assert max(map(len, out[2:])) <= width
    begins = [line[16:18] for line in out[2:-2]]
    assert begins.count("->") == 1
    assert "".join(out).count("word") == "".join(out).count("cure") == 50


def test_nothing_stored_steers_the_terminal(qml, store, find):
    find(Finding(ERROR, "queues", "\x1b[2J\x9b\nmore", "\x1b]0;x\x07"))
    for flags in ((), ("--json",)):
        out = qml("doctor", URL, *flags).out
        assert out.replace("\n", "").isprintable()


# -- what it looks at ------------------------------------------------------------------------------


def test_it_tells_what_the_storage_and_the_driver_find(qml, store, monkeypatch):
    monkeypatch.setattr(place, "_mount", lambda folder: place.Mount("nfs4", "/mnt"))
    servers.leave(store, "host-1")
    store.enqueue_many([Job("m", queue="q") for _ in range(3)])
    called = qml("doctor", URL)
    assert called.code == 6
    assert "ERROR    file system   /mnt is a network file system (nfs4)" in called.out
    assert "note     servers       no server is alive" in called.out


def test_only_deep_reads_everything(qml, store):
    assert "structure" not in qml("doctor", URL).out
    out = qml("doctor", URL, "--deep").out
    assert "SQLite finds the file whole" in out
    assert "none in the 1 job looked at" in out


def test_the_connections_of_the_url_are_held_against_the_threads(qml, monkeypatch):
    asked = []
    monkeypatch.setattr(doctor, "connect", lambda config: connect("memory://"))
    monkeypatch.setattr(health, "examine", lambda storage, **given: asked.append(given) or [])
    doctor.examined(doctor.stores.stored("redis://host?max_connections=7"))
    assert asked == [{"deep": False, "connections": 7}]


# -- what cannot be used ---------------------------------------------------------------------------


def unusable(qml, url):
    """The worst, which the table and the JSON tell alike."""
    called = qml("doctor", url)
    assert (called.code, called.err) == (3, "")
    assert lines(called)[-1].startswith("Verdict: error (")
    asked = qml("doctor", url, "--json")
    assert (asked.code, asked.err) == (3, "")
    told = json.loads(asked.out)
    assert told["verdict"] == "error"
    worst, *others = told["findings"]
    assert all(found["severity"] != "ok" for found in others)
    return worst


def test_a_file_that_is_not_there_is_not_made(qml, folder):
    worst = unusable(qml, URL)
    assert worst["topic"] == "reachability"
    assert worst["fact"].startswith(f"there is no SQLite file {folder / 'jobs.db'}")
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_not_there(qml, folder):
    assert "there is no SQLite file" in unusable(qml, "sqlite:///no/jobs.db")["fact"]


def test_somebody_elses_database_is_left_alone(qml, folder):
    file = folder / "jobs.db"
    code = "import sqlite3; sqlite3.connect('jobs.db').execute('CREATE TABLE theirs (x)')"
    subprocess.run([sys.executable, "-c", code], check=True)
    before = file.read_bytes()
    assert "holds no jobs of qml" in unusable(qml, URL)["fact"]
    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["jobs.db"]


def test_a_file_that_is_no_database(qml, folder):
    (folder / "jobs.db").write_text("not a database at all, but long enough to be looked at" * 20)
    assert "damaged or no SQLite file" in unusable(qml, URL)["fact"]


def test_a_newer_schema(qml, store, folder):
    store.close()
    change = "UPDATE qml_meta SET value = '99' WHERE name = 'schema'"
    code = f'import sqlite3\nwith sqlite3.connect("jobs.db") as c: c.execute("""{change}""")'
    subprocess.run([sys.executable, "-c", code], check=True)
    worst = unusable(qml, URL)
    assert worst["topic"] == "schema"
    assert "has schema version 99, made by a newer qml" in worst["fact"]
    assert "upgrade it" in worst["fact"]


def test_the_place_may_be_why(qml, folder, monkeypatch):
    monkeypatch.setattr(place, "_mount", lambda folder: place.Mount("cifs", "/mnt"))
    (folder / "jobs.db").write_text("zeros, since another machine wrote it as well" * 20)
    found = json.loads(qml("doctor", URL, "--json").out)["findings"]
    assert [finding["topic"] for finding in found] == ["reachability", "file system"]


def test_a_folder_that_this_user_may_not_pass(qml, monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name) / "private"
        folder.mkdir()
        folder.chmod(0o000)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65_534)
        try:
            worst = unusable(qml, f"sqlite:///{folder}/jobs.db")
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)
    assert "this user may not pass the folders" in worst["fact"]


@pytest.mark.parametrize("error", [StorageUnavailable, StorageError, MigrationError])
@pytest.mark.parametrize("url", SERVERS)
def test_no_password_is_told_even_if_a_driver_did(qml, folder, monkeypatch, url, error):
    def refuse(config):
        raise error(f"no login with {SECRET} or s3cr3t-Pa@ss at 127.0.0.1") from ValueError(url)

    monkeypatch.setattr(doctor, "connect", refuse)
    for flags in ((), ("--json",), ("--deep",)):
        called = qml("doctor", url, *flags)
        assert called.code == 3
        assert "s3cr3t" not in called.out + called.err
        assert "no login with *** or ***" in called.out
        assert "see whether it runs there" not in called.out
        assert "me" in called.out.splitlines()[0] or flags == ("--json",)


@pytest.mark.parametrize("url", SERVERS)
def test_no_password_is_told_when_the_arguments_are_wrong(qml, url):
    for argv in (
        ("doctor", URL, url),
        ("doctor", url, "--no-such-flag"),
        ("stats", url),
        ("jobs", url),
        ("doctor", url.replace("://", "+nonsense://")),
    ):
        called = qml(*argv)
        assert called.code == 2
        assert "s3cr3t" not in called.out + called.err


def test_memory_cannot_be_seen_from_here(qml, folder):
    called = qml("doctor", "memory://")
    assert called.code == 2
    assert "inside one process" in called.err


def test_no_url(qml, folder):
    called = qml("doctor")
    assert called.code == 2
    assert "qml doctor sqlite:///jobs.db" in called.err
    assert "QML_URL" in called.err


# -- real servers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("url", SERVERS)
def test_a_server_that_is_not_there(qml, url):
    """Nobody listens at port 1."""
    worst = unusable(qml, url)
    assert worst["topic"] == "reachability"
    assert "refused" in worst["fact"]
    assert "see whether it runs there" in worst["remedy"]
    for flags in ((), ("--json",)):
        assert "s3cr3t" not in "".join(qml("doctor", url, *flags).out)


@pytest.fixture(scope="module", params=[PostgresServer, ValkeyServer])
def guarded(request):
    """A server that asks for a password."""
    with request.param(password="s3cr3t-right") as server:
        yield server


def test_a_wrong_password(qml, guarded):
    url = guarded.url.replace("s3cr3t-right", "s3cr3t-wrong")
    worst = unusable(qml, url)
    assert worst["topic"] == "reachability"
    assert "check user and password in the URL" in worst["fact"]
    assert worst["remedy"] == ""
    called = qml("doctor", url)
    assert "s3cr3t" not in called.out + called.err
    assert ":***@127.0.0.1" in called.out


def test_a_server_and_its_password(qml, guarded):
    with connect(guarded.url) as storage:
        job = storage.enqueue(Job("m"))
        servers.beat(storage, "host-1", {"threads": 32, "queues": None, "running": 0})
    called = qml("doctor", guarded.url, "--deep")
    assert called.code in (0, 5, 6), called.out  # how the server is set is its driver's business
    assert "ok       waiting " in called.out
    assert "share 10 connections" in called.out
    assert "none in the 1 job looked at" in called.out
    assert "s3cr3t" not in called.out + called.err
    with connect(guarded.url) as storage:
        assert storage.get(job.id) == job


def test_a_database_without_a_schema_stays_without(qml):
    url = f"{postgres_url()}?schema_name=never_made"
    worst = unusable(qml, url)
    assert worst["topic"] == "schema"
    assert "never_made" in worst["fact"]
    with connection(postgres_url()) as connected:
        made = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = 'never_made'"
        assert ask(connected, made) == 0


def test_a_database_that_is_not_there(qml):
    worst = unusable(qml, f"{postgres_url().rpartition('/')[0]}/never_made")
    assert worst["fact"].endswith("create it there, or correct the URL")
    assert worst["remedy"] == ""


def test_a_redis_without_jobs_of_qml_stays_without(qml):
    worst = unusable(qml, f"{redis_url()}?key_prefix=never_made")
    assert worst["fact"].endswith("is under another key_prefix")
    assert worst["remedy"] == ""
    with contextlib.closing(redis_client(redis_url())) as client:
        assert client.keys("{never_made}*") == []


# -- looking is harmless ---------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--json",), ("--deep",)])
def test_looking_changes_nothing(qml, store, folder, flags):
    file = folder / "jobs.db"
    before_jobs = store.list()
    store.close()
    before, names = content_of(file), sorted(path.name for path in folder.iterdir())
    assert qml("doctor", URL, *flags).code == 0
    assert content_of(file) == before
    assert sorted(path.name for path in folder.iterdir()) == names
    with connect(URL) as again:
        assert again.list() == before_jobs


def test_the_help_fits_a_terminal(qml, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    called = qml("doctor", "--help")
    assert called.code == 0
    assert max(map(len, called.out.splitlines())) <= 80
    for variable in ("QML_URL", "QML_JSON", "QML_DEEP"):
        assert f"[{variable}]" in called.out
