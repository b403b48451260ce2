"""One file for Flask-SQLAlchemy and qml: one copy of SQLite in the process, and one transaction."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.house.rules import REPO

SHARED = """
import sys
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import text
from sqlalchemy.orm import DeclarativeBase
from qml.flask import QmlFlask
from qml.testing import drain

db, jobs = SQLAlchemy(model_class=DeclarativeBase), QmlFlask()

@jobs.task
def note(): ...

app = Flask("shop", instance_path=sys.argv[1])
app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
app.config["QML_URL"] = sys.argv[2]
{more}
db.init_app(app)
jobs.init_app(app)

@app.post("/")
def first():
    db.session.execute(text("CREATE TABLE orders (id INTEGER)"))
    db.session.execute(text("INSERT INTO orders VALUES (1)"))
    job = note.using(connection=db.session).enqueue()
    db.session.commit()
    return job.id

with app.app_context():
    answer = app.test_client().post("/")
    assert answer.status_code == 200, answer.text
    assert jobs.storage.get(answer.text).state.kind == "enqueued"
    note.using(connection=db.session).enqueue()
    db.session.rollback()
    assert len(drain(jobs)) == 1
    from qml.drivers.sqlite.library import library
    print(library.__name__)
"""


def run(folder, url="sqlite:///shop.db", more=""):
    command = [sys.executable, "-W", "error", "-c", SHARED.format(more=more), folder / "instance"]
    return subprocess.run([*command, url], cwd=REPO, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("url", ["sqlite:///shop.db", "sqlite+pysqlite:///shop.db?durability=full"])
def test_the_jobs_are_part_of_the_transaction_from_the_first_request_on(tmp_path, url):
    done = run(tmp_path, url)
    assert (done.stdout, done.returncode) == ("sqlite3\n", 0), done.stderr


@pytest.mark.skipif(find_spec("pysqlite3") is None, reason="there is no wheel of it here")
def test_an_engine_may_use_the_newer_one(tmp_path):
    more = "import pysqlite3\napp.config['SQLALCHEMY_ENGINE_OPTIONS'] = {'module': pysqlite3}"
    done = run(tmp_path, more=more)
    assert (done.stdout, done.returncode) == ("pysqlite3\n", 0), done.stderr


def test_two_copies_for_one_file_are_refused(tmp_path):
    loaded = "import ast, qml.drivers.sqlite.library as loaded\nloaded.library = ast"
    done = run(tmp_path, more=loaded)
    assert "QML_SQLITE=sqlite3" in done.stderr
