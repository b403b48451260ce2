"""What the command line's tests share: calls in this process, and processes of their own."""

import os
import subprocess
import sys

import pytest

from qml import connect
from qml.cli import main
from tests.cli.calls import Called
from tests.house.rules import REPO

APP = """
import time, pathlib, sys
from qml import Qml

jobs = Qml("sqlite:///jobs.db")

@jobs.task
def add(a, b):
    return a + b

@jobs.task(max_retries=0)
def fail(text):
    raise ValueError(text)

@jobs.task(queue="other")
def elsewhere():
    return "elsewhere"

@jobs.task
def sleep(seconds):
    pathlib.Path("started").touch()
    time.sleep(seconds)
    return "slept"

jobs.every(3600, name="hourly")(elsewhere)
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch):
    for name in list(os.environ):
        ours = name.startswith("QML_") and not name.startswith("QML_TEST_")
        if ours or name == "COLUMNS":
            monkeypatch.delenv(name)


@pytest.fixture
def qml(capsys):
    """``qml("stats", "--json")``, in this process."""

    def call(*argv):
        capsys.readouterr()
        code = main([str(argument) for argument in argv])
        return Called(code, *capsys.readouterr())

    return call


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def app(folder):
    """A folder with ``myapp.py``; its storage, which the app in other processes shares."""
    (folder / "myapp.py").write_text(APP)
    with connect("sqlite:///jobs.db") as storage:
        yield storage


@pytest.fixture
def start(folder):
    """``start("run", "myapp")``: the command in a process of its own, killed at the end."""
    started = []

    def begin(*argv, env=None, **options):
        environment = {**os.environ, "PYTHONPATH": str(REPO), **(env or {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "qml", *map(str, argv)],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
