"""Jobs in the processes of web servers: flask's reloader, gunicorn's workers, others."""

import contextlib
import os
import signal

import pytest

from qml import ConfigurationError, Job, connect
from qml.flask import embedded as embedded_module
from qml.storage import servers
from tests.cli.calls import until
from tests.flask.sites import EMBEDDED, Site, assert_one_each, gunicorn, run_command

posix = pytest.mark.skipif(os.name != "posix", reason="gunicorn forks")


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as site:
        yield site


# -- flask run -------------------------------------------------------------------------------------


def test_after_a_reload_the_new_process_goes_on(site):
    run_command(site, "--debug")
    _, before = site.ticks(3)
    site.file.write_text(site.file.read_text() + "\n# changed\n")
    os.utime(site.file, (2e9, 2e9))  # whatever the clock's steps are
    until(lambda: {int(line[2]) for line in site.diary("tick")} - before)
    slots, pids = site.ticks(len(site.diary("tick")) + 3)
    assert_one_each(slots)
    assert len(pids) == 2


@pytest.mark.parametrize("debug", [True, False])
def test_a_script_that_calls_app_run(site, debug):
    (site.folder / "script.py").write_text(
        f"import shop\nshop.create_app().run(port={site.port}, debug={debug})\n"
    )
    parent = site.start("script.py", script=True, **EMBEDDED)
    slots, pids = site.ticks(4)
    assert_one_each(slots)
    assert len(pids) == 1
    assert (parent.pid in pids) is not debug


@pytest.mark.parametrize("words", [("routes",), ("qml", "stats"), ("shell",)])
def test_other_commands_run_no_jobs(site, words):
    site.call("flask", "--app", "shop:create_app()", "qml", "run", "--burst")
    before = site.diary("tick")
    done = site.call("flask", "--app", "shop:create_app()", *words, **EMBEDDED)
    assert done.returncode == 0, done.stderr
    assert site.diary("tick") == before


def test_jobs_of_a_request_run_there_too(site):
    process = run_command(site)
    site.ask("/7", "POST")
    until(lambda: site.diary("ran"))
    assert [line[1:3] for line in site.diary("ran")] == [["7", str(process.pid)]]


# -- gunicorn --------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("words", [(), ("--preload",)])
def test_each_worker_has_a_server_and_the_master_none(site, words):
    master = gunicorn(site, *words)
    site.ticks(1)
    with contextlib.closing(connect(f"sqlite:///{site.folder}/instance/jobs.db")) as storage:
        listed = until(lambda: found if len(found := servers.alive(storage)) == 4 else None)
        assert master.pid not in {server["pid"] for server in listed}


@posix
@pytest.mark.parametrize("words", [(), ("--preload",)])
def test_gunicorns_graceful_end_hands_back_what_runs(site, words):
    master = gunicorn(site, *words, workers=1, FLASK_QML_EMBEDDED='{"grace_seconds": 0.1}')
    site.ticks(1)
    with contextlib.closing(connect(f"sqlite:///{site.folder}/instance/jobs.db")) as storage:
        job = storage.enqueue(Job("shop.slow"))
        until(lambda: site.diary("slow"))
        master.send_signal(signal.SIGTERM)
        assert master.wait(30) == 0
        stored = storage.get(job.id)
        assert (stored.state.kind, stored.attempt) == ("enqueued", 0)
        assert servers.alive(storage) == []


# -- other hosts -----------------------------------------------------------------------------------

OTHER = """
import shop, sys
from wsgiref.simple_server import make_server
app = shop.create_app()
make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""


def test_a_server_qml_does_not_know_begins_with_the_first_request(site):
    (site.folder / "other.py").write_text(OTHER)
    process = site.start("other.py", site.port, script=True, **EMBEDDED)
    site.ask()
    slots, pids = site.ticks(3)
    assert_one_each(slots)
    assert pids == {process.pid}


# -- in tests --------------------------------------------------------------------------------------


def test_a_test_client_begins_no_server(make_app, jobs):
    app = make_app(jobs, TESTING=False, QML_EMBEDDED=True)
    app.get("/")(lambda: "")
    app.test_client().get("/")
    with app.app_context():
        embedded = jobs.home().embedded
        assert (embedded.server, embedded.begun) == (None, False)
        assert servers.alive(jobs.storage) == []


def test_it_can_be_told_to_begin(make_app, jobs):
    ran = jobs.task(name="t")(os.getpid)
    app = make_app(jobs)
    with app.app_context():
        server = jobs.embed()
        assert jobs.embed() is server
        assert jobs.result(ran.enqueue(), timeout=20) == os.getpid()
        server.stop()


@pytest.mark.parametrize("wrong", ["yes", 3, {"thread": 2}, {1: 2}])
def test_wrong_settings_are_said_when_the_app_is_made(make_app, jobs, wrong):
    with pytest.raises(ConfigurationError, match="QML_EMBEDDED"):
        make_app(jobs, QML_EMBEDDED=wrong)


@posix
def test_a_task_in_a_process_of_a_worker_has_the_app_there(site):
    """A factory's name is known to nobody but the configuration."""
    gunicorn(site, workers=1, FLASK_QML_APP="shop:create_app()", TICK="3600")
    site.ask()
    path = site.folder / "instance" / "jobs.db"
    with contextlib.closing(connect(f"sqlite:///{path}")) as storage:
        storage.enqueue(Job("shop.apart"))
    until(lambda: site.diary("apart"), timeout=60)
    assert [line[2] for line in site.diary("apart")] == ["shop"]


def test_a_store_that_does_not_answer_yet_is_asked_again(make_app, jobs, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_module, "AGAIN", 0.05)
    folder = tmp_path / "later"
    app = make_app(jobs, QML_URL=f"sqlite:///{(folder / 'jobs.db').as_posix()}")
    embedded = app.extensions["qml"].embedded
    embedded._begin()
    assert embedded.server is None
    folder.mkdir()
    until(lambda: embedded.server)
    embedded.server.stop()
