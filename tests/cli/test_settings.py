"""A flag decides, else its variable, else the default; a wrong one is named."""

import pytest

from qml import Job, connect
from qml.cli import run
from tests.docs.test_cli import everything

FLAGS = [
    ("--threads", "QML_THREADS", "0", "whole number"),
    ("--threads", "QML_THREADS", "many", "whole number"),
    ("--threads", "QML_THREADS", "9" * 20, "whole number"),
    ("--lease", "QML_LEASE", "0", "more than 0"),
    ("--lease", "QML_LEASE", "nan", "more than 0"),
    ("--grace", "QML_GRACE", "-1", "0 or more"),
    ("--grace", "QML_GRACE", "soon", "0 or more"),
    ("--queues", "QML_QUEUES", "a,,b", "commas"),
    ("--max-jobs", "QML_MAX_JOBS", "0", "whole number, 1 or more"),
    ("--max-memory", "QML_MAX_MEMORY", "1.5", "whole number, 1 or more"),
]


@pytest.fixture
def settings_of(qml, monkeypatch):
    """The settings a call of ``qml run`` comes to."""

    def find(*argv):
        seen = []
        monkeypatch.setattr(run, "run", lambda arguments: seen.append(arguments) or 0)
        called = qml("run", *argv)
        assert called.code == 0, called.err
        return seen[0]

    return find


def test_defaults(settings_of):
    found = settings_of("x")
    assert (found.threads, found.queues, found.burst) == (None, None, False)
    assert (found.lease, found.grace, found.name) == (30.0, 30.0, None)
    assert (found.max_jobs, found.max_memory) == (None, None)


def test_the_variable_over_the_default(settings_of, monkeypatch):
    given = {"THREADS": "3", "QUEUES": "a, b", "BURST": "yes", "LEASE": "2.5", "GRACE": "0"}
    for name, value in {**given, "NAME": "n"}.items():
        monkeypatch.setenv(f"QML_{name}", value)
    found = settings_of("x")
    assert (found.threads, found.queues, found.burst) == (3, ["a", "b"], True)
    assert (found.lease, found.grace, found.name) == (2.5, 0.0, "n")


def test_the_flag_over_the_variable(settings_of, monkeypatch):
    for name, value in {"THREADS": "x", "QUEUES": "q", "BURST": "1", "LEASE": "x"}.items():
        monkeypatch.setenv(f"QML_{name}", value)
    found = settings_of("x", "--threads", "4", "--queues", "a", "--no-burst", "--lease", "7")
    assert (found.threads, found.queues, found.burst, found.lease) == (4, ["a"], False, 7.0)


def test_an_empty_variable_is_none(settings_of, monkeypatch):
    monkeypatch.setenv("QML_THREADS", "")
    assert settings_of("x").threads is None


@pytest.mark.parametrize(("flag", "variable", "value", "remedy"), FLAGS)
def test_a_wrong_flag_is_named(qml, flag, variable, value, remedy):
    called = qml("run", "x", f"{flag}={value}")
    assert called.code == 2
    assert called.err.startswith(f"qml: {flag} is {value!r}; give")
    assert remedy in called.err


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [*(row[1:] for row in FLAGS), ("QML_BURST", "perhaps", "1 or 0")],
)
def test_a_wrong_variable_is_named(qml, monkeypatch, variable, value, remedy):
    monkeypatch.setenv(variable, value)
    called = qml("run", "x")
    assert called.code == 2
    assert called.err.startswith(f"qml: {variable} is {value!r}; give")
    assert remedy in called.err


def test_every_flag_that_sets_something_names_its_variable(qml, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out = qml("run", "--help").out
    for setting in (*run.SETTINGS, run.APP):
        assert f"[{setting.env}]" in out


# -- of every command ------------------------------------------------------------------------------

NAMES_OF_DATA = {
    *("--state", "--queue", "--method", "--batch", "--metadata", "--text"),
    *("--older-than", "--newer-than"),
    *("--cron", "--every", "--args", "--kwargs"),
}
"""What says which jobs, or what a schedule is: the variable of it, forgotten in a shell, would have
``qml jobs delete`` mean other jobs than its line says."""


def test_every_flag_of_every_command_has_a_variable_unless_it_names_data():
    without = {
        flag
        for parser in everything()
        for action in parser._actions
        for flag in action.option_strings[:1]
        if "[QML_" not in (action.help or "")
    }
    assert without == {"-h", "--version", *NAMES_OF_DATA}


def test_a_variable_has_no_jobs_deleted(qml, folder, monkeypatch):
    with connect("sqlite:///jobs.db") as store:
        store.enqueue(Job("a", queue="mail"))
        for name in NAMES_OF_DATA:
            monkeypatch.setenv(f"QML_{name[2:].upper().replace('-', '_')}", "mail")
        assert qml("jobs", "delete", "--url", "sqlite:///jobs.db", "--yes").code == 2
        assert len(store.list()) == 1


def test_the_variables_of_a_new_schedule(qml, folder, monkeypatch):
    given = {"TIMEZONE": "Europe/Berlin", "CATCH_UP": "none", "OVERLAP": "0", "SPREAD": "7"}
    for name, value in given.items():
        monkeypatch.setenv(f"QML_{name}", value)
    with connect("sqlite:///jobs.db") as store:
        url = ("--url", "sqlite:///jobs.db")
        assert qml("schedules", "add", *url, "a", "app.a", "--cron", "0 9 * * *").code == 0
        [added] = store.schedules.list()
    assert "Europe/Berlin" in str(added.rule)
    assert (added.catch_up, added.overlap, added.spread) == ("none", False, 7.0)


def test_a_wrong_choice_in_a_variable_is_named(qml, monkeypatch):
    monkeypatch.setenv("QML_CATCH_UP", "some")
    called = qml("schedules", "add", "a", "app.a", "--every", "5")
    assert called.code == 2
    assert "QML_CATCH_UP is 'some'; give one of one, all, none" in called.err
