"""docs/coming-from.rst: what stands in the right column exists."""

import argparse
import inspect
import re

import attrs
import pytest

from qml import Job, Qml, Retention, Retry, RetryPolicy, Schedule, Storage, current_job
from qml.cli.parser import make_parser
from qml.storage.queues import Queues
from qml.storage.schedules import Schedules
from qml.work.context import CurrentJob
from qml.work.options import Options
from tests.house.rules import REPO

PAGE = (REPO / "docs" / "coming-from.rst").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^   \* - (.+(?:\n     (?! *- ).+)*)\n     - (.+(?:\n       .+)*)$", PAGE, re.MULTILINE
)
OURS = sorted({text for _, right in ROWS for text in re.findall(r"``(.+?)``", right)})

PARTS = {"storage": Storage, "queues": Queues, "schedules": Schedules}


def parameters(*functions):
    return {name for function in functions for name in inspect.signature(function).parameters}


KEYWORDS = (
    {field.name for kind in (Options, RetryPolicy, Retention, Job) for field in attrs.fields(kind)}
    | {field.name for field in attrs.fields(Schedule)}
    | parameters(Qml.cron, Qml.every, Qml.server, Qml.result, Qml.lock, Qml.batch, Retry)
    | {"connection", "a", "b"}  # of using; and arguments of a task
)


def commands(parser):
    """Every command with the flags it takes, the root's empty."""
    yield parser.prog, set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from commands(child)


COMMANDS = dict(commands(make_parser()))


def test_the_tables_are_read():
    assert len(ROWS) > 120
    assert len(OURS) > 120


@pytest.mark.parametrize("text", [t for t in OURS if t.startswith("qml ")])
def test_the_commands_exist(text):
    words = text.split()
    named = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
    command = next(name for name in named if name in COMMANDS)
    assert command != "qml"
    assert {word for word in words if word.startswith("--")} <= COMMANDS[command]


@pytest.mark.parametrize("text", [t for t in OURS if "jobs." in t and not t.startswith("qml ")])
def test_what_is_asked_of_the_app_exists(text):
    for path in re.findall(r"\bjobs\.(\w+(?:\.\w+)?)", text.replace('"sqlite:///jobs.db"', "")):
        name, _, inner = path.partition(".")
        assert hasattr(Qml, name), path
        if inner and name in PARTS:
            assert hasattr(PARTS[name], inner), path


@pytest.mark.parametrize("text", [t for t in OURS if re.search(r"\w=", t)])
def test_the_options_exist(text):
    assert set(re.findall(r"\b(\w+)=", text)) <= KEYWORDS


@pytest.mark.parametrize("text", [t for t in OURS if t.startswith(("current_job()", "."))])
def test_what_is_asked_of_the_run_exists(text):
    assert callable(current_job)
    for name in re.findall(r"(?<!\d)\.(\w+)", text):
        assert hasattr(CurrentJob, name) or hasattr(Schedules, name), text
