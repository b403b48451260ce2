"""One QmlFlask and its apps: which storage holds, what the configuration says."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url

from qml import ConfigurationError, MemoryStorage, Qml, SqliteConfig, SqliteStorage
from qml.flask import QmlFlask
from qml.testing import drain
from tests.flask.sites import Site
from tests.house.rules import REPO


def task_of(jobs):
    return jobs.task(name="add")(lambda a, b: a + b)


# -- which storage ---------------------------------------------------------------------------------


def test_it_is_a_qml_and_works_with_one_app_outside_of_a_context(jobs, make_app):
    add = task_of(jobs)
    make_app(jobs)
    assert isinstance(jobs, Qml)
    job = add.enqueue(2, 3)
    assert len(drain(jobs)) == 1
    assert jobs.result(job) == 5


def test_each_app_has_a_storage_of_its_own_and_the_current_one_holds(jobs, make_app):
    add = task_of(jobs)
    one, two = make_app(jobs), make_app(jobs)
    with one.app_context():
        job = add.enqueue(1, 1)
    with two.app_context():
        assert jobs.storage.get(job.id) is None
        with one.app_context():
            assert jobs.storage.get(job.id) == job
    assert (Path(one.instance_path) / "jobs.db").exists()


def test_many_factory_calls_with_one_global_jobs(jobs, make_app):
    add = task_of(jobs)
    for number in range(20):
        app = make_app(jobs, QML_URL="memory://")
        with app.app_context():
            job = add.enqueue(number, 1)
            assert drain(jobs).counts == {"succeeded": 1}
            assert jobs.result(job) == number + 1
            assert jobs.storage.get_job_counts()["succeeded"] == 1


def test_outside_of_a_context_several_apps_are_an_error(jobs, make_app):
    add = task_of(jobs)
    make_app(jobs)
    make_app(jobs)
    with pytest.raises(ConfigurationError, match=r"2 apps use .* with app.app_context\(\)"):
        add.enqueue(1, 1)


def test_before_any_app_it_says_what_to_do(jobs):
    with pytest.raises(ConfigurationError, match="init_app"):
        task_of(jobs).enqueue(1, 1)


def test_an_app_that_does_not_use_it_is_named(jobs, make_app):
    make_app(jobs)
    with make_app(name="other").app_context(), pytest.raises(ConfigurationError, match="other"):
        _ = jobs.storage


def test_a_second_one_for_an_app_is_refused(jobs, make_app):
    app = make_app(jobs)
    for again in (jobs, QmlFlask()):
        with pytest.raises(ConfigurationError, match="already"):
            again.init_app(app)


def test_a_lent_storage_holds_for_all_apps(jobs, make_app):
    add = task_of(jobs)
    app = make_app(jobs, QML_URL="redis://nowhere.invalid")
    with MemoryStorage() as storage, jobs.using_storage(storage), app.app_context():
        add.enqueue(1, 1)
        assert drain(jobs).counts == {"succeeded": 1}
        assert storage.get_job_counts()["succeeded"] == 1


def test_closed_it_is_opened_anew(jobs, make_app):
    add = task_of(jobs)
    with make_app(jobs).app_context():
        job = add.enqueue(1, 1)
        jobs.close()
        assert jobs.storage.get(job.id) == job


# -- connecting ------------------------------------------------------------------------------------

LAZY = """
import sys, threading
sys.addaudithook(lambda event, args: seen.append(event))
seen = []
threading.Thread.start = lambda thread: seen.append("thread.start")
from flask import Flask
from qml.flask import QmlFlask
jobs = QmlFlask()
@jobs.task
def nothing(): ...
jobs.cron("* * * * *")(nothing)
app = Flask("shop", instance_path=sys.argv[1])
app.config["QML_URL"] = sys.argv[2]
jobs.init_app(app)
print([event for event in seen if event.startswith(("socket.conn", "sqlite3", "thread", "os.mk"))])
"""


@pytest.mark.parametrize("url", ["sqlite:///jobs.db", "postgresql://nowhere.invalid/x"])
def test_neither_import_nor_init_connects(tmp_path, url):
    command = [sys.executable, "-c", LAZY, tmp_path / "instance", url]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_the_first_request_opens_a_file_and_an_outage_breaks_no_request(jobs, make_app, tmp_path):
    """The view's own transaction would hold the lock that opening needs."""
    here = make_app(jobs)
    here.get("/")(lambda: str((Path(here.instance_path) / "jobs.db").exists()))
    assert here.test_client().get("/").text == "True"
    gone = make_app(jobs, QML_URL=f"sqlite:///{tmp_path}/no/folder/jobs.db")
    gone.get("/")(lambda: "fine")
    assert gone.test_client().get("/").text == "fine"


def test_threads_of_requests_leave_no_connections_behind(jobs, make_app):
    add = task_of(jobs)
    app = make_app(jobs)
    app.get("/")(lambda: add.enqueue(1, 1).id)

    def ask():
        assert app.test_client().get("/").status_code == 200

    def open_files():
        return sum("jobs.db" in str(file.resolve()) for file in Path("/proc/self/fd").iterdir())

    seen = []
    for _ in range(30):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        seen.append(open_files() if sys.platform == "linux" else 0)
    assert seen[-1] <= seen[2] + 3, seen


