"""docs/deploying.rst: its files for systemd, Docker and others say what qml understands."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap

import pytest

from qml import Job, connect
from qml.cli import codes
from qml.cli.parser import make_parser
from qml.work.stopping import PATIENCE
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "deploying.rst").read_text(encoding="utf-8")

APP = """
from qml import Qml
jobs = Qml("sqlite:///jobs.db")

@jobs.task
def add(a, b):
    return a + b
"""


def file(caption):
    """The file on the page that has this caption."""
    [text] = re.findall(rf"   :caption: {re.escape(caption)}\n\n((?:    .*\n|\n)+)", PAGE)
    return textwrap.dedent(text)


def arguments_of(command):
    """What qml makes of a command line, whose first word is qml; it does not carry it out."""
    assert command[0].rpartition("/")[2].removesuffix(".exe") == "qml"
    return make_parser().parse_args(command[1:])


def unit():
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(file("/etc/systemd/system/shop-jobs.service"))
    return parser


def docker():
    """The lines of the Dockerfile, by instruction."""
    lines = [line.split(" ", 1) for line in file("Dockerfile").splitlines() if line]
    return dict(lines)


def patient(seconds, arguments):
    """Whoever kills a server waits for its grace and for a silent store."""
    return seconds > float(arguments.grace) + PATIENCE


def test_the_unit_of_systemd():
    service = unit()["Service"]
    arguments = arguments_of(shlex.split(service["ExecStart"]))
    assert patient(float(service["TimeoutStopSec"]), arguments)
    assert int(service["SuccessExitStatus"]) == codes.LEFT_OVER
    assert int(service["RestartPreventExitStatus"]) == codes.USAGE
    assert service["ExecStart"].startswith(service["WorkingDirectory"])


def test_systemd_understands_the_unit(tmp_path):
    """Where there is a systemd to ask; what it says of this machine's users and files aside."""
    verify = shutil.which("systemd-analyze")
    path = tmp_path / "shop-jobs.service"
    text = file("/etc/systemd/system/shop-jobs.service")
    path.write_text(re.sub(r"(ExecStart=)\S+", rf"\1{shutil.which('true')}", text))
    if verify is not None:
        done = subprocess.run([verify, "verify", path], capture_output=True, text=True, check=False)
        assert "shop-jobs.service" not in done.stderr, done.stderr


def test_the_dockerfile():
    lines = docker()
    arguments = arguments_of(json.loads(lines["CMD"]))
    compose = file("compose.yaml")
    [seconds] = re.findall(r"stop_grace_period: (\d+)s\n", compose)
    assert patient(float(seconds), arguments)
    assert re.findall(r"- shop:(\S+)\n", compose) == [lines["VOLUME"]]
    version = re.match(r"python:3\.(\d+)-slim", lines["FROM"])
    assert int(version[1]) in (11, 12, 13)


def test_the_service_of_windows():
    [command] = re.findall(r"nssm install shop-jobs (.*)", PAGE)
    arguments = arguments_of(command.replace("\\", "/").split())
    [milliseconds] = re.findall(r"AppStopMethodConsole (\d+)\n", PAGE)
    assert patient(float(milliseconds) / 1000, arguments)
    assert {int(code) for code in re.findall(r"AppExit (\d+) Exit", PAGE)} == {
        codes.DONE,
        codes.USAGE,
    }


def test_the_procfile_leaves_time():
    command = dict(re.findall(r"(\w+): (.*)", file("Procfile")))["jobs"]
    assert patient(30, arguments_of(shlex.split(command)))


@pytest.mark.parametrize("where", ["systemd", "docker", "procfile"])
def test_the_command_runs(where, tmp_path):
    """As it stands, but that it ends when nothing is left."""
    command = {
        "systemd": lambda: shlex.split(unit()["Service"]["ExecStart"]),
        "docker": lambda: json.loads(docker()["CMD"]),
        "procfile": lambda: shlex.split(file("Procfile").splitlines()[1].partition(": ")[2]),
    }[where]()
    (tmp_path / "app.py").write_text(APP)
    with connect(f"sqlite:///{tmp_path}/jobs.db") as storage:
        job = storage.enqueue(Job("app.add", [1, 2]))
        done = subprocess.run(
            [sys.executable, "-m", "qml", *command[1:], "--burst"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert storage.get(job.id).state.result == 3


def test_every_command_on_the_page_is_one_of_qml():
    for line in re.findall(r"``(qml [a-z][^`]*)``", PAGE):
        words = re.sub(r"[A-Z]{3,}", "x", line).split()
        if words[1:2] == ["schedules"]:
            words.append("x")
        make_parser().parse_args([*words[1:], *(["x"] if words[1:] == ["run"] else [])])
