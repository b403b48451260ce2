"""What the pages about Flask name exists: commands, keys, parameters."""

import inspect
import re

import attrs
import pytest

from qml.cli.parser import make_parser
from qml.flask import QmlFlask
from qml.flask.config import KEYS
from qml.work.options import Options
from tests.house.rules import REPO

PAGES = [(REPO / "docs" / name).read_text("utf-8") for name in ("flask.rst", "from-flask-rq.rst")]
TEXT = "\n".join(PAGES)
COMMANDS = sorted(
    set(re.findall(r"``(?:flask --app shop|flask) qml (.+?)``", TEXT.replace("\n", " ")))
    | set(re.findall(r"^    \$ flask --app shop qml (.+)$", TEXT, re.MULTILINE))
)


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_exist(words):
    make_parser("flask qml").parse_args(words.split())


def test_many_commands_are_named():
    assert len(COMMANDS) >= 10


def test_every_key_is_told_and_no_other():
    told = set(re.findall(r"``(QML_\w+)``", PAGES[0].partition("Any other key")[0]))
    assert told == set(KEYS)
    assert set(re.findall(r"\bQML_[A-Z]+", TEXT)) <= {*KEYS, "QML_SQLITE"}


def test_the_words_of_tasks_and_schedules_exist():
    known = {field.name for field in attrs.fields(Options)}
    known |= {*inspect.signature(QmlFlask.cron).parameters}
    known |= {"catch_up", "overlap", "timezone", "args", "connection", "b"}  # b: of a task
    right = "\n".join(re.findall(r"^     - (.+)$", PAGES[1], re.MULTILINE))
    assert set(re.findall(r"\b(\w+)=", right)) <= known
