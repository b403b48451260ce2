"""The example of the documentation: its tests, its commands, jobs and orders in one file."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.house.rules import REPO

EXAMPLE = REPO / "docs" / "examples" / "flask_shop"


@pytest.fixture
def call(tmp_path):
    """Runs a module's command in a copy of the example, with the SQLite that qml would choose."""
    folder = tmp_path / "flask_shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "instance"))

    def call(*words, **variables):
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPO), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def test_its_tests_pass(call):
    done = call("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout


def test_orders_and_jobs_are_in_one_file(call):
    code = (
        "from shop import create_app; app = create_app(); "
        "print(app.test_client().post('/orders/', data={'item': 'tea', 'email': 'a@b'}).status)"
    )
    done = call("timeit", "-n", "1", "-r", "1", code)
    assert "201 CREATED" in done.stdout, done.stderr
    done = call("flask", "--app", "shop", "qml", "jobs", "list", "--json")
    assert "shop.tasks.confirm" in done.stdout, done.stderr
    assert "shop.db" in call("flask", "--app", "shop", "qml", "doctor").stdout
    done = call("flask", "--app", "shop", "qml", "run", "--burst", "--threads", "1", QML_GRACE="1")
    assert "shop.tasks.report" in done.stderr
