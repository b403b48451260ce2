"""``qml run`` in a process of its own: real signals, real exits."""

import logging
import platform
import re
import signal

import pytest

from qml import Job, Qml, StorageUnavailable, __version__
from qml.cli.banner import banner, extras, versions
from qml.cli.logs import Lines
from qml.drivers.sqlite import library
from tests.cli.calls import ended, until
from tests.servers import postgres_url, redis_url


def test_a_burst_runs_everything_and_ends(app, start):
    done = [app.enqueue(Job("myapp.add", [n, n])) for n in range(20)]
    failed = app.enqueue(Job("myapp.fail", ["no"], max_retries=0))
    called = ended(start("run", "myapp:jobs", "--burst", "--threads", 2, "--name", "tester"))
    assert called.code == 0
    assert [app.get(job.id).state.result for job in done] == [2 * n for n in range(20)]
    assert app.get(failed.id).state.exception == "ValueError: no"
    assert called.out == ""


def test_the_banner_says_what_runs(app, start, folder):
    called = ended(start("run", "myapp", "--burst", "--threads", 3, "--queues", "a,b"))
    head, _, log = called.err.partition("\n\n")
    assert head[head.index("qml ") :].splitlines() == [
        f"qml {__version__}",
        "  app      myapp:jobs",
        f"  storage  SQLite file {folder / 'jobs.db'}",
        f"  versions CPython {platform.python_version()}, {library.version()}",
        f"  extras   {', '.join(extras())}",
        "  tasks    myapp.add",
        "           myapp.elsewhere",
        "           myapp.fail",
        "           myapp.sleep",
        "  repeats  hourly, every 3600 s",
        "  queues   a, b",
        "  threads  3, lease 30 s, grace 30 s",
    ]
    for line in log.splitlines():
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} (INFO|WARNING) ", line)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        (postgres_url, ("psycopg2 2.", "PostgreSQL ")),
        (redis_url, ("redis-py ", "Valkey ")),
        (lambda: "memory://", ("CPython 3.",)),
    ],
)
def test_the_versions_of_a_store(url, seen):
    with Qml(url()) as app:
        text = "\n".join(banner("app:jobs", app, app.server()))
    [line] = [line for line in text.splitlines() if line.startswith("  versions ")]
    assert all(word in line for word in seen)
    assert "password" not in text


def test_a_store_that_does_not_tell_its_version_is_not_in_the_way():
    class Silent:
        def versions(self):
            raise StorageUnavailable("gone")

    class Store:
        driver = Silent()

    assert len(versions(Store())) == 1


def test_queues_from_the_environment(app, start):
    here = app.enqueue(Job("myapp.add", [1, 2]))
    there = app.enqueue(Job("myapp.elsewhere", queue="other"))
    env = {"QML_APP": "myapp:jobs", "QML_QUEUES": "other", "QML_BURST": "1"}
    assert ended(start("run", env=env)).code == 0
    assert app.get(there.id).state.kind == "succeeded"
    assert app.get(here.id).state.kind == "enqueued"


def test_no_app_at_all(qml):
    called = qml("run")
    assert called.code == 2
    assert "which app?" in called.err


def test_an_app_that_cannot_be_imported(start, folder):
    (folder / "broken.py").write_text("x = 1\nimport not_installed_here\n")
    called = ended(start("run", "broken"))
    assert called.code == 2
    assert "not_installed_here" in called.err
    assert f"{folder / 'broken.py'}, line 2" in called.err
    assert "Traceback" not in called.err


def test_a_store_that_does_not_answer(start, folder):
    (folder / "lost.py").write_text("from qml import Qml\njobs = Qml('sqlite:///no/such.db')\n")
    called = ended(start("run", "lost", "--burst"))
    assert called.code == 3
    assert "does not exist" in called.err
    assert "Traceback" not in called.err


def running(app, start, folder, job_seconds, *options, **streams):
    """A server in the middle of one job."""
    job = app.enqueue(Job("myapp.sleep", [job_seconds]))
    process = start("run", "myapp:jobs", "--threads", 2, *options, **streams)
    until(lambda: (folder / "started").exists() or process.poll() is not None)
    return process, job


def test_sigterm_lets_running_jobs_end(app, start, folder):
    process, job = running(app, start, folder, 1.0)
    process.send_signal(signal.SIGTERM)
    called = ended(process)
    assert called.code == 0, called.err
    assert app.get(job.id).state.result == "slept"
    assert "stopping: running jobs have 30 s to end" in called.err


def test_after_the_grace_period_jobs_are_handed_back(app, start, folder):
    process, job = running(app, start, folder, 60, "--grace", 0.2)
    process.send_signal(signal.SIGINT)
    called = ended(process, 20)
    assert called.code == 4, called.err
    back = app.get(job.id)
    assert (back.state.kind, back.attempt) == ("enqueued", 0)


def test_a_second_signal_hands_back_at_once(app, start, folder):
    log = folder / "log"
    with log.open("w") as stderr:
        options = ("--grace", 300)
        process, job = running(app, start, folder, 60, *options, stderr=stderr)
    process.send_signal(signal.SIGTERM)
    until(lambda: "stopping" in log.read_text())
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert ended(process, 20).code == 4
    assert app.get(job.id).state.kind == "enqueued"


def test_log_lines_do_not_steer_the_terminal():
    hostile = "a\x1b[2Jb\r\nc\u202ed"
    record = logging.LogRecord("x", logging.INFO, "f", 1, "job %s", (hostile,), None)
    text = Lines().format(record)
    assert text.replace("\n", "").isprintable()
    assert r"job a\x1b[2Jb" in text


def test_a_servers_log_does_not_steer_the_terminal(app, start):
    job = app.enqueue(Job("evil\x1b]0;pwned\x07", max_retries=0))
    app.fetch_and_lock_job("gone\x1b[2J", lease_seconds=0.001)
    process = start("run", "myapp")
    until(lambda: app.get(job.id).state.kind == "failed")
    process.terminate()
    called = ended(process)
    assert f"rescued job {job.id}" in called.err
    assert "\x1b" not in called.err