# -- configuration ---------------------------------------------------------------------------------


def config_of(make_app, jobs, **config):
    app = make_app(jobs, **config)
    with app.app_context():
        return app, jobs.home().config()


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ({}, "jobs.db"),
        ({"QML_URL": "sqlite:///queue.db"}, "queue.db"),
        ({"QML_URL": "sqlite:///a%20b/queue.db?durability=normal"}, "a b/queue.db"),
        ({"QML_URL": "sqlite+pysqlite:///queue.db"}, "queue.db"),
        ({"QML_URL": make_url("sqlite:///queue.db")}, "queue.db"),
    ],
)
def test_a_relative_file_is_one_of_the_instance_folder(make_app, jobs, given, file):
    app, config = config_of(make_app, jobs, **given)
    assert config.path == Path(app.instance_path) / file
    assert config.durability == ("normal" if "normal" in str(given) else "full")


def test_an_absolute_file_stays_where_it_is(make_app, jobs, tmp_path):
    url = f"sqlite:///{(tmp_path / 'x.db').as_posix()}"
    assert config_of(make_app, jobs, QML_URL=url)[1].path == tmp_path / "x.db"


def test_sqlalchemys_url_is_understood_with_its_password(make_app, jobs):
    url = make_url("postgresql+psycopg2://ada:secret@db/shop")
    assert config_of(make_app, jobs, QML_URL=url)[1].database_url == (
        "postgresql://ada:secret@db/shop"
    )


def test_a_url_of_the_code_is_the_default_and_takes_settings(make_app, tmp_path):
    jobs = QmlFlask(url="sqlite:///code.db", durability="normal", max_job_bytes=100)
    app, config = config_of(make_app, jobs)
    assert (config.path.name, config.durability) == ("code.db", "normal")
    assert config_of(make_app, jobs, QML_URL="sqlite:///own.db")[1].path.name == "own.db"
    with app.app_context():
        assert jobs.storage.max_job_bytes == 100


def test_a_configuration_object_is_taken_as_it_is(make_app, jobs, tmp_path):
    given = SqliteConfig(tmp_path / "x.db", durability="normal")
    assert config_of(make_app, jobs, QML_URL=given)[1] == given


def test_what_is_configured_after_init_app_counts(make_app, jobs):
    app = make_app(jobs)
    app.config["QML_URL"] = "sqlite:///later.db"
    with app.app_context():
        assert isinstance(jobs.storage, SqliteStorage)
    assert (Path(app.instance_path) / "later.db").exists()


def test_an_unknown_key_is_an_error_that_names_the_right_one(make_app, jobs):
    with pytest.raises(ConfigurationError, match=r"QML_ULR.*did you mean QML_URL"):
        make_app(jobs, QML_ULR="x")
    with pytest.raises(ConfigurationError, match=r"QML_NONSENSE.*QML_URL, QML_EMBEDDED"):
        make_app(jobs, QML_NONSENSE=1)
    app = make_app(jobs)
    app.config["QML_EMBEDED"] = True
    with app.app_context(), pytest.raises(ConfigurationError, match="QML_EMBEDDED"):
        _ = jobs.storage


@pytest.mark.parametrize("wrong", [{"QML_IMMEDIATE": "False"}, {"QML_APP": 5}])
def test_a_value_of_another_kind_is_an_error(make_app, jobs, wrong):
    [key] = wrong
    with pytest.raises(ConfigurationError, match=f"{key} is {wrong[key]!r}"):
        make_app(jobs, **wrong)


def test_an_app_whose_settings_were_wrong_is_taken_once_they_are_right(jobs):
    app = Flask("shop")
    app.config.update(TESTING=True, QML_URL="memory://", QML_EMBEDDED="yes")
    with pytest.raises(ConfigurationError, match="QML_EMBEDDED"):
        jobs.init_app(app)
    app.config["QML_EMBEDDED"] = True
    jobs.init_app(app)


def test_the_constructor_takes_the_app():
    app = Flask("shop")
    app.config["QML_URL"] = "memory://"
    with QmlFlask(app) as jobs:
        job = task_of(jobs).enqueue(1, 1)
        drain(jobs)
        assert jobs.result(job) == 2


PLUGGED = """
import pytest
from shop import create_app

@pytest.mark.parametrize("number", [1, 2])
def test_it(qml_jobs, qml_storage, qml_clock, number):
    from qml.testing import drain
    with create_app("test").app_context():
        job = qml_jobs.tasks["shop.work"].using(run_after=3600).enqueue(number)
        assert qml_storage.get(job.id) == job
        assert len(drain(qml_jobs)) == 0
        qml_clock.advance(3600)
        drain(qml_jobs)
        assert qml_jobs.result(job) == number
"""


def test_the_fixtures_of_the_plug_in_know_it(tmp_path):
    with Site(tmp_path) as site:
        (tmp_path / "test_it.py").write_text(PLUGGED)
        (tmp_path / "pytest.ini").write_text("[pytest]\nqml_app = shop:jobs\npythonpath = .\n")
        done = site.call("pytest", "-q", "-p", "no:cacheprovider", "test_it.py")
        assert "2 passed" in done.stdout, done.stdout
        assert [line[3] for line in site.diary("ran")] == ["test", "test"]
        assert not (tmp_path / "instance").exists()
