"""A folder with a small Flask app, and the processes that serve it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections import Counter
from pathlib import Path

from tests.cli.calls import until
from tests.house.rules import REPO

APP = """
import os, pathlib, time
from flask import Flask, current_app
from qml import current_job
from qml.flask import QmlFlask

HERE = pathlib.Path(__file__).parent
jobs = QmlFlask()


def note(*words):
    with (HERE / "diary").open("a") as diary:
        diary.write(" ".join(map(str, words)) + "\\n")


@jobs.task
def work(number=0):
    note("ran", number, os.getpid(), current_app.name)
    return number


@jobs.every(float(os.environ.get("TICK", 3600)), catch_up="all")
@jobs.task
def tick():
    note("tick", current_job().slot.timestamp(), os.getpid())


@jobs.task(process=True)
def apart():
    note("apart", os.getpid(), current_app.name)


@jobs.task
def slow():
    note("slow", os.getpid())
    time.sleep(60)


def create_app(name="shop"):
    app = Flask(name, instance_path=str(HERE / "instance"), root_path=str(HERE))
    app.config.from_prefixed_env()
    jobs.init_app(app)
    note("made", os.getpid())

    @app.get("/")
    def index():
        return str(os.getpid())

    @app.post("/<int:number>")
    def enqueue(number):
        return work.enqueue(number).id

    return app
"""


class Site:
    """The app in a folder, a diary of what its jobs did, and its processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = []
        self.file = folder / "shop.py"
        self.file.write_text(APP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def environment(self, **variables):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FLASK_", "QML_"))}
        return {**kept, "PYTHONPATH": str(REPO), "PYTHONUNBUFFERED": "1", **variables}

    def call(self, *words, timeout=60, **variables):
        """Run a module's command until it ends."""
        return subprocess.run(
            [sys.executable, "-m", *map(str, words)],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def start(self, *words, script=False, **variables):
        """A process that goes on; what it says is in ``said``."""
        with (self.folder / f"{len(self.processes)}.out").open("w") as out:
            process = subprocess.Popen(
                [sys.executable, *(() if script else ("-m",)), *map(str, words)],
                cwd=self.folder,
                env=self.environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def said(self, number=-1):
        names = range(len(self.processes))
        return (self.folder / f"{names[number]}.out").read_text()

    def ask(self, path="/", method="GET"):
        """What the web server answers, once it does."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)

        def answer():
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10) as reply:
                return reply.read().decode()
            assert self.processes[-1].poll() is None, self.said()
            return None

        return until(answer)

    def diary(self, word):
        """The lines that begin so, as lists of words."""
        file = self.folder / "diary"
        lines = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if line[0] == word]

    def ticks(self, number):
        """Wait for so many ticks; how often each slot's job ran, and in which processes."""
        found = until(lambda: self.look(number))
        slots = Counter(line[1] for line in found)
        return slots, {int(line[2]) for line in found}

    def look(self, number):
        assert self.processes[-1].poll() is None, self.said()
        found = self.diary("tick")
        return found if len(found) >= number else None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


EMBEDDED = {"FLASK_QML_EMBEDDED": "true", "TICK": "0.3"}


def assert_one_each(slots):
    assert set(slots.values()) == {1}, slots


def made_by(site):
    return {int(line[1]) for line in site.diary("made")}


def run_command(site, *words, **variables):
    words = ("flask", "--app", "shop:create_app()", "run", "--port", site.port, *words)
    return site.start(*words, **EMBEDDED, **variables)


def gunicorn(site, *words, workers=4, **variables):
    address = f"127.0.0.1:{site.port}"
    target = "shop:create_app()"
    words = ("gunicorn", "-w", workers, "-b", address, *words, target)
    return site.start(*words, **{**EMBEDDED, **variables})
