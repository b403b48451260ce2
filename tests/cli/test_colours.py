"""Colours: on a terminal, never elsewhere, and NO_COLOR is heard."""

import pytest

from qml import Job, connect
from qml.cli import colours


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def stream():
    class Stream:
        terminal = True

        def isatty(self):
            return self.terminal

    return Stream()


def test_on_a_terminal(stream):
    assert colours.wanted(stream)
    stream.terminal = False
    assert not colours.wanted(stream)


@pytest.mark.parametrize(
    ("variables", "answer"),
    [
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
    ],
)
def test_what_the_environment_says(stream, monkeypatch, variables, answer):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert colours.wanted(stream) is answer


def test_elsewhere_where_it_is_forced(stream, monkeypatch):
    stream.terminal = False
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colours.wanted(stream)


def test_states_and_severities(qml, folder, monkeypatch):
    with connect("sqlite:///jobs.db") as storage:
        job = storage.enqueue(Job("a"))
        storage.fetch_and_lock_job("w")
    url = "sqlite:///jobs.db"
    calls = [("jobs", "list", "--url", url), ("jobs", "show", "--url", url, job.id)]
    calls += [("doctor", url), ("stats", "--url", url)]
    plain = [qml(*call).out for call in calls]
    monkeypatch.setenv("FORCE_COLOR", "1")
    for before, call in zip(plain, calls, strict=True):
        assert "\x1b" not in before
        out = qml(*call).out
        assert "\x1b[36mprocessing" in out or "\x1b[32mok" in out
    assert "\x1b" not in qml("jobs", "list", "--url", url, "--json").out
