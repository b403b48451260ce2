"""docs/howto.rst: a newcomer's mistakes, and the words they are met with."""

import re
from datetime import datetime

import pytest

from qml import ConfigurationError, Qml, SerializationError, WaitTimeout, connect
from qml.cli import main
from qml.testing import ManualClock
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "howto.rst").read_text(encoding="utf-8")
TABLE = PAGE.partition("When nothing happens\n---")[2]
SEEN = {text.replace("\n", " ") for text in re.findall(r"``(.+?)``", TABLE, re.DOTALL)}


@pytest.fixture
def jobs():
    with Qml("memory://", clock=ManualClock()) as jobs:
        yield jobs


@pytest.fixture
def add(jobs):
    @jobs.task
    def add(a, b):
        return a + b

    return add


def shown(text):
    """What the page shows of a message; "..." stands for anything."""
    assert text in SEEN
    return ".*".join(re.escape(part) for part in text.split("..."))


def test_no_server_runs(jobs, add):
    assert "WaitTimeout" in SEEN
    with pytest.raises(WaitTimeout, match=r"is still enqueued .* start a server if none runs"):
        jobs.result(add.enqueue(1, 2), timeout=0.01)


def test_a_naive_datetime(add):
    with pytest.raises(ConfigurationError, match=shown("run_after is ..., a naive datetime")):
        add.using(run_after=datetime(2030, 1, 1)).enqueue(1, 2)


def test_what_json_cannot_keep(add):
    with pytest.raises(SerializationError, match=shown("... which JSON cannot keep")):
        add.enqueue({1, 2}, 3)


def test_a_wrong_module(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "app:jobs"]) == 2
    assert re.search(shown("there is no module app"), capsys.readouterr().err)


def test_a_wrong_path(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(["stats", "--url", "sqlite:///job.db"]) == 3
    assert re.search(shown("there is no SQLite file"), capsys.readouterr().err)


def test_a_server_without_the_task(jobs, add):
    assert "UnknownMethod" in SEEN
    job = add.enqueue(1, 2)
    del jobs.tasks[job.method]
    jobs.server().step()
    assert jobs.storage.get(job.id).failures[0].exception.startswith("UnknownMethod")


def test_doctor_names_the_missing_server(capsys, tmp_path):
    url = f"sqlite:///{tmp_path}/jobs.db"
    connect(url).close()
    main(["doctor", url])
    assert "no server is alive" in capsys.readouterr().out
