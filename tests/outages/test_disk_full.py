"""SQLite on a full disk, a server running: nothing acknowledged is lost, and all goes on after."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qml import SqliteStorage

REPO = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the program said, as one dictionary; its stderr; its jobs by id."""
    folder = tmp_path_factory.mktemp("disk")
    command = [sys.executable, "-m", "tests.outages.disk", str(folder)]
    done = subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = {}
    for line in done.stdout.splitlines():
        facts |= json.loads(line)
    with SqliteStorage(folder / "jobs.db") as storage:
        facts["jobs"] = {job.id: job for job in storage.list()}
    return {**facts, "log": done.stderr, "file": str(folder / "jobs.db")}


def test_enqueue_says_so(told):
    assert told["file"] in told["error"]
    assert "disk" in told["error"]


def test_nothing_acknowledged_is_lost(told):
    assert told["acknowledged"]
    assert told["seen"] == len(told["acknowledged"])  # and nothing more, while it is full
    assert {*told["acknowledged"], told["more"]} <= {*told["jobs"]}
    assert len(told["jobs"]) == len(told["acknowledged"]) + 2


def test_an_outcome_that_found_no_room_is_recorded_later(told):
    assert told["done"] == ["ends meanwhile"]
    assert told["runs"] == 1
    assert told["alive"]
    assert {job.attempt for job in told["jobs"].values() if job.method == "held"} == {1}


def test_the_log_has_no_traceback(told):
    assert "Traceback" not in told["log"]
    assert told["log"].count("\n") < 10
